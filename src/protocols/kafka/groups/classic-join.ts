/** JoinGroup of the classic protocol: who is let in, who takes whose place, and whether the group has to rebalance for it. */
import { ErrorCode } from '../messages/errors.ts';
import {
  addMember,
  answerJoin,
  answerSync,
  bytesOf,
  type ClassicGroup,
  type ClassicMember,
  checkMember,
  failedJoin,
  failedSync,
  hasProtocols,
  type JoinResponse,
  type Protocol,
  renameMember,
  selectProtocol,
  setJoin,
  setProtocols,
  supports,
} from './classic-group.ts';
import {
  currentGeneration,
  dropMember,
  keepImage,
  maybeComplete,
  newMember,
  prepareRebalance,
  rebalanceWith,
} from './classic-rebalance.ts';
import type { GroupHost, Reply } from './host.ts';

export interface JoinRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly Protocol[];
  /** A newcomer is sent away with an id first, so that one who gives up in between leaves nothing. */
  readonly requiresMemberId: boolean;
  /** The client knows `skipAssignment`. */
  readonly canSkipAssignment: boolean;
}

/** Small copies, so that nobody holds the request's memory; of a name that comes twice, the first. */
export function copyOf(protocols: readonly Protocol[]): Protocol[] {
  const byName = new Map<string, Protocol>();
  for (const { name, metadata } of protocols) {
    if (!byName.has(name)) byName.set(name, { name, metadata: new Uint8Array(metadata) });
  }
  return [...byName.values()];
}

function hasRoom({ settings }: GroupHost, group: ClassicGroup, request: JoinRequest): boolean {
  const member = group.members.get(request.memberId);
  const bytes = bytesOf(request.clientId, request.protocols) - (member?.bytes ?? 0);
  if (group.bytes + bytes > settings.maxGroupBytes) return false;
  if (member !== undefined && group.state !== 'PreparingRebalance') return true;
  if (member?.join !== undefined) return true;
  // An instance that comes again takes its own place.
  if (request.instanceId !== null && group.statics.has(request.instanceId)) return true;
  // Members that do not join again in this rebalance make room.
  const taken = group.state === 'PreparingRebalance' ? group.joining : group.members.size;
  return taken < settings.maxMembers;
}

export function joinGroup(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  reply: Reply<JoinResponse>,
): void {
  const refuse = (errorCode: number, memberId = request.memberId): void =>
    reply(failedJoin(memberId, errorCode));
  if (group.state === 'Dead') {
    refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    return;
  }
  if (!hasRoom(host, group, request)) {
    const member = group.members.get(request.memberId);
    if (member !== undefined) dropMember(host, group, member, `there is no room for ${member.id}`);
    refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, '');
    return;
  }
  if (!supports(group, request.protocolType, request.protocols)) {
    refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  if (request.memberId === '') joinAsNew(host, group, request, reply);
  else joinAgain(host, group, request, reply);
  maybeComplete(host, group);
}

/**
 * Nobody is there any more to hear `reply`. A newcomer goes at once: nobody would miss it before the others have rebalanced with it,
 * and again without it. It may come back, with a new id.
 */
export function abandonJoin(host: GroupHost, group: ClassicGroup, reply: Reply<JoinResponse>): void {
  for (const member of group.members.values()) {
    if (member.join !== reply || !member.isNew || member.instanceId !== null) continue;
    dropMember(host, group, member, `${member.id} has gone before it was in`);
    return;
  }
}

function joinAsNew(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  reply: Reply<JoinResponse>,
): void {
  const { instanceId, clientId, sessionTimeoutMs } = request;
  const memberId = `${instanceId ?? clientId}-${host.newId()}`;
  const known = instanceId === null ? undefined : group.statics.get(instanceId);
  const member = known === undefined ? undefined : group.members.get(known);
  if (member !== undefined) {
    replace(host, group, member, memberId, request, reply);
    return;
  }
  if (instanceId !== null || !request.requiresMemberId) {
    addAndRebalance(host, group, memberId, request, reply);
    return;
  }
  if (group.pending.size + group.members.size >= host.settings.maxMembers) {
    reply(failedJoin('', ErrorCode.GROUP_MAX_SIZE_REACHED));
    return;
  }
  const deadline = host.deadlines.create(() => {
    group.pending.delete(memberId);
    maybeComplete(host, group);
  });
  deadline.set(sessionTimeoutMs);
  group.pending.set(memberId, deadline);
  reply(failedJoin(memberId, ErrorCode.MEMBER_ID_REQUIRED));
}

function addAndRebalance(
  host: GroupHost,
  group: ClassicGroup,
  memberId: string,
  request: JoinRequest,
  reply: Reply<JoinResponse>,
): void {
  const { instanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs } = request;
  const member = newMember(host, group, {
    id: memberId,
    instanceId,
    clientId,
    clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    protocols: copyOf(request.protocols),
  });
  member.join = reply;
  member.session.set(host.settings.newMemberJoinTimeoutMs);
  addMember(group, member, request.protocolType);
  if (group.initial !== undefined) group.initial.hasNewMember = true;
  rebalanceWith(host, group, `${memberId} has joined`);
}

function update(group: ClassicGroup, member: ClassicMember, request: JoinRequest): void {
  member.clientId = request.clientId;
  member.clientHost = request.clientHost;
  member.sessionTimeoutMs = request.sessionTimeoutMs;
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
  setProtocols(group, member, copyOf(request.protocols));
}

function joinAgain(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinRequest,
  reply: Reply<JoinResponse>,
): void {
  const { memberId, instanceId } = request;
  const pending = group.pending.get(memberId);
  if (pending !== undefined && instanceId === null) {
    pending.clear();
    group.pending.delete(memberId);
    addAndRebalance(host, group, memberId, request, reply);
    return;
  }
  const errorCode = checkMember(group, memberId, instanceId);
  const member = group.members.get(memberId);
  if (errorCode !== ErrorCode.NONE || member === undefined) {
    reply(failedJoin(memberId, errorCode));
    return;
  }

  const isLeader = group.leaderId === memberId;
  const isSame = hasProtocols(member, request.protocols);
  const isCompleting = group.state === 'CompletingRebalance';
  // The answer was lost, or the member only wants to know.
  if (isSame && (isCompleting || (group.state === 'Stable' && !isLeader))) {
    member.session.set(member.sessionTimeoutMs);
    const current = currentGeneration(group, memberId, isCompleting && isLeader);
    host.answer(group, reply, current, failedJoin(memberId, ErrorCode.COORDINATOR_NOT_AVAILABLE));
    return;
  }
  update(group, member, request);
  setJoin(group, member, reply);
  rebalanceWith(host, group, isSame ? `its leader ${memberId} has joined again` : `${memberId} has changed`);
}

/** A process that takes the place of the one that had its instance id. */
function replace(
  host: GroupHost,
  group: ClassicGroup,
  member: ClassicMember,
  memberId: string,
  request: JoinRequest,
  reply: Reply<JoinResponse>,
): void {
  const leaderBefore = group.leaderId ?? '';
  const oldId = member.id;
  answerJoin(group, member, failedJoin(oldId, ErrorCode.FENCED_INSTANCE_ID));
  answerSync(member, failedSync(ErrorCode.FENCED_INSTANCE_ID));
  renameMember(group, member, memberId);
  update(group, member, request);
  member.session.set(member.sessionTimeoutMs);
  host.explain(group.id, `${memberId} has taken the place of ${oldId}`);

  if (group.state !== 'Stable' || selectProtocol(group) !== group.protocolName) {
    setJoin(group, member, reply);
    if (group.state !== 'PreparingRebalance') prepareRebalance(host, group, `${memberId} has changed`);
    return;
  }
  keepImage(host, group);
  const isLeader = group.leaderId === memberId;
  const skips = request.canSkipAssignment;
  const response: JoinResponse = {
    ...currentGeneration(group, memberId, isLeader && skips),
    // An old client that hears that it leads would make an assignment; so it hears of who led before.
    leader: skips ? (group.leaderId ?? '') : leaderBefore,
    skipAssignment: isLeader && skips,
  };
  host.answer(group, reply, response, failedJoin(memberId, ErrorCode.COORDINATOR_NOT_AVAILABLE));
}
