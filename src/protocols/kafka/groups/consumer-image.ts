/** Parts in which a consumer group is kept: one with its epochs, and one for each member, so that a heartbeat writes little. */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import { readAssignment, writeAssignment } from './assignment.ts';
import type { GroupChange } from './changes.ts';
import type {
  ClassicSide,
  ConsumerGroup,
  ConsumerMember,
  MemberState,
  SubscribedTopic,
} from './consumer-group.ts';

export const CONSUMER_PART = 'consumer';
const MEMBER_PREFIX = 'member/';

const VERSION = 1;
/** Of a member that speaks the classic protocol. */
const CLASSIC_VERSION = 2;
const STATES: readonly MemberState[] = ['stable', 'unrevoked', 'unreleased'];
/** Epochs may be as low as that of a static member that is away. */
const EPOCH_BIAS = 2;

export const memberPart = (memberId: string): string => `${MEMBER_PREFIX}${memberId}`;
export const isMemberPart = (part: string): boolean => part.startsWith(MEMBER_PREFIX);

export function groupImage(group: ConsumerGroup): GroupChange {
  const to = new ByteWriter(64).u8(VERSION).uint(group.epoch).uint(group.assignmentEpoch);
  to.uint(group.topics.size);
  for (const [name, { id, partitions }] of group.topics) to.text(name).text(id).uint(partitions);
  return { kind: 'part', group: group.id, part: CONSUMER_PART, bytes: to.finish() };
}

export const noPart = (group: string, part: string): GroupChange => ({
  kind: 'part',
  group,
  part,
  bytes: new Uint8Array(0),
});

export function memberImage(group: ConsumerGroup, member: ConsumerMember): GroupChange {
  const to = new ByteWriter(256)
    .u8(member.classic === undefined ? VERSION : CLASSIC_VERSION)
    .text(member.id)
    .text(member.instanceId ?? '')
    .text(member.rackId ?? '')
    .text(member.clientId)
    .text(member.clientHost)
    .uint(member.rebalanceTimeoutMs)
    .text(member.regex)
    .text(member.assignor)
    .uint(member.epoch + EPOCH_BIAS)
    .uint(member.previousEpoch + EPOCH_BIAS)
    .u8(STATES.indexOf(member.state))
    .uint(member.topicNames.length);
  for (const name of member.topicNames) to.text(name);
  writeAssignment(to, member.assigned);
  writeAssignment(to, member.revoking);
  writeAssignment(to, member.target);
  if (member.classic !== undefined) {
    to.uint(member.classic.sessionTimeoutMs).uint(member.classic.protocols.length);
    for (const { name, metadata } of member.classic.protocols) to.text(name).bytes(metadata);
  }
  return { kind: 'part', group: group.id, part: memberPart(member.id), bytes: to.finish() };
}

export type KeptMember = Omit<
  ConsumerMember,
  'pattern' | 'subscriptionBytes' | 'isCalled' | 'session' | 'rebalance'
>;

function open(bytes: Uint8Array, versions: readonly number[]): { from: ByteReader; version: number } {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (!versions.includes(version)) {
    throw new Error(`groups: version ${version} of a consumer group is unknown`);
  }
  return { from, version };
}

const readClassicSide = (from: ByteReader): ClassicSide => ({
  sessionTimeoutMs: from.uint(),
  protocols: Array.from({ length: from.count(2) }, () => ({ name: from.text(), metadata: from.bytes() })),
});

export function readMemberImage(bytes: Uint8Array): KeptMember {
  const { from, version } = open(bytes, [VERSION, CLASSIC_VERSION]);
  const member: KeptMember = {
    id: from.text(),
    instanceId: from.text() || null,
    rackId: from.text() || null,
    clientId: from.text(),
    clientHost: from.text(),
    rebalanceTimeoutMs: from.uint(),
    regex: from.text(),
    assignor: from.text(),
    epoch: from.uint() - EPOCH_BIAS,
    previousEpoch: from.uint() - EPOCH_BIAS,
    state: from.oneOf(STATES),
    topicNames: Array.from({ length: from.count() }, () => from.text()),
    assigned: readAssignment(from),
    revoking: readAssignment(from),
    target: readAssignment(from),
    classic: version === CLASSIC_VERSION ? readClassicSide(from) : undefined,
  };
  if (!from.isComplete) throw new Error('groups: a member of a consumer group is damaged');
  return member;
}

export interface KeptConsumerGroup {
  readonly epoch: number;
  readonly assignmentEpoch: number;
  readonly topics: ReadonlyMap<string, SubscribedTopic>;
}

export function readGroupImage(bytes: Uint8Array): KeptConsumerGroup {
  const { from } = open(bytes, [VERSION]);
  const [epoch, assignmentEpoch] = [from.uint(), from.uint()];
  const topics = new Map<string, SubscribedTopic>();
  for (let left = from.count(3); left > 0; left--) {
    topics.set(from.text(), { id: from.text(), partitions: from.uint() });
  }
  if (!from.isComplete) throw new Error('groups: a consumer group is damaged');
  return { epoch, assignmentEpoch, topics };
}
