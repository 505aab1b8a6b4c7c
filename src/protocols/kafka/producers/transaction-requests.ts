/** Requests of producers: their ids, and the life of a transaction. */
import type { Partition } from '../../../kernel/log/partitions.ts';
import type { Kafka } from '../context.ts';
import type { Call, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import type { Subject } from '../security/authorizer.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';
import type { ProducerEpoch } from './transaction.ts';

/** From these versions on a fenced producer is told so; before, that its epoch is invalid. */
const FENCED_SINCE = { initProducerId: 4, addPartitions: 2, addOffsets: 2, endTxn: 2 } as const;
/** The versions of transactions whose epoch changes with each of them. */
const V2_SINCE = { endTxn: 5, txnOffsetCommit: 5 } as const;
const VERIFY_ABORTABLE_SINCE = 5;
const BATCHED_SINCE = 4;
const TRANSACTION_ABORTABLE_SINCE = 4;

const { NONE } = ErrorCode;

function fenced(error: ErrorCode, version: number, since: number): ErrorCode {
  return error === ErrorCode.PRODUCER_FENCED && version < since ? ErrorCode.INVALID_PRODUCER_EPOCH : error;
}

const mayWrite = ({ authorizer }: Kafka, subject: Subject, id: string): boolean =>
  authorizer.allows(subject, Operation.Write, ResourceType.TransactionalId, id);

function initRefusal(
  { authorizer }: Kafka,
  subject: Subject,
  id: string | null,
  { producerId, epoch }: ProducerEpoch,
): ErrorCode {
  if (id !== null && !authorizer.allows(subject, Operation.Write, ResourceType.TransactionalId, id)) {
    return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  const isIdempotentAllowed =
    id !== null ||
    authorizer.allows(subject, Operation.IdempotentWrite, ResourceType.Cluster, CLUSTER) ||
    authorizer.allowsAny(subject, Operation.Write, ResourceType.Topic);
  if (!isIdempotentAllowed) return ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
  return (producerId === -1) !== (epoch === -1) ? ErrorCode.INVALID_REQUEST : NONE;
}

async function initProducerId(
  kafka: Kafka,
  { connection, version, request }: Call<typeof Apis.initProducerId>,
): Promise<In<typeof Apis.initProducerId.response>> {
  const { transactionalId, transactionTimeoutMs, producerId, producerEpoch: epoch } = request;
  const known = { producerId, epoch };
  const refused = initRefusal(kafka, connection, transactionalId, known);
  const expected = producerId === -1 ? undefined : known;
  const result =
    refused === NONE
      ? await kafka.producers.coordinator.init(transactionalId, transactionTimeoutMs, expected)
      : { error: refused };
  if ('error' in result) {
    const errorCode = fenced(result.error, version, FENCED_SINCE.initProducerId);
    return { throttleTimeMs: 0, errorCode, producerId: -1, producerEpoch: -1 };
  }
  return {
    throttleTimeMs: 0,
    errorCode: NONE,
    producerId: result.producerId,
    producerEpoch: result.epoch,
  };
}

interface WantedTopic {
  readonly name: string;
  readonly partitions: readonly number[];
}

interface TopicResult {
  readonly name: string;
  readonly resultsByPartition: readonly {
    readonly partitionIndex: number;
    readonly partitionErrorCode: number;
  }[];
}

const resultsOf = (
  topics: readonly WantedTopic[],
  errorOf: (topic: string, partition: number) => ErrorCode,
): TopicResult[] =>
  topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: errorOf(name, partitionIndex),
    })),
  }));

/** All partitions of a request, or the error of each: when one cannot join, none is tried. */
function wantedPartitions(
  kafka: Kafka,
  subject: Subject,
  wanted: readonly WantedTopic[],
): readonly Partition[] | ((topic: string, partition: number) => ErrorCode) {
  const { topics, authorizer } = kafka;
  const found: Partition[] = [];
  const errorOf = (name: string, index: number): ErrorCode => {
    const isAllowed = authorizer.allows(subject, Operation.Write, ResourceType.Topic, name);
    if (!isAllowed || topics.get(name)?.isInternal === true) return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return topics.partition(name, index) === undefined
      ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      : ErrorCode.OPERATION_NOT_ATTEMPTED;
  };
  for (const { name, partitions } of wanted) {
    for (const index of partitions) {
      if (errorOf(name, index) !== ErrorCode.OPERATION_NOT_ATTEMPTED) return errorOf;
      const partition = topics.partition(name, index);
      if (partition !== undefined) found.push(partition);
    }
  }
  return found;
}

interface AddedTransaction {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly verifyOnly: boolean;
  readonly topics: readonly WantedTopic[];
}

async function addToTransaction(
  kafka: Kafka,
  subject: Subject,
  version: number,
  added: AddedTransaction,
): Promise<TopicResult[]> {
  const { transactionalId: id, producerId, producerEpoch: epoch, topics, verifyOnly } = added;
  const { coordinator } = kafka.producers;
  const wanted = wantedPartitions(kafka, subject, topics);
  if (typeof wanted === 'function') return resultsOf(topics, wanted);
  if (verifyOnly) {
    const isAbortable = version >= VERIFY_ABORTABLE_SINCE;
    return resultsOf(topics, (name, index) => {
      const partition = kafka.topics.partition(name, index);
      if (partition === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      const error = coordinator.verify(id, { producerId, epoch }, partition);
      return error === ErrorCode.INVALID_TXN_STATE && isAbortable ? ErrorCode.TRANSACTION_ABORTABLE : error;
    });
  }
  const error = await coordinator.addPartitions(id, { producerId, epoch }, wanted);
  return resultsOf(topics, () => fenced(error, version, FENCED_SINCE.addPartitions));
}

async function addPartitionsToTxn(
  kafka: Kafka,
  { connection, version, request }: Call<typeof Apis.addPartitionsToTxn>,
): Promise<In<typeof Apis.addPartitionsToTxn.response>> {
  if (version < BATCHED_SINCE) {
    const added = {
      transactionalId: request.v3AndBelowTransactionalId,
      producerId: request.v3AndBelowProducerId,
      producerEpoch: request.v3AndBelowProducerEpoch,
      topics: request.v3AndBelowTopics,
      verifyOnly: false,
    };
    const isAllowed = mayWrite(kafka, connection, added.transactionalId);
    return {
      throttleTimeMs: 0,
      resultsByTopicV3AndBelow: isAllowed
        ? await addToTransaction(kafka, connection, version, added)
        : resultsOf(added.topics, () => ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
    };
  }
  const { authorizer } = kafka;
  if (!authorizer.allows(connection, Operation.ClusterAction, ResourceType.Cluster, CLUSTER)) {
    return { throttleTimeMs: 0, errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED };
  }
  const resultsByTransaction = await Promise.all(
    request.transactions.map(async (added) => ({
      transactionalId: added.transactionalId,
      topicResults: await addToTransaction(kafka, connection, version, added),
    })),
  );
  return { throttleTimeMs: 0, errorCode: NONE, resultsByTransaction };
}

async function addOffsetsToTxn(
  kafka: Kafka,
  { connection, version, request }: Call<typeof Apis.addOffsetsToTxn>,
): Promise<In<typeof Apis.addOffsetsToTxn.response>> {
  const { transactionalId: id, producerId, producerEpoch: epoch, groupId } = request;
  const answer = (errorCode: ErrorCode) => ({ throttleTimeMs: 0, errorCode });
  if (!mayWrite(kafka, connection, id)) return answer(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  if (!kafka.authorizer.allows(connection, Operation.Read, ResourceType.Group, groupId)) {
    return answer(ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const error = await kafka.producers.coordinator.addGroup(id, { producerId, epoch }, groupId);
  return answer(fenced(error, version, FENCED_SINCE.addOffsets));
}

async function endTxn(
  kafka: Kafka,
  { connection, version, request }: Call<typeof Apis.endTxn>,
): Promise<In<typeof Apis.endTxn.response>> {
  const { transactionalId: id, producerId, producerEpoch: epoch, committed } = request;
  const isV2 = version >= V2_SINCE.endTxn;
  const result = mayWrite(kafka, connection, id)
    ? await kafka.producers.coordinator.end(id, { producerId, epoch }, committed, isV2)
    : { error: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
  if ('error' in result) {
    return { throttleTimeMs: 0, errorCode: fenced(result.error, version, FENCED_SINCE.endTxn) };
  }
  return {
    throttleTimeMs: 0,
    errorCode: NONE,
    producerId: result.producerId,
    producerEpoch: result.epoch,
  };
}

/** What the coordinator says, in the words that this API has for it. */
function offsetsError(error: ErrorCode, version: number): ErrorCode {
  switch (error) {
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    case ErrorCode.CONCURRENT_TRANSACTIONS:
      return version >= V2_SINCE.txnOffsetCommit ? error : ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    case ErrorCode.INVALID_TXN_STATE:
      return version >= TRANSACTION_ABORTABLE_SINCE ? ErrorCode.TRANSACTION_ABORTABLE : error;
    default:
      return error;
  }
}

async function txnOffsetCommit(
  kafka: Kafka,
  { connection, version, request }: Call<typeof Apis.txnOffsetCommit>,
): Promise<In<typeof Apis.txnOffsetCommit.response>> {
  const { transactionalId: id, groupId, producerId, producerEpoch: epoch } = request;
  const { authorizer, topics: all, groups, producers, log } = kafka;
  const answer = (errorOf: (topic: number, partition: number) => number) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }, topic) => ({
      name,
      partitions: partitions.map(({ partitionIndex }, partition) => ({
        partitionIndex,
        errorCode: errorOf(topic, partition),
      })),
    })),
  });
  if (!mayWrite(kafka, connection, id)) return answer(() => ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  if (!authorizer.allows(connection, Operation.Read, ResourceType.Group, groupId)) {
    return answer(() => ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const wanted = request.topics.map(({ name, partitions }) => {
    const isAllowed = authorizer.allows(connection, Operation.Read, ResourceType.Topic, name);
    const partitionCount = all.get(name)?.partitions.length ?? 0;
    const missing = partitionCount > 0 ? NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const errorCode = isAllowed ? missing : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    return { name, partitions, partitionCount, errorCode };
  });
  const isV2 = version >= V2_SINCE.txnOffsetCommit;
  const joined = producers.coordinator.joinGroup(id, { producerId, epoch }, groupId, isV2);
  if (joined !== NONE) return answer(() => offsetsError(joined, version));
  if (log.refusal() !== undefined) return answer(() => ErrorCode.COORDINATOR_NOT_AVAILABLE);
  const committer = {
    memberId: request.memberId,
    instanceId: request.groupInstanceId,
    generation: request.generationId,
    isTransactional: true,
  };
  // The group may have joined the transaction in this change, so it is committed whatever the group says.
  const staged = groups.stage(groupId, committer, producerId, wanted);
  const hasFailed = await new Promise<boolean>((resolve) => {
    log.commit(kafka.config.kafka.durability.offsets, (error) => {
      if (error === undefined) staged.settle();
      resolve(error !== undefined);
    });
  });
  if (hasFailed) return answer(() => ErrorCode.COORDINATOR_NOT_AVAILABLE);
  return answer((topic, partition) => staged.errors?.[topic]?.[partition] ?? staged.errorCode);
}

export const transactionHandlers = {
  initProducerId,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  txnOffsetCommit,
} satisfies HandlerTable;
