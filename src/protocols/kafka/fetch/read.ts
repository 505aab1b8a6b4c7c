/** What one partition has for a reader: its limits, an error, or batches as they are stored. */
import {
  type EpochEnd,
  type Loan,
  type Partition,
  PartitionDamaged,
} from '../../../kernel/log/partitions.ts';
import type { Caller, Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { AbortedTransaction } from '../produce/gate.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import type { FetchPosition } from './sessions.ts';

export interface Found {
  readonly partition: Partition | undefined;
  readonly error: ErrorCode;
}

export function checkEpoch({ broker }: Kafka, currentLeaderEpoch: number): ErrorCode {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === broker.leaderEpoch) return ErrorCode.NONE;
  return currentLeaderEpoch < broker.leaderEpoch
    ? ErrorCode.FENCED_LEADER_EPOCH
    : ErrorCode.UNKNOWN_LEADER_EPOCH;
}

export const visibleEnd = (kafka: Kafka, partition: Partition, isCommitted: boolean): number =>
  isCommitted ? kafka.producers.lastStableOffset(partition) : partition.endOffset;

export function find(kafka: Kafka, position: FetchPosition, caller: Caller): Found {
  const { topics, authorizer } = kafka;
  const isById = position.topicId !== ZERO_UUID;
  const topic = isById ? topics.byId(position.topicId) : topics.get(position.topic);
  const partition = topic?.partitions[position.partition];
  const name = topic?.name ?? (isById ? undefined : position.topic);
  if (name !== undefined && !authorizer.allows(caller, Operation.Read, ResourceType.Topic, name)) {
    return { partition: undefined, error: ErrorCode.TOPIC_AUTHORIZATION_FAILED };
  }
  if (partition === undefined) {
    const unknown =
      isById && topic === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return { partition: undefined, error: unknown };
  }
  const error = checkEpoch(kafka, position.currentLeaderEpoch);
  if (error !== ErrorCode.NONE) return { partition, error };
  const { fetchOffset } = position;
  const isOutside = fetchOffset < partition.startOffset || fetchOffset > partition.endOffset;
  return { partition, error: isOutside ? ErrorCode.OFFSET_OUT_OF_RANGE : ErrorCode.NONE };
}

/** Where the reader has to go back to because what it has read last is not what we have. */
export function divergence(
  { partitions, broker }: Kafka,
  partition: Partition,
  { lastFetchedEpoch, fetchOffset }: FetchPosition,
): EpochEnd | undefined {
  if (lastFetchedEpoch < 0 || lastFetchedEpoch === broker.leaderEpoch) return undefined;
  const end = partitions.endOffsetForEpoch(partition, lastFetchedEpoch);
  if (end === undefined) return { epoch: -1, endOffset: -1 };
  return end.epoch === lastFetchedEpoch && end.endOffset >= fetchOffset ? undefined : end;
}

export interface Batches {
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  readonly error: ErrorCode;
  /** Behind the last batch. */
  readonly next: number;
}

export const NOTHING: Batches = { records: [], bytes: 0, error: ErrorCode.NONE, next: -1 };

/** Whole batches up to `maxBytes`; the first whatever its size where `takesFirst`. None reaches behind `end`. */
export async function readUpTo(
  { partitions, logger }: Kafka,
  partition: Partition,
  from: number,
  end: number,
  maxBytes: number,
  takesFirst: boolean,
  loan?: Loan,
): Promise<Batches> {
  if (from >= end || (maxBytes <= 0 && !takesFirst)) return NOTHING;
  try {
    const { batches } = await partitions.read(partition, from, Math.max(1, maxBytes), loan);
    const records: Uint8Array[] = [];
    let bytes = 0;
    let next = from;
    for (const batch of batches) {
      if (batch.lastOffset >= end) break;
      const isFirst = records.length === 0 && takesFirst;
      if (!isFirst && bytes + batch.bytes.byteLength > maxBytes) break;
      records.push(batch.bytes);
      bytes += batch.bytes.byteLength;
      next = batch.lastOffset + 1;
    }
    return { records, bytes, error: ErrorCode.NONE, next };
  } catch (error) {
    // The start has moved, or the partition was deleted, while it was read.
    if (error instanceof RangeError) return { ...NOTHING, error: ErrorCode.OFFSET_OUT_OF_RANGE };
    logger.error(
      { err: error, topic: partition.name, partition: partition.number },
      'records cannot be read',
    );
    const isDamaged = error instanceof PartitionDamaged;
    return { ...NOTHING, error: isDamaged ? ErrorCode.CORRUPT_MESSAGE : ErrorCode.KAFKA_STORAGE_ERROR };
  }
}

export const abortedBetween = (
  { producers }: Kafka,
  partition: Partition,
  from: number,
  next: number,
): readonly AbortedTransaction[] => producers.aborted(partition, from, next);
