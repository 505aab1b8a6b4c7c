/**
 * A group of the protocol in which the broker assigns (KIP-848), as data: its epochs, its members, and who has which partition. What
 * a heartbeat does to it is in consumer-heartbeat.ts. Members may be of the classic protocol.
 */

import { type Pattern, parsePattern } from '../../../kernel/filter/pattern.ts';
import { ErrorCode } from '../messages/errors.ts';
import { type Assignment, NO_PARTITIONS } from './assignment.ts';
import { ASSIGNORS, DEFAULT_ASSIGNOR } from './assignors.ts';
import { type Protocol, protocolBytesOf } from './classic-group.ts';
import type { Deadline } from './deadlines.ts';
import { type Keeping, newKeeping } from './host.ts';

/** As long as its instance may come back. */
export const AWAY_EPOCH = -2;

export type MemberState = 'stable' | 'unrevoked' | 'unreleased';

/** Of a member that speaks the classic protocol, in which it asks for what others hear with each heartbeat. */
export interface ClassicSide {
  readonly sessionTimeoutMs: number;
  /** Not empty. */
  readonly protocols: readonly Protocol[];
}

export interface ConsumerMember {
  readonly id: string;
  readonly instanceId: string | null;
  rackId: string | null;
  clientId: string;
  clientHost: string;
  rebalanceTimeoutMs: number;
  topicNames: readonly string[];
  /** As written; '' is none. */
  regex: string;
  /** Of both, and of what it says as a classic member. */
  subscriptionBytes: number;
  classic: ClassicSide | undefined;
  /** A classic one has been told to join again, and has not yet. */
  isCalled: boolean;
  pattern: Pattern | undefined;
  /** Which assignor it would like; '' is any. */
  assignor: string;
  epoch: number;
  previousEpoch: number;
  state: MemberState;
  assigned: Assignment;
  /** What it has been told to give up, and has not yet. */
  revoking: Assignment;
  target: Assignment;
  session: Deadline;
  /** For giving up what it was told to. */
  rebalance: Deadline;
}

export interface SubscribedTopic {
  readonly id: string;
  readonly partitions: number;
}

export interface ConsumerGroup {
  readonly kind: 'consumer';
  readonly id: string;
  readonly keeping: Keeping;
  epoch: number;
  /** The epoch for which the members' targets were made. */
  assignmentEpoch: number;
  readonly members: Map<string, ConsumerMember>;
  /** Of all members. */
  subscriptionBytes: number;
  /** Ids that were given to classic members that are to come back with them. */
  readonly pending: Map<string, Deadline>;
  /** Member by instance id. */
  readonly statics: Map<string, string>;
  /** Who has a partition, or has not given it up yet: member by topic id and partition. */
  readonly owners: Map<string, Map<number, string>>;
  /** By name, the topics that members read, as they were at the epoch. */
  topics: ReadonlyMap<string, SubscribedTopic>;
  /** Topics have changed since. */
  isStale: boolean;
}

export const newConsumerGroup = (
  id: string,
  epoch: number,
  keeping: Keeping = newKeeping(),
): ConsumerGroup => ({
  kind: 'consumer',
  id,
  keeping,
  epoch,
  assignmentEpoch: epoch,
  members: new Map(),
  subscriptionBytes: 0,
  pending: new Map(),
  statics: new Map(),
  owners: new Map(),
  topics: new Map(),
  isStale: false,
});

export function stateOf({ members, epoch, assignmentEpoch }: ConsumerGroup): string {
  if (members.size === 0) return 'Empty';
  if (epoch > assignmentEpoch) return 'Assigning';
  for (const member of members.values()) {
    if (member.state !== 'stable' || member.epoch !== assignmentEpoch) return 'Reconciling';
  }
  return 'Stable';
}

/** What most members would like. */
export function assignorOf({ members }: ConsumerGroup): string {
  const votes = new Map<string, number>();
  for (const { assignor } of members.values()) {
    if (ASSIGNORS.has(assignor)) votes.set(assignor, (votes.get(assignor) ?? 0) + 1);
  }
  let winner = DEFAULT_ASSIGNOR;
  for (const [name, count] of votes) if (count > (votes.get(winner) ?? 0)) winner = name;
  return winner;
}

/** The pattern was accepted when the member came. */
export function patternOf(regex: string): Pattern | undefined {
  const parsed = regex === '' ? undefined : parsePattern(regex);
  return parsed === undefined || 'reason' in parsed ? undefined : parsed;
}

export function readsTopic({ members, topics }: ConsumerGroup, name: string): boolean {
  if (topics.has(name)) return true;
  const patterns = new Map<string, Pattern>();
  for (const { topicNames, regex, pattern } of members.values()) {
    if (topicNames.includes(name)) return true;
    if (pattern !== undefined) patterns.set(regex, pattern);
  }
  for (const pattern of patterns.values()) if (pattern.matches(name)) return true;
  return false;
}

export function isAllClassic({ members }: ConsumerGroup): boolean {
  for (const { classic } of members.values()) if (classic === undefined) return false;
  return members.size > 0;
}

/** Who a classic member of it is: NONE, or what to tell it. */
export function checkClassicMember(
  group: ConsumerGroup,
  memberId: string,
  instanceId: string | null,
): number {
  if (instanceId !== null) {
    const known = group.statics.get(instanceId);
    if (known === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (known !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return group.members.get(memberId)?.classic === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : ErrorCode.NONE;
}

function own(group: ConsumerGroup, memberId: string, assignment: Assignment): void {
  for (const [topicId, numbers] of assignment) {
    let owners = group.owners.get(topicId);
    if (owners === undefined) {
      owners = new Map();
      group.owners.set(topicId, owners);
    }
    for (const number of numbers) owners.set(number, memberId);
  }
}

function disown(group: ConsumerGroup, memberId: string, assignment: Assignment): void {
  for (const [topicId, numbers] of assignment) {
    const owners = group.owners.get(topicId);
    for (const number of numbers) if (owners?.get(number) === memberId) owners.delete(number);
    if (owners?.size === 0) group.owners.delete(topicId);
  }
}

export const ownerOf = (group: ConsumerGroup, topicId: string, partition: number): string | undefined =>
  group.owners.get(topicId)?.get(partition);

export function setAssigned(
  group: ConsumerGroup,
  member: ConsumerMember,
  assigned: Assignment,
  revoking: Assignment,
): void {
  disown(group, member.id, member.assigned);
  disown(group, member.id, member.revoking);
  member.assigned = assigned;
  member.revoking = revoking;
  own(group, member.id, assigned);
  own(group, member.id, revoking);
}

export function subscriptionBytesOf(
  topicNames: readonly string[],
  regex: string,
  classic: ClassicSide | undefined,
): number {
  let bytes = Buffer.byteLength(regex) + (classic === undefined ? 0 : protocolBytesOf(classic.protocols));
  for (const name of topicNames) bytes += Buffer.byteLength(name) + 2;
  return bytes;
}

export function addConsumerMember(group: ConsumerGroup, member: ConsumerMember): void {
  member.subscriptionBytes = subscriptionBytesOf(member.topicNames, member.regex, member.classic);
  group.subscriptionBytes += member.subscriptionBytes;
  group.members.set(member.id, member);
  if (member.instanceId !== null) group.statics.set(member.instanceId, member.id);
  own(group, member.id, member.assigned);
  own(group, member.id, member.revoking);
}

export function removeConsumerMember(group: ConsumerGroup, member: ConsumerMember): void {
  setAssigned(group, member, NO_PARTITIONS, NO_PARTITIONS);
  group.members.delete(member.id);
  group.subscriptionBytes -= member.subscriptionBytes;
  if (member.instanceId !== null && group.statics.get(member.instanceId) === member.id) {
    group.statics.delete(member.instanceId);
  }
  member.session.clear();
  member.rebalance.clear();
}
