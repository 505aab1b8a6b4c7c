import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileLike } from '../../../src/kernel/filter/like.ts';
import { compileHeaders, compileTags } from '../../../src/kernel/filter/matchers.ts';
import { compileSelector, type PropertyValue } from '../../../src/kernel/filter/selector.ts';

const message: Record<string, PropertyValue> = {
  color: 'blue',
  weight: 12.5,
  n: 3,
  ok: true,
  quote: "it's",
  'a.b': 1,
};
const properties = (name: string): PropertyValue => message[name];
const matches = (text: string): boolean => {
  const compiled = compileSelector(text);
  if ('error' in compiled) throw new Error(`${compiled.error} at ${compiled.at}`);
  return compiled.matches(properties);
};

describe('a selector', () => {
  it.each([
    "color = 'blue'",
    "color <> 'red' AND weight >= 12.5",
    'weight BETWEEN 12 AND 13',
    'weight NOT BETWEEN 13 AND 20',
    "color IN ('red', 'blue')",
    'n in (1, 2, 3)',
    "color NOT IN ('red')",
    "color LIKE 'b%e' and color like '_lu_'",
    "color NOT LIKE 'r%'",
    "quote = 'it''s'",
    'missing IS NULL',
    'color IS NOT NULL',
    'ok',
    'ok = TRUE and not (ok = false)',
    'n + 2 * 3 = 9 AND (n + 2) * 3 = 15 AND -n = 0 - 3 AND n / 2 = 1.5',
    'missing = 1 OR n = 3',
    'NOT (missing = 1 AND n = 4)',
    'a.b = 1',
    '1e1 = 10',
  ])('matches: %s', (text) => {
    expect(matches(text)).toBe(true);
  });

  it.each([
    'missing = 1',
    'NOT (missing = 1)',
    'missing <> 1',
    'missing NOT IN (1)',
    "missing NOT LIKE 'x'",
    "n = '3'",
    "n <> '3'",
    'missing BETWEEN 1 AND 2',
    'n / 0 = 1 OR NOT (n / 0 = 1)',
    'n',
    "color < 'z'",
    'missing = 1 AND ok',
    'color + 1 = 1 OR color * 1 = 1',
  ])('does not match: %s', (text) => {
    expect(matches(text)).toBe(false);
  });

  it.each([
    '',
    'n =',
    'n = 3 x',
    '(n = 3',
    'color LIKE 5',
    "color LIKE 'a!b' ESCAPE '!'",
    'n NOT = 3',
    'n IN ()',
    "'open",
    'n # 3',
    'NOT',
    'n IN (x)',
  ])('is refused with a reason and a place: %s', (text) => {
    expect(compileSelector(text)).toMatchObject({ error: expect.any(String), at: expect.any(Number) });
  });

  it('is bounded in depth, words and length (item 46)', () => {
    expect(compileSelector(`${'('.repeat(33)}ok${')'.repeat(33)}`)).toHaveProperty(
      'error',
      'nested too deeply',
    );
    expect(compileSelector(`${'NOT '.repeat(1000)}ok`)).toHaveProperty('error', 'nested too deeply');
    expect(compileSelector(`${'- '.repeat(1000)}1`)).toHaveProperty('error', 'nested too deeply');
    expect(compileSelector('n,'.repeat(600))).toHaveProperty('error', 'too long');
    expect(compileSelector(' '.repeat(9000))).toHaveProperty('error', 'too long');
    expect(matches(`${'n + '.repeat(500)}n > 0`)).toBe(true);
  });

  it('never throws, whatever it is given (item 46)', () => {
    const word = fc.constantFrom(
      'n',
      'AND',
      'OR',
      'NOT',
      '(',
      ')',
      '=',
      '<',
      "'x'",
      '5',
      'IN',
      'LIKE',
      'IS',
      'NULL',
      'BETWEEN',
      ',',
      '+',
      '-',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
        ),
        (text) => {
          const compiled = compileSelector(text);
          if ('matches' in compiled) expect(typeof compiled.matches(properties)).toBe('boolean');
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('LIKE', () => {
  it('is what the regular expression says', () => {
    const letters = fc
      .array(fc.constantFrom('a', 'b', '%', '_'), { maxLength: 8 })
      .map((list) => list.join(''));
    fc.assert(
      fc.property(letters, fc.array(fc.constantFrom('a', 'b', '%'), { maxLength: 10 }), (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll('%', '.*').replaceAll('_', '.')}$`, 's');
        expect(compileLike(pattern, undefined)?.(text.join(''))).toBe(expression.test(text.join('')));
      }),
      { numRuns: 1000 },
    );
    expect(compileLike('a!%!_!!', '!')?.('a%_!')).toBe(true);
    expect(compileLike('a!%', '!')?.('ab')).toBe(false);
  });

  it('does not slow down on patterns that make others backtrack (item 46)', () => {
    const like = compileLike(`${'a%'.repeat(50)}b`, undefined);
    const text = 'a'.repeat(100_000);
    const before = process.cpuUsage();
    expect(like?.(text)).toBe(false);
    expect(like?.(`${text}b`)).toBe(true);
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
  });
});

describe('the simple filters', () => {
  it('match one of the tags', () => {
    const tags = compileTags(' a || b ');
    expect([tags?.('a'), tags?.('b'), tags?.('c'), tags?.(undefined)]).toEqual([true, true, false, false]);
    expect(compileTags('*')?.(undefined)).toBe(true);
    expect(compileTags('a || ')).toBeUndefined();
    expect(compileTags(new Array(65).fill('x').join('||'))).toBeUndefined();
  });

  it('match all headers or any', () => {
    const wanted = [
      ['color', 'blue'],
      ['n', 4],
      ['ok', undefined],
    ] as const;
    expect(compileHeaders('all', wanted)(properties)).toBe(false);
    expect(compileHeaders('any', wanted)(properties)).toBe(true);
    expect(compileHeaders('all', [wanted[0], wanted[2]])(properties)).toBe(true);
    expect(compileHeaders('any', [['missing', undefined]])(properties)).toBe(false);
  });
});
