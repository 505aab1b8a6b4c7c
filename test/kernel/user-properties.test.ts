import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendUserProperties,
  nextUserProperty,
  userProperty,
  withoutUserProperty,
} from '../../src/kernel/user-properties.ts';
import { bytes, text } from './topic-model.ts';

type Part = number[] | [string, string];
const others: fc.Arbitrary<Part> = fc.constantFrom<number[][]>(
  [1, 1],
  [3, 0, 2, 65, 66],
  [8, 0, 1, 38],
  [9, 0, 3, 38, 0, 1],
);
const pair: fc.Arbitrary<Part> = fc.tuple(fc.constantFrom('a', 'b', 'ü'), fc.string({ maxLength: 5 }));
const part: fc.Arbitrary<Part> = fc.oneof(others, pair);

function listOf(parts: readonly Part[]): Uint8Array {
  let list: Uint8Array = new Uint8Array(0);
  for (const each of parts) {
    if (typeof each[0] === 'string') list = appendUserProperties(list, [each as [string, string]]);
    else list = Uint8Array.from([...list, ...(each as number[])]);
  }
  return list;
}

describe('user properties', () => {
  it('are found, taken out and appended among other properties', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const list = listOf(parts);
        const pairs = parts.filter((each): each is [string, string] => typeof each[0] === 'string');
        const found: [string, string][] = [];
        for (let each = nextUserProperty(list, 0); each; each = nextUserProperty(list, each.end)) {
          found.push([text(each.name), text(each.value)]);
        }
        expect(found).toEqual(pairs);
        const value = userProperty(list, bytes('a'));
        expect(value && text(value)).toEqual(pairs.find(([name]) => name === 'a')?.[1]);
        expect(withoutUserProperty(list, bytes('a'))).toEqual(listOf(parts.filter(([name]) => name !== 'a')));
      }),
    );
  });

  it('are cut between characters where they are too long for the wire', () => {
    const list = appendUserProperties(new Uint8Array(0), [['a', `x${'ü'.repeat(40_000)}`]]);
    expect(text(userProperty(list, bytes('a')) ?? bytes(''))).toBe(`x${'ü'.repeat(32_767)}`);
  });

  it('end where the list is cut short', () => {
    const list = appendUserProperties(new Uint8Array(0), [['a', 'value']]);
    expect(nextUserProperty(list.subarray(0, list.length - 1), 0)).toBeUndefined();
  });
});
