import fc from 'fast-check';
import { expect, it } from 'vitest';
import { holeAt, lastWhere, mergeHoles, skipHole } from '../../../src/storage/wal/holes.ts';

const MOST = 60;
const holeLists = fc
  .array(fc.tuple(fc.nat(MOST - 1), fc.integer({ min: 1, max: 10 })), { maxLength: 8 })
  .map((list) => list.map(([from, length]) => ({ from, until: Math.min(MOST, from + length) })));

it('merges holes into the fewest that have the same numbers', () => {
  fc.assert(
    fc.property(holeLists, (list) => {
      const merged = mergeHoles(list);
      for (let number = 0; number <= MOST; number++) {
        const isIn = list.some(({ from, until }) => from <= number && number < until);
        expect(holeAt(merged, number) !== undefined).toBe(isIn);
        if (!isIn) expect(skipHole(merged, number)).toBe(number);
        else expect(holeAt(merged, skipHole(merged, number))).toBeUndefined();
      }
      for (const [i, hole] of merged.entries()) {
        expect(hole.from).toBeGreaterThan(merged[i - 1]?.until ?? -1);
      }
    }),
  );
});

it('finds the last number that holds, never asks for one in a hole, and asks seldom', async () => {
  await fc.assert(
    fc.asyncProperty(holeLists, fc.integer({ min: -1, max: MOST }), async (list, last) => {
      const holes = mergeHoles(list);
      let asked = 0;
      const found = await lastWhere(holes, async (number) => {
        asked++;
        expect(holeAt(holes, number)).toBeUndefined();
        return number <= last;
      });
      let wanted = last;
      while (holeAt(holes, wanted) !== undefined) wanted--;
      expect(found).toBe(wanted);
      expect(asked).toBeLessThan(2 * Math.log2(MOST) + 4);
    }),
  );
});
