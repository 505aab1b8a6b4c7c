import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from '../../src/config/suggest.ts';

/** The definition, without a table. */
function naiveDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const same = a.at(-1) === b.at(-1) ? 0 : 1;
  let best = Math.min(
    naiveDistance(a.slice(0, -1), b) + 1,
    naiveDistance(a, b.slice(0, -1)) + 1,
    naiveDistance(a.slice(0, -1), b.slice(0, -1)) + same,
  );
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    best = Math.min(best, naiveDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return best;
}

describe('nearest key', () => {
  it('has the edit distance of the definition', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === naiveDistance(a, b)));
  });

  it.each([
    ['listners', 'listeners'],
    ['max_packet_size', 'maxPacketSize'],
    ['MaxPacketSize', 'maxPacketSize'],
    ['prot', 'port'],
  ])('takes %s for %s', (word, meant) =>
    expect(nearest(word, ['listeners', 'maxPacketSize', 'port', 'host'])).toBe(meant),
  );

  it('suggests nothing for a word that is near to nothing', () => {
    expect(nearest('colour', ['listeners', 'maxPacketSize', 'port', 'host'])).toBeUndefined();
    expect(nearest('x'.repeat(100_000), ['listeners'])).toBeUndefined();
  });
});
