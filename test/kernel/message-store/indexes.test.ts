import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdIndex } from '../../../src/kernel/message-store/id-index.ts';
import { PlaceIndex } from '../../../src/kernel/message-store/place-index.ts';

const CAPACITY = 256;

describe('IdIndex', () => {
  it('finds what a map finds', () => {
    // Ids that differ in high bits only share their home, so that long probes are common.
    const id = fc.tuple(fc.nat(40), fc.nat(5)).map(([low, high]) => low + high * 2 ** 32);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), id), { maxLength: 400 }), (steps) => {
        const index = new IdIndex();
        const ids = new Float64Array(CAPACITY).fill(-1);
        const model = new Map<number, number>();
        const free = Array.from({ length: CAPACITY }, (_, i) => i);
        for (const [isAdded, each] of steps) {
          const known = model.get(each);
          if (isAdded && known === undefined) {
            const slot = free.pop() ?? 0;
            ids[slot] = each;
            index.add(ids, slot);
            model.set(each, slot);
          } else if (!isAdded) {
            index.remove(ids, each);
            if (known === undefined) continue;
            ids[known] = -1;
            free.push(known);
            model.delete(each);
          }
          for (const [one, slot] of model) expect(index.get(ids, one)).toBe(slot);
          expect(index.get(ids, each)).toBe(model.get(each) ?? -1);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('PlaceIndex', () => {
  it('says exactly what lies in a range', () => {
    const position = fc.oneof(
      fc.nat(400_000),
      fc.nat(2 ** 20).map((n) => n * 2 ** 25),
    );
    const steps = fc.array(fc.tuple(fc.nat(CAPACITY - 1), position, fc.nat(1000)), { maxLength: 200 });
    const ranges = fc.array(fc.tuple(position, position), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(steps, ranges, (places, asked) => {
        const index = new PlaceIndex();
        index.grow(CAPACITY);
        const positions = new Float64Array(CAPACITY);
        const lengths = new Uint32Array(CAPACITY);
        const there = new Set<number>();
        for (const [slot, at, length] of places) {
          if (there.delete(slot)) {
            index.remove(slot, positions[slot] ?? 0, lengths[slot] ?? 0);
            if (length % 3 === 0) continue;
          }
          positions[slot] = at;
          lengths[slot] = length;
          index.add(slot, at, length);
          there.add(slot);
        }
        for (const [one, other] of asked) {
          const [start, end] = [Math.min(one, other), Math.max(one, other)];
          const inside = [...there].filter(
            (slot) => (positions[slot] ?? 0) >= start && (positions[slot] ?? 0) < end,
          );
          const sum = inside.reduce((bytes, slot) => bytes + (lengths[slot] ?? 0), 0);
          expect(index.liveBytes(start, end, positions, lengths)).toBe(sum);
          expect(index.slotsIn(start, end, positions).sort()).toEqual(inside.sort());
        }
      }),
      { numRuns: 100 },
    );
  });
});
