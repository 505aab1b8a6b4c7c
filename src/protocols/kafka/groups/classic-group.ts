/**
 * A group of the classic protocol as data: members, their votes and what they wait for. No decisions about rebalances, which are in
 * classic-rebalance.ts.
 */

import { ownerOfName } from '../../../security/tenants/owners.ts';
import type { joinGroupResponse, syncGroupResponse } from '../messages/classic-group.ts';
import { decodeSubscription } from '../messages/consumer-protocol.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import { type Keeping, newKeeping, type Reply } from './host.ts';

export type JoinResponse = In<typeof joinGroupResponse> & { readonly generationId: number };
export type SyncResponse = In<typeof syncGroupResponse>;

export type ClassicState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

export interface Protocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface ClassicMember {
  id: string;
  readonly instanceId: string | null;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: readonly Protocol[];
  assignment: Uint8Array;
  /** About what it takes besides its assignment, as it was when it was counted. */
  bytes: number;
  /** Until it was in a generation for the first time. */
  isNew: boolean;
  join: Reply<JoinResponse> | undefined;
  sync: Reply<SyncResponse> | undefined;
  session: Deadline;
}

export interface ClassicGroup {
  readonly kind: 'classic';
  readonly id: string;
  readonly keeping: Keeping;
  state: ClassicState;
  /** By the wall clock. */
  changedAtMs: number;
  generation: number;
  protocolType: string | null;
  protocolName: string | null;
  leaderId: string | null;
  readonly members: Map<string, ClassicMember>;
  /** Member by group instance id. */
  readonly statics: Map<string, string>;
  /** Ids that were given to who is to come back with them. */
  readonly pending: Map<string, Deadline>;
  readonly pendingSync: Set<string>;
  /** How many members support a protocol. */
  readonly support: Map<string, number>;
  /** Members whose join waits for its answer. */
  joining: number;
  /** Of all members. */
  bytes: number;
  readonly rebalance: Deadline;
  readonly syncing: Deadline;
  /** Of the first rebalance of an empty group: what is left of the time for it, and whether somebody came. */
  initial: { remainingMs: number; hasNewMember: boolean } | undefined;
  /** Whether it is in the durable table. */
  isKept: boolean;
  /** Topics of the current generation; undefined where members do not speak the consumers' protocol. */
  topics: ReadonlySet<string> | undefined;
}

export const NO_BYTES = new Uint8Array(0);

export function newClassicGroup(
  id: string,
  nowMs: number,
  deadlines: Deadlines,
  onDue: { rebalance(group: ClassicGroup): void; syncing(group: ClassicGroup): void },
  keeping: Keeping = newKeeping(),
): ClassicGroup {
  const group: ClassicGroup = {
    kind: 'classic',
    id,
    keeping,
    state: 'Empty',
    changedAtMs: nowMs,
    generation: 0,
    protocolType: null,
    protocolName: null,
    leaderId: null,
    members: new Map(),
    statics: new Map(),
    pending: new Map(),
    pendingSync: new Set(),
    support: new Map(),
    joining: 0,
    bytes: 0,
    rebalance: deadlines.create(() => onDue.rebalance(group)),
    syncing: deadlines.create(() => onDue.syncing(group)),
    initial: undefined,
    isKept: false,
    topics: undefined,
  };
  return group;
}

const MEMBER_BYTES = 64;

/** About what a member takes that says this of itself; its id has the client's in it. */
export function bytesOf(clientId: string, protocols: readonly Protocol[]): number {
  return MEMBER_BYTES + 2 * Buffer.byteLength(clientId) + protocolBytesOf(protocols);
}

export function protocolBytesOf(protocols: readonly Protocol[]): number {
  let bytes = 0;
  for (const { name, metadata } of protocols) bytes += Buffer.byteLength(name) + metadata.length;
  return bytes;
}

function vote(group: ClassicGroup, member: ClassicMember, sign: 1 | -1): void {
  for (const { name } of member.protocols) {
    const count = (group.support.get(name) ?? 0) + sign;
    if (count === 0) group.support.delete(name);
    else group.support.set(name, count);
  }
  if (sign > 0) member.bytes = bytesOf(member.clientId, member.protocols);
  group.bytes += sign * member.bytes;
}

export function addMember(group: ClassicGroup, member: ClassicMember, protocolType: string): void {
  if (group.members.size === 0) group.protocolType = protocolType;
  group.members.set(member.id, member);
  if (member.instanceId !== null) group.statics.set(member.instanceId, member.id);
  group.leaderId ??= member.id;
  if (member.join !== undefined) group.joining++;
  vote(group, member, 1);
}

/** Whoever waits for an answer is told. */
export function removeMember(group: ClassicGroup, member: ClassicMember, errorCode: number): void {
  if (!group.members.delete(member.id)) return;
  member.session.clear();
  vote(group, member, -1);
  group.pendingSync.delete(member.id);
  if (member.instanceId !== null && group.statics.get(member.instanceId) === member.id) {
    group.statics.delete(member.instanceId);
  }
  if (group.leaderId === member.id) group.leaderId = group.members.keys().next().value ?? null;
  answerJoin(group, member, failedJoin(member.id, errorCode));
  answerSync(member, failedSync(errorCode));
}

export function setProtocols(
  group: ClassicGroup,
  member: ClassicMember,
  protocols: readonly Protocol[],
): void {
  vote(group, member, -1);
  member.protocols = protocols;
  vote(group, member, 1);
}

/** The member's place under another id: that of a process that has taken its instance's place. */
export function renameMember(group: ClassicGroup, member: ClassicMember, id: string): void {
  group.members.delete(member.id);
  if (group.leaderId === member.id) group.leaderId = id;
  if (group.pendingSync.delete(member.id)) group.pendingSync.add(id);
  member.id = id;
  group.members.set(id, member);
  if (member.instanceId !== null) group.statics.set(member.instanceId, id);
}

export function setJoin(group: ClassicGroup, member: ClassicMember, join: Reply<JoinResponse>): void {
  // A repeated request on another connection: the first one has nobody who waits for it.
  answerJoin(group, member, failedJoin(member.id, ErrorCode.REBALANCE_IN_PROGRESS));
  member.join = join;
  group.joining++;
}

export function answerJoin(group: ClassicGroup, member: ClassicMember, response: JoinResponse): void {
  const { join } = member;
  if (join === undefined) return;
  member.join = undefined;
  group.joining--;
  join(response);
}

export function answerSync(member: ClassicMember, response: SyncResponse): void {
  const { sync } = member;
  member.sync = undefined;
  sync?.(response);
}

export const failedJoin = (memberId: string, errorCode: number): JoinResponse => ({
  errorCode,
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  memberId,
  members: [],
});

export const failedSync = (errorCode: number): SyncResponse => ({ errorCode, assignment: NO_BYTES });

/** Type and at least one name that all members have. */
export function supports(
  group: ClassicGroup,
  protocolType: string,
  protocols: readonly { readonly name: string }[],
): boolean {
  if (group.members.size === 0) return protocolType !== '' && protocols.length > 0;
  return (
    protocolType === group.protocolType &&
    protocols.some(({ name }) => group.support.get(name) === group.members.size)
  );
}

/** What most members like best among what all have. */
export function selectProtocol(group: ClassicGroup): string | null {
  const votes = new Map<string, number>();
  for (const { protocols } of group.members.values()) {
    const first = protocols.find(({ name }) => group.support.get(name) === group.members.size);
    if (first !== undefined) votes.set(first.name, (votes.get(first.name) ?? 0) + 1);
  }
  let winner: string | null = null;
  for (const [name, count] of votes) {
    if (winner === null || count > (votes.get(winner) ?? 0)) winner = name;
  }
  return winner;
}

export const metadataOf = (member: ClassicMember, protocol: string | null): Uint8Array =>
  member.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES;

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export function hasProtocols(member: ClassicMember, protocols: readonly Protocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every(
      ({ name, metadata }, i) => name === protocols[i].name && isSame(metadata, protocols[i].metadata),
    )
  );
}

/** Of the members' subscriptions; for who decides whether an offset is still in use. */
export function findTopics(group: ClassicGroup): void {
  group.topics = undefined;
  if (group.protocolType !== 'consumer') return;
  const topics = new Set<string>();
  const owner = ownerOfName(group.id);
  for (const member of group.members.values()) {
    const { value } = decodeSubscription(metadataOf(member, group.protocolName));
    if (value === undefined) return;
    for (const topic of value.topics) topics.add(owner.toKafkaTopic(topic));
  }
  group.topics = topics;
}

/** How long a rebalance may take. */
export function rebalanceTimeoutOf({ members }: ClassicGroup): number {
  let longest = 0;
  for (const { rebalanceTimeoutMs } of members.values()) longest = Math.max(longest, rebalanceTimeoutMs);
  return longest;
}

/** Who a member is, for all requests of members: NONE, or what to tell it. */
export function checkMember(group: ClassicGroup, memberId: string, instanceId: string | null): number {
  if (group.state === 'Dead') return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  if (instanceId !== null) {
    const known = group.statics.get(instanceId);
    if (known === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (known !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
}
