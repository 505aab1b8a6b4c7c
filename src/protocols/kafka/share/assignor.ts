/**
 * How partitions are shared in a share group: each has at least one member, and each member at least one partition, as far as
 * subscriptions allow. Members beyond the number of partitions join the others, evenly. What a member had stays with it as far as that
 * holds.
 */
import type { Assignment } from '../groups/assignment.ts';
import { type AssignorMember, assignUniformly } from '../groups/assignors.ts';

interface Place {
  readonly topicId: string;
  readonly partition: number;
  members: number;
}

/** Of those with the fewest members, one that it had, or the first. */
function roomiest(places: readonly Place[], had: Assignment): Place | undefined {
  let best: Place | undefined;
  let isBestKnown = false;
  for (const place of places) {
    if (best !== undefined && place.members > best.members) continue;
    const isKnown = had.get(place.topicId)?.includes(place.partition) ?? false;
    if (best !== undefined && place.members === best.members && (isBestKnown || !isKnown)) continue;
    best = place;
    isBestKnown = isKnown;
  }
  return best;
}

export function assignShares(
  members: readonly AssignorMember[],
  partitionsOf: ReadonlyMap<string, number>,
): ReadonlyMap<string, Assignment> {
  const assigned = new Map(assignUniformly(members, partitionsOf));
  const places = new Map<string, Place[]>();
  for (const [topicId, count] of partitionsOf) {
    places.set(
      topicId,
      Array.from({ length: count }, (_, partition) => ({ topicId, partition, members: 1 })),
    );
  }
  const isWithout = ({ id }: AssignorMember): boolean => (assigned.get(id)?.size ?? 0) === 0;
  for (const member of members.filter(isWithout).sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const open = [...member.topicIds].flatMap((topicId) => places.get(topicId) ?? []);
    const place = roomiest(open, member.target);
    if (place === undefined) continue;
    place.members++;
    assigned.set(member.id, new Map([[place.topicId, [place.partition]]]));
  }
  return assigned;
}
