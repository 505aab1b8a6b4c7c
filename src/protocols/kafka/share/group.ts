/** A share group as data: its epochs and its members. What a heartbeat does to it is in heartbeat.ts. */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import { type Assignment, readAssignment, writeAssignment } from '../groups/assignment.ts';
import type { SubscribedTopic } from '../groups/consumer-group.ts';
import type { Deadline } from '../groups/deadlines.ts';

export interface ShareMember {
  readonly id: string;
  rackId: string | null;
  clientId: string;
  clientHost: string;
  topicNames: readonly string[];
  subscriptionBytes: number;
  epoch: number;
  previousEpoch: number;
  /** What it was told. */
  assigned: Assignment;
  /** What it is to be told. */
  target: Assignment;
  session: Deadline;
}

export interface ShareGroup {
  readonly id: string;
  /** Its last change, while that is on its way; whether it was written. */
  pending: Promise<boolean> | undefined;
  epoch: number;
  readonly members: Map<string, ShareMember>;
  subscriptionBytes: number;
  /** By name, the topics that members read, as they were at the epoch. */
  topics: ReadonlyMap<string, SubscribedTopic>;
  /** Topics have changed since. */
  isStale: boolean;
}

export const GROUP_PART = 'group';
const MEMBER_PREFIX = 'member/';
export const ASSIGNOR = 'simple';

const VERSION = 1;

export const memberPart = (memberId: string): string => `${MEMBER_PREFIX}${memberId}`;
export const isMemberPart = (part: string): boolean => part.startsWith(MEMBER_PREFIX);

export const newShareGroup = (id: string, epoch = 0): ShareGroup => ({
  id,
  pending: undefined,
  epoch,
  members: new Map(),
  subscriptionBytes: 0,
  topics: new Map(),
  isStale: false,
});

export const stateOf = ({ members }: ShareGroup): string => (members.size === 0 ? 'Empty' : 'Stable');

export const bytesOf = (topicNames: readonly string[]): number =>
  topicNames.reduce((sum, name) => sum + Buffer.byteLength(name) + 2, 0);

export function readsTopic({ members, topics }: ShareGroup, name: string): boolean {
  if (topics.has(name)) return true;
  for (const { topicNames } of members.values()) if (topicNames.includes(name)) return true;
  return false;
}

export function groupImage(group: ShareGroup): Uint8Array {
  const to = new ByteWriter(64).u8(VERSION).uint(group.epoch).uint(group.topics.size);
  for (const [name, { id, partitions }] of group.topics) to.text(name).text(id).uint(partitions);
  return to.finish();
}

export function memberImage(member: ShareMember): Uint8Array {
  const to = new ByteWriter(256)
    .u8(VERSION)
    .text(member.id)
    .text(member.rackId ?? '')
    .text(member.clientId)
    .text(member.clientHost)
    .uint(member.epoch)
    .uint(member.previousEpoch)
    .uint(member.topicNames.length);
  for (const name of member.topicNames) to.text(name);
  writeAssignment(to, member.assigned);
  writeAssignment(to, member.target);
  return to.finish();
}

const open = (bytes: Uint8Array): ByteReader => {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (version !== VERSION) throw new Error(`groups: version ${version} of a share group is unknown`);
  return from;
};

export type KeptMember = Omit<ShareMember, 'subscriptionBytes' | 'session'>;

export function readMember(bytes: Uint8Array): KeptMember {
  const from = open(bytes);
  const member: KeptMember = {
    id: from.text(),
    rackId: from.text() || null,
    clientId: from.text(),
    clientHost: from.text(),
    epoch: from.uint(),
    previousEpoch: from.uint(),
    topicNames: Array.from({ length: from.count() }, () => from.text()),
    assigned: readAssignment(from),
    target: readAssignment(from),
  };
  if (!from.isComplete) throw new Error('groups: a member of a share group is damaged');
  return member;
}

export function readGroup(bytes: Uint8Array): Pick<ShareGroup, 'epoch' | 'topics'> {
  const from = open(bytes);
  const epoch = from.uint();
  const topics = new Map<string, SubscribedTopic>();
  for (let left = from.count(3); left > 0; left--) {
    topics.set(from.text(), { id: from.text(), partitions: from.uint() });
  }
  if (!from.isComplete) throw new Error('groups: a share group is damaged');
  return { epoch, topics };
}
