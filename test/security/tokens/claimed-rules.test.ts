import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimedRoles, claimedRules } from '../../../src/security/tokens/claimed-rules.ts';

describe('rules that come with a credential', () => {
  it.each([
    [undefined, []],
    [null, []],
    [[], []],
    [{}, []],
    [{ pub: [], sub: ['a/#'] }, [{ effect: 'allow', actions: ['subscribe'], filters: ['a/#'] }]],
    [
      { pub: ['a', 'b'], all: ['c'] },
      [
        { effect: 'allow', actions: ['publish'], filters: ['a', 'b'] },
        { effect: 'allow', actions: ['publish', 'subscribe'], filters: ['c'] },
      ],
    ],
    [
      [{ permission: 'deny', action: 'publish', topic: 'x' }],
      [{ effect: 'deny', actions: ['publish'], filters: ['x'] }],
    ],
    [
      [{ effect: 'allow', actions: ['publish', 'manage'], filters: ['x', 'x/+'] }],
      [{ effect: 'allow', actions: ['publish', 'manage'], filters: ['x', 'x/+'] }],
    ],
  ])('%j', (value, rules) => expect(claimedRules(value)).toEqual(rules));

  const wrong: readonly unknown[] = [
    'all',
    7,
    true,
    [7],
    [{}],
    [{ effect: 'allow', actions: [], filters: ['a'] }],
    [{ effect: 'allow', actions: ['publish'], filters: [] }],
    [{ effect: 'allow', actions: ['publish'], filters: [''] }],
    [{ effect: 'allow', actions: ['publish'], filters: ['a\0b'] }],
    [{ effect: 'maybe', actions: ['publish'], filters: ['a'] }],
    [{ actions: ['publish'], filters: ['a'] }],
    [{ effect: 'allow', actions: ['constructor'], filters: ['a'] }],
    [{ effect: 'allow', action: 'publish', topic: 'a', qos: [0] }],
    { constructor: ['a'] },
    { pub: 7 },
    [{ effect: 'allow', action: 'publish', topic: 'a' }, 'the other half'],
    Array.from({ length: 257 }, () => ({ effect: 'allow', action: 'publish', topic: 'a' })),
  ];
  it.each(wrong.map((value) => ({ value })))(
    'refuse the credential when they cannot be understood: $value',
    ({ value }) => {
      expect(claimedRules(value)).toBeUndefined();
    },
  );

  it('are understood as a whole or not at all', () => {
    const rule = fc.record(
      {
        effect: fc.constantFrom('allow', 'deny', 'Allow'),
        action: fc.constantFrom('publish', 'subscribe', 'sub', 'x'),
        topic: fc.constantFrom('a', 'a/#', '', 7),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(rule, fc.jsonValue()), { maxLength: 5 }), (values) => {
        const rules = claimedRules(values);
        const alone = values.map((value) => claimedRules([value]));
        if (alone.some((each) => each === undefined)) expect(rules).toBeUndefined();
        else expect(rules).toEqual(alone.flat());
      }),
    );
  });
});

describe('roles that come with a credential', () => {
  it.each([
    [undefined, []],
    ['a b  c', ['a', 'b', 'c']],
    [
      ['a b', 'c'],
      ['a b', 'c'],
    ],
    ['', []],
    [7, undefined],
    [[7], undefined],
    [[''], undefined],
    [['x'.repeat(256)], undefined],
    [Array.from({ length: 65 }, (_, i) => `r${i}`), undefined],
    [{ a: true }, undefined],
  ])('%j', (value, roles) => expect(claimedRoles(value)).toEqual(roles));
});
