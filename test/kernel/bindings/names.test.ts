import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Grammar, levelsOf, nameOf, translateName } from '../../../src/kernel/bindings/names.ts';

const grammar = fc.constantFrom<Grammar[]>('mqtt', 'amqp', 'nats');
const level = fc
  .array(fc.constantFrom('a', 'ń', '.', '/', '%', '25', '2F', '2E', '2A', '+', '#', '*', '>', ' ', '\0'), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));
const levels = fc.array(level, { minLength: 1, maxLength: 5 });

describe('names of an address', () => {
  it('come back as the same levels from every grammar', () => {
    fc.assert(
      fc.property(grammar, levels, (each, wanted) => {
        const name = nameOf(each, wanted);
        if (name === undefined) expect(each === 'nats' && wanted.includes('')).toBe(true);
        else expect(levelsOf(each, name)).toEqual(wanted);
      }),
      { numRuns: 2000 },
    );
  });

  it('come back as they were from every other grammar', () => {
    fc.assert(
      fc.property(grammar, grammar, levels, (from, to, wanted) => {
        const name = nameOf(from, wanted);
        const there = name === undefined ? undefined : translateName(from, name, to);
        if (there !== undefined) expect(translateName(to, there, from)).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['mqtt', 'sensors/k1/temperature', 'amqp', 'sensors.k1.temperature'],
    ['amqp', 'stocks.nyse', 'mqtt', 'stocks/nyse'],
    ['nats', 'a.b', 'amqp', 'a.b'],
    ['mqtt', 'versions/1.2', 'amqp', 'versions.1%2E2'],
    ['amqp', 'path./etc/hosts', 'mqtt', 'path/%2Fetc%2Fhosts'],
    ['mqtt', 'a%2Eb', 'amqp', 'a%252Eb'],
    ['mqtt', '100%', 'nats', '100%'],
    ['amqp', 'a.*', 'mqtt', 'a/*'],
    ['mqtt', 'a/*', 'nats', 'a.%2A'],
    ['mqtt', 'a//b', 'amqp', 'a..b'],
    ['mqtt', 'a//b', 'nats', undefined],
  ] as const)('%s %s is %s %s', (from, name, to, expected) => {
    expect(translateName(from, name, to)).toBe(expected);
  });
});
