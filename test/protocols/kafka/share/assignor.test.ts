import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Assignment } from '../../../../src/protocols/kafka/groups/assignment.ts';
import { assignShares } from '../../../../src/protocols/kafka/share/assignor.ts';

const TOPICS = ['a', 'b', 'c'];
const members = fc.uniqueArray(
  fc.record({ id: fc.stringMatching(/^[a-z]{1,3}$/), topicIds: fc.uniqueArray(fc.constantFrom(...TOPICS)) }),
  { selector: ({ id }) => id, maxLength: 12 },
);
const counts = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(3), fc.nat(3));

function assign(
  of: readonly { readonly id: string; readonly topicIds: readonly string[] }[],
  numbers: readonly number[],
  before: ReadonlyMap<string, Assignment> = new Map(),
): ReadonlyMap<string, Assignment> {
  const partitionsOf = new Map<string, number>();
  for (const [i, topicId] of TOPICS.entries()) {
    if (of.some(({ topicIds }) => topicIds.includes(topicId))) partitionsOf.set(topicId, numbers[i] ?? 0);
  }
  const asking = of.map(({ id, topicIds }) => ({
    id,
    instanceId: null,
    topicIds: new Set(topicIds),
    target: before.get(id) ?? new Map(),
  }));
  return assignShares(asking, partitionsOf);
}

const placesOf = (assignment: Assignment | undefined): string[] =>
  [...(assignment ?? [])].flatMap(([topicId, partitions]) => partitions.map((each) => `${topicId}${each}`));

it('gives each partition a member and each member a partition, as far as they may, and changes nothing without need', () => {
  fc.assert(
    fc.property(members, counts, (of, numbers) => {
      const assigned = assign(of, numbers);
      const loads = new Map<string, number>();
      for (const { id, topicIds } of of) {
        const places = placesOf(assigned.get(id));
        expect(new Set(places).size).toBe(places.length);
        for (const place of places) {
          expect(topicIds).toContain(place[0]);
          loads.set(place, (loads.get(place) ?? 0) + 1);
        }
        const mayHave = topicIds.some((topicId) => (numbers[TOPICS.indexOf(topicId)] ?? 0) > 0);
        expect(places.length > 0).toBe(mayHave);
      }
      for (const [i, topicId] of TOPICS.entries()) {
        const isRead = of.some(({ topicIds }) => topicIds.includes(topicId));
        for (let partition = 0; partition < (numbers[i] ?? 0); partition++) {
          expect(loads.has(`${topicId}${partition}`)).toBe(isRead);
        }
      }
      const again = assign(of, numbers, assigned);
      for (const { id } of of)
        expect(placesOf(again.get(id)).sort()).toEqual(placesOf(assigned.get(id)).sort());
    }),
  );
});

it('spreads members evenly over partitions that are fewer, and partitions over members that are fewer', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (people, partitions) => {
      const of = Array.from({ length: people }, (_, i) => ({ id: `m${i}`, topicIds: ['a'] }));
      const assigned = assign(of, [partitions]);
      const perMember = of.map(({ id }) => placesOf(assigned.get(id)).length);
      const perPartition = Array.from(
        { length: partitions },
        (_, partition) => of.filter(({ id }) => placesOf(assigned.get(id)).includes(`a${partition}`)).length,
      );
      expect(Math.max(...perMember) - Math.min(...perMember)).toBeLessThanOrEqual(1);
      expect(Math.max(...perPartition) - Math.min(...perPartition)).toBeLessThanOrEqual(1);
    }),
  );
});
