import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Assignment, NO_PARTITIONS } from '../../../../src/protocols/kafka/groups/assignment.ts';
import {
  type Assignor,
  type AssignorMember,
  assignRanges,
  assignUniformly,
} from '../../../../src/protocols/kafka/groups/assignors.ts';

const TOPICS = ['a', 'b', 'c'];
const member = (
  id: number,
  topics: readonly string[],
  target: Assignment = NO_PARTITIONS,
): AssignorMember => ({
  id: `m${id}`,
  instanceId: null,
  topicIds: new Set(topics),
  target,
});
const loadOf = (assignment: Assignment | undefined): number =>
  [...(assignment ?? [])].reduce((sum, [, numbers]) => sum + numbers.length, 0);
const countOf = (all: ReadonlyMap<string, Assignment>, id: string, topic: string): readonly number[] =>
  all.get(id)?.get(topic) ?? [];

const subscriptions = fc.array(fc.subarray(TOPICS, { minLength: 1 }), { minLength: 1, maxLength: 6 });
const sizes = fc
  .tuple(fc.nat(9), fc.nat(9), fc.nat(9))
  .map((counts) => new Map(TOPICS.map((id, i) => [id, counts[i]])));

function checkComplete(
  members: readonly AssignorMember[],
  counts: ReadonlyMap<string, number>,
  assign: Assignor,
) {
  const given = assign(members, counts);
  for (const [topic, count] of counts) {
    const owned = members.flatMap(({ id }) => countOf(given, id, topic)).sort((a, b) => a - b);
    const readers = members.filter(({ topicIds }) => topicIds.has(topic));
    expect(owned).toEqual(readers.length === 0 ? [] : Array.from({ length: count }, (_, i) => i));
    for (const { id, topicIds } of members)
      if (!topicIds.has(topic)) expect(countOf(given, id, topic)).toEqual([]);
  }
  return given;
}

describe('assignors', () => {
  it.each([
    ['uniform', assignUniformly],
    ['range', assignRanges],
  ] as const)('%s gives each partition to one member that reads it', (_, assign) => {
    fc.assert(
      fc.property(subscriptions, sizes, (topics, counts) => {
        const members = topics.map((each, i) => member(i, each));
        const given = checkComplete(members, counts, assign);
        const again = members.map((each) => ({ ...each, target: given.get(each.id) ?? NO_PARTITIONS }));
        expect(checkComplete(again, counts, assign)).toEqual(given);
      }),
    );
  });

  it('uniform is even, and moves no more than it must when members come and go', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        sizes,
        (before, after, counts) => {
          const first = assignUniformly(
            Array.from({ length: before }, (_, i) => member(i, TOPICS)),
            counts,
          );
          const members = Array.from({ length: after }, (_, i) => member(i, TOPICS, first.get(`m${i}`)));
          const second = checkComplete(members, counts, assignUniformly);
          const loads = members.map(({ id }) => loadOf(second.get(id)));
          expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
          const total = loads.reduce((a, b) => a + b, 0);
          const moved = members.reduce((sum, { id, target }) => {
            let kept = 0;
            for (const topic of TOPICS) {
              kept += countOf(second, id, topic).filter((each) => target.get(topic)?.includes(each)).length;
            }
            return sum + loadOf(target) - kept;
          }, 0);
          // Members that came need a share; nothing else has to leave who is still here.
          const wanted = after > before ? Math.ceil((total * (after - before)) / after) + 1 : 0;
          expect(moved).toBeLessThanOrEqual(wanted);
        },
      ),
    );
  });

  it('range gives neighbouring partitions, and the same numbers of topics of the same size', () => {
    const given = assignRanges(
      [member(0, ['a', 'b']), member(1, ['a', 'b'])],
      new Map([
        ['a', 3],
        ['b', 3],
      ]),
    );
    expect(given.get('m0')).toEqual(
      new Map([
        ['a', [0, 1]],
        ['b', [0, 1]],
      ]),
    );
    expect(given.get('m1')).toEqual(
      new Map([
        ['a', [2]],
        ['b', [2]],
      ]),
    );
  });
});
