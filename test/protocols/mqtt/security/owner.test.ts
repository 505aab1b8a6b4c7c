/** Owners as they are kept with sessions and delayed messages. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Message } from '../../../../src/kernel/message.ts';
import {
  decodeOwner,
  encodeOwner,
  type Owner,
  takeOwner,
  withOwner,
} from '../../../../src/protocols/mqtt/security/owner.ts';
import type { Rule } from '../../../../src/security/security.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const rule: fc.Arbitrary<Rule> = fc.record(
  {
    effect: fc.constantFrom('allow', 'deny'),
    actions: fc.subarray(['publish', 'subscribe', 'manage'] as const, { minLength: 1 }),
    filters: fc.array(text, { minLength: 1, maxLength: 3 }),
    users: fc.array(text, { maxLength: 2 }),
    isAnonymous: fc.boolean(),
  },
  { requiredKeys: ['effect', 'actions', 'filters'] },
);
const maybe = fc.option(text, { nil: undefined });
const owner: fc.Arbitrary<Owner> = fc.record({
  principal: fc.record({
    tenant: text,
    userName: maybe,
    clientId: maybe,
    certificateName: maybe,
    roles: fc.array(text, { maxLength: 4 }),
    rules: fc.array(rule, { maxLength: 4 }),
    isSuperuser: fc.boolean(),
    protocol: fc.constant('mqtt' as const),
    listener: text,
    remoteAddress: fc.ipV6(),
    // What ends is looked at while somebody is connected.
    expiresAtMs: fc.constant(undefined),
  }),
  isOfDatabase: fc.boolean(),
});

const message = (properties: Uint8Array): Message => ({
  topic: Buffer.from('a/b'),
  payload: Buffer.from('x'),
  properties,
  qos: 1,
  retain: false,
  expiresAtMs: 0,
  publisher: -1,
});

describe('owners', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(owner, (each) => {
        expect(decodeOwner(encodeOwner(each))).toEqual(each);
      }),
    );
  });

  test('travel with a message and leave nothing in it', () => {
    const names = fc.array(fc.tuple(text, text), { maxLength: 4 });
    fc.assert(
      fc.property(owner, names, (each, pairs) => {
        const list = wire.properties(pairs.map((pair) => [P.userProperty, pair] as const));
        const own = message(new Uint8Array(list.subarray(list.length <= 128 ? 1 : 2)));
        const owned = withOwner(own, each);
        expect(owned).toBeDefined();
        if (owned === undefined) return;
        expect(takeOwner(owned)).toEqual({ message: own, owner: each });
      }),
    );
  });

  test('a message whose owner brought too many rules is not kept, rather than kept without them', () => {
    const filters = Array.from({ length: 64 }, () => 'x'.repeat(1024));
    const rules: Rule[] = [{ effect: 'deny', actions: ['publish'], filters }];
    fc.assert(
      fc.property(owner, ({ principal, isOfDatabase }) => {
        const large = { principal: { ...principal, rules }, isOfDatabase };
        expect(withOwner(message(new Uint8Array(0)), large)).toBeUndefined();
      }),
      { numRuns: 5 },
    );
  });

  test('what is damaged is nobody’s', () => {
    for (const damaged of ['', '{}', '{"l":1,"i":2}', 'null']) expect(() => decodeOwner(damaged)).toThrow();
  });
});
