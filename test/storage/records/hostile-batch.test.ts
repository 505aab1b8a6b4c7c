/** Batches as an enemy sends them: each gets a reason, the same verdict as the model's, and nothing is believed. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import {
  decodeBatch,
  encodeBatch,
  type NaiveBatch,
  type NaiveRecord,
  recordBytes,
  reseal,
  sealBatch,
  varint,
} from '../../wasm/naive-batch.ts';

const RUNS = Number(process.env.ROBUSTMQ_RECORD_RUNS ?? 300) * 10;
const kernel = createLogKernel({ maxBatchBytes: 1 << 16, memoryLimitBytes: 1 << 20 });
const idleBytes = kernel.liveBytes();

afterAll(() => {
  expect(kernel.liveBytes()).toBe(idleBytes);
});

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const record = (offsetDelta: number): NaiveRecord => ({
  timestamp: 1000n + BigInt(offsetDelta),
  offsetDelta,
  key: offsetDelta % 2 === 0 ? utf8('key') : null,
  value: utf8('value'),
  headers: [
    [utf8('a'), utf8('b')],
    [utf8('name'), null],
  ],
});
const batch = (change: Partial<NaiveBatch> = {}): NaiveBatch => ({
  baseOffset: 0n,
  leaderEpoch: 0,
  attributes: 0,
  lastOffsetDelta: 2,
  baseTimestamp: 1000n,
  maxTimestamp: 1002n,
  producerId: -1n,
  producerEpoch: -1,
  baseSequence: -1,
  records: [0, 1, 2].map(record),
  ...change,
});
const fault = (bytes: Uint8Array): string | undefined => readRecordBatch(kernel, bytes).fault;
const withRecords = (...records: number[][]): Uint8Array =>
  sealBatch(batch({ recordCount: records.length }), records.flat());
/** A record with this in place of what follows its attributes. */
const raw = (...body: number[]): number[] => [...varint(body.length + 1), 0, ...body];

describe('a hostile record batch', () => {
  it('is refused at every length short of its own', () => {
    const bytes = encodeBatch(batch());
    for (let length = 0; length < bytes.length; length++) {
      expect(fault(bytes.subarray(0, length))).toBe('truncated');
    }
    expect(fault(bytes)).toBeUndefined();
  });

  it('is refused when any bit is flipped that its checksum covers', () => {
    const bytes = encodeBatch(batch());
    for (let bit = 16 * 8; bit < bytes.length * 8; bit++) {
      const mutant = bytes.slice();
      mutant[bit >> 3] = (mutant[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(fault(mutant)).toBe(bit < 17 * 8 ? 'magic' : 'crc');
    }
  });

  it('is refused for a header that lies, with the reason', () => {
    const refused = (change: Partial<NaiveBatch>): string | undefined => fault(encodeBatch(batch(change)));
    expect(refused({})).toBeUndefined();
    expect(refused({ attributes: 0x80 })).toBe('attributes');
    expect(refused({ attributes: -0x8000 })).toBe('attributes');
    for (const codec of [5, 6, 7]) expect(refused({ attributes: codec })).toBe('attributes');
    expect(refused({ baseOffset: -1n })).toBe('offset-range');
    expect(refused({ baseOffset: (1n << 53n) - 2n })).toBe('offset-range');
    expect(refused({ baseOffset: (1n << 63n) - 1n })).toBe('offset-range');
    expect(refused({ lastOffsetDelta: -1 })).toBe('offset-range');
    expect(refused({ lastOffsetDelta: 1 })).toBe('record-count');
    expect(refused({ lastOffsetDelta: 3 })).toBeUndefined();
    expect(refused({ baseTimestamp: -2n })).toBe('timestamp-range');
    expect(refused({ maxTimestamp: 1n << 53n })).toBe('timestamp-range');
    expect(refused({ producerId: -2n })).toBe('producer');
    expect(refused({ producerId: 1n << 53n })).toBe('producer');
    expect(refused({ producerEpoch: -2 })).toBe('producer');
    expect(refused({ baseSequence: -2 })).toBe('producer');
    expect(refused({ recordCount: -1 })).toBe('record-count');
    expect(refused({ recordCount: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 1 })).toBe('record-count');
    expect(refused({ recordCount: 2 })).toBe('trailing-bytes');
    expect(refused({ recordCount: 0 })).toBe('trailing-bytes');
    expect(refused({ recordCount: 4, lastOffsetDelta: 3 })).toBe('record-length');
    // The records of a compressed batch are not seen; its count allocates nothing.
    expect(
      refused({ attributes: 4, recordCount: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 2 }),
    ).toBeUndefined();
    expect(refused({ attributes: 4, recordCount: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 3 })).toBe(
      'record-count',
    );
  });

  it('is refused for a length field that lies', () => {
    for (const [length, reason] of [
      [48, 'batch-length'],
      [0, 'batch-length'],
      [-1, 'batch-length'],
      [-(2 ** 31), 'batch-length'],
      [2 ** 31 - 1, 'too-large'],
      [1 << 16, 'too-large'],
      [60_000, 'truncated'],
      [49, 'crc'],
    ] as const) {
      const bytes = encodeBatch(batch());
      new DataView(bytes.buffer).setInt32(8, length);
      expect(fault(bytes)).toBe(reason);
    }
  });

  it('is refused for records that lie, with the reason', () => {
    const good = (delta: number): number[] => recordBytes(record(delta), 1000n);
    const minus = varint(-1);
    const huge = varint(2 ** 31 - 1);
    expect(fault(withRecords(good(0), good(1)))).toBeUndefined();
    expect(fault(withRecords([...varint(-1), ...good(0)]))).toBe('record-length');
    expect(fault(withRecords([...varint(0), ...good(0)]))).toBe('record-length');
    expect(fault(withRecords([...huge, ...good(0)]))).toBe('record-length');
    expect(fault(withRecords([128, 128, 128, 128, 16, 0, 0]))).toBe('record-length');
    expect(fault(withRecords([128, 128, 128, 128, 128, 0, 0]))).toBe('record-length');
    expect(fault(withRecords([...varint(6), 1, 0, 0, 1, 1, 0]))).toBe('record-attributes');
    expect(fault(withRecords(good(0), good(0)))).toBe('offset-order');
    expect(fault(withRecords(good(1), good(0)))).toBe('offset-order');
    expect(fault(withRecords(good(3)))).toBe('offset-order');
    expect(fault(withRecords(raw(0, ...minus, ...minus, ...minus, 0)))).toBe('offset-order');
    expect(fault(withRecords(raw(...varint(-1002), 0, 1, 1, 0)))).toBe('timestamp-range');
    expect(fault(withRecords(raw(...varint(-1001), 0, 1, 1, 0)))).toBeUndefined();
    expect(fault(withRecords(raw(...varint((1n << 63n) - 1n), 0, 1, 1, 0)))).toBe('timestamp-range');
    expect(fault(withRecords(raw(...varint(-(1n << 63n)), 0, 1, 1, 0)))).toBe('timestamp-range');
    expect(fault(withRecords(raw(...Array(9).fill(255), 2, 0, 1, 1, 0)))).toBe('record-field');
    expect(fault(withRecords(raw(0, 0, ...varint(-2), 1, 0, 0)))).toBe('record-field');
    expect(fault(withRecords(raw(0, 0, ...huge, 1, 0)))).toBe('record-field');
    expect(fault(withRecords(raw(0, 0, 1, ...varint(-2), 0, 0)))).toBe('record-field');
    expect(fault(withRecords(raw(0, 0, 1, ...huge, 0)))).toBe('record-field');
    expect(fault(withRecords(raw(0, 0, 1, 8, 0, 0, 0)))).toBe('record-field');
    expect(fault(withRecords(raw(0, 0, 1, 1, ...huge)))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, ...varint(-1))))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, 0, 0)))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, 2, ...minus, 1)))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, 2, ...huge)))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, 2, 0, ...varint(-2))))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, 2, 0, ...huge)))).toBe('record-headers');
    expect(fault(withRecords(raw(0, 0, 1, 1, 2, 0, 1)))).toBeUndefined();
  });

  it('gets the verdict of the model after any change of its bytes, its checksum made right', () => {
    const start = encodeBatch(batch());
    const edge = fc.constantFrom(0, 1, 2, 127, 128, 255);
    const edit = fc.record({
      at: fc.integer({ min: 0, max: start.length - 1 }),
      remove: fc.integer({ min: 0, max: 3 }),
      insert: fc.oneof(fc.array(edge, { maxLength: 3 }), fc.array(fc.nat(255), { maxLength: 3 })),
    });
    const tally = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), fc.boolean(), (edits, keepsLength) => {
        const list = [...start];
        for (const { at, remove, insert } of edits) list.splice(at, remove, ...insert);
        const bytes = Uint8Array.from(list);
        if (bytes.length < 61) return;
        if (!keepsLength) new DataView(bytes.buffer).setInt32(8, bytes.length - 12);
        bytes[16] = 2;
        const total = new DataView(bytes.buffer).getInt32(8) + 12;
        if (total >= 61 && total <= bytes.length) reseal(bytes.subarray(0, total));
        const { batch: found } = readRecordBatch(kernel, bytes);
        if (((bytes[22] ?? 0) & 7) !== 0) return;
        const model = decodeBatch(bytes);
        expect(found !== undefined).toBe(model !== undefined);
        if (found === undefined || model === undefined) {
          tally.refused++;
          return;
        }
        tally.accepted++;
        expect(found.length).toBe(model.records.length);
        model.records.forEach((each, i) => {
          const { key, value, timestampMs } = found.record(i);
          expect([key && [...key], value && [...value]]).toEqual([
            each.key && [...each.key],
            each.value && [...each.value],
          ]);
          expect(BigInt(timestampMs)).toBe(each.timestamp);
        });
      }),
      { numRuns: RUNS },
    );
    // The edits are mild enough that both verdicts are tested.
    expect(tally.accepted).toBeGreaterThan(RUNS / 50);
    expect(tally.refused).toBeGreaterThan(RUNS / 50);
  });

  it('never traps on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.boolean(), (noise, hasFrame) => {
        const bytes = noise.slice();
        if (hasFrame && bytes.length >= 61) {
          new DataView(bytes.buffer).setInt32(8, bytes.length - 12);
          bytes[16] = 2;
          bytes.set([0, 0, 0, 0, 0, 127, 0, 0, 0, 0, 0, 0], 21);
          reseal(bytes);
        }
        expect(typeof fault(bytes) === 'string' || decodeBatch(bytes) !== undefined).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });
});
