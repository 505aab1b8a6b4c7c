import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReadHints } from '../../../src/kernel/log/read-hints.ts';

const hint = (position: number) => ({ version: 1, row: 0, position });

describe('hints of where readers stopped', () => {
  it('go along with their readers, however often they read', () => {
    const hints = new ReadHints();
    for (let reader = 0; reader < 16; reader++) hints.moved(-1, reader * 1000, hint(reader));
    for (let round = 0; round < 100; round++) {
      for (let reader = 0; reader < 16; reader++) {
        const from = reader * 1000 + round;
        expect(hints.at(from)?.position).toBe(reader + round);
        hints.moved(from, from + 1, hint(reader + round + 1));
      }
    }
  });

  it('are never of another place than where it was said that a reader stopped', () => {
    const step = fc.record({ from: fc.nat(40), by: fc.nat(5), position: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const hints = new ReadHints();
        const said = new Map<number, Set<number>>();
        for (const { from, by, position } of steps) {
          const offset = from + by;
          hints.moved(from, offset, hint(position));
          said.set(offset, (said.get(offset) ?? new Set()).add(position));
          expect(hints.at(offset)).toBeDefined();
          for (let at = 0; at <= 45; at++) {
            const found = hints.at(at);
            if (found !== undefined) expect(said.get(at)).toContain(found.position);
          }
        }
      }),
    );
  });
});
