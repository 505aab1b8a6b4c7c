/** SyncGroup, Heartbeat and LeaveGroup of the classic protocol. */
import { ErrorCode } from '../messages/errors.ts';
import {
  type ClassicGroup,
  type ClassicMember,
  checkMember,
  failedSync,
  NO_BYTES,
  removeMember,
  type SyncResponse,
} from './classic-group.ts';
import { keepImage, maybeComplete, rebalanceWithout } from './classic-rebalance.ts';
import type { GroupHost, Reply } from './host.ts';

export interface SyncRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

function checkSync(group: ClassicGroup, request: SyncRequest): number {
  const errorCode = checkMember(group, request.memberId, request.instanceId);
  if (errorCode !== ErrorCode.NONE) return errorCode;
  if (request.generation !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
  const { protocolType, protocolName } = request;
  if (protocolType !== null && protocolType !== group.protocolType)
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  if (protocolName !== null && protocolName !== group.protocolName)
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  if (group.state === 'PreparingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
  return ErrorCode.NONE;
}

const assignmentOf = (group: ClassicGroup, member: ClassicMember): SyncResponse => ({
  errorCode: ErrorCode.NONE,
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  assignment: member.assignment,
});

export function syncGroup(
  host: GroupHost,
  group: ClassicGroup,
  request: SyncRequest,
  reply: Reply<SyncResponse>,
): void {
  const errorCode = checkSync(group, request);
  const member = group.members.get(request.memberId);
  if (errorCode !== ErrorCode.NONE || member === undefined) {
    reply(failedSync(errorCode));
    return;
  }
  const isLeader = group.leaderId === member.id;
  if (group.state === 'CompletingRebalance' && isLeader) {
    let bytes = 0;
    for (const { assignment } of request.assignments) bytes += assignment.length;
    if (bytes > host.settings.maxGroupBytes) {
      reply(failedSync(ErrorCode.INVALID_REQUEST));
      return;
    }
  }
  group.pendingSync.delete(member.id);
  member.session.set(member.sessionTimeoutMs);
  if (group.state === 'Stable') {
    tell(host, group, member, reply);
    return;
  }

  // Of a request that comes twice, the first has nobody who waits for it.
  member.sync?.(failedSync(ErrorCode.REBALANCE_IN_PROGRESS));
  member.sync = reply;
  if (!isLeader) return;
  const byMember = new Map(request.assignments.map((each) => [each.memberId, each.assignment]));
  for (const each of group.members.values()) {
    each.assignment = new Uint8Array(byMember.get(each.id) ?? NO_BYTES);
  }
  group.state = 'Stable';
  group.changedAtMs = host.clock.wallMs();
  keepImage(host, group);
  for (const each of group.members.values()) {
    const { sync } = each;
    if (sync === undefined) continue;
    each.sync = undefined;
    each.session.set(each.sessionTimeoutMs);
    tell(host, group, each, sync);
  }
}

function tell(host: GroupHost, group: ClassicGroup, member: ClassicMember, reply: Reply<SyncResponse>): void {
  const failure = failedSync(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  host.answer(group, reply, assignmentOf(group, member), failure);
}

export interface HeartbeatRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

export function heartbeat(
  group: ClassicGroup,
  { memberId, instanceId, generation }: HeartbeatRequest,
): number {
  const errorCode = checkMember(group, memberId, instanceId);
  const member = group.members.get(memberId);
  if (errorCode !== ErrorCode.NONE || member === undefined) return errorCode;
  if (generation !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
  // A member that waits to join is looked after by the rebalance.
  if (!member.isNew) member.session.set(member.sessionTimeoutMs);
  return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

export interface Leaving {
  readonly memberId: string;
  readonly instanceId: string | null;
}

/** The error of each. An administrator names an instance without a member. */
export function leaveGroup(host: GroupHost, group: ClassicGroup, leaving: readonly Leaving[]): number[] {
  if (group.state === 'Dead') return leaving.map(() => ErrorCode.COORDINATOR_NOT_AVAILABLE);
  const gone: string[] = [];
  const errors = leaving.map(({ memberId, instanceId }) => {
    const pending = group.pending.get(memberId);
    if (pending !== undefined && instanceId === null) {
      pending.clear();
      group.pending.delete(memberId);
      return ErrorCode.NONE;
    }
    const id = memberId === '' && instanceId !== null ? group.statics.get(instanceId) : memberId;
    if (id === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    const errorCode = checkMember(group, id, instanceId);
    const member = group.members.get(id);
    if (errorCode !== ErrorCode.NONE || member === undefined) return errorCode;
    removeMember(group, member, ErrorCode.UNKNOWN_MEMBER_ID);
    gone.push(id);
    return ErrorCode.NONE;
  });
  if (gone.length > 0) rebalanceWithout(host, group, `${gone.join(', ')} left`);
  else maybeComplete(host, group);
  return errors;
}
