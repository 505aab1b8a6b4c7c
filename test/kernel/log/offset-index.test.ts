import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hole, OffsetIndex } from '../../../src/kernel/log/offset-index.ts';

const LIMITS = { intervalBytes: 100, maxEvenRows: 1000, maxSpanBytes: 500, intervalMs: 1000 };

interface Batch {
  readonly offset: number;
  readonly end: number;
  readonly position: number;
  readonly bytes: number;
  readonly timeMs: number;
}

const step = fc.record({
  op: fc.constantFrom('append', 'append', 'append', 'move', 'remove', 'trim'),
  size: fc.integer({ min: 1, max: 5 }),
  bytes: fc.integer({ min: 1, max: 80 }),
  at: fc.nat(1000),
  skip: fc.integer({ min: 1, max: 300 }),
});

describe('the index of a partition', () => {
  it('has for each offset a stretch of the journal in which its batch lies, and no more rows than batches', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const index = new OffsetIndex(LIMITS);
        /** Newest copy of each batch, by its first offset; undefined where it was removed. */
        let batches: Batch[] = [];
        let position = 0;
        let start = 0;
        for (const { op, size, bytes, at, skip } of steps) {
          position += skip;
          const picked = batches[at % Math.max(1, batches.length)];
          if (op === 'append') {
            const offset = index.end;
            const batch = { offset, end: offset + size, position, bytes, timeMs: at };
            index.append(offset, batch.end, position, at, bytes);
            batches.push(batch);
          } else if (picked === undefined) {
            continue;
          } else if (op === 'move') {
            index.move(picked.offset, picked.end, position, picked.timeMs, picked.bytes);
            batches = batches.map((each) => (each === picked ? { ...each, position } : each));
          } else if (op === 'remove') {
            index.remove(picked.offset, picked.end, Hole.Removed);
            batches = batches.filter((each) => each !== picked);
          } else {
            start = picked.end;
            index.trim(start);
            batches = batches.filter((each) => each.end > start);
          }
          for (const each of batches) {
            const row = index.row(index.find(each.offset));
            expect(row.position).toBeGreaterThanOrEqual(0);
            expect(row.position).toBeLessThanOrEqual(each.position);
            expect(row.last).toBeGreaterThanOrEqual(each.position);
            expect(row.timeMs).toBeGreaterThanOrEqual(each.timeMs);
            expect(row.end).toBeGreaterThanOrEqual(each.end);
            expect(index.liveBytes(each.position, each.position + 1)).toBeGreaterThan(0);
          }
          let end = index.count === 0 ? index.end : index.row(0).offset;
          for (let i = 0; i < index.count; i++) {
            expect(index.row(i).offset).toBe(end);
            end = index.row(i).end;
          }
          expect(end).toBe(index.end);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('knows a batch that was missing, and lies behind what was removed', () => {
    const index = new OffsetIndex(LIMITS);
    index.extend(5, Hole.Removed);
    index.extend(8, Hole.Missing);
    index.move(5, 8, 40, 1, 10);
    expect([0, 1].map((i) => index.row(i))).toMatchObject([
      { offset: 0, end: 5, position: Hole.Removed },
      { offset: 5, end: 8, position: 40, last: 40, bytes: 10 },
    ]);
    expect(index.isRemoved(4)).toBe(true);
    expect(index.isRemoved(5)).toBe(false);
  });

  it('grows with the logarithm of a large partition', () => {
    const index = new OffsetIndex({ ...LIMITS, maxSpanBytes: 1e12 });
    for (let i = 0; i < 1_000_000; i++) index.append(i, i + 1, i * 120, 0, 100);
    expect(index.bytes).toBe(1e8);
    expect(index.count).toBeLessThan(1000 * (1 + Math.log(1000) + 1));
  });
});
