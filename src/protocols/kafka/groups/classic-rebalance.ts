/**
 * Rebalances of a classic group: what begins one, when it is complete, who is left out. Each generation is written down before its
 * members hear of it, so that none is given twice.
 */
import { ErrorCode } from '../messages/errors.ts';
import {
  addMember,
  answerSync,
  type ClassicGroup,
  type ClassicMember,
  type ClassicState,
  failedJoin,
  failedSync,
  findTopics,
  type JoinResponse,
  metadataOf,
  NO_BYTES,
  newClassicGroup,
  type Protocol,
  rebalanceTimeoutOf,
  removeMember,
  selectProtocol,
} from './classic-group.ts';
import { imageOf, readImage } from './classic-image.ts';
import type { GroupHost, Keeping } from './host.ts';

/** Where nobody has come to be a leader, the group waits for at least this long again. */
const MIN_WAIT_MS = 1000;

export function createClassicGroup(host: GroupHost, id: string, keeping?: Keeping): ClassicGroup {
  const onDue = {
    rebalance: (group: ClassicGroup) => rebalanceIsDue(host, group),
    syncing: (group: ClassicGroup) => syncIsDue(host, group),
  };
  return newClassicGroup(id, host.clock.wallMs(), host.deadlines, onDue, keeping);
}

export function keepImage(host: GroupHost, group: ClassicGroup): void {
  group.isKept = true;
  host.keep(group, [imageOf(group)]);
}

function setState(host: GroupHost, group: ClassicGroup, state: ClassicState): void {
  group.state = state;
  group.changedAtMs = host.clock.wallMs();
}

/** A member of its own process; `sessionTimeoutMs` counts from when it is in a generation. */
export function newMember(
  host: GroupHost,
  group: ClassicGroup,
  of: Omit<ClassicMember, 'session' | 'join' | 'sync' | 'isNew' | 'assignment' | 'bytes'>,
): ClassicMember {
  const member: ClassicMember = {
    ...of,
    assignment: NO_BYTES,
    bytes: 0,
    isNew: true,
    join: undefined,
    sync: undefined,
    session: host.deadlines.create(() => sessionIsDue(host, group, member)),
  };
  return member;
}

function sessionIsDue(host: GroupHost, group: ClassicGroup, member: ClassicMember): void {
  // Who waits for an answer is alive as far as it can show it; its session begins anew with the answer.
  if (!member.isNew && (member.join !== undefined || member.sync !== undefined)) return;
  dropMember(host, group, member, `the session of ${member.id} has timed out`);
}

export function dropMember(
  host: GroupHost,
  group: ClassicGroup,
  member: ClassicMember,
  reason: string,
): void {
  removeMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID);
  rebalanceWithout(host, group, reason);
}

/** After members have gone. */
export function rebalanceWithout(host: GroupHost, group: ClassicGroup, reason: string): void {
  if (group.state === 'Stable' || group.state === 'CompletingRebalance')
    prepareRebalance(host, group, reason);
  else maybeComplete(host, group);
}

/** After a member has come or changed. */
export function rebalanceWith(host: GroupHost, group: ClassicGroup, reason: string): void {
  if (group.state === 'PreparingRebalance') maybeComplete(host, group);
  else prepareRebalance(host, group, reason);
}

export function prepareRebalance(host: GroupHost, group: ClassicGroup, reason: string): void {
  host.explain(group.id, `rebalance: ${reason}`);
  const isInitial = group.state === 'Empty';
  if (group.state === 'CompletingRebalance') {
    for (const member of group.members.values()) {
      member.assignment = NO_BYTES;
      if (member.sync !== undefined) member.session.set(member.sessionTimeoutMs);
      answerSync(member, failedSync(ErrorCode.REBALANCE_IN_PROGRESS));
    }
  }
  group.syncing.clear();
  setState(host, group, 'PreparingRebalance');
  const timeoutMs = rebalanceTimeoutOf(group);
  const delayMs = Math.min(host.settings.initialRebalanceDelayMs, timeoutMs);
  if (!isInitial) {
    group.rebalance.set(timeoutMs);
    maybeComplete(host, group);
  } else if (delayMs <= 0) completeJoin(host, group);
  else {
    group.initial = { remainingMs: timeoutMs - delayMs, hasNewMember: false };
    group.rebalance.set(delayMs);
  }
}

function rebalanceIsDue(host: GroupHost, group: ClassicGroup): void {
  const { initial } = group;
  if (initial?.hasNewMember && initial.remainingMs > 0) {
    const delayMs = Math.min(host.settings.initialRebalanceDelayMs, initial.remainingMs);
    group.initial = { remainingMs: initial.remainingMs - delayMs, hasNewMember: false };
    group.rebalance.set(delayMs);
  } else completeJoin(host, group);
}

export function maybeComplete(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance' || group.initial !== undefined) return;
  if (group.joining === group.members.size && group.pending.size === 0) completeJoin(host, group);
}

/** False when nobody has joined. */
function electLeader(group: ClassicGroup): boolean {
  const leader = group.leaderId === null ? undefined : group.members.get(group.leaderId);
  if (leader?.join !== undefined) return true;
  for (const { id, join } of group.members.values()) {
    if (join === undefined) continue;
    group.leaderId = id;
    return true;
  }
  return false;
}

function completeJoin(host: GroupHost, group: ClassicGroup): void {
  group.rebalance.clear();
  group.initial = undefined;
  for (const member of [...group.members.values()]) {
    if (member.join === undefined && member.instanceId === null) {
      host.explain(group.id, `${member.id} did not join again`);
      removeMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
  }
  if (group.members.size > 0 && !electLeader(group)) {
    group.rebalance.set(Math.max(MIN_WAIT_MS, rebalanceTimeoutOf(group)));
    return;
  }
  group.generation++;
  group.pendingSync.clear();
  group.protocolName = selectProtocol(group);
  findTopics(group);
  if (group.members.size === 0) {
    setState(host, group, 'Empty');
    keepImage(host, group);
    return;
  }
  setState(host, group, 'CompletingRebalance');
  keepImage(host, group);
  group.syncing.set(rebalanceTimeoutOf(group));
  for (const member of group.members.values()) {
    member.isNew = false;
    member.session.set(member.sessionTimeoutMs);
    group.pendingSync.add(member.id);
    const { join } = member;
    if (join === undefined) continue;
    member.join = undefined;
    group.joining--;
    const isLeader = member.id === group.leaderId;
    host.answer(
      group,
      join,
      currentGeneration(group, member.id, isLeader),
      failedJoin(member.id, ErrorCode.COORDINATOR_NOT_AVAILABLE),
    );
  }
}

/** What a member hears of the generation that there is. */
export function currentGeneration(group: ClassicGroup, memberId: string, withMembers: boolean): JoinResponse {
  const members = withMembers
    ? [...group.members.values()].map((each) => ({
        memberId: each.id,
        groupInstanceId: each.instanceId,
        metadata: metadataOf(each, group.protocolName),
      }))
    : [];
  return {
    errorCode: ErrorCode.NONE,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    memberId,
    members,
  };
}

/** Whoever has not asked for its assignment in the time of a rebalance is not there. */
function syncIsDue(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return;
  if (group.pendingSync.size === 0) return;
  for (const id of [...group.pendingSync]) {
    const member = group.members.get(id);
    if (member !== undefined) removeMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID);
  }
  prepareRebalance(host, group, 'members did not ask for their assignment');
}

/** As it was when it was written down; sessions begin anew. */
export function restoreClassicGroup(host: GroupHost, id: string, bytes: Uint8Array): ClassicGroup {
  const kept = readImage(bytes);
  const group = createClassicGroup(host, id);
  group.isKept = true;
  for (const each of kept.members) {
    const member = newMember(host, group, { ...each, protocols: [...each.protocols] as readonly Protocol[] });
    member.isNew = false;
    member.assignment = each.assignment;
    addMember(group, member, kept.protocolType ?? '');
    member.session.set(member.sessionTimeoutMs);
    if (kept.state === 'CompletingRebalance') group.pendingSync.add(member.id);
  }
  group.state = kept.state;
  group.changedAtMs = kept.changedAtMs;
  group.generation = kept.generation;
  group.protocolType = kept.protocolType;
  group.protocolName = kept.protocolName;
  group.leaderId = kept.leaderId;
  if (kept.state === 'CompletingRebalance') group.syncing.set(rebalanceTimeoutOf(group));
  if (kept.state === 'PreparingRebalance') group.rebalance.set(rebalanceTimeoutOf(group));
  findTopics(group);
  return group;
}
