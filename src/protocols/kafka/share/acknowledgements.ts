/** Acknowledgements of a request: what is wrong with them as such, and what becomes of them. */
import type { Caller, Kafka } from '../context.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import type { Topic } from '../topics/topics.ts';
import { acknowledge } from './settle.ts';
import { type AckBatch, AckType } from './share-partition.ts';

export interface AckTopic {
  readonly topicId: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly acknowledgementBatches: readonly AckBatch[];
  }[];
}

export interface Acknowledged {
  readonly topicId: string;
  readonly partition: number;
  readonly error: ErrorCode;
}

export const hasAcknowledgements = (topics: readonly AckTopic[]): boolean =>
  topics.some(({ partitions }) =>
    partitions.some(({ acknowledgementBatches }) => acknowledgementBatches.length > 0),
  );

/** Undefined where they are in order. */
function faultOf(batches: readonly AckBatch[], isRenewal: boolean): string | undefined {
  let behind = 0;
  for (const { firstOffset, lastOffset, acknowledgeTypes: types } of batches) {
    if (firstOffset > lastOffset) return 'a batch ends before it begins';
    if (firstOffset < behind) return 'batches overlap, or are not in order';
    if (types.length === 0) return 'a batch says nothing of its records';
    if (types.length > 1 && types.length !== lastOffset - firstOffset + 1) {
      return 'a batch does not say something of each record';
    }
    const isKnown = (type: number): boolean =>
      type >= AckType.Gap && type <= (isRenewal ? AckType.Renew : AckType.Reject);
    if (!types.every(isKnown)) return 'a type of acknowledgement is unknown';
    behind = lastOffset + 1;
  }
  return undefined;
}

/** The topic that a member of the group may read; otherwise why not. */
export function readable({ topics, authorizer }: Kafka, caller: Caller, topicId: string): Topic | ErrorCode {
  const topic = topics.byId(topicId);
  if (topic === undefined) return ErrorCode.UNKNOWN_TOPIC_ID;
  return authorizer.allows(caller, Operation.Read, ResourceType.Topic, topic.name)
    ? topic
    : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
}

export interface AckRequest {
  readonly group: string;
  readonly member: string;
  readonly topics: readonly AckTopic[];
  readonly isRenewal: boolean;
}

/** Of each partition that has some. */
export function acknowledgeAll(
  kafka: Kafka,
  caller: Caller,
  { group, member, topics, isRenewal }: AckRequest,
): Promise<Acknowledged[]> {
  const { mayRenew } = kafka.shares.settingsOf(group);
  const all = topics.flatMap(({ topicId, partitions }) => {
    const topic = readable(kafka, caller, topicId);
    return partitions
      .filter(({ acknowledgementBatches }) => acknowledgementBatches.length > 0)
      .map(async ({ partitionIndex: partition, acknowledgementBatches: batches }): Promise<Acknowledged> => {
        const answer = (error: ErrorCode): Acknowledged => ({ topicId, partition, error });
        if (typeof topic === 'number') return answer(topic);
        if (faultOf(batches, isRenewal && mayRenew) !== undefined) return answer(ErrorCode.INVALID_REQUEST);
        const share = kafka.shares.get({ group, topicId, partition });
        if (share === undefined) return answer(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
        return answer(await acknowledge(kafka, share, member, batches));
      });
  });
  return Promise.all(all);
}
