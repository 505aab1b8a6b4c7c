import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idMatcher } from '../../../../src/protocols/kafka/producers/id-pattern.ts';

const matches = (pattern: string, id: string): boolean | undefined => idMatcher(pattern)?.(id);

describe('patterns of transactional ids', () => {
  it('match the whole id', () => {
    expect(matches('app-.*', 'app-1')).toBe(true);
    expect(matches('app-.*', 'my-app-1')).toBe(false);
    expect(matches('^app-\\d+$', 'app-42')).toBe(true);
    expect(matches('a|b.c|[x-z]?', 'bxc')).toBe(true);
    expect(matches('a|b.c|[x-z]?', '')).toBe(true);
    expect(matches('[^a]b+\\.', 'xbbb.')).toBe(true);
    expect(matches('[^a]b+\\.', 'abbb.')).toBe(false);
  });

  it('are refused where they are not understood', () => {
    for (const pattern of ['(a)', 'a{2}', '*', 'a**', '[a', 'a\\', '\\1', '[z-a]']) {
      expect(idMatcher(pattern), pattern).toBeUndefined();
    }
  });

  it('take time that grows with the id only', () => {
    const pattern = 'a*'.repeat(120);
    expect(matches(`${pattern}b`, 'a'.repeat(2000))).toBe(false);
  });

  it('agree with those of the language', () => {
    const piece = fc.constantFrom('a', 'b', '.', 'a*', 'b+', 'c?', '[ab]', '[^a]*', '\\d', '\\.', '|');
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '1', '.'), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), text, (pieces, chars) => {
        const pattern = pieces.join('');
        const id = chars.join('');
        expect(matches(pattern, id)).toBe(new RegExp(`^(?:${pattern})$`).test(id));
      }),
    );
  });
});
