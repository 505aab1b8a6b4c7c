/**
 * Delay: records of topics with `robustmq.delay.enable` that carry the header `robustmq.delay.ms` appear that much later. Here
 * are the request, the records that wait with their bounds, and their appearing. Not here: the table that keeps them, which is the
 * kernel's and MQTT's as well.
 *
 * A batch takes its offsets when it is produced, which is what its producer is told, and sequence numbers go on as if nothing was
 * delayed; the places of delayed records stay empty, as compaction leaves them. Each appears at a new offset when it is due.
 *
 * Guaranteed: what was acknowledged appears once, not before its time, in the order of time, over any crash (twice where its
 * topic is in the object store and the crash came amidst its appearing); what was refused, or was not stored, never does. What comes
 * due while the broker is away appears at its start. Records of a topic that is deleted go with it, and what its writer may not
 * write any more when it is due does not appear.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../../kernel/clock.ts';
import type { Delayed } from '../../../kernel/delayed/delayed.ts';
import { withoutAnyRecord, withRecords } from '../../../kernel/log/compacted-batch.ts';
import type { Partition } from '../../../kernel/log/partitions.ts';
import type { Message } from '../../../kernel/message.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { Principal } from '../../../security/security.ts';
import type { RecordBatch } from '../../../storage/records/record-batch.ts';
import { loadedCodec } from '../compression/compression.ts';
import type { Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import { closeBatch, codecNeeded, openBatch } from '../records/open.ts';
import type { Topic } from '../topics/topics.ts';
import { type Appearing, createAppearing, type DelayContext } from './appearing.ts';
import { type Place, placeOf, waitingRecord } from './place.ts';
import { type DelayedRecord, delaysIn, mayAskForDelay } from './request.ts';

export interface DelayRefusal {
  readonly error: ErrorCode;
  readonly reason: string;
  /** Of the record, by its place in the batch. */
  readonly index?: number;
}

/** A batch of which some records wait. */
export interface SplitBatch {
  readonly error?: undefined;
  /** What is to be appended, at the next offset of the partition and in this turn. */
  readonly rest: Uint8Array;
  /** Those that wait do so from now on. Before the append, in a change of its own that is written before it. */
  wait(): void;
  /** Instead of the append, which has failed. */
  forgo(): void;
}

export interface RecordDelays {
  /** Removes what waits for nothing, and begins. Before anybody produces, once the tables are recovered. */
  open(): Promise<void>;
  /** Undefined where nothing of the valid batch is to wait. The state log takes changes. */
  split(
    topic: Topic,
    partition: Partition,
    bytes: Uint8Array,
    writer: Principal | undefined,
  ): SplitBatch | DelayRefusal | undefined;
  readonly counters: Appearing['counters'];
  /** Ends its timer. */
  stop(): void;
}

/** One change of the state log has to hold what waits of a batch. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
const TICK_MS = 50;
const LOOKED_AT_A_TURN = 512;

export function createDelays(kafka: DelayContext, table: Delayed): RecordDelays {
  const { config, kernel, clock, log, topics } = kafka;
  const maxDelayMs = config.delay.maxDelaySeconds * 1000;
  const appearing = createAppearing(kafka, table);

  async function forget(isGone: (place: Place) => boolean): Promise<void> {
    let looked = 0;
    for (const { id, message } of table.all()) {
      if (++looked % LOOKED_AT_A_TURN === 0) await turn();
      const entry = isGone(placeOf(message)) ? table.cancel(id) : undefined;
      if (entry === undefined) continue;
      log.add(TableId.KafkaDelayed, entry);
      log.commit('os', () => table.ended([id]), true);
    }
  }

  const stops: (() => void)[] = [];

  return {
    counters: appearing.counters,
    async open() {
      // What was written ahead of a batch that a crash has taken: its producer was not told, and sends it again.
      await forget(({ topicId, partition, offset }) => {
        const topic = topics.byId(topicId);
        return topic === undefined || offset >= (topic.partitions[partition]?.endOffset ?? 0);
      });
      const stopWatching = topics.onChange(({ id }, change) => {
        if (change === 'deleted') void forget(({ topicId }) => topicId === id);
      });
      stops.push(stopWatching, clock.every(TICK_MS, appearing.look));
    },
    split(topic, partition, bytes, principal) {
      if (!config.delay.enabled) return undefined;
      const codec = codecNeeded(bytes);
      if (codec === undefined && !mayAskForDelay(bytes)) return undefined;
      const opened = openBatch(kernel, bytes, codec && loadedCodec(codec));
      if (opened.batch === undefined) {
        return { error: ErrorCode.CORRUPT_MESSAGE, reason: 'the compressed records are damaged' };
      }
      const { batch } = opened;
      const asked = delaysIn(batch, maxDelayMs);
      if (asked.fault !== undefined) return { error: ErrorCode.INVALID_RECORD, ...asked.fault };
      const { delayed } = asked;
      const [first] = delayed;
      if (first === undefined) return undefined;
      if (batch.isTransactional) {
        const reason = 'a record of a transaction cannot be delayed';
        return { error: ErrorCode.INVALID_RECORD, reason, index: first.index };
      }
      const writer = kafka.writers.keep(principal);
      if (writer === undefined) {
        const reason = 'its producer has more rules than can be kept with what is delayed';
        return { error: ErrorCode.POLICY_VIOLATION, reason, index: first.index };
      }
      const waiting = messagesOf(kernel, clock, topic, partition, batch, delayed, writer);
      const waitingBytes = waiting.reduce(
        (sum, { message }) => sum + message.payload.length + writer.length,
        0,
      );
      if (waitingBytes > MAX_WAITING_BYTES) {
        return { error: ErrorCode.MESSAGE_TOO_LARGE, reason: 'the batch has too much that is delayed' };
      }
      if (!table.hasRoomFor(waiting.map(({ message }) => message))) {
        return { error: ErrorCode.POLICY_VIOLATION, reason: 'no more records may wait for their time' };
      }
      const isDelayed = new Set(delayed.map(({ index }) => index));
      const kept = batch.length - isDelayed.size;
      const rest =
        kept === 0
          ? withoutAnyRecord(kernel, batch)
          : withRecords(kernel, batch, (index) => !isDelayed.has(index));
      const closer = kept === 0 ? undefined : codec && loadedCodec(codec);
      return {
        rest: codec && closer ? closed(kafka, rest, codec, closer) : rest,
        ...hold(kafka, table, waiting, partition.storage === 'memory', appearing),
      };
    },
    stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

interface Waiting {
  readonly message: Message;
  readonly dueMs: number;
}

function messagesOf(
  kernel: Kafka['kernel'],
  clock: Clock,
  { id: topicId }: Topic,
  { number, nextOffset }: Partition,
  batch: RecordBatch,
  delayed: readonly DelayedRecord[],
  writer: Uint8Array,
): Waiting[] {
  const nowMs = clock.wallMs();
  return delayed.map(({ index, delayMs, record }) => {
    const offset = nextOffset + batch.offset(index) - batch.header.baseOffset;
    const dueMs = Math.ceil(nowMs + delayMs);
    const place = { topicId, partition: number, offset };
    return { dueMs, message: waitingRecord(kernel, place, record, dueMs, writer) };
  });
}

function closed(
  { kernel }: Pick<Kafka, 'kernel'>,
  bytes: Uint8Array,
  name: NonNullable<ReturnType<typeof codecNeeded>>,
  codec: NonNullable<ReturnType<typeof loadedCodec>>,
): Uint8Array {
  const { batch } = openBatch(kernel, bytes, undefined);
  return batch === undefined ? bytes : closeBatch(kernel, batch, name, codec);
}

function hold(
  { log }: Pick<Kafka, 'log'>,
  table: Delayed,
  waiting: readonly Waiting[],
  isVolatile: boolean,
  { counters }: Appearing,
): Pick<SplitBatch, 'wait' | 'forgo'> {
  const ids: number[] = [];
  return {
    wait() {
      for (const { message, dueMs } of waiting) {
        const scheduled = table.schedule(message, dueMs, isVolatile);
        if (scheduled === 'full') continue;
        ids.push(scheduled.id);
        if (!isVolatile) log.add(TableId.KafkaDelayed, scheduled.entry);
      }
      counters.delayed += ids.length;
      if (isVolatile) return;
      log.commit('os', (error) => {
        if (error !== undefined) table.ended(ids);
        else for (const id of ids) table.stored(id);
      });
      // Closes the frame: after a crash there is never the batch without what it has left to wait.
      log.drained().catch(() => {});
    },
    forgo() {
      for (const id of ids) {
        const entry = table.cancel(id);
        if (entry !== undefined && !isVolatile) log.add(TableId.KafkaDelayed, entry);
      }
      log.commit('os', () => table.ended(ids), true);
    },
  };
}
