/**
 * What lives here: questions about where a partition starts and ends and was at a time: ListOffsets, OffsetForLeaderEpoch; and
 * moving its start: DeleteRecords. Not here: offsets that groups have committed.
 */
import type { Partition } from '../../../kernel/log/partitions.ts';
import type { Kafka } from '../context.ts';
import { checkEpoch, visibleEnd } from '../fetch/read.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';

type ListOffsets = (typeof Apis)['listOffsets'];
type OffsetAnswer = In<ListOffsets['response']>['topics'][number]['partitions'][number];
type PartitionRequest = Call<ListOffsets>['request']['topics'][number]['partitions'][number];

/** Timestamps that are questions of another kind, and since which version they may be asked. */
const Special = {
  latest: -1,
  earliest: -2,
  maxTimestamp: -3,
  earliestLocal: -4,
  latestTiered: -5,
  earliestPendingUpload: -6,
} as const;
const SPECIAL_SINCE: ReadonlyMap<number, number> = new Map([
  [Special.latest, 0],
  [Special.earliest, 0],
  [Special.maxTimestamp, 7],
  [Special.earliestLocal, 8],
  [Special.latestTiered, 9],
  [Special.earliestPendingUpload, 11],
]);
const READ_COMMITTED = 1;

interface FoundOffset {
  readonly offset: number;
  readonly timestampMs: number;
}

const NONE: FoundOffset = { offset: -1, timestampMs: -1 };

async function lookUp(
  kafka: Kafka,
  partition: Partition,
  timestamp: number,
  isCommitted: boolean,
): Promise<FoundOffset> {
  const end = visibleEnd(kafka, partition, isCommitted);
  switch (timestamp) {
    case Special.latest:
      return { offset: end, timestampMs: -1 };
    case Special.earliest:
    case Special.earliestLocal:
      return { offset: partition.startOffset, timestampMs: -1 };
    // There is no second tier that a client could tell from the first.
    case Special.latestTiered:
    case Special.earliestPendingUpload:
      return NONE;
    case Special.maxTimestamp:
      return (await kafka.partitions.offsetOfNewest(partition)) ?? NONE;
    default: {
      const found = await kafka.partitions.offsetForTime(partition, timestamp);
      return found === undefined || found.offset >= end ? NONE : found;
    }
  }
}

function epochAt(kafka: Kafka, partition: Partition, offset: number): number {
  if (offset < 0) return -1;
  const epoch = kafka.partitions
    .epochs(partition)
    .findLast(({ startOffset }) => startOffset <= offset)?.epoch;
  return epoch ?? kafka.broker.leaderEpoch;
}

async function listOne(
  kafka: Kafka,
  topic: string,
  { partitionIndex, currentLeaderEpoch, timestamp }: PartitionRequest,
  { version, request, connection }: Call<ListOffsets>,
): Promise<OffsetAnswer> {
  const failed = (errorCode: ErrorCode): OffsetAnswer => ({
    partitionIndex,
    errorCode,
    oldStyleOffsets: [],
    timestamp: -1,
    offset: -1,
  });
  if (!kafka.authorizer.allows(connection, Operation.Describe, ResourceType.Topic, topic)) {
    return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  }
  const partition = kafka.topics.partition(topic, partitionIndex);
  if (partition === undefined) return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  const stale = checkEpoch(kafka, currentLeaderEpoch);
  if (stale !== ErrorCode.NONE) return failed(stale);
  const since = timestamp < 0 ? SPECIAL_SINCE.get(timestamp) : 0;
  if (since === undefined || version < since) return failed(ErrorCode.UNSUPPORTED_VERSION);
  try {
    const { offset, timestampMs } = await lookUp(
      kafka,
      partition,
      timestamp,
      request.isolationLevel === READ_COMMITTED,
    );
    return {
      partitionIndex,
      errorCode: ErrorCode.NONE,
      oldStyleOffsets: offset < 0 ? [] : [offset],
      timestamp: timestampMs,
      offset,
      leaderEpoch: epochAt(kafka, partition, offset),
    };
  } catch (error) {
    kafka.logger.error({ err: error, topic, partition: partitionIndex }, 'a time could not be looked up');
    return failed(ErrorCode.KAFKA_STORAGE_ERROR);
  }
}

export const listOffsets: Handler<ListOffsets> = async (kafka, call) => ({
  throttleTimeMs: 0,
  topics: await Promise.all(
    call.request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(partitions.map((each) => listOne(kafka, name, each, call))),
    })),
  ),
});

export const offsetForLeaderEpoch: Handler<(typeof Apis)['offsetForLeaderEpoch']> = (
  kafka,
  { request, connection },
) => ({
  topics: request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: number, currentLeaderEpoch, leaderEpoch }) => {
      const isAllowed = kafka.authorizer.allows(connection, Operation.Describe, ResourceType.Topic, topic);
      if (!isAllowed) return { errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED, partition: number };
      const partition = kafka.topics.partition(topic, number);
      const errorCode =
        partition === undefined
          ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          : checkEpoch(kafka, currentLeaderEpoch);
      if (partition === undefined || errorCode !== ErrorCode.NONE) return { errorCode, partition: number };
      const end = kafka.partitions.endOffsetForEpoch(partition, leaderEpoch);
      return { errorCode, partition: number, leaderEpoch: end?.epoch ?? -1, endOffset: end?.endOffset ?? -1 };
    }),
  })),
});

/** Up to the high-water mark. */
const ALL = -1;

export const deleteRecords: Handler<(typeof Apis)['deleteRecords']> = async (
  kafka,
  { request, connection },
) => {
  const deleteOne = async (topic: string, partitionIndex: number, offset: number) => {
    const failed = (errorCode: ErrorCode) => ({ partitionIndex, lowWatermark: -1, errorCode });
    if (!kafka.authorizer.allows(connection, Operation.Delete, ResourceType.Topic, topic)) {
      return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    }
    const partition = kafka.topics.partition(topic, partitionIndex);
    if (partition === undefined) return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    if (kafka.topics.get(topic)?.isConfigured) return failed(ErrorCode.POLICY_VIOLATION);
    const below = offset === ALL ? partition.endOffset : offset;
    if (below < 0 || below > partition.endOffset) return failed(ErrorCode.OFFSET_OUT_OF_RANGE);
    try {
      const lowWatermark = await kafka.partitions.truncate(partition, below);
      return { partitionIndex, lowWatermark, errorCode: ErrorCode.NONE };
    } catch (error) {
      kafka.logger.error({ err: error, topic, partition: partitionIndex }, 'records could not be deleted');
      return failed(ErrorCode.KAFKA_STORAGE_ERROR);
    }
  };
  return {
    throttleTimeMs: 0,
    topics: await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map(({ partitionIndex, offset }) => deleteOne(name, partitionIndex, offset)),
        ),
      })),
    ),
  };
};
