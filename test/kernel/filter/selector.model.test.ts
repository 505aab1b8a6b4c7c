/**
 * Selectors against what they say: expressions are made as trees, written down with no more parentheses than precedence needs, and
 * evaluated once more from the tree, where true, unknown and false are 1, 1/2 and 0, AND is the least and OR the greatest.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compileSelector, type PropertyValue } from '../../../src/kernel/filter/selector.ts';

type Message = Readonly<Record<string, PropertyValue>>;
type Truth = 0 | 0.5 | 1;

/** How tightly what it was written with binds; what binds less tightly needs parentheses around it. */
interface Node<T> {
  readonly text: string;
  readonly binds: number;
  readonly value: (message: Message) => T;
}
type Value = Node<PropertyValue>;
type Condition = Node<Truth>;

const [OR, AND, NOT, TEST, SUM, PRODUCT, SIGN, ATOM] = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const within = ({ text, binds }: Node<unknown>, least: number): string =>
  binds < least ? `(${text})` : text;
const truth = (is: boolean): Truth => (is ? 1 : 0);
const opposite = (value: Truth): Truth => (1 - value) as Truth;
const lower = (text: string): string => text.toLowerCase();

const name = fc.constantFrom('p', 'q', 'a.b', '$x', '_y');
const property: fc.Arbitrary<Value> = name.map((text) => ({
  text,
  binds: ATOM,
  value: (message) => message[text],
}));
const number: fc.Arbitrary<Value> = fc.constantFrom(0, 1, 2, 3, 0.5, 10, 1e3).chain((value) =>
  fc.constantFrom(`${value}`, `${value}e0`, value === 0.5 ? '.5' : `${value}.0`).map((text) => ({
    text,
    binds: ATOM,
    value: () => value,
  })),
);
const text = fc.constantFrom('', 'a', 'ab', "it's", '%', 'a_b').map(
  (each): Value => ({
    text: `'${each.replaceAll("'", "''")}'`,
    binds: ATOM,
    value: () => each,
  }),
);

function compute(operator: string, a: PropertyValue, b: PropertyValue): PropertyValue {
  if (typeof a !== 'number' || typeof b !== 'number') return undefined;
  const results: Record<string, number> = { '+': a + b, '-': a - b, '*': a * b, '/': a / b };
  const result = results[operator] ?? Number.NaN;
  return Number.isFinite(result) ? result : undefined;
}

function compare(operator: string, a: PropertyValue, b: PropertyValue): Truth {
  if (a === undefined || b === undefined) return 0.5;
  if (typeof a !== typeof b) return 0;
  if (operator === '=' || operator === '<>') return truth((a === b) === (operator === '='));
  if (typeof a !== 'number' || typeof b !== 'number') return 0;
  const order = Math.sign(a - b);
  return truth(operator.includes('=') && order === 0 ? true : order === (operator.startsWith('<') ? -1 : 1));
}

/** One level after the other: what is inside is of the level before. */
function values(depth: number): fc.Arbitrary<Value> {
  if (depth === 0) return fc.oneof(property, number, text);
  const inner = values(depth - 1);
  return fc.oneof(
    inner,
    fc.tuple(fc.constantFrom('+', '-', '*', '/'), inner, inner).map(([operator, a, b]): Value => {
      const binds = '+-'.includes(operator) ? SUM : PRODUCT;
      return {
        text: `${within(a, binds)} ${operator} ${within(b, binds + 1)}`,
        binds,
        value: (message) => compute(operator, a.value(message), b.value(message)),
      };
    }),
    fc.tuple(fc.constantFrom('-', '+'), inner).map(
      ([sign, a]): Value => ({
        text: `${sign} ${within(a, SIGN)}`,
        binds: SIGN,
        value: (message) => compute(sign, 0, a.value(message)),
      }),
    ),
  );
}

const value = values(2);
const keyword = (word: string): fc.Arbitrary<string> => fc.constantFrom(word, lower(word));
const negatable = fc.boolean();
const negated = (isNot: boolean, word: string): string => (isNot ? `NOT ${word}` : word);
const judged = (isNot: boolean, value: Truth): Truth => (isNot ? opposite(value) : value);

const JOKERS: Readonly<Record<string, string>> = { '%': '[^]*', _: '[^]' };
/** Patterns of LIKE with what matches them said in another way. */
const pattern = fc.array(fc.constantFrom('a', 'b', '%', '_', "'"), { maxLength: 4 }).map((parts) => ({
  text: parts.join('').replaceAll("'", "''"),
  matches: new RegExp(`^${parts.map((part) => JOKERS[part] ?? part).join('')}$`),
}));

const test: fc.Arbitrary<Condition> = fc.oneof(
  fc.tuple(fc.constantFrom('=', '<>', '<', '<=', '>', '>='), value, value).map(
    ([operator, a, b]): Condition => ({
      text: `${within(a, SUM)} ${operator} ${within(b, SUM)}`,
      binds: TEST,
      value: (message) => compare(operator, a.value(message), b.value(message)),
    }),
  ),
  fc.tuple(negatable, keyword('BETWEEN'), value, value, value).map(
    ([isNot, word, a, low, high]): Condition => ({
      text: `${within(a, SUM)} ${negated(isNot, word)} ${within(low, SUM)} AND ${within(high, SUM)}`,
      binds: TEST,
      value: (message) => {
        const of = a.value(message);
        const both = [compare('>=', of, low.value(message)), compare('<=', of, high.value(message))];
        return judged(isNot, Math.min(...both) as Truth);
      },
    }),
  ),
  fc
    .tuple(negatable, keyword('IN'), value, fc.array(fc.oneof(number, text), { minLength: 1, maxLength: 3 }))
    .map(
      ([isNot, word, a, list]): Condition => ({
        text: `${within(a, SUM)} ${negated(isNot, word)} (${list.map((each) => each.text).join(', ')})`,
        binds: TEST,
        value: (message) => {
          const of = a.value(message);
          const found = list.some((each) => each.value(message) === of);
          return of === undefined ? 0.5 : judged(isNot, truth(found));
        },
      }),
    ),
  fc.tuple(negatable, keyword('LIKE'), value, pattern).map(
    ([isNot, word, a, { text: written, matches }]): Condition => ({
      text: `${within(a, SUM)} ${negated(isNot, word)} '${written}'`,
      binds: TEST,
      value: (message) => {
        const of = a.value(message);
        if (of === undefined) return 0.5;
        return judged(isNot, truth(typeof of === 'string' && matches.test(of)));
      },
    }),
  ),
  fc.tuple(negatable, keyword('NULL'), value).map(
    ([isNot, word, a]): Condition => ({
      text: `${within(a, SUM)} IS ${negated(isNot, word)}`,
      binds: TEST,
      value: (message) => truth((a.value(message) === undefined) !== isNot),
    }),
  ),
  // A property alone: unknown unless it is true or false.
  name.map(
    (each): Condition => ({
      text: each,
      binds: ATOM,
      value: (message) => (message[each] === true ? 1 : message[each] === false ? 0 : 0.5),
    }),
  ),
  fc
    .constantFrom('TRUE', 'false')
    .map((each): Condition => ({ text: each, binds: ATOM, value: () => truth(each === 'TRUE') })),
);

function conditions(depth: number): fc.Arbitrary<Condition> {
  if (depth === 0) return test;
  const inner = conditions(depth - 1);
  return fc.oneof(
    test,
    inner.map(
      (a): Condition => ({
        text: `NOT ${within(a, NOT)}`,
        binds: NOT,
        value: (message) => opposite(a.value(message)),
      }),
    ),
    fc
      .tuple(fc.constantFrom('AND', 'OR', 'and', 'or'), fc.array(inner, { minLength: 2, maxLength: 3 }))
      .map(([word, parts]): Condition => {
        const isAnd = word.toUpperCase() === 'AND';
        const binds = isAnd ? AND : OR;
        const join = isAnd ? Math.min : Math.max;
        return {
          text: parts.map((part) => within(part, binds + 1)).join(` ${word} `),
          binds,
          value: (message) => join(...parts.map((part) => part.value(message))) as Truth,
        };
      }),
  );
}

const message: fc.Arbitrary<Message> = fc.dictionary(
  name,
  fc.constantFrom<PropertyValue[]>(-2, 0, 1, 2, 0.5, 3, '', 'a', 'ab', "it's", true, false),
  { noNullPrototype: true },
);

it('is what it says of any message, whatever it is made of', () => {
  fc.assert(
    fc.property(
      conditions(3),
      fc.array(message, { minLength: 1, maxLength: 6 }),
      ({ text: said, value: meant }, all) => {
        const compiled = compileSelector(said);
        if ('error' in compiled) throw new Error(`${said}: ${compiled.error} at ${compiled.at}`);
        for (const each of all)
          expect(
            compiled.matches((of) => each[of]),
            said,
          ).toBe(meant(each) === 1);
      },
    ),
    { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 2000) },
  );
});
