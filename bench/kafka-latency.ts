/**
 * How long messages take from the moment at which they were to be sent until a consumer has them, at a steady rate that does not wait for
 * the broker: what is late because something before it was late counts as late. One producer that sends what is due, and one consumer.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, Apis } from '../src/protocols/kafka/messages/apis.ts';
import { encodeRequest, responseBodyAt } from '../src/protocols/kafka/messages/frame.ts';
import { buildBatch } from '../src/protocols/kafka/records/build.ts';
import { ZERO_UUID } from '../src/protocols/kafka/schema/fields.ts';
import type { In, Out } from '../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../src/protocols/kafka/schema/writer.ts';
import { NO_HEADERS } from '../src/storage/records/record.ts';
import { readRecordBatch } from '../src/storage/records/record-batch.ts';
import { createLogKernel } from '../src/wasm/create-log.ts';

export interface LatencyLoad {
  readonly port: number;
  readonly topic: string;
  readonly messagesPerSecond: number;
  readonly messageBytes: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface Latencies {
  readonly messages: number;
  /** From the moment at which it was to be sent. */
  readonly millis: Percentiles;
  /** From the moment at which it was sent: what of it is the broker's, and the consumer's. */
  readonly fromSendingMillis: { readonly p50: number; readonly p99: number };
  /** How much later than intended messages left the producer, of which the broker knows nothing. */
  readonly sentLateMillis: { readonly p50: number; readonly p99: number };
}

const STAMP_BYTES = 8;
const TICK_MS = 1;
const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const writer = new WireWriter();

interface Peer {
  send<A extends Api>(api: A, version: number, value: In<A['request']>): void;
  destroy(): void;
}

const READ_BYTES = 256 * 1024;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Answers come in the order of the requests, in memory that is used again: a peer that leaves garbage would measure itself. */
async function openPeer(port: number, onAnswer: (frame: Buffer) => void): Promise<Peer> {
  let held = Buffer.allocUnsafeSlow(2 * READ_BYTES);
  let filled = 0;
  const arrived = (bytes: Uint8Array): void => {
    if (filled + bytes.length > held.length) {
      const larger = Buffer.allocUnsafeSlow(2 * (filled + bytes.length));
      held.copy(larger, 0, 0, filled);
      held = larger;
    }
    held.set(bytes, filled);
    filled += bytes.length;
    let at = 0;
    while (filled - at >= 4) {
      const size = held.readInt32BE(at);
      if (size < 0 || size > MAX_ANSWER_BYTES) throw new Error(`an answer of ${size} bytes`);
      if (filled - at - 4 < size) break;
      at += 4 + size;
      onAnswer(held.subarray(at - size, at));
    }
    held.copyWithin(0, at, filled);
    filled -= at;
  };
  const buffer = new Uint8Array(READ_BYTES);
  const onread = {
    buffer,
    callback(length: number): boolean {
      arrived(buffer.subarray(0, length));
      return true;
    },
  };
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
  await once(socket, 'connect');
  return {
    send(api, version, value) {
      const header = { correlationId: 1, clientId: 'bench' };
      socket.write(Buffer.concat(encodeRequest(writer, api, version, header, value)));
    },
    destroy: () => socket.destroy(),
  };
}

function decode<A extends Api>(api: A, version: number, frame: Buffer): Out<A['response']> {
  const { value, fault } = api.response.decode(version, frame, responseBodyAt(api, version, frame));
  if (fault !== undefined) throw new Error(`${fault.reason} at ${fault.path}`);
  return value as never;
}

const PRODUCE_VERSION = 9;
const FETCH_VERSION = 12;

/** Reads on as soon as it has something. */
async function startConsumer(
  { port, topic }: LatencyLoad,
  onMessage: (intendedMs: number, arrivedMs: number) => void,
): Promise<Peer> {
  let offset = 0;
  const ask = (): void => {
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1024 * 1024 }];
    peer.send(Apis.fetch, FETCH_VERSION, {
      maxWaitMs: 500,
      minBytes: 1,
      topics: [{ topic, topicId: ZERO_UUID, partitions }],
      forgottenTopicsData: [],
    });
  };
  const peer = await openPeer(port, (frame) => {
    const arrivedMs = performance.now();
    const found = decode(Apis.fetch, FETCH_VERSION, frame).responses[0]?.partitions[0];
    if (found !== undefined && found.errorCode !== 0) throw new Error(`Fetch: error ${found.errorCode}`);
    const bytes = found?.records ?? new Uint8Array(0);
    for (let at = 0; at < bytes.length; ) {
      const { batch, fault } = readRecordBatch(kernel, bytes, at);
      if (batch === undefined) throw new Error(`no batch: ${fault}`);
      for (let i = 0; i < batch.length; i++) {
        const value = batch.value(i);
        if (value === null) continue;
        onMessage(new DataView(value.buffer, value.byteOffset).getFloat64(0), arrivedMs);
      }
      offset = batch.header.lastOffset + 1;
      at += batch.header.byteLength;
    }
    ask();
  });
  ask();
  return peer;
}

/** Values are copied when a batch is made: a generator that leaves garbage would measure itself. */
const values: Uint8Array[] = [];

function stampedValue(i: number, bytes: number): Uint8Array {
  const known = values[i];
  if (known?.byteLength === bytes) return known;
  const made = new Uint8Array(bytes);
  values[i] = made;
  return made;
}

/** What is due at a tick goes as one batch, unless it is too much for one. */
const MAX_BATCH = 500;

function dueBatch(firstMs: number, count: number, periodMs: number, bytes: number): Uint8Array {
  const timestampMs = Date.now();
  const records = Array.from({ length: count }, (_, i) => {
    const value = stampedValue(i, bytes);
    new DataView(value.buffer).setFloat64(0, firstMs + i * periodMs);
    return { timestampMs, key: null, value, headers: NO_HEADERS };
  });
  return buildBatch(kernel, records);
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

function quantile(sorted: Float64Array, share: number): number {
  return round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}

export const percentilesOf = (sorted: Float64Array): Percentiles => ({
  p50: quantile(sorted, 0.5),
  p99: quantile(sorted, 0.99),
  p999: quantile(sorted, 0.999),
  max: quantile(sorted, 1),
});

export async function measureLatency(load: LatencyLoad): Promise<Latencies> {
  const { port, topic, messagesPerSecond, messageBytes, warmUpSeconds, seconds } = load;
  const periodMs = 1000 / messagesPerSecond;
  const total = Math.round((warmUpSeconds + seconds) * messagesPerSecond);
  const warmUp = Math.round(warmUpSeconds * messagesPerSecond);
  const latencies = new Float64Array(total);
  const lateness = new Float64Array(total);
  let arrived = 0;
  const consumer = await startConsumer(load, (intendedMs, arrivedMs) => {
    latencies[arrived++] = arrivedMs - intendedMs;
  });
  let failure = '';
  const producer = await openPeer(port, (frame) => {
    const { responses } = decode(Apis.produce, PRODUCE_VERSION, frame);
    const errorCode = responses[0]?.partitionResponses[0]?.errorCode;
    if (errorCode !== 0) failure = `Produce: error ${errorCode}`;
  });
  const startMs = performance.now();
  let sent = 0;
  while (sent < total && failure === '') {
    const nowMs = performance.now();
    const dueNow = Math.min(total, Math.floor((nowMs - startMs) / periodMs) + 1);
    while (sent < dueNow) {
      const due = Math.min(dueNow, sent + MAX_BATCH);
      const firstMs = startMs + sent * periodMs;
      const records = dueBatch(firstMs, due - sent, periodMs, Math.max(STAMP_BYTES, messageBytes));
      for (let i = sent; i < due; i++) lateness[i] = nowMs - (startMs + i * periodMs);
      sent = due;
      producer.send(Apis.produce, PRODUCE_VERSION, {
        acks: 1,
        timeoutMs: 30_000,
        topicData: [{ name: topic, topicId: ZERO_UUID, partitionData: [{ index: 0, records }] }],
      });
    }
    await delay(TICK_MS);
  }
  for (let waits = 0; arrived < total && failure === '' && waits < 1000; waits++) await delay(10);
  producer.destroy();
  consumer.destroy();
  if (failure !== '') throw new Error(failure);
  if (arrived < total) throw new Error(`${total - arrived} messages did not arrive`);
  // One partition: what was sent first arrives first.
  const fromSending = latencies
    .map((millis, i) => millis - (lateness[i] ?? 0))
    .slice(warmUp)
    .sort();
  const measured = latencies.slice(warmUp).sort();
  const late = lateness.slice(warmUp).sort();
  return {
    messages: measured.length,
    millis: percentilesOf(measured),
    fromSendingMillis: { p50: quantile(fromSending, 0.5), p99: quantile(fromSending, 0.99) },
    sentLateMillis: { p50: quantile(late, 0.5), p99: quantile(late, 0.99) },
  };
}
