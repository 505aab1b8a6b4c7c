/**
 * Groups that have members change from one protocol to the other: to that in which the broker assigns when such a member comes to
 * classic ones, and back when none of these is left. What members have stays theirs, and epochs go on from generations, and these from
 * epochs, so nobody is out for it; the classic members are called to join again.
 */
import { kafkaTopicAsWritten, ownerOfName } from '../../../security/tenants/owners.ts';
import { decodeAssignment, decodeSubscription, encodeAssignment } from '../messages/consumer-protocol.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { Topics } from '../topics/topics.ts';
import { type Assignment, filterPartitions, NO_PARTITIONS, toAssignment, union } from './assignment.ts';
import {
  addMember,
  answerJoin,
  answerSync,
  type ClassicGroup,
  failedJoin,
  failedSync,
  findTopics,
  metadataOf,
  type Protocol,
  selectProtocol,
} from './classic-group.ts';
import { createClassicGroup, newMember, prepareRebalance } from './classic-rebalance.ts';
import { type ConsumerGroup, newConsumerGroup, ownerOf } from './consumer-group.ts';
import type { ConsumerCoordinator } from './consumer-heartbeat.ts';
import type { KeptMember } from './consumer-image.ts';
import type { GroupHost } from './host.ts';

type KnownTopics = Pick<Topics, 'get' | 'byId'>;

const CONSUMER_TYPE = 'consumer';
const VERSION_BYTES = 2;
const MAX_VERSION = 3;

/** The oldest version that all readers of what a member wrote know. */
function versionOf([protocol]: readonly Protocol[]): number {
  const { metadata } = protocol;
  if (metadata.byteLength < VERSION_BYTES) return 0;
  return Math.min(MAX_VERSION, Math.max(0, Buffer.from(metadata).readInt16BE(0)));
}

/** What a classic member is told to read; what members tell each other has names as clients write them. */
export function assignmentFor(
  protocols: readonly Protocol[],
  assigned: Assignment,
  topics: KnownTopics,
): Uint8Array {
  const assignedPartitions = [...assigned].flatMap(([topicId, partitions]) => {
    const name = topics.byId(topicId)?.name;
    return name === undefined ? [] : [{ topic: kafkaTopicAsWritten(name), partitions }];
  });
  return encodeAssignment(versionOf(protocols), { assignedPartitions, userData: null });
}

/** Of names that members of the group have written, what there is of them. */
export function byTopicId(
  { id }: { readonly id: string },
  named: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  topics: KnownTopics,
): Assignment {
  const { toKafkaTopic } = ownerOfName(id);
  return toAssignment(
    named.flatMap(({ topic: name, partitions }) => {
      const topic = topics.get(toKafkaTopic(name));
      if (topic === undefined) return [];
      const count = topic.partitions.length;
      return [
        {
          topicId: topic.id,
          partitions: partitions.filter((partition) => partition >= 0 && partition < count),
        },
      ];
    }),
  );
}

/** As members of the other kind; undefined where they speak something that the broker does not understand. */
function membersOf(group: ClassicGroup, topics: KnownTopics): KeptMember[] | undefined {
  const members: KeptMember[] = [];
  if (group.members.size === 0) return members;
  if (group.protocolType !== CONSUMER_TYPE) return undefined;
  const { toKafkaTopic } = ownerOfName(group.id);
  for (const member of group.members.values()) {
    // Who has never been in a generation has nothing, and can come anew.
    if (member.isNew || member.protocols.length === 0) continue;
    const { id, instanceId, clientId, clientHost, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = member;
    const metadata =
      group.protocolName === null ? protocols[0].metadata : metadataOf(member, group.protocolName);
    const subscription = decodeSubscription(metadata).value;
    const assignment = decodeAssignment(member.assignment).value;
    if (subscription === undefined) return undefined;
    if (assignment === undefined && member.assignment.byteLength > 0) return undefined;
    const given = byTopicId(group, assignment?.assignedPartitions ?? [], topics);
    // Amidst a rebalance a member may still have what it said when it joined.
    const assigned =
      group.state === 'Stable' ? given : union(given, byTopicId(group, subscription.ownedPartitions, topics));
    members.push({
      id,
      instanceId,
      rackId: subscription.rackId,
      clientId,
      clientHost,
      rebalanceTimeoutMs,
      topicNames: [...new Set(subscription.topics.map(toKafkaTopic))].sort(),
      regex: '',
      assignor: '',
      epoch: group.generation,
      previousEpoch: group.generation,
      state: 'stable',
      assigned,
      revoking: NO_PARTITIONS,
      target: assigned,
      classic: { sessionTimeoutMs, protocols },
    });
  }
  return members;
}

/** Those who were given an id have to ask for another one. */
export function forgetPending({ pending }: Pick<ConsumerGroup, 'pending'>): void {
  for (const deadline of pending.values()) deadline.clear();
  pending.clear();
}

/** A group in whose place another one has come. Who waits for an answer asks again. */
function retire(group: ClassicGroup): void {
  group.state = 'Dead';
  group.rebalance.clear();
  group.syncing.clear();
  forgetPending(group);
  for (const member of group.members.values()) {
    member.session.clear();
    answerJoin(group, member, failedJoin(member.id, ErrorCode.REBALANCE_IN_PROGRESS));
    answerSync(member, failedSync(ErrorCode.REBALANCE_IN_PROGRESS));
  }
}

/** undefined where it cannot be. It is for the caller to have it written down. */
export function toConsumerGroup(
  coordinator: ConsumerCoordinator,
  from: ClassicGroup,
): ConsumerGroup | undefined {
  const members = membersOf(from, coordinator.topics);
  if (members === undefined) return undefined;
  const group = newConsumerGroup(from.id, from.generation, from.keeping);
  // What a leader has made is no target of ours: whoever comes next makes a new epoch.
  group.isStale = true;
  for (const kept of members) {
    // Of what a leader has given to two members, the first has it.
    const assigned = filterPartitions(
      kept.assigned,
      (topicId, partition) => ownerOf(group, topicId, partition) === undefined,
    );
    coordinator.add(group, { ...kept, assigned, target: assigned });
  }
  retire(from);
  return group;
}

/** All of its members are classic ones. It rebalances, and it is for the caller to have it written down. */
export function toClassicGroup(host: GroupHost, from: ConsumerGroup, topics: KnownTopics): ClassicGroup {
  const group = createClassicGroup(host, from.id, from.keeping);
  forgetPending(from);
  group.isKept = true;
  group.generation = from.epoch;
  for (const { classic, ...each } of from.members.values()) {
    each.session.clear();
    each.rebalance.clear();
    if (classic === undefined) continue;
    const { id, instanceId, clientId, clientHost, rebalanceTimeoutMs } = each;
    const { sessionTimeoutMs, protocols } = classic;
    const member = newMember(host, group, {
      id,
      instanceId,
      clientId,
      clientHost,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocols,
    });
    member.isNew = false;
    member.assignment = assignmentFor(protocols, each.assigned, topics);
    addMember(group, member, CONSUMER_TYPE);
    member.session.set(sessionTimeoutMs);
  }
  group.protocolName = selectProtocol(group);
  findTopics(group);
  group.state = 'Stable';
  prepareRebalance(host, group, 'no member is left for which the broker assigns');
  return group;
}
