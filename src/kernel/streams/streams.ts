/**
 * Streams: published messages of some topics, appended to partitions. Here are the configuration brought to life (which
 * partitions there must be, what is captured, what retention does) and messages turned into records. Not here: the
 * partitions themselves, and when a message counts as accepted, which is the commit of whoever publishes.
 *
 * Guaranteed: messages of one key stay in order; partitions are added and never taken away, and a stream that left the
 * configuration keeps its data and captures nothing. How much is kept is the stream's own policy.
 */
import type { StreamConfig } from '../../config/config.ts';
import type { Level } from '../../storage/journal/journal.ts';
import { messageToRecord, recordToMessage } from '../../storage/records/message-record.ts';
import type { LogRecord } from '../../storage/records/record.ts';
import type { LogKernel } from '../../wasm/log.ts';
import type { Clock } from '../clock.ts';
import { type BatchOpener, withoutCodecs } from '../log/batch-opener.ts';
import type { AppendRefusal, Partition, Partitions } from '../log/partitions.ts';
import type { Message } from '../message.ts';
import type { Storage } from '../state/state-log.ts';
import { compileFilter } from './capture.ts';
import { partitionOf } from './keys.ts';

export interface Stream {
  readonly name: string;
  readonly storage: Storage;
  /** What an acknowledgement of a captured message needs; `default` is decided by the topic. */
  readonly durability: Level | 'default';
  readonly key: StreamConfig['key'];
  readonly partitions: readonly Partition[];
}

/** Partitions of somebody else that take what is published to one address. */
export interface Capture {
  readonly name: string;
  readonly storage: Storage;
  readonly durability: Level | 'default';
  readonly partitions: readonly Partition[];
  readonly isCompacted: boolean;
  /** In front of the address, which those who read do not write: keys are without them. */
  readonly prefixBytes?: number;
}

export interface Publisher {
  readonly clientId: string;
  readonly atMs: number;
}

export interface Appended {
  readonly partition: number;
  readonly offset: number;
}

export interface StreamDescription {
  readonly name: string;
  /** False when it is no longer configured. */
  readonly isCapturing: boolean;
  readonly storage: Storage;
  /** In the order of their numbers. */
  readonly partitions: readonly Partition[];
}

export interface StreamRecord {
  readonly offset: number;
  readonly timestampMs: number;
  /** undefined for a record that no MQTT client wrote; `record` has it as it is. */
  readonly message: Message | undefined;
  readonly record: LogRecord;
}

export interface StreamPage {
  readonly records: readonly StreamRecord[];
  /** Where to go on; equal to the end of the partition when all was read. */
  readonly next: number;
}

export interface ReadLimits {
  readonly records: number;
  /** Of keys, values and headers. */
  readonly bytes: number;
}

export interface Streams {
  /** Streams that take messages of the topic, each once; the same until what captures its address changes. */
  capturing(topic: Uint8Array): readonly Stream[];
  /**
   * Captures the messages of one topic, which stay in order, as well, until the returned function is called. Who calls must see
   * to it that decisions made before are made anew.
   */
  captureAddress(topic: Uint8Array, capture: Capture): () => void;
  /** The caller has asked the state log for a refusal, and commits. */
  append(stream: Stream, message: Message, publisher: Publisher): Appended | AppendRefusal;
  /** Of all streams, those that left the configuration among them; each once, in no order. */
  names(): ReadonlySet<string>;
  describe(name: string): StreamDescription | undefined;
  /**
   * Records from an offset on, or from the first that is left: at least one if there is one, then as long as they have
   * `limits`. Undefined when there is no such partition.
   */
  read(name: string, partition: number, offset: number, limits: ReadLimits): Promise<StreamPage | undefined>;
  /** Ends retention. */
  stop(): void;
}

export interface StreamsOptions {
  readonly partitions: Partitions;
  readonly kernel: LogKernel;
  readonly clock: Clock;
  readonly stripeOf: (kind: 'log', key: string) => number;
  /** Below it every consumer group has passed everything that has said how far it is; undefined as long as none has. */
  readonly settledFloor?: (stream: string, partition: number) => number | undefined;
  readonly logger?: { warn(fields: object, message: string): void };
  /** Without it compressed batches are passed over. */
  readonly opener?: Pick<BatchOpener, 'open'>;
}

export const CLEAN_INTERVAL_MS = 10_000;
const READ_BYTES = 256 * 1024;

interface LiveStream extends Stream {
  readonly isCompacted: boolean;
  readonly captures: (topic: Uint8Array) => boolean;
  readonly prefixBytes: number;
  /** For `none`: the next one to take. */
  turn: number;
}

const addressKey = (topic: Uint8Array): string =>
  Buffer.from(topic.buffer, topic.byteOffset, topic.byteLength).toString('latin1');

export async function createStreams(
  configs: readonly StreamConfig[],
  options: StreamsOptions,
): Promise<Streams> {
  const { partitions: logs, kernel, clock, logger, opener = withoutCodecs(kernel) } = options;

  async function ensure(config: StreamConfig): Promise<readonly Partition[]> {
    const { name, storage } = config;
    const known = logs.list(name);
    if (known.length > config.partitions) {
      const fields = { stream: name, partitions: known.length, configured: config.partitions };
      logger?.warn(fields, 'a stream keeps its partitions: they are never taken away');
    }
    const other = known.find((partition) => partition.storage !== storage);
    if (other !== undefined) {
      const fields = { stream: name, storage: other.storage, configured: storage };
      logger?.warn(fields, 'partitions of a stream stay in the storage that they were made in');
    }
    const numbers = new Set(known.map(({ number }) => number));
    const missing = Array.from({ length: config.partitions }, (_, number) => number).filter(
      (number) => !numbers.has(number),
    );
    const made = await Promise.all(
      missing.map((number) =>
        logs.create(name, number, options.stripeOf('log', `${name}/${number}`), storage),
      ),
    );
    for (const partition of made) {
      if (partition === 'no-storage') {
        throw new Error(`stream ${name}: there is no storage "${storage}" here; is it configured?`);
      }
      if (typeof partition === 'string') throw new Error(`stream ${name}: no new partition: ${partition}`);
    }
    return logs.list(name);
  }

  async function open(config: StreamConfig): Promise<LiveStream> {
    const { name, storage, durability, key, cleanup, retention } = config;
    const partitions = await ensure(config);
    const isForever = retention.ageSeconds >= 0xffff_ffff;
    const { settledFloor } = options;
    for (const partition of partitions) {
      logs.setPolicy(partition, {
        ...(retention.settled && { settledFloor: () => settledFloor?.(name, partition.number) ?? 0 }),
        cleanup,
        ageMs: isForever ? Number.POSITIVE_INFINITY : retention.ageSeconds * 1000,
        maxBytes: retention.size,
        maxRecords: retention.count,
      });
    }
    const filters = config.capture.map(compileFilter);
    return {
      name,
      storage,
      durability,
      key,
      partitions,
      isCompacted: cleanup === 'compact',
      captures: (topic) => filters.some((filter) => filter.matches(topic)),
      prefixBytes: 0,
      turn: 0,
    };
  }

  const live: LiveStream[] = [];
  /** By address. */
  const exact = new Map<string, LiveStream>();
  for (const config of configs) live.push(await open(config));

  let isCleaning = false;
  const stop = clock.every(CLEAN_INTERVAL_MS, () => {
    if (isCleaning) return;
    isCleaning = true;
    logs
      .clean()
      .catch((error: unknown) => logger?.warn({ err: error }, 'retention of streams has failed'))
      .finally(() => {
        isCleaning = false;
      });
  });

  function choose(stream: LiveStream, topic: Uint8Array, clientId: string): Partition | undefined {
    const count = stream.partitions.length;
    if (count === 1) return stream.partitions[0];
    if (stream.key === 'none') {
      stream.turn = (stream.turn + 1) % count;
      return stream.partitions[stream.turn];
    }
    const key = stream.key === 'topic' ? topic : Buffer.from(clientId);
    return stream.partitions[partitionOf(key, count)];
  }

  return {
    capturing(topic) {
      const found = live.filter((stream) => stream.captures(topic));
      const own = exact.size === 0 ? undefined : exact.get(addressKey(topic));
      if (own !== undefined) found.push(own);
      return found;
    },
    captureAddress(topic, capture) {
      const key = addressKey(topic);
      const { prefixBytes = 0 } = capture;
      const stream: LiveStream = { ...capture, prefixBytes, key: 'topic', captures: () => true, turn: 0 };
      exact.set(key, stream);
      return () => {
        if (exact.get(key) === stream) exact.delete(key);
      };
    },
    append(stream, message, { clientId, atMs }) {
      const own = stream as LiveStream;
      const topic = own.prefixBytes > 0 ? message.topic.subarray(own.prefixBytes) : message.topic;
      const partition = choose(own, topic, clientId);
      if (partition === undefined) return 'failed';
      const whole = messageToRecord(message, atMs);
      const record = topic === message.topic ? whole : { ...whole, key: topic };
      // What deletes a retained message deletes its key.
      const isTombstone = own.isCompacted && message.payload.length === 0;
      const offset = logs.append(partition, isTombstone ? { ...record, value: null } : record);
      return typeof offset === 'string' ? offset : { partition: partition.number, offset };
    },
    names: () => new Set([...live.map(({ name }) => name), ...logs.names()]),
    describe(name) {
      const partitions = logs.list(name);
      const first = partitions[0];
      if (first === undefined) return undefined;
      const isCapturing = live.some((stream) => stream.name === name);
      return { name, isCapturing, storage: first.storage, partitions };
    },
    async read(name, number, offset, limits) {
      const partition = logs.get(name, number);
      if (partition === undefined) return undefined;
      const records: StreamRecord[] = [];
      let bytesLeft = limits.bytes;
      const isFull = (): boolean =>
        records.length >= limits.records || (records.length > 0 && bytesLeft <= 0);
      let next = Math.min(Math.max(offset, partition.startOffset), partition.endOffset);
      while (next < partition.endOffset && !partition.isDeleted && !isFull()) {
        // Retention may have moved the start while the read before was under way.
        next = Math.max(next, partition.startOffset);
        const read = await logs.read(partition, next, Math.min(READ_BYTES, bytesLeft));
        for (const { bytes } of read.batches) {
          const { batch } = await opener.open(bytes);
          // Marks of transactions are no records.
          if (batch === undefined || batch.isControl) continue;
          for (let i = 0; i < batch.length && !isFull(); i++) {
            if (batch.offset(i) < next) continue;
            const record = batch.record(i);
            const { key, value, headers, timestampMs } = record;
            bytesLeft -= (key?.length ?? 0) + (value?.length ?? 0) + headers.bytes.length;
            const { message } = recordToMessage(record);
            records.push({ offset: batch.offset(i), timestampMs, message, record });
          }
        }
        if (read.next <= next) break;
        next = isFull() ? (records.at(-1)?.offset ?? next) + 1 : read.next;
      }
      return { records, next };
    },
    stop,
  };
}
