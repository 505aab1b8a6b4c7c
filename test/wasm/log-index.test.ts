import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogKernel } from '../../src/wasm/create-log.ts';
import type { SparseIndex } from '../../src/wasm/log.ts';

const createKernel = (memoryLimitBytes: number) =>
  createLogKernel({ maxBatchBytes: 1 << 16, memoryLimitBytes });
const LIMIT = 1 << 20;

interface Batch {
  readonly offset: number;
  readonly position: number;
  readonly maxTimestampMs: number;
  readonly bytes: number;
}

function create(kernel = createKernel(LIMIT), intervalBytes = 100, maxEntries = 16): SparseIndex {
  const index = kernel.createSparseIndex(intervalBytes, maxEntries);
  if (index === undefined) throw new Error('no memory');
  return index;
}

const step = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      gap: fc.integer({ min: 1, max: 50 }),
      bytes: fc.integer({ min: 1, max: 300 }),
      time: fc.integer({ min: -1, max: 500 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('truncate' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('trim' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
);

describe('a sparse index', () => {
  it('never starts behind what is looked for, and not much before it', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 150 }),
        fc.integer({ min: 2, max: 40 }),
        (steps, maxEntries) => {
          const index = create(undefined, 100, maxEntries);
          let log: Batch[] = [];
          let position = 0;
          let written = 0;
          for (const each of steps) {
            const last = log.at(-1)?.offset ?? -1;
            if (each.kind === 'add') {
              const batch = {
                offset: Math.max(last, written) + each.gap,
                position,
                maxTimestampMs: each.time,
                bytes: each.bytes,
              };
              index.add(batch.offset, batch.position, batch.maxTimestampMs, batch.bytes);
              log.push(batch);
              position += 1000 + each.bytes;
              written = batch.offset;
            } else if (log.length > 0) {
              const cut = log[Math.floor(each.share * (log.length - 1))]?.offset ?? 0;
              if (each.kind === 'truncate') {
                index.truncate(cut);
                log = log.filter(({ offset }) => offset < cut);
                written = cut - 1;
              } else {
                index.trim(cut);
                log = log.filter(({ offset }) => offset >= cut);
              }
            }
            expect(index.count).toBeLessThanOrEqual(maxEntries);
          }
          for (const batch of log) {
            const byOffset = index.findOffset(batch.offset);
            expect(byOffset?.position).toBeLessThanOrEqual(batch.position);
            expect(byOffset?.offset).toBeLessThanOrEqual(batch.offset);
            const first = log.find(({ maxTimestampMs }) => maxTimestampMs >= batch.maxTimestampMs);
            expect(index.findTime(batch.maxTimestampMs)?.position).toBeLessThanOrEqual(first?.position ?? -1);
          }
          // Entries are no further apart than their number says: half of them at least is there once they are full.
          if (steps.every(({ kind }) => kind === 'add') && log.length > 0) {
            const bytes = log.reduce((sum, each) => sum + each.bytes, 0);
            expect(index.count).toBeGreaterThanOrEqual(
              Math.min(Math.floor(maxEntries / 2), Math.floor(bytes / 400)),
            );
            expect(index.findTime(501)).toBeUndefined();
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('has an entry per interval, and finds exactly those', () => {
    const index = create();
    for (let i = 0; i < 10; i++) index.add(i * 10, i * 1000, i * 7, 50);
    expect(index.count).toBe(5);
    expect(index.findOffset(0)).toEqual({ offset: 0, position: 0 });
    expect(index.findOffset(19)).toEqual({ offset: 0, position: 0 });
    expect(index.findOffset(20)).toEqual({ offset: 20, position: 2000 });
    expect(index.findOffset(1e15)).toEqual({ offset: 80, position: 8000 });
    expect(index.findTime(0)).toEqual({ offset: 0, position: 0 });
    expect(index.findTime(7)).toEqual({ offset: 0, position: 0 });
    expect(index.findTime(8)).toEqual({ offset: 20, position: 2000 });
    expect(index.findTime(63)).toEqual({ offset: 80, position: 8000 });
    expect(index.findTime(64)).toBeUndefined();
  });

  it('keeps offsets, positions and times beyond 32 bits exactly', () => {
    const index = create();
    const big = Number.MAX_SAFE_INTEGER;
    index.add(big - 5, big - 100, big - 1, 1000);
    index.add(big - 1, big, big, 1000);
    expect(index.findOffset(big - 2)).toEqual({ offset: big - 5, position: big - 100 });
    expect(index.findOffset(big - 1)).toEqual({ offset: big - 1, position: big });
    expect(index.findTime(big)).toEqual({ offset: big - 1, position: big });
    expect(index.findOffset(big - 6)).toBeUndefined();
  });

  it('refuses offsets that do not rise, and numbers that are none', () => {
    const index = create();
    index.add(5, 0, 0, 10);
    for (const offset of [5, 4, -1, 5.5, Number.NaN])
      expect(() => index.add(offset, 1, 1, 1)).toThrow(RangeError);
    expect(() => index.add(6, -1, 1, 1)).toThrow(RangeError);
    index.truncate(5);
    index.add(5, 7, 0, 10);
    expect(index.findOffset(5)).toEqual({ offset: 5, position: 7 });
    index.release();
    expect(() => index.count).toThrow('released');
  });

  it('gets coarser instead of growing when memory is out', () => {
    const kernel = createKernel(LIMIT);
    const before = kernel.liveBytes();
    const indexes: SparseIndex[] = [];
    for (;;) {
      const index = kernel.createSparseIndex(1, 1 << 20);
      if (index === undefined) break;
      indexes.push(index);
    }
    expect(kernel.liveBytes()).toBeLessThanOrEqual(LIMIT);
    const [index] = indexes;
    for (let i = 0; i < 10_000; i++) index?.add(i, i * 10, i, 10);
    expect(index?.count).toBeLessThanOrEqual(9);
    expect(index?.findOffset(9999)?.offset).toBeGreaterThan(7000);
    for (const each of indexes) each.release();
    expect(kernel.liveBytes()).toBe(before);
  });

  it('refuses a limit that the work rooms alone exceed', () => {
    expect(() => createKernel(100_000)).toThrow('too little');
  });
});
