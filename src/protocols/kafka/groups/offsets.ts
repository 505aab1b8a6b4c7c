/**
 * Committed offsets: who may commit, what is kept, what is read, and when it is forgotten. An offset can be read once it is durable,
 * one of a transaction once that has ended.
 */
import { ErrorCode } from '../messages/errors.ts';
import type { CommittedOffset, Offsets } from './changes.ts';
import { type ClassicGroup, checkMember } from './classic-group.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import type { GroupRecord, GroupsTable } from './groups-table.ts';
import type { GroupSettings } from './settings.ts';

export interface OffsetToCommit {
  readonly partitionIndex: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly committedMetadata: string | null;
}

export interface TopicToCommit {
  readonly name: string;
  readonly partitions: readonly OffsetToCommit[];
  /** None where there is no such topic. */
  readonly partitionCount: number;
  /** For all of its partitions; NONE where it may be committed. */
  readonly errorCode: number;
}

export interface Committer {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Generation or member epoch. */
  readonly generation: number;
  readonly isTransactional: boolean;
}

/** Whether a classic group takes a commit from them. */
export function checkClassicCommit(
  group: ClassicGroup,
  { memberId, instanceId, generation, isTransactional }: Committer,
): number {
  if (group.state === 'Dead') return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  // An administrator, or a consumer that chooses its partitions itself.
  if (generation < 0 && group.state === 'Empty') return ErrorCode.NONE;
  if (generation >= 0 || memberId !== '' || instanceId !== null) {
    const errorCode = checkMember(group, memberId, instanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (generation !== group.generation) return ErrorCode.ILLEGAL_GENERATION;
  } else if (!isTransactional && group.state !== 'Empty') return ErrorCode.UNKNOWN_MEMBER_ID;
  if (!isTransactional && group.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
  return ErrorCode.NONE;
}

/** `isModern`: a version that knows the errors of member epochs. */
export function checkConsumerCommit(
  group: ConsumerGroup,
  { memberId, instanceId, generation, isTransactional }: Committer,
  isModern: boolean,
): number {
  if (generation < 0 && group.members.size === 0) return ErrorCode.NONE;
  const member = group.members.get(memberId);
  const instance = instanceId === null ? undefined : group.statics.get(instanceId);
  if (instance !== undefined && instance !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  if (member.classic !== undefined) {
    return member.epoch === generation ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION;
  }
  if (!isTransactional && !isModern) return ErrorCode.UNSUPPORTED_VERSION;
  return member.epoch === generation ? ErrorCode.NONE : ErrorCode.STALE_MEMBER_EPOCH;
}

/** Who says neither member nor epoch may read them. */
export function checkConsumerFetch(
  group: ConsumerGroup,
  memberId: string | null,
  memberEpoch: number,
): number {
  if (memberId === null && memberEpoch < 0) return ErrorCode.NONE;
  const member = memberId === null ? undefined : group.members.get(memberId);
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  return member.epoch === memberEpoch ? ErrorCode.NONE : ErrorCode.STALE_MEMBER_EPOCH;
}

export interface Prepared {
  readonly offsets: Offsets;
  /** By topic and partition, in the order of the request. */
  readonly errors: readonly (readonly number[])[];
}

/** What of a request is kept, and the error of each of its partitions. */
export function prepareOffsets(
  table: GroupsTable,
  settings: GroupSettings,
  groupId: string,
  topics: readonly TopicToCommit[],
  nowMs: number,
  retentionMs = -1,
): Prepared {
  const offsets: Offsets = new Map();
  const known = table.records.get(groupId)?.offsets;
  let room = settings.maxOffsets - table.offsetCount;
  const order = table.nextOrder();
  const expiresAtMs = retentionMs < 0 ? -1 : nowMs + retentionMs;
  const errors = topics.map(({ name, partitions, partitionCount, errorCode }) =>
    partitions.map((each) => {
      if (errorCode !== ErrorCode.NONE) return errorCode;
      const metadata = each.committedMetadata ?? '';
      if (Buffer.byteLength(metadata) > settings.maxOffsetMetadataBytes) {
        return ErrorCode.OFFSET_METADATA_TOO_LARGE;
      }
      if (each.partitionIndex < 0 || each.partitionIndex >= partitionCount)
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (!known?.get(name)?.has(each.partitionIndex) && room-- <= 0) {
        return ErrorCode.INVALID_COMMIT_OFFSET_SIZE;
      }
      const ofTopic = offsets.get(name) ?? new Map<number, CommittedOffset>();
      offsets.set(name, ofTopic);
      ofTopic.set(each.partitionIndex, {
        offset: each.committedOffset,
        leaderEpoch: Math.max(-1, each.committedLeaderEpoch),
        metadata,
        committedAtMs: nowMs,
        expiresAtMs,
        order,
      });
      return ErrorCode.NONE;
    }),
  );
  return { offsets, errors };
}

export interface FetchedOffset {
  readonly partitionIndex: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

/** Whether a transaction that has not ended will set it. */
function isUnstable(record: GroupRecord, topic: string, partition: number): boolean {
  for (const staged of record.staged.values()) if (staged.get(topic)?.has(partition)) return true;
  return false;
}

const nothing = (partitionIndex: number, errorCode: number): FetchedOffset => ({
  partitionIndex,
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: '',
  errorCode,
});

export const fetchNothing = (partitions: readonly number[], errorCode: number): FetchedOffset[] =>
  partitions.map((partition) => nothing(partition, errorCode));

export function fetchOffsets(
  record: GroupRecord | undefined,
  topic: string,
  partitions: readonly number[],
  requireStable: boolean,
): FetchedOffset[] {
  const known = record?.offsets.get(topic);
  return partitions.map((partition) => {
    if (record !== undefined && requireStable && isUnstable(record, topic, partition)) {
      return nothing(partition, ErrorCode.UNSTABLE_OFFSET_COMMIT);
    }
    const offset = known?.get(partition);
    if (offset === undefined) return nothing(partition, ErrorCode.NONE);
    return {
      partitionIndex: partition,
      committedOffset: offset.offset,
      committedLeaderEpoch: offset.leaderEpoch,
      metadata: offset.metadata,
      errorCode: ErrorCode.NONE,
    };
  });
}

/** Topics and partitions with something to say, for who asks for all. */
export function committedPartitions(
  record: GroupRecord,
  requireStable: boolean,
): ReadonlyMap<string, ReadonlySet<number>> {
  const found = new Map<string, Set<number>>();
  const sources = requireStable ? [record.offsets, ...record.staged.values()] : [record.offsets];
  for (const offsets of sources) {
    for (const [topic, partitions] of offsets) {
      const numbers = found.get(topic) ?? new Set();
      found.set(topic, numbers);
      for (const partition of partitions.keys()) numbers.add(partition);
    }
  }
  return found;
}

/** The lowest offset that a group has committed for the partition; undefined where none has. */
export function committedFloor(
  records: ReadonlyMap<string, GroupRecord>,
  topic: string,
  partition: number,
): number | undefined {
  let floor: number | undefined;
  for (const { offsets } of records.values()) {
    const offset = offsets.get(topic)?.get(partition)?.offset;
    if (offset !== undefined && (floor === undefined || offset < floor)) floor = offset;
  }
  return floor;
}

/** How the offsets of a group age. */
export interface Aging {
  /** Since when none is in use; undefined: each ages since its commit. */
  readonly sinceMs: number | undefined;
  /** Offsets of these are in use. */
  readonly topics: ReadonlySet<string> | undefined;
}

/** undefined where nothing expires. */
export function agingOf(group: ClassicGroup | ConsumerGroup | undefined): Aging | undefined {
  if (group?.kind === 'consumer') return { sinceMs: undefined, topics: new Set(group.topics.keys()) };
  if (group === undefined || group.protocolType === null) return { sinceMs: undefined, topics: undefined };
  if (group.state === 'Empty') return { sinceMs: group.changedAtMs, topics: undefined };
  if (group.state === 'Stable' && group.topics !== undefined) {
    return { sinceMs: undefined, topics: group.topics };
  }
  return undefined;
}

export function expiredPartitions(
  record: GroupRecord,
  { sinceMs, topics }: Aging,
  nowMs: number,
  retentionMs: number,
): Map<string, number[]> {
  const expired = new Map<string, number[]>();
  for (const [topic, partitions] of record.offsets) {
    if (topics?.has(topic)) continue;
    const numbers: number[] = [];
    for (const [partition, each] of partitions) {
      const expiresAtMs =
        each.expiresAtMs >= 0 ? each.expiresAtMs : (sinceMs ?? each.committedAtMs) + retentionMs;
      if (expiresAtMs <= nowMs && !isUnstable(record, topic, partition)) numbers.push(partition);
    }
    if (numbers.length > 0) expired.set(topic, numbers);
  }
  return expired;
}
