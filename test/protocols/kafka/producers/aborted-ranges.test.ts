import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AbortedRange,
  chunkOf,
  createAbortedRanges,
} from '../../../../src/protocols/kafka/producers/aborted-ranges.ts';

const LOG = 1024;

/** Ranges as producers make them, who are in a transaction each, in the order of their markers. */
function ranges(steps: readonly number[]): AbortedRange[] {
  const open = new Map<number, number>();
  const made: AbortedRange[] = [];
  let offset = 0;
  for (const step of steps) {
    const producerId = step % 5;
    const firstOffset = open.get(producerId);
    if (firstOffset === undefined) open.set(producerId, offset);
    else {
      open.delete(producerId);
      const stableOffset = Math.min(offset + 1, ...open.values());
      if (step % 3 !== 0) made.push({ producerId, firstOffset, lastOffset: offset, stableOffset });
    }
    offset += 1 + (step % 40_000);
  }
  return made;
}

describe('aborted ranges', () => {
  it('finds exactly what overlaps, in the order of the first offsets, over pages and retention', () => {
    const steps = fc.array(fc.nat(200_000), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.nat(600_000), fc.nat(300_000), fc.nat(400_000), (all, from, length, below) => {
        const changed = new Set<number>();
        const first = createAbortedRanges((_, chunk) => changed.add(chunk));
        const made = ranges(all);
        // Twice, and not in order, as replay may bring them.
        for (const range of [...made, ...made.slice().reverse()]) first.add(LOG, range);
        first.trim(LOG, below);
        const second = createAbortedRanges(() => {});
        for (const chunk of [...first.chunks(LOG)].reverse()) {
          const page = first.encodeChunk(LOG, chunk) ?? new Uint8Array(0);
          expect(second.loadChunk(LOG, page)).toBe(true);
        }
        const kept = made.filter(({ lastOffset }) => lastOffset >= below);
        const to = from + length;
        const wanted = kept
          .filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to)
          .sort((a, b) => a.firstOffset - b.firstOffset);
        expect(first.find(LOG, from, to)).toEqual(wanted);
        expect(second.find(LOG, from, to)).toEqual(wanted);
        expect([first.count, second.count]).toEqual([kept.length, kept.length]);
        expect([...changed].sort()).toEqual(
          [...new Set(made.map((each) => chunkOf(each.lastOffset)))].sort(),
        );
      }),
    );
  });

  it('takes no page that is cut off', () => {
    const all = createAbortedRanges(() => {});
    all.add(LOG, { producerId: 300, firstOffset: 1000, lastOffset: 2000, stableOffset: 2001 });
    const page = all.encodeChunk(LOG, 0) ?? new Uint8Array(0);
    for (let length = 0; length < page.length; length++) {
      expect(createAbortedRanges(() => {}).loadChunk(LOG, page.subarray(0, length))).toBe(false);
    }
  });
});
