/** Makes batches of every kind: compressed, of a producer, in a transaction. Plain ones the kernel builds faster. */
import type { LogRecord } from '../../../storage/records/record.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import { CODECS, type Codec, type CodecName } from '../compression/compression.ts';
import { Attribute, Field, HEADER_BYTES, LENGTH_OVERHEAD } from './header.ts';

export interface BatchProducer {
  readonly id: number;
  readonly epoch: number;
  readonly baseSequence: number;
}

export interface BatchOptions {
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
  readonly producer?: BatchProducer;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  /** Timestamps are the broker's: this one for all records. */
  readonly appendTimeMs?: number;
  readonly compression?: { readonly name: CodecName; readonly codec: Codec };
}

const NO_PRODUCER: BatchProducer = { id: -1, epoch: -1, baseSequence: -1 };

/** Zig-zag, as all numbers in a record are. */
const zigZag = (value: number): number => (value < 0 ? -value * 2 - 1 : value * 2);

function varintBytes(value: number): number {
  let size = 1;
  for (let rest = zigZag(value); rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = zigZag(value);
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[to++] = (rest % 128) | 128;
  bytes[to++] = rest;
  return to;
}

const fieldBytes = (field: Uint8Array | null): number =>
  field === null ? varintBytes(-1) : varintBytes(field.byteLength) + field.byteLength;

function writeField(bytes: Uint8Array, at: number, field: Uint8Array | null): number {
  if (field === null) return writeVarint(bytes, at, -1);
  const to = writeVarint(bytes, at, field.byteLength);
  bytes.set(field, to);
  return to + field.byteLength;
}

const bodyBytes = ({ key, value, headers }: LogRecord, timestampDelta: number, offsetDelta: number): number =>
  1 +
  varintBytes(timestampDelta) +
  varintBytes(offsetDelta) +
  fieldBytes(key) +
  fieldBytes(value) +
  varintBytes(headers.count) +
  headers.bytes.byteLength;

function encodeRecords(records: readonly LogRecord[], baseTimestampMs: number): Uint8Array {
  const bodies = records.map((record, index) =>
    bodyBytes(record, record.timestampMs - baseTimestampMs, index),
  );
  const bytes = new Uint8Array(bodies.reduce((sum, size) => sum + varintBytes(size) + size, 0));
  let at = 0;
  records.forEach((record, index) => {
    at = writeVarint(bytes, at, bodies[index] as number);
    bytes[at++] = 0;
    at = writeVarint(bytes, at, record.timestampMs - baseTimestampMs);
    at = writeVarint(bytes, at, index);
    at = writeField(bytes, at, record.key);
    at = writeField(bytes, at, record.value);
    at = writeVarint(bytes, at, record.headers.count);
    bytes.set(record.headers.bytes, at);
    at += record.headers.bytes.byteLength;
  });
  return bytes;
}

/** At least one record. */
export function buildBatch(
  kernel: LogKernel,
  records: readonly LogRecord[],
  options: BatchOptions = {},
): Uint8Array {
  const first = records[0];
  if (first === undefined) throw new RangeError('a batch without records');
  const { baseOffset = 0, leaderEpoch = -1, producer = NO_PRODUCER, appendTimeMs, compression } = options;
  const open = encodeRecords(records, first.timestampMs);
  const body = compression === undefined ? open : compression.codec.compress(open);
  const batch = new Uint8Array(HEADER_BYTES + body.byteLength);
  batch.set(body, HEADER_BYTES);
  const view = new DataView(batch.buffer);
  view.setBigInt64(Field.baseOffset, BigInt(baseOffset));
  view.setInt32(Field.length, batch.byteLength - LENGTH_OVERHEAD);
  view.setInt32(Field.leaderEpoch, leaderEpoch);
  view.setInt8(Field.magic, 2);
  const codec = compression === undefined ? 0 : CODECS.indexOf(compression.name) + 1;
  const flags =
    (appendTimeMs === undefined ? 0 : Attribute.appendTime) |
    (options.isTransactional === true ? Attribute.transactional : 0) |
    (options.isControl === true ? Attribute.control : 0);
  view.setInt16(Field.attributes, codec | flags);
  view.setInt32(Field.lastOffsetDelta, records.length - 1);
  view.setBigInt64(Field.baseTimestamp, BigInt(first.timestampMs));
  const largest = records.reduce((most, { timestampMs }) => Math.max(most, timestampMs), -1);
  view.setBigInt64(Field.maxTimestamp, BigInt(appendTimeMs ?? largest));
  view.setBigInt64(Field.producerId, BigInt(producer.id));
  view.setInt16(Field.producerEpoch, producer.epoch);
  view.setInt32(Field.baseSequence, producer.baseSequence);
  view.setInt32(Field.recordCount, records.length);
  view.setUint32(Field.crc, kernel.crc32c(batch.subarray(Field.attributes)));
  return batch;
}
