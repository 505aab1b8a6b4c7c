/** Requests of administrators about producers and transactions (KIP-664). */

import { type Pattern, parsePattern } from '../../../kernel/filter/pattern.ts';
import { nameAsWritten } from '../../../security/tenants/owners.ts';
import type { Kafka } from '../context.ts';
import type { Call, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';
import type { Producer } from './partition-producers.ts';
import { TRANSACTION_STATES, type Transaction } from './transaction.ts';

const { NONE } = ErrorCode;

/** All transactional ids are held against a pattern in one turn. */
const MAX_PATTERN_LENGTH = 256;
const MAX_PATTERN_STATES = 2 * MAX_PATTERN_LENGTH;
const EVERY_ID: Pattern = { matches: () => true };

function patternOf(text: string): Pattern | undefined {
  if (text.length > MAX_PATTERN_LENGTH) return undefined;
  const parsed = parsePattern(text, MAX_PATTERN_STATES);
  return 'reason' in parsed ? undefined : parsed;
}

const activeProducer = ({ id, epoch, batches, lastMs, coordinatorEpoch, openFrom }: Producer) => ({
  producerId: id,
  producerEpoch: epoch,
  lastSequence: batches.at(-1)?.lastSequence ?? -1,
  lastTimestamp: lastMs,
  coordinatorEpoch,
  currentTxnStartOffset: openFrom,
});

function describeProducers(
  { topics: all, authorizer, producers }: Kafka,
  { connection, request }: Call<typeof Apis.describeProducers>,
): In<typeof Apis.describeProducers.response> {
  const topics = request.topics.map(({ name, partitionIndexes }) => {
    const isAllowed = authorizer.allows(connection, Operation.Read, ResourceType.Topic, name);
    const partitions = partitionIndexes.map((partitionIndex) => {
      const partition = isAllowed ? all.partition(name, partitionIndex) : undefined;
      if (partition === undefined) {
        const errorCode = isAllowed
          ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
          : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
        return { partitionIndex, errorCode, activeProducers: [] };
      }
      const known = producers.store.logs.get(partition.logId)?.byId.values() ?? [];
      return { partitionIndex, errorCode: NONE, activeProducers: [...known].map(activeProducer) };
    });
    return { name, partitions };
  });
  return { throttleTimeMs: 0, topics };
}

/** By topic; what has been deleted since it joined is left out. */
function topicsOf({ producers }: Kafka, { partitions }: Transaction, isShown: (topic: string) => boolean) {
  const byTopic = new Map<string, number[]>();
  for (const logId of partitions.keys()) {
    const partition = producers.store.partitionOf(logId);
    if (partition === undefined || partition.isDeleted || !isShown(partition.name)) continue;
    const numbers = byTopic.get(partition.name);
    if (numbers === undefined) byTopic.set(partition.name, [partition.number]);
    else numbers.push(partition.number);
  }
  return [...byTopic].map(([topic, numbers]) => ({ topic, partitions: numbers }));
}

function describeTransactions(
  kafka: Kafka,
  { connection, request }: Call<typeof Apis.describeTransactions>,
): In<typeof Apis.describeTransactions.response> {
  const { authorizer, producers } = kafka;
  const failed = (transactionalId: string, errorCode: ErrorCode) => ({
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: -1,
    producerId: -1,
    producerEpoch: -1,
    topics: [],
  });
  const transactionStates = request.transactionalIds.map((id) => {
    if (!authorizer.allows(connection, Operation.Describe, ResourceType.TransactionalId, id)) {
      return failed(id, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if (id === '') return failed(id, ErrorCode.INVALID_REQUEST);
    const transaction = producers.store.transactions.get(id);
    if (transaction === undefined) return failed(id, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
    const { state, timeoutMs, startMs, producerId, epoch } = transaction;
    return {
      errorCode: NONE,
      transactionalId: id,
      transactionState: state,
      transactionTimeoutMs: timeoutMs,
      transactionStartTimeMs: startMs,
      producerId,
      producerEpoch: epoch,
      topics: topicsOf(kafka, transaction, (topic) =>
        authorizer.allows(connection, Operation.Describe, ResourceType.Topic, topic),
      ),
    };
  });
  return { throttleTimeMs: 0, transactionStates };
}

const KNOWN_STATES: ReadonlySet<string> = new Set([...TRANSACTION_STATES, 'Dead', 'PrepareEpochFence']);

function listTransactions(
  { authorizer, producers, clock }: Kafka,
  { connection, request }: Call<typeof Apis.listTransactions>,
): In<typeof Apis.listTransactions.response> {
  const states = new Set<string>(request.stateFilters);
  const ids = new Set(request.producerIdFilters);
  const unknownStateFilters = request.stateFilters.filter((state) => !KNOWN_STATES.has(state));
  const { durationFilter, transactionalIdPattern } = request;
  const startedBefore =
    durationFilter < 0 ? Number.POSITIVE_INFINITY : Math.floor(clock.wallMs()) - durationFilter;
  const pattern = transactionalIdPattern ? patternOf(transactionalIdPattern) : EVERY_ID;
  if (pattern === undefined) {
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.INVALID_REGULAR_EXPRESSION,
      unknownStateFilters,
      transactionStates: [],
    };
  }
  // States that all are unknown match nothing.
  const isShown = ({ id, state, producerId, startMs }: Transaction): boolean =>
    (states.size === 0 || states.has(state)) &&
    (ids.size === 0 || ids.has(producerId)) &&
    (durationFilter < 0 || (startMs >= 0 && startMs < startedBefore)) &&
    authorizer.allows(connection, Operation.Describe, ResourceType.TransactionalId, id) &&
    pattern.matches(nameAsWritten(id));
  const shown = [...producers.store.transactions.values()].filter(isShown);
  return {
    throttleTimeMs: 0,
    errorCode: NONE,
    unknownStateFilters,
    transactionStates: shown.map(({ id, producerId, state }) => ({
      transactionalId: id,
      producerId,
      transactionState: state,
    })),
  };
}

async function writeTxnMarkers(
  { topics: all, authorizer, producers }: Kafka,
  { connection, request }: Call<typeof Apis.writeTxnMarkers>,
): Promise<In<typeof Apis.writeTxnMarkers.response>> {
  const isAllowed =
    authorizer.allows(connection, Operation.ClusterAction, ResourceType.Cluster, CLUSTER) ||
    authorizer.allows(connection, Operation.Alter, ResourceType.Cluster, CLUSTER);
  const markers = request.markers.map(
    async ({ producerId, producerEpoch: epoch, transactionResult, topics }) => ({
      producerId,
      topics: await Promise.all(
        topics.map(async ({ name, partitionIndexes }) => ({
          name,
          partitions: await Promise.all(
            partitionIndexes.map(async (partitionIndex) => {
              const partition = all.partition(name, partitionIndex);
              const mark = async (): Promise<ErrorCode> => {
                if (!isAllowed) return ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
                if (partition === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
                return producers.coordinator.mark(partition, { producerId, epoch }, transactionResult);
              };
              return { partitionIndex, errorCode: await mark() };
            }),
          ),
        })),
      ),
    }),
  );
  return { markers: await Promise.all(markers) };
}

export const transactionAdminHandlers = {
  describeProducers,
  describeTransactions,
  listTransactions,
  writeTxnMarkers,
} satisfies HandlerTable;
