import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePattern } from '../../../src/kernel/filter/pattern.ts';

function matches(pattern: string, name: string): boolean {
  const parsed = parsePattern(pattern);
  if ('reason' in parsed) throw new Error(`${pattern}: ${parsed.reason}`);
  return parsed.matches(name);
}

const char = fc.constantFrom('a', 'b', 'c', '.', '-', '1');
const atom = fc.oneof(
  char.map((each) => (each === '.' ? '\\.' : each)),
  fc.constantFrom('.', '\\d', '\\w', '[ab]', '[^a]', '[a-c1]', '[\\w.-]', '[^\\d]', '[]a]'),
);
const { pattern } = fc.letrec<{ pattern: string; sequence: string; piece: string }>((tie) => ({
  piece: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    fc
      .tuple(tie('pattern'), fc.constantFrom('', '*', '+', '?', '{2}', '{1,2}', '{0,}', '*?', '+?'))
      .map(([inner, repeat]) => `(?:${inner})${repeat}`),
    fc.tuple(atom, fc.constantFrom('*', '+', '?', '{2}', '{1,}')).map((each) => each.join('')),
  ),
  sequence: fc.array(tie('piece'), { maxLength: 4 }).map((pieces) => pieces.join('')),
  pattern: fc.array(tie('sequence'), { minLength: 1, maxLength: 3 }).map((all) => all.join('|')),
}));
const name = fc.array(char, { maxLength: 8 }).map((chars) => chars.join(''));

describe('patterns', () => {
  it('match as the regular expressions of the language do, of the whole name', () => {
    fc.assert(
      fc.property(pattern, fc.array(name, { minLength: 1, maxLength: 5 }), (text, names) => {
        // A bracket that comes first is itself, but not in JavaScript.
        const expected = new RegExp(`^(?:${text.replaceAll('[]a]', '[\\]a]')})$`);
        for (const each of names) expect(matches(text, each)).toBe(expected.test(each));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['(?i)Sensors\\..*', 'SENSORS.a', true],
    ['(?i:s)ensors', 'Sensors', true],
    ['(?i:s)ensors', 'SENSORS', false],
    ['(?P<kind>a|b)+', 'abab', true],
    ['^a$|b^', 'a', true],
    ['\\Aa\\z', 'a', true],
    ['\\Qa.b\\E.', 'a.bc', true],
    ['\\Qa.b\\E.', 'axbc', false],
    ['[[:alpha:]_]+[[:^digit:]]', 'ab_c', true],
    ['\\x41\\t?', 'A', true],
    ['a{2', 'a{2', true],
    ['', '', true],
    ['', 'a', false],
  ])('%s and %s: %s', (text, topic, expected) => {
    expect(matches(text, topic)).toBe(expected);
  });

  it.each([
    '(',
    'a)',
    '[a',
    '*',
    'a**',
    '\\1',
    '\\b',
    '(?=a)',
    '(?<!a)',
    'a{2,1}',
    'a{1001}',
    '[b-a]',
    '\\',
    '\\pL',
  ])('refuses %s', (text) => {
    expect(parsePattern(text)).toHaveProperty('reason');
  });

  it('takes no time and no memory out of proportion (item 46)', () => {
    expect(parsePattern('((a{100}){100}){100}')).toHaveProperty('reason');
    expect(parsePattern('('.repeat(5000))).toHaveProperty('reason');
    const before = process.cpuUsage();
    expect(matches('(a*)*(a|aa)+(.*)*b', 'a'.repeat(249))).toBe(false);
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
  });

  it('never throws on anything (item 46)', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        const parsed = parsePattern(text);
        if (!('reason' in parsed)) parsed.matches('some.topic-1');
      }),
    );
  });

  it('have the bound on their size that the caller sets', () => {
    expect(parsePattern('a{40}', 50)).toHaveProperty('matches');
    expect(parsePattern('a{60}', 50)).toHaveProperty('reason');
    expect(parsePattern('a{60}')).toHaveProperty('matches');
  });

  it('of transactional ids: the whole id, and in time that grows with it only', () => {
    expect([matches('app-.*', 'app-1'), matches('app-.*', 'my-app-1')]).toEqual([true, false]);
    expect([matches('^app-\\d+$', 'app-42'), matches('a|b.c|[x-z]?', 'bxc')]).toEqual([true, true]);
    expect([matches('[^a]b+\\.', 'xbbb.'), matches('[^a]b+\\.', 'abbb.')]).toEqual([true, false]);
    expect(matches(`${'a*'.repeat(120)}b`, 'a'.repeat(2000))).toBe(false);
    for (const pattern of ['*', '[a', 'a\\', '\\1', '[z-a]']) {
      expect(parsePattern(pattern), pattern).toHaveProperty('reason');
    }
  });
});
