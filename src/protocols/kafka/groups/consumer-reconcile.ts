/**
 * How a member of a consumer group comes from what it has to what it is to have: it gives up first what is not for it, and gets then
 * what nobody else has any more. So no partition has two owners at any time.
 */
import {
  type Assignment,
  difference,
  filterPartitions,
  intersection,
  NO_PARTITIONS,
  union,
} from './assignment.ts';
import { type ConsumerGroup, type ConsumerMember, ownerOf, setAssigned } from './consumer-group.ts';

const overlaps = (a: Assignment, b: Assignment): boolean => intersection(a, b).size > 0;

/** `owned`: what the member says it has; undefined when it did not say. True when something has changed. */
export function reconcile(
  group: ConsumerGroup,
  member: ConsumerMember,
  owned: Assignment | undefined,
): boolean {
  if (member.state === 'stable' && member.epoch === group.assignmentEpoch) return false;
  if (member.state === 'unrevoked') {
    if (owned === undefined || overlaps(owned, member.revoking)) return false;
  }
  const kept = intersection(member.assigned, member.target);
  const revoking = difference(member.assigned, member.target);
  const missing = difference(member.target, member.assigned);
  const free = filterPartitions(missing, (topicId, partition) => {
    const owner = ownerOf(group, topicId, partition);
    return owner === undefined || owner === member.id;
  });
  const isUnreleased = difference(missing, free).size > 0;

  if (revoking.size > 0 && (owned === undefined || overlaps(owned, revoking))) {
    member.state = 'unrevoked';
    setAssigned(group, member, kept, revoking);
    return true;
  }
  const state = isUnreleased ? 'unreleased' : 'stable';
  const isAsBefore = member.state === state && member.epoch === group.assignmentEpoch;
  if (isAsBefore && free.size === 0 && revoking.size === 0) return false;
  member.state = state;
  if (member.epoch !== group.assignmentEpoch) member.previousEpoch = member.epoch;
  member.epoch = group.assignmentEpoch;
  setAssigned(group, member, union(kept, free), NO_PARTITIONS);
  return true;
}
