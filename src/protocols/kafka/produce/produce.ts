/**
 * What lives here: the Produce request: batches are checked, get their offsets in place, and are appended as they came, all of
 * a request in one change of the state log. Not here: what a batch is (../records), sequences and transactions (gate.ts).
 * Guarantees: batches of a partition have offsets in the order of the requests; an answer with acks=1 or acks=all leaves after
 * the commit at the level that is configured for it; with acks=0 there is none, and an error ends the connection.
 */
import { loadCodec, loadedCodec } from '../compression/compression.ts';
import type { Kafka, Level } from '../context.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { codecNeeded } from '../records/open.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In } from '../schema/message.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import type { Topic } from '../topics/topics.ts';
import { type Appended, append } from './append.ts';
import { ownCompression } from './compressed.ts';
import type { ProduceOrigin } from './gate.ts';
import { ProduceTraces } from './tracing.ts';

type Produce = (typeof Apis)['produce'];
type Answer = In<Produce['response']>;
type TopicAnswer = Answer['responses'][number];
type PartitionAnswer = TopicAnswer['partitionResponses'][number];
type TopicRequest = Call<Produce>['request']['topicData'][number];

const Acks = { none: 0, leader: 1, all: -1 } as const;
const RECORD_BATCH_SINCE = 3;
const TOPIC_ID_SINCE = 13;
const ADMIN_CLIENT = '__admin_client';

interface Outcome {
  readonly topic: Topic | undefined;
  readonly request: TopicRequest;
  readonly partitions: readonly { readonly index: number; readonly appended: Appended }[];
}

const failure = (error: ErrorCode, message: string): Appended => ({
  error,
  message,
  baseOffset: -1,
  logAppendTimeMs: -1,
});

function topicOf(kafka: Kafka, version: number, request: TopicRequest): Topic | undefined {
  return version >= TOPIC_ID_SINCE ? kafka.topics.byId(request.topicId) : kafka.topics.get(request.name);
}

/** What is wrong with all that the request has for this topic. */
function topicFault(
  { authorizer }: Kafka,
  call: Call<Produce>,
  topic: Topic | undefined,
  name: string,
): Appended | undefined {
  const { version, clientId, request, connection } = call;
  if (version < RECORD_BATCH_SINCE) {
    return failure(ErrorCode.UNSUPPORTED_VERSION, 'record batches need version 3 of Produce');
  }
  if (request.acks !== Acks.none && request.acks !== Acks.leader && request.acks !== Acks.all) {
    return failure(ErrorCode.INVALID_REQUIRED_ACKS, `acks=${request.acks}`);
  }
  const { transactionalId } = request;
  if (
    transactionalId !== null &&
    !authorizer.allows(connection, Operation.Write, ResourceType.TransactionalId, transactionalId)
  ) {
    return failure(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'it may not use this transactional id');
  }
  if (!authorizer.allows(connection, Operation.Write, ResourceType.Topic, topic?.name ?? name)) {
    // Who names a topic by an id that there is not has named none.
    if (topic !== undefined || version < TOPIC_ID_SINCE) {
      return failure(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'it may not write to this topic');
    }
  }
  if (topic === undefined) {
    return version >= TOPIC_ID_SINCE
      ? failure(ErrorCode.UNKNOWN_TOPIC_ID, 'there is no topic with this id')
      : failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic');
  }
  if (topic.isInternal && clientId !== ADMIN_CLIENT) {
    return failure(ErrorCode.INVALID_TOPIC_EXCEPTION, 'the topic is internal');
  }
  return undefined;
}

function appendAll(kafka: Kafka, call: Call<Produce>, traces: ProduceTraces | undefined): Outcome[] {
  const { version, request, connection } = call;
  const { transactionalId } = request;
  const origin: ProduceOrigin = { apiVersion: version, transactionalId, writer: connection.identity };
  return request.topicData.map((topicRequest) => {
    const topic = topicOf(kafka, version, topicRequest);
    const fault = topicFault(kafka, call, topic, topicRequest.name);
    const partitions = topicRequest.partitionData.map(({ index, records }) => {
      if (fault !== undefined) return { index, appended: fault };
      const partition = topic?.partitions[index];
      if (topic === undefined || partition === undefined) {
        return {
          index,
          appended: failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such partition'),
        };
      }
      const appended =
        traces === undefined
          ? append(kafka, topic, partition, records, origin)
          : traces.follow(kafka, call, topic, index, records, () =>
              append(kafka, topic, partition, records, origin),
            );
      return { index, appended };
    });
    return { topic, request: topicRequest, partitions };
  });
}

function partitionAnswer(topic: Topic | undefined, index: number, appended: Appended): PartitionAnswer {
  const { error, message, recordIndexes = [], baseOffset, logAppendTimeMs } = appended;
  return {
    index,
    errorCode: error,
    baseOffset,
    logAppendTimeMs,
    logStartOffset: error === ErrorCode.NONE ? (topic?.partitions[index]?.startOffset ?? -1) : -1,
    recordErrors: recordIndexes.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: message })),
    errorMessage: message,
  };
}

const answer = (outcomes: readonly Outcome[]): Answer => ({
  responses: outcomes.map(({ topic, request, partitions }) => ({
    name: request.name,
    topicId: request.topicId === ZERO_UUID ? (topic?.id ?? ZERO_UUID) : request.topicId,
    partitionResponses: partitions.map(({ index, appended }) => partitionAnswer(topic, index, appended)),
  })),
});

const isError = ({ appended }: { readonly appended: Appended }): boolean => appended.error !== ErrorCode.NONE;

/** Codecs of batches that have to be opened or compressed anew, and that are not loaded yet. */
function missingCodecs(kafka: Kafka, { version, request }: Call<Produce>): Promise<unknown>[] {
  const missing: Promise<unknown>[] = [];
  for (const topicRequest of request.topicData) {
    for (const { records } of topicRequest.partitionData) {
      const topic = topicOf(kafka, version, topicRequest);
      if (topic === undefined || records === null) continue;
      const { cleanup, delays, isStrict } = topic.settings;
      const its = ownCompression(topic);
      const codec = codecNeeded(records);
      const isOpened =
        cleanup !== 'delete' ||
        isStrict ||
        delays ||
        its !== undefined ||
        kafka.crossing.isWanted(topic.name);
      for (const each of [isOpened ? codec : undefined, its === 'none' ? undefined : its]) {
        if (each !== undefined && loadedCodec(each) === undefined) missing.push(loadCodec(each));
      }
    }
  }
  return missing;
}

function levelOf(kafka: Kafka, acks: number, outcomes: readonly Outcome[]): Level {
  const { durability } = kafka.config.kafka;
  if (outcomes.some(({ topic }) => topic?.settings.isSynced)) return 'sync';
  return acks === Acks.all ? durability.all : acks === Acks.leader ? durability.leader : 'memory';
}

export const produce: Handler<Produce> = (kafka, call) => {
  const missing = missingCodecs(kafka, call);
  // Rare: once for each process. The order of a client that pipelines is not kept over it, and idempotence repairs that.
  if (missing.length > 0) return Promise.all(missing).then(() => appendAndCommit(kafka, call));
  return appendAndCommit(kafka, call);
};

/** Whether other than the journal have got parts of the request, and may have them still. */
const isShared = ({ crossing }: Kafka, outcomes: readonly Outcome[]): boolean =>
  outcomes.some(
    ({ topic }) => topic !== undefined && (topic.settings.delays || crossing.isWanted(topic.name)),
  );

function appendAndCommit(kafka: Kafka, call: Call<Produce>): Answer | undefined | Promise<Answer> {
  const { request, connection } = call;
  const traces = kafka.tracing === undefined ? undefined : new ProduceTraces();
  const outcomes = appendAll(kafka, call, traces);
  const isAnySuccess = outcomes.some(({ partitions }) => !partitions.every(isError));
  const isInObjects = outcomes.some(({ topic }) => topic?.settings.storage === 'object');
  const level = levelOf(kafka, request.acks, outcomes);
  const hasOwner = isShared(kafka, outcomes);
  const letGo = (): void => {
    if (!hasOwner) call.memory.letGo();
  };
  if (request.acks === Acks.none) {
    if (isAnySuccess) {
      kafka.commit(level, isInObjects ? 'object' : 'journal').then(
        () => {
          traces?.committed();
          letGo();
        },
        () => traces?.committed('it could not be stored'),
      );
    }
    if (outcomes.some(({ partitions }) => partitions.some(isError))) {
      connection.end('a produced batch without acknowledgement was refused');
    }
    return undefined;
  }
  if (!isAnySuccess) return answer(outcomes);
  return kafka.commit(level, isInObjects ? 'object' : 'journal').then(
    () => {
      traces?.committed();
      letGo();
      return answer(outcomes);
    },
    () => {
      traces?.committed('it could not be stored');
      const lost = failure(ErrorCode.KAFKA_STORAGE_ERROR, 'the batch could not be stored');
      return answer(
        outcomes.map((outcome) => ({
          ...outcome,
          partitions: outcome.partitions.map((each) => (isError(each) ? each : { ...each, appended: lost })),
        })),
      );
    },
  );
}
