import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMessageAges } from '../../src/node-view/message-ages.ts';

/** Between two looks so many messages come. */
const arrivals = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 200 });

describe('the ages of messages', () => {
  it('are never too high, and right to the time between two looks while all looks are kept', () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 50 }), (counts, firstId) => {
        const ages = createMessageAges(1000);
        const cameMs: number[] = [];
        ages.note(firstId, 0);
        counts.forEach((count, look) => {
          for (let i = 0; i < count; i++) cameMs.push(look * 1000 + 500);
          ages.note(firstId + cameMs.length, (look + 1) * 1000);
        });
        cameMs.forEach((came, i) => {
          expect(ages.thereAtMs(firstId + i)).toBe(came + 500);
        });
        expect(ages.thereAtMs(firstId - 1)).toBe(0);
        expect(ages.thereAtMs(firstId + cameMs.length)).toBe(undefined);
      }),
    );
  });

  it('are never too high where few looks are kept, and the first of them stays', () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 2, max: 10 }), (counts, maxLooks) => {
        const ages = createMessageAges(maxLooks);
        let id = 1;
        const cameMs: number[] = [];
        ages.note(id, 0);
        counts.forEach((count, look) => {
          for (let i = 0; i < count; i++, id++) cameMs.push(look * 1000 + 500);
          ages.note(id, (look + 1) * 1000);
        });
        let lastMs = 0;
        cameMs.forEach((came, i) => {
          const there = ages.thereAtMs(1 + i) ?? Number.NaN;
          expect(there).toBeGreaterThan(came);
          expect(there).toBeGreaterThanOrEqual(lastMs);
          lastMs = there;
        });
        expect(ages.thereAtMs(0)).toBe(0);
      }),
    );
  });

  it('are known to a tenth of the age, of what came long ago', () => {
    const ages = createMessageAges(256);
    const looks = 20_000;
    for (let look = 0; look <= looks; look++) ages.note(look, look * 1000);
    for (let id = 0; id < looks; id++) {
      const trueMs = (looks - id) * 1000;
      const shownMs = looks * 1000 - (ages.thereAtMs(id) ?? Number.NaN);
      expect(shownMs).toBeGreaterThanOrEqual(0.9 * trueMs - 2000);
    }
  });
});
