import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeliveryCounts } from '../../../src/kernel/log-queue/delivery-counts.ts';
import { PositionSet } from '../../../src/kernel/log-queue/position-set.ts';

const BASE = 2 ** 40 + 100;
const position = fc.oneof(fc.nat(3000), fc.nat(60)).map((at) => BASE + at);
const step = fc.oneof(
  fc.record({
    op: fc.constantFrom('add' as const, 'delete' as const, 'trim' as const),
    at: position,
    length: fc.constant(0),
  }),
  fc.record({ op: fc.constant('range' as const), at: position, length: fc.nat(900) }),
);

describe('a set of positions', () => {
  it('is a set', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), position, (steps, from) => {
        const set = new PositionSet();
        const naive = new Set<number>();
        for (const each of steps) {
          if (each.op === 'add') {
            expect(set.add(each.at)).toBe(!naive.has(each.at));
            naive.add(each.at);
          } else if (each.op === 'delete') expect(set.delete(each.at)).toBe(naive.delete(each.at));
          else if (each.op === 'trim') {
            set.trimBelow(each.at);
            for (const at of naive) if (at < each.at) naive.delete(at);
          } else {
            set.addRange(each.at, each.at + each.length);
            for (let i = 0; i < each.length; i++) naive.add(each.at + i);
          }
          expect(set.size).toBe(naive.size);
        }
        const members = [...naive].sort((a, b) => a - b);
        expect([...set.runs()].flatMap(([a, b]) => Array.from({ length: b - a }, (_, i) => a + i))).toEqual(
          members,
        );
        expect(set.first()).toBe(members[0] ?? -1);
        expect(set.firstFrom(from)).toBe(members.find((at) => at >= from) ?? -1);
        let clear = from;
        while (naive.has(clear)) clear++;
        expect(set.nextClear(from)).toBe(clear);
      }),
      { numRuns: 300 },
    );
  });

  it('counts deliveries like a map', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(3)), { maxLength: 400 }), (sets) => {
        const counts = new DeliveryCounts();
        const naive = new Map<number, number>();
        for (const [at, count] of sets) {
          counts.set(BASE + at, count);
          if (count === 0) naive.delete(at);
          else naive.set(at, count);
        }
        expect(counts.size).toBe(naive.size);
        for (let at = 0; at <= 200; at++) expect(counts.get(BASE + at)).toBe(naive.get(at) ?? 0);
      }),
    );
  });
});
