import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { RecordBatchBuilder } from '../../../src/storage/records/batch-builder.ts';
import {
  decodeHeaders,
  encodeHeaders,
  type LogRecord,
  NO_HEADERS,
  type RecordHeader,
} from '../../../src/storage/records/record.ts';
import { type RecordBatch, readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { decodeBatch, encodeBatch, type NaiveBatch, type NaiveRecord } from '../../wasm/naive-batch.ts';

const RUNS = Number(process.env.ROBUSTMQ_RECORD_RUNS ?? 300);
const MAX_BATCH_BYTES = 1 << 18;
const kernel = createLogKernel({ maxBatchBytes: MAX_BATCH_BYTES, memoryLimitBytes: 1 << 23 });
const idleBytes = kernel.liveBytes();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const copy = (bytes: Uint8Array | null): Uint8Array | null => bytes && Uint8Array.from(bytes);
const largest = (times: readonly bigint[]): bigint =>
  times.toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0))[0] ?? -1n;
const MAX_TIME = Number.MAX_SAFE_INTEGER;

afterEach(() => {
  expect(kernel.liveBytes()).toBe(idleBytes);
});

/** What a batch says, in the model's terms. */
function asNaive(batch: RecordBatch): NaiveBatch {
  const { header } = batch;
  const records = Array.from({ length: batch.length }, (_, i): NaiveRecord => {
    const { timestampMs, key, value, headers } = batch.record(i);
    return {
      timestamp: BigInt(timestampMs),
      offsetDelta: batch.offset(i) - header.baseOffset,
      key: copy(key),
      value: copy(value),
      headers: decodeHeaders(headers).map((each) => [Uint8Array.from(each.name), copy(each.value)] as const),
    };
  });
  return {
    baseOffset: BigInt(header.baseOffset),
    leaderEpoch: header.leaderEpoch,
    attributes: header.attributes,
    lastOffsetDelta: header.lastOffset - header.baseOffset,
    baseTimestamp: BigInt(header.baseTimestampMs),
    maxTimestamp: BigInt(header.maxTimestampMs),
    producerId: BigInt(header.producerId),
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    recordCount: header.recordCount,
    records,
  };
}

function read(bytes: Uint8Array, at = 0): RecordBatch {
  const { batch, fault } = readRecordBatch(kernel, bytes, at);
  if (batch === undefined) throw new Error(`refused: ${fault}`);
  return batch;
}

const blob = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof({ weight: 9, arbitrary: fc.uint8Array({ maxLength: 20 }) }, fc.uint8Array({ maxLength }));
const nullable = fc.option(blob(9000));
const header: fc.Arbitrary<RecordHeader> = fc.record({ name: blob(300), value: fc.option(blob(300)) });
const record: fc.Arbitrary<LogRecord> = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: -1, max: 2 ** 31 - 1 }), fc.constantFrom(-1, 0, MAX_TIME)),
  key: nullable,
  value: nullable,
  headers: fc.array(header, { maxLength: 4 }).map(encodeHeaders),
});

const naiveRecord = fc.record({
  timestamp: fc.oneof(fc.bigInt({ min: -1n, max: 5000n }), fc.constantFrom(-1n, BigInt(MAX_TIME))),
  gap: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 100_000 })),
  key: nullable,
  value: nullable,
  headers: fc.array(fc.tuple(blob(200), fc.option(blob(200))), { maxLength: 3 }),
});
const naiveBatch: fc.Arbitrary<NaiveBatch> = fc
  .record({
    records: fc.array(naiveRecord, { maxLength: 12 }),
    baseOffset: fc.bigInt({ min: 0n, max: 1n << 52n }),
    leaderEpoch: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
    attributes: fc.integer({ min: 0, max: 15 }).map((bits) => bits << 3),
    times: fc.tuple(fc.bigInt({ min: -1n, max: 5000n }), fc.bigInt({ min: -1n, max: BigInt(MAX_TIME) })),
    producerId: fc.bigInt({ min: -1n, max: BigInt(MAX_TIME) }),
    producerEpoch: fc.integer({ min: -1, max: 32_767 }),
    baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  })
  .map(({ records, times: [baseTimestamp, maxTimestamp], ...rest }) => {
    let offsetDelta = -1;
    const numbered = records.map(({ gap, timestamp, ...each }) => {
      offsetDelta += 1 + gap;
      return { ...each, offsetDelta, timestamp: rest.attributes & 8 ? maxTimestamp : timestamp };
    });
    // With append time the stored deltas do not matter: the model writes those of the one timestamp there is.
    const lastOffsetDelta = Math.max(offsetDelta, 0);
    return { ...rest, baseTimestamp, maxTimestamp, lastOffsetDelta, records: numbered };
  });

describe('a record batch', () => {
  it('is read as the model wrote it, records of compacted logs included', () => {
    fc.assert(
      fc.property(naiveBatch, (model) => {
        const bytes = encodeBatch(model);
        fc.pre(bytes.length <= MAX_BATCH_BYTES);
        const batch = read(bytes);
        expect(asNaive(batch)).toEqual({ ...model, recordCount: model.records.length });
        const latest = largest(model.records.map((each) => each.timestamp));
        expect(batch.header.largestTimestampMs).toBe(Number(latest));
        expect(batch.isDense).toBe(model.lastOffsetDelta + 1 === model.records.length);
      }),
      { numRuns: RUNS },
    );
  });

  it('is built as the model reads it', () => {
    const builder = new RecordBatchBuilder(kernel);
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 0, max: 2 ** 53 - 20 }),
        fc.integer({ min: -1, max: 2 ** 31 - 1 }),
        (records, baseOffset, leaderEpoch) => {
          for (const each of records) expect(builder.append(each)).toBe('appended');
          const expected = builder.byteLength;
          expect(builder.recordCount).toBe(records.length);
          const bytes = builder.finish(baseOffset, leaderEpoch) ?? new Uint8Array(0);
          expect(bytes.length).toBe(expected);
          const times = records.map((each) => BigInt(each.timestampMs));
          const model: NaiveBatch = {
            baseOffset: BigInt(baseOffset),
            leaderEpoch,
            attributes: 0,
            lastOffsetDelta: records.length - 1,
            baseTimestamp: times[0] ?? 0n,
            maxTimestamp: largest(times),
            producerId: -1n,
            producerEpoch: -1,
            baseSequence: -1,
            records: records.map((each, offsetDelta) => ({
              timestamp: BigInt(each.timestampMs),
              offsetDelta,
              key: each.key,
              value: each.value,
              headers: decodeHeaders(each.headers).map(
                ({ name, value }) => [name.slice(), copy(value)] as const,
              ),
            })),
          };
          expect(decodeBatch(bytes)).toEqual({ ...model, recordCount: records.length });
          expect(Buffer.compare(bytes, encodeBatch(model))).toBe(0);
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('has the bytes that were worked out by hand', () => {
    const builder = new RecordBatchBuilder(kernel);
    builder.append({ timestampMs: 1000, key: utf8('a'), value: utf8('hi'), headers: NO_HEADERS });
    builder.append({
      timestampMs: 998,
      key: null,
      value: new Uint8Array(0),
      headers: encodeHeaders([{ name: utf8('h'), value: null }]),
    });
    const hex = Buffer.from(builder.finish(5, 7) ?? []).toString('hex');
    expect(hex.slice(0, 34)).toBe('0000000000000005' + '00000045' + '00000007' + '02');
    expect(hex.slice(42)).toBe(
      ['0000', '00000001', '00000000000003e8', '00000000000003e8', 'f'.repeat(28), '00000002'].join('') +
        // length 9: attributes, time +0, offset +0, key of 1, value of 2, no headers
        '12000000026104686900' +
        // length 9: attributes, time -2, offset +1, no key, empty value, one header with a null value
        '12000302010002026801',
    );
  });

  it('finds batches one behind the other, and more records than its table has rows', () => {
    const builder = new RecordBatchBuilder(kernel);
    const parts: Uint8Array[] = [];
    for (const count of [1, 4095, 4096, 4097, 9000]) {
      for (let i = 0; i < count; i++) {
        builder.append({ timestampMs: i, key: null, value: Uint8Array.of(i & 255), headers: NO_HEADERS });
      }
      parts.push(builder.finish(count, 0) ?? new Uint8Array(0));
    }
    const all = Buffer.concat([...parts, Uint8Array.of(1, 2, 3)]);
    const found: number[] = [];
    let at = 0;
    for (;;) {
      const { batch, fault } = readRecordBatch(kernel, all, at);
      if (batch === undefined) {
        expect(fault).toBe('truncated');
        break;
      }
      const last = batch.length - 1;
      expect(batch.timestampMs(last)).toBe(last);
      expect(batch.value(last)).toEqual(Buffer.of(last & 255));
      expect(batch.offset(last)).toBe(batch.header.lastOffset);
      expect(() => batch.key(batch.length)).toThrow(RangeError);
      found.push(batch.length);
      at += batch.header.byteLength;
    }
    expect(found).toEqual([1, 4095, 4096, 4097, 9000]);
  });

  it('keeps a compressed batch closed and verbatim', () => {
    const model = { ...sampleModel(), recordCount: 1_000_000, lastOffsetDelta: 999_999, records: [] };
    for (const [code, codec] of ['none', 'gzip', 'snappy', 'lz4', 'zstd'].entries()) {
      if (code === 0) continue;
      const bytes = Buffer.concat([encodeBatch({ ...model, attributes: code | 16 }), utf8('next')]);
      const closed = Buffer.from(bytes.subarray(0, 61));
      const batch = read(bytes);
      expect([batch.codec, batch.isCompressed, batch.length, batch.isTransactional]).toEqual([
        codec,
        true,
        0,
        true,
      ]);
      expect(batch.header.recordCount).toBe(1_000_000);
      expect(Buffer.compare(batch.bytes, closed)).toBe(0);
    }
  });

  it('says when it is full, when a record never fits, and when memory is out', () => {
    const builder = new RecordBatchBuilder(kernel);
    const half = new Uint8Array(MAX_BATCH_BYTES / 2);
    const of = (value: Uint8Array): LogRecord => ({ timestampMs: 0, key: null, value, headers: NO_HEADERS });
    expect(builder.append(of(new Uint8Array(MAX_BATCH_BYTES)))).toBe('too-large');
    expect(builder.finish(0, 0)).toBeUndefined();
    expect(builder.append(of(half))).toBe('appended');
    expect(builder.append(of(half))).toBe('full');
    expect(() => builder.append({ ...of(half), timestampMs: 0.5 })).toThrow(RangeError);
    expect(builder.recordCount).toBe(1);
    builder.discard();
    // Batch header, record length, attributes, time, offset, key, value length, header count.
    const room = 61 + 3 + 1 + 1 + 1 + 1 + 3 + 1;
    expect(builder.append(of(new Uint8Array(MAX_BATCH_BYTES - room + 1)))).toBe('too-large');
    expect(builder.append(of(new Uint8Array(MAX_BATCH_BYTES - room)))).toBe('appended');
    expect(builder.byteLength).toBe(MAX_BATCH_BYTES);
    builder.discard();

    const open: RecordBatchBuilder[] = [];
    let outcome: string;
    do {
      const next = new RecordBatchBuilder(kernel);
      outcome = next.append(of(half));
      open.push(next);
    } while (outcome === 'appended' && open.length < 1000);
    expect(outcome).toBe('no-memory');
    const [first, second] = open;
    expect(second?.append(of(new Uint8Array(10)))).toBe('appended');
    const value = decodeBatch(first?.finish(0, 0) ?? new Uint8Array(0))?.records[0]?.value;
    expect(Buffer.compare(value ?? new Uint8Array(0), half)).toBe(0);
    for (const each of open) each.discard();
  });

  it('gets offset, epoch and append time in place', () => {
    fc.assert(
      fc.property(naiveBatch, fc.integer({ min: 0, max: MAX_TIME }), (model, timestampMs) => {
        const bytes = encodeBatch(model);
        kernel.patchOffset(bytes, 77, 3);
        kernel.patchAppendTime(bytes, timestampMs);
        const now = { ...model, baseOffset: 77n, leaderEpoch: 3, maxTimestamp: BigInt(timestampMs) };
        const attributes = model.attributes | 8;
        const records = model.records.map((each) => ({ ...each, timestamp: BigInt(timestampMs) }));
        expect(decodeBatch(bytes)).toEqual({ ...now, attributes, records, recordCount: records.length });
        const last = bytes.length - 1;
        bytes[last] = (bytes[last] ?? 0) ^ 1;
        kernel.patchAppendTime(bytes, 0);
        expect(readRecordBatch(kernel, bytes).fault ?? 'none').toBe(
          bytes.length > MAX_BATCH_BYTES ? 'too-large' : 'crc',
        );
      }),
      { numRuns: RUNS },
    );
  });
});

function sampleModel(): NaiveBatch {
  return {
    baseOffset: 10n,
    leaderEpoch: 1,
    attributes: 0,
    lastOffsetDelta: 0,
    baseTimestamp: 100n,
    maxTimestamp: 100n,
    producerId: -1n,
    producerEpoch: -1,
    baseSequence: -1,
    records: [],
  };
}
