/**
 * Members of the classic protocol in a group in which the broker assigns: to them it looks like one of theirs that is led by another.
 * JoinGroup says what the member reads and has, SyncGroup tells it what it gets, and Heartbeat calls it to join again whenever there is
 * something to give up or to get.
 */
import { ownerOfName } from '../../../security/tenants/owners.ts';
import { decodeSubscription } from '../messages/consumer-protocol.ts';
import { ErrorCode } from '../messages/errors.ts';
import { difference, filterPartitions } from './assignment.ts';
import { failedJoin, failedSync, type JoinResponse, type SyncResponse } from './classic-group.ts';
import { copyOf, type JoinRequest } from './classic-join.ts';
import type { HeartbeatRequest, Leaving, SyncRequest } from './classic-members.ts';
import { type ConsumerGroup, type ConsumerMember, checkClassicMember, ownerOf } from './consumer-group.ts';
import type { ConsumerCoordinator } from './consumer-heartbeat.ts';
import { assignmentFor, byTopicId } from './conversion.ts';
import type { GroupHost, Reply } from './host.ts';

/** Whether there is a protocol that all classic members have, so that the group can become one of theirs. */
function supports(group: ConsumerGroup, { memberId, protocolType, protocols }: JoinRequest): boolean {
  if (protocolType !== 'consumer' || protocols.length === 0) return false;
  const common = new Set(protocols.map(({ name }) => name));
  for (const { id, classic } of group.members.values()) {
    if (classic === undefined || id === memberId) continue;
    const names = new Set(classic.protocols.map(({ name }) => name));
    for (const name of common) if (!names.has(name)) common.delete(name);
  }
  return common.size > 0;
}

/** Called to join again; who does not come within the time of a rebalance is out. */
function call(member: ConsumerMember): void {
  if (member.isCalled) return;
  member.isCalled = true;
  member.rebalance.set(member.rebalanceTimeoutMs);
}

export function joinConsumerGroup(
  host: GroupHost,
  coordinator: ConsumerCoordinator,
  group: ConsumerGroup,
  request: JoinRequest,
  reply: Reply<JoinResponse>,
): void {
  const { instanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const refuse = (errorCode: number, memberId = request.memberId): void =>
    reply(failedJoin(memberId, errorCode));
  const [first] = request.protocols;
  const subscription = first === undefined ? undefined : decodeSubscription(first.metadata).value;
  if (subscription === undefined || !supports(group, request)) {
    refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  const isNew = request.memberId === '';
  const memberId = isNew ? `${instanceId ?? clientId}-${host.newId()}` : request.memberId;
  if (isNew && instanceId === null && request.requiresMemberId) {
    if (group.pending.size + group.members.size >= host.settings.maxMembers) {
      refuse(ErrorCode.GROUP_MAX_SIZE_REACHED);
      return;
    }
    const deadline = host.deadlines.create(() => group.pending.delete(memberId));
    deadline.set(sessionTimeoutMs);
    group.pending.set(memberId, deadline);
    refuse(ErrorCode.MEMBER_ID_REQUIRED, memberId);
    return;
  }
  const pending = instanceId === null ? group.pending.get(memberId) : undefined;
  // Who was thrown out may believe that it still has partitions: it has to hear that it has none before it comes back.
  const errorCode =
    isNew || pending !== undefined ? ErrorCode.NONE : checkClassicMember(group, memberId, instanceId);
  if (errorCode !== ErrorCode.NONE) {
    refuse(errorCode);
    return;
  }
  pending?.clear();
  group.pending.delete(memberId);
  const answer = coordinator.heartbeat(group, {
    memberId,
    memberEpoch: 0,
    instanceId,
    rackId: subscription.rackId,
    clientId,
    clientHost,
    rebalanceTimeoutMs,
    topicNames: subscription.topics.map(ownerOfName(group.id).toKafkaTopic),
    regex: '',
    assignor: '',
    owned: byTopicId(group, subscription.ownedPartitions, coordinator.topics),
    classic: { sessionTimeoutMs, protocols: copyOf(request.protocols) },
  });
  const member = group.members.get(memberId);
  if (answer.memberId === undefined) {
    refuse(answer.errorCode);
    return;
  }
  if (member === undefined) {
    // It took the place of the last one of the other kind, so the group is a classic one now.
    refuse(ErrorCode.REBALANCE_IN_PROGRESS, memberId);
    return;
  }
  member.isCalled = false;
  // For asking what it gets.
  member.rebalance.set(rebalanceTimeoutMs);
  host.answer(
    group,
    reply,
    {
      errorCode: ErrorCode.NONE,
      generationId: answer.memberEpoch,
      protocolType: 'consumer',
      protocolName: first.name,
      leader: '',
      memberId,
      members: [],
    },
    failedJoin(memberId, ErrorCode.COORDINATOR_NOT_AVAILABLE),
  );
}

export function syncConsumerGroup(
  host: GroupHost,
  coordinator: ConsumerCoordinator,
  group: ConsumerGroup,
  request: SyncRequest,
  reply: Reply<SyncResponse>,
): void {
  const refuse = (errorCode: number): void => reply(failedSync(errorCode));
  const errorCode = checkClassicMember(group, request.memberId, request.instanceId);
  const member = group.members.get(request.memberId);
  if (errorCode !== ErrorCode.NONE || member?.classic === undefined) {
    refuse(errorCode);
    return;
  }
  if (request.generation !== member.epoch) {
    refuse(ErrorCode.ILLEGAL_GENERATION);
    return;
  }
  const { protocols } = member.classic;
  const { protocolType, protocolName } = request;
  const isOther = protocolType !== null && protocolType !== 'consumer';
  if (isOther || (protocolName !== null && protocolName !== protocols[0].name)) {
    refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  coordinator.beginSession(group, member);
  if (member.state !== 'unrevoked') {
    // It would have to join again for what it gets: it may as well do so first.
    if (group.epoch > member.epoch) {
      call(member);
      refuse(ErrorCode.REBALANCE_IN_PROGRESS);
      return;
    }
    if (!member.isCalled) member.rebalance.clear();
  }
  host.answer(
    group,
    reply,
    {
      errorCode: ErrorCode.NONE,
      protocolType: 'consumer',
      protocolName: protocols[0].name,
      assignment: assignmentFor(protocols, member.assigned, coordinator.topics),
    },
    failedSync(ErrorCode.COORDINATOR_NOT_AVAILABLE),
  );
}

/** Whether what is still missing of its target has no other owner any more. */
function canHaveAll(group: ConsumerGroup, { id, target, assigned }: ConsumerMember): boolean {
  const taken = filterPartitions(difference(target, assigned), (topicId, partition) => {
    const owner = ownerOf(group, topicId, partition);
    return owner !== undefined && owner !== id;
  });
  return taken.size === 0;
}

export function heartbeatInConsumerGroup(
  coordinator: ConsumerCoordinator,
  group: ConsumerGroup,
  { memberId, instanceId, generation }: HeartbeatRequest,
): number {
  const errorCode = checkClassicMember(group, memberId, instanceId);
  const member = group.members.get(memberId);
  if (errorCode !== ErrorCode.NONE || member === undefined) return errorCode;
  if (generation !== member.epoch) return ErrorCode.ILLEGAL_GENERATION;
  coordinator.beginSession(group, member);
  coordinator.refresh(group);
  const mustJoin =
    member.epoch < group.epoch ||
    member.state === 'unrevoked' ||
    (member.state === 'unreleased' && canHaveAll(group, member));
  if (!mustJoin) return ErrorCode.NONE;
  call(member);
  return ErrorCode.REBALANCE_IN_PROGRESS;
}

/** The error of each. An administrator names an instance without a member. */
export function leaveConsumerGroup(
  coordinator: ConsumerCoordinator,
  group: ConsumerGroup,
  leaving: readonly Leaving[],
): number[] {
  const gone: string[] = [];
  const errors = leaving.map(({ memberId, instanceId }) => {
    const pending = instanceId === null ? group.pending.get(memberId) : undefined;
    if (pending !== undefined) {
      pending.clear();
      group.pending.delete(memberId);
      return ErrorCode.NONE;
    }
    // Administrators remove members of both protocols so.
    const id = instanceId === null ? memberId : group.statics.get(instanceId);
    if (id === undefined || !group.members.has(id)) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (memberId !== '' && id !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
    gone.push(id);
    return ErrorCode.NONE;
  });
  if (gone.length > 0) coordinator.remove(group, gone);
  return errors;
}
