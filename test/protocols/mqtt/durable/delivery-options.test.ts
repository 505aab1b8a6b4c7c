import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeSubscriptionIds } from '../../../../src/protocols/mqtt/codec/encode-publish.ts';
import {
  createDeliveryOptions,
  type DeliverySet,
  isRetained,
  qosOf,
  setIndexOf,
} from '../../../../src/protocols/mqtt/durable/delivery-options.ts';

const NONE = new Uint8Array(0);
const MAX_IDENTIFIER = 268_435_455;

const identifiers = fc.array(fc.integer({ min: 1, max: MAX_IDENTIFIER }), { maxLength: 3 });
const decision = fc.record({
  qos: fc.constantFrom(0, 1, 2),
  retain: fc.boolean(),
  identifiers,
  group: fc.option(fc.constantFrom('$share/g/a', '$share/g/a/b', '$share/ĝ/+/#'), { nil: undefined }),
});

describe('delivery options', () => {
  it('give back what was packed, from the bits alone or with the sets that were told', () => {
    fc.assert(
      fc.property(fc.array(decision, { maxLength: 40 }), (decisions) => {
        const options = createDeliveryOptions();
        const told: [number, DeliverySet][] = [];
        options.onNew = (index, set) => told.push([index, set]);
        const packed = decisions.map(({ qos, retain, identifiers: ids, group }) =>
          options.pack(qos, retain, ids.length === 0 ? NONE : encodeSubscriptionIds(ids), group),
        );
        const restored = createDeliveryOptions();
        for (const [index, set] of told) expect(restored.restore(index, set)).toBe(true);
        decisions.forEach(({ qos, retain, identifiers: ids, group }, i) => {
          const bits = packed[i] ?? -1;
          expect(bits).toBeGreaterThanOrEqual(0);
          expect(bits).toBeLessThan(2 ** 32);
          expect([qosOf(bits), isRetained(bits)]).toEqual([qos, retain]);
          const bytes = ids.length === 0 ? NONE : encodeSubscriptionIds(ids);
          for (const each of [options, restored]) {
            expect(Buffer.compare(each.subscriptionIdsOf(bits), bytes)).toBe(0);
            expect(each.groupOf(bits)).toBe(group);
          }
          expect(setIndexOf(bits) >= 0).toBe(ids.length > 1 || group !== undefined);
        });
        // A set is told once, however often it is meant.
        const meant = decisions.filter(
          ({ identifiers: ids, group }) => ids.length > 1 || group !== undefined,
        );
        const distinct = new Set(meant.map(({ identifiers: ids, group }) => JSON.stringify([ids, group])));
        expect(told.length).toBe(distinct.size);
      }),
    );
  });

  it('does not keep an array that its owner may change', () => {
    const options = createDeliveryOptions();
    const ids = encodeSubscriptionIds([1, 2]);
    const packed = options.pack(1, false, ids, undefined);
    const before = ids.slice();
    ids.fill(0);
    expect(options.subscriptionIdsOf(packed)).toEqual(before);
  });

  it('means nothing by a set that is not there', () => {
    const options = createDeliveryOptions();
    const packed = createDeliveryOptions().pack(1, false, encodeSubscriptionIds([1, 2]), '$share/g/a');
    expect(options.subscriptionIdsOf(packed)).toEqual(NONE);
    expect(options.groupOf(packed)).toBeUndefined();
    expect(options.restore(2 ** 40, { subscriptionIds: NONE, group: 'g' })).toBe(false);
    expect(options.sets.length).toBe(0);
  });

  it('gives numbers of sets again that nothing refers to, and never one that something does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(30), fc.nat(60)), { maxLength: 300 }), (steps) => {
        const max = 16;
        const options = createDeliveryOptions(4, max);
        const waiting: { packed: number; group: string }[] = [];
        options.inUse = () => new Set(waiting.map(({ packed }) => setIndexOf(packed)));
        for (const [n, settled] of steps) {
          const group = `$share/g/${n}`;
          const packed = options.pack(1, false, NONE, group);
          if (packed >= 0) waiting.push({ packed, group });
          expect(options.sets.length).toBeLessThanOrEqual(max);
          if (settled < waiting.length) waiting.splice(settled, 1);
          while (waiting.length > 12) waiting.shift();
          for (const each of waiting) expect(options.groupOf(each.packed)).toBe(each.group);
        }
      }),
    );
  });

  it('has room for new sets for ever as long as few of them are in use', () => {
    const options = createDeliveryOptions(64, 1024);
    let last = -1;
    options.inUse = () => new Set(last === -1 ? [] : [setIndexOf(last)]);
    for (let n = 0; n < 5000; n++) {
      last = options.pack(2, false, NONE, `$share/g/${n}`);
      expect(options.groupOf(last)).toBe(`$share/g/${n}`);
    }
    expect(options.sets.length).toBeLessThan(200);
  });

  it('refuses one more when all are in use, and looks for unused ones only now and then', () => {
    const options = createDeliveryOptions(4, 8);
    let looked = 0;
    options.inUse = () => {
      looked++;
      return new Set(options.sets.keys());
    };
    const packed = Array.from({ length: 40 }, (_, n) => options.pack(1, false, NONE, `$share/g/${n}`));
    expect(packed.filter((each) => each >= 0).length).toBe(8);
    expect(packed.slice(8).every((each) => each === -1)).toBe(true);
    expect(looked).toBeLessThan(8);
  });
});
