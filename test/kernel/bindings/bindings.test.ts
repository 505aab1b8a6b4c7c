import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileBindingPattern } from '../../../src/kernel/bindings/binding-pattern.ts';
import { type Binding, createBindings, headerCondition } from '../../../src/kernel/bindings/bindings.ts';
import { type Grammar, nameOf } from '../../../src/kernel/bindings/names.ts';
import type { PropertyValue } from '../../../src/kernel/filter/selector.ts';

/** What a pattern means, said as plainly as it can be. */
function naive(grammar: Grammar, pattern: readonly string[], levels: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return levels.length === 0;
  const [, ...more] = levels;
  if (grammar === 'nats' && first === '>') return levels.length > 0;
  if (first === '#' && grammar !== 'nats') {
    return naive(grammar, rest, levels) || (levels.length > 0 && naive(grammar, pattern, more));
  }
  const isOne = first === (grammar === 'mqtt' ? '+' : '*');
  return levels.length > 0 && (isOne || first === levels[0]) && naive(grammar, rest, more);
}

const level = fc.constantFrom('a', 'b', 'c');
const levels = fc.array(level, { minLength: 1, maxLength: 6 });
const pattern = fc.oneof(
  fc.record({
    grammar: fc.constant('amqp' as const),
    parts: fc.array(fc.oneof(level, fc.constantFrom('*', '#')), { minLength: 1, maxLength: 6 }),
  }),
  fc
    .tuple(
      fc.constantFrom('mqtt' as const, 'nats' as const),
      fc.array(fc.oneof(level, fc.constant('one')), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
    )
    .map(([grammar, parts, hasRest]) => {
      const [one, rest] = grammar === 'mqtt' ? ['+', '#'] : ['*', '>'];
      const own = parts.map((part) => (part === 'one' ? one : part));
      return { grammar, parts: hasRest ? [...own, rest] : own };
    }),
);
const separator = (grammar: Grammar): string => (grammar === 'mqtt' ? '/' : '.');
const binding = fc.record({
  pattern,
  condition: fc.option(
    fc.record({
      mode: fc.constantFrom('all' as const, 'any' as const),
      headers: fc.uniqueArray(
        fc.tuple(fc.constantFrom('x', 'y', 'z'), fc.constantFrom<PropertyValue[]>(undefined, 1, 'v')),
        { selector: ([name]) => name, maxLength: 3 },
      ),
    }),
    { nil: undefined },
  ),
});
type Made = typeof binding extends fc.Arbitrary<infer T> ? T : never;

const asBinding = ({ pattern: { grammar, parts }, condition }: Made): Binding => ({
  grammar,
  pattern: parts.join(separator(grammar)),
  ...(condition && { condition: headerCondition(condition.mode, condition.headers) }),
});

function suits({ condition }: Made, headers: Readonly<Record<string, PropertyValue>>): boolean {
  if (condition === undefined) return true;
  const found = condition.headers.map(
    ([name, value]) => headers[name] !== undefined && (value === undefined || headers[name] === value),
  );
  return condition.mode === 'all' ? !found.includes(false) : found.includes(true);
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('bind' as const), sink: fc.nat(3), binding }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unbind' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), sink: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('match' as const),
      levels,
      headers: fc.dictionary(fc.constantFrom('x', 'y', 'z'), fc.constantFrom<PropertyValue[]>(1, 2, 'v'), {
        noNullPrototype: true,
      }),
    }),
  },
);

describe('a pattern', () => {
  it('of each grammar matches what it says, read plainly', () => {
    fc.assert(
      fc.property(pattern, fc.array(levels, { minLength: 1, maxLength: 8 }), ({ grammar, parts }, all) => {
        const bindings = createBindings({ maxBindings: 10, maxFlows: 10 });
        expect(bindings.bind(1, { grammar, pattern: parts.join(separator(grammar)) }).status).toBe('new');
        for (const each of all) {
          const found = bindings.match(each.join('/'), () => undefined);
          expect(found, each.join('/')).toEqual(naive(grammar, parts, each) ? [1] : []);
        }
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    ['amqp', '#', '#', false],
    ['amqp', '*.stock.#', '+/stock/#', false],
    ['amqp', 'a.#.*', 'a/+/#', false],
    ['amqp', '#.#.*.#', '+/#', false],
    ['amqp', 'a.#.b', 'a/#', true],
    ['amqp', 'a%2A.%23', 'a*/%23', false],
    ['amqp', 'a/b.c', 'a%2Fb/c', false],
    ['nats', 'time.>', 'time/+/#', false],
    ['nats', 'a*.b', 'a*/b', false],
    ['mqtt', '+/b/#', '+/b/#', false],
  ] as const)('%s %s is the filter %s', (grammar, text, filter, isMore) => {
    const compiled = compileBindingPattern(grammar, text);
    expect(compiled).toMatchObject({ filter });
    expect('accepts' in compiled && compiled.accepts !== undefined).toBe(isMore);
  });

  it.each([
    ['nats', '>.a'],
    ['nats', 'a..b'],
    ['nats', 'a b'],
    ['mqtt', '#/a'],
    ['mqtt', 'a+'],
    ['amqp', 'a.'.repeat(300)],
  ] as const)('%s refuses %s', (grammar, text) => {
    expect(compileBindingPattern(grammar, text)).toHaveProperty('reason');
    const bindings = createBindings({ maxBindings: 10, maxFlows: 10 });
    expect(bindings.bind(1, { grammar, pattern: text }).status).toBe('invalid');
    expect(bindings.unbind(1, { grammar, pattern: text })).toBe(false);
  });

  it('costs no more than its length allows, however it is written', () => {
    const compiled = compileBindingPattern('amqp', `${'#.a.'.repeat(120)}b`);
    const address = 'a'.repeat(256).split('');
    // Who went back into each # would not be done within the time of a test.
    expect('accepts' in compiled && compiled.accepts?.(address)).toBe(false);
  });
});

describe('bindings', () => {
  it('find each sink once, as the naive table does, after any sequence of changes', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), fc.nat(5), (steps, maxFlows) => {
        const bindings = createBindings({ maxBindings: 12, maxFlows: maxFlows + 1 });
        const model = new Map<string, { readonly sink: number; readonly made: Made }>();
        for (const each of steps) {
          if (each.kind === 'bind') {
            const own = asBinding(each.binding);
            const key = `${each.sink} ${own.grammar} ${own.pattern} ${own.condition?.key}`;
            const expected = model.has(key) ? 'known' : model.size >= 12 ? 'full' : 'new';
            expect(bindings.bind(each.sink, own).status).toBe(expected);
            if (expected === 'new') model.set(key, { sink: each.sink, made: each.binding });
          } else if (each.kind === 'unbind') {
            const [key, entry] = [...model][each.pick % Math.max(1, model.size)] ?? [];
            if (key === undefined || entry === undefined) continue;
            expect(bindings.unbind(entry.sink, asBinding(entry.made))).toBe(true);
            expect(bindings.unbind(entry.sink, asBinding(entry.made))).toBe(false);
            model.delete(key);
          } else if (each.kind === 'remove') {
            const own = [...model].filter(([, { sink }]) => sink === each.sink);
            expect(bindings.removeSink(each.sink)).toBe(own.length);
            for (const [key] of own) model.delete(key);
          } else {
            const wanted = new Set<number>();
            for (const { sink, made } of model.values()) {
              const { grammar, parts } = made.pattern;
              if (naive(grammar, parts, each.levels) && suits(made, each.headers)) wanted.add(sink);
            }
            const address = nameOf('mqtt', each.levels) ?? '';
            const found = bindings.match(address, (name) => each.headers[name]);
            expect(found).toEqual([...wanted].sort((a, b) => a - b));
          }
          expect(bindings.size).toBe(model.size);
        }
      }),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 300) },
    );
  });

  it('hide what begins with $ from a wildcard in front, in every grammar', () => {
    const bindings = createBindings({ maxBindings: 10, maxFlows: 10 });
    bindings.bind(1, { grammar: 'amqp', pattern: '#' });
    bindings.bind(2, { grammar: 'nats', pattern: '>' });
    bindings.bind(3, { grammar: 'amqp', pattern: '#.load' });
    bindings.bind(4, { grammar: 'amqp', pattern: '$SYS.#' });
    expect(bindings.match('$SYS/load', () => undefined)).toEqual([4]);
    expect(bindings.match('a/load', () => undefined)).toEqual([1, 2, 3]);
  });
});
