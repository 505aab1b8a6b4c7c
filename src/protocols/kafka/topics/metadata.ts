/** Metadata, DescribeCluster, DescribeTopicPartitions: who and what there is. Topics asked for are made before the answer. */
import type { Caller, Kafka } from '../context.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In } from '../schema/message.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';
import { MAX_DESCRIBED_PARTITIONS } from './limits.ts';
import { topicNameFault } from './names.ts';
import type { Topic, TopicRefusal } from './topics.ts';

type Metadata = (typeof Apis)['metadata'];
type TopicAnswer = In<Metadata['response']>['topics'][number];
type DescribeTopicPartitions = (typeof Apis)['describeTopicPartitions'];
type DescribedTopic = In<DescribeTopicPartitions['response']>['topics'][number];

/** Null is all of them from here on; before, that was an empty list. */
const NULL_IS_ALL_SINCE = 1;
const ENDPOINT_BROKERS = 1;

export function refusalError(refusal: TopicRefusal): ErrorCode {
  if (refusal === 'exists') return ErrorCode.TOPIC_ALREADY_EXISTS;
  if (refusal === 'unknown') return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const isLimit = refusal === 'full' || refusal === 'tenant-topics' || refusal === 'tenant-partitions';
  return isLimit ? ErrorCode.POLICY_VIOLATION : ErrorCode.KAFKA_STORAGE_ERROR;
}

const REASONS: Readonly<Partial<Record<TopicRefusal, string>>> = {
  'tenant-topics': 'there are as many topics as its tenant may have',
  'tenant-partitions': 'there are as many partitions as its tenant may have',
};

export const refusalText = (refusal: TopicRefusal): string => REASONS[refusal] ?? refusal;

function partitionAnswers({ broker }: Kafka, { partitions }: Topic) {
  const here = [broker.nodeId];
  return partitions.map((_, partitionIndex) => ({
    errorCode: ErrorCode.NONE,
    partitionIndex,
    leaderId: broker.nodeId,
    leaderEpoch: broker.leaderEpoch,
    replicaNodes: here,
    isrNodes: here,
    offlineReplicas: [],
  }));
}

interface Asking {
  readonly caller: Caller;
  /** The bits of what it may do are part of the answer. */
  readonly tellsOperations: boolean;
}

function described(kafka: Kafka, topic: Topic, { caller, tellsOperations }: Asking): TopicAnswer {
  const { name, id, isInternal } = topic;
  return {
    errorCode: ErrorCode.NONE,
    name,
    topicId: id,
    isInternal,
    partitions: partitionAnswers(kafka, topic),
    ...(tellsOperations && {
      topicAuthorizedOperations: kafka.authorizer.allowedOperations(caller, ResourceType.Topic, name),
    }),
  };
}

const failed = (errorCode: ErrorCode, name: string | null, topicId = ZERO_UUID): TopicAnswer => ({
  errorCode,
  name,
  topicId,
  partitions: [],
});

const mayDescribe = ({ authorizer }: Kafka, caller: Caller, name: string): boolean =>
  authorizer.allows(caller, Operation.Describe, ResourceType.Topic, name);

async function found(kafka: Kafka, asking: Asking, name: string, mayMake: boolean): Promise<TopicAnswer> {
  const { topics, config } = kafka;
  const { caller } = asking;
  const known = topics.get(name);
  if (known !== undefined && mayDescribe(kafka, caller, name)) return described(kafka, known, asking);
  if (topicNameFault(name) !== undefined) return failed(ErrorCode.INVALID_TOPIC_EXCEPTION, name);
  const isMaking = known === undefined && mayMake && config.kafka.autoCreateTopics;
  if (!mayDescribe(kafka, caller, name) || (isMaking && !mayCreate(kafka, caller, name))) {
    return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED, name);
  }
  if (!isMaking) return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name);
  if (topics.colliding(name) !== undefined) return failed(ErrorCode.INVALID_TOPIC_EXCEPTION, name);
  const made = await topics.create({ name, partitionCount: config.kafka.numPartitions });
  const topic = typeof made === 'string' ? topics.get(name) : made;
  if (topic !== undefined) return described(kafka, topic, asking);
  return failed(typeof made === 'string' ? refusalError(made) : ErrorCode.KAFKA_STORAGE_ERROR, name);
}

/** Whether it may make this topic. */
export const mayCreate = ({ authorizer }: Kafka, caller: Caller, name: string): boolean =>
  // Who may create whatever it likes may not create what it is denied.
  (authorizer.allows(caller, Operation.Create, ResourceType.Cluster, CLUSTER) &&
    !authorizer.denies(caller, Operation.Create, ResourceType.Topic, name)) ||
  authorizer.allows(caller, Operation.Create, ResourceType.Topic, name);

export function brokerOf({ broker }: Kafka, { endpoint }: Caller) {
  return { nodeId: broker.nodeId, host: endpoint.host, port: endpoint.port, rack: null };
}

async function topicsOf(
  kafka: Kafka,
  { version, request, connection }: Call<Metadata>,
): Promise<TopicAnswer[]> {
  const wanted = request.topics;
  const asking = { caller: connection, tellsOperations: request.includeTopicAuthorizedOperations };
  if (wanted === null || (wanted.length === 0 && version < NULL_IS_ALL_SINCE)) {
    return [...kafka.topics.list()]
      .filter(({ name }) => mayDescribe(kafka, connection, name))
      .map((topic) => described(kafka, topic, asking));
  }
  return Promise.all(
    wanted.map(({ name, topicId }) => {
      if (topicId === ZERO_UUID && name !== null) {
        return found(kafka, asking, name, request.allowAutoTopicCreation);
      }
      const topic = kafka.topics.byId(topicId);
      if (topic === undefined) return failed(ErrorCode.UNKNOWN_TOPIC_ID, null, topicId);
      if (mayDescribe(kafka, connection, topic.name)) return described(kafka, topic, asking);
      return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED, null, topicId);
    }),
  );
}

const clusterOperations = ({ authorizer }: Kafka, caller: Caller): number =>
  authorizer.allowedOperations(caller, ResourceType.Cluster, CLUSTER);

export const metadata: Handler<Metadata> = async (kafka, call) => ({
  brokers: [brokerOf(kafka, call.connection)],
  clusterId: kafka.broker.clusterId,
  controllerId: kafka.broker.nodeId,
  topics: await topicsOf(kafka, call),
  ...(call.request.includeClusterAuthorizedOperations && {
    clusterAuthorizedOperations: clusterOperations(kafka, call.connection),
  }),
});

export const describeCluster: Handler<(typeof Apis)['describeCluster']> = (
  kafka,
  { connection, request },
) => {
  const { broker } = kafka;
  const isOfBrokers = request.endpointType === ENDPOINT_BROKERS;
  const { nodeId, ...where } = brokerOf(kafka, connection);
  return {
    throttleTimeMs: 0,
    errorCode: isOfBrokers ? ErrorCode.NONE : ErrorCode.MISMATCHED_ENDPOINT_TYPE,
    errorMessage: isOfBrokers ? null : 'this is a listener of a broker, not of a controller',
    endpointType: ENDPOINT_BROKERS,
    clusterId: broker.clusterId,
    controllerId: broker.nodeId,
    brokers: isOfBrokers ? [{ brokerId: nodeId, ...where }] : [],
    ...(request.includeClusterAuthorizedOperations && {
      clusterAuthorizedOperations: clusterOperations(kafka, connection),
    }),
  };
};

/** Topics in the order of their names, cut behind the limit of partitions; the cursor says where to go on. */
export const describeTopicPartitions: Handler<DescribeTopicPartitions> = (kafka, { request, connection }) => {
  const { cursor } = request;
  const isAll = request.topics.length === 0;
  const isSeen = (name: string): boolean => mayDescribe(kafka, connection, name);
  const names = isAll
    ? [...kafka.topics.list()].map(({ name }) => name).filter(isSeen)
    : request.topics.map(({ name }) => name);
  const wanted = [...new Set(names)].sort().filter((name) => cursor === null || name >= cursor.topicName);
  let left = Math.min(Math.max(1, request.responsePartitionLimit), MAX_DESCRIBED_PARTITIONS);
  const answers: DescribedTopic[] = [];
  let nextCursor: { topicName: string; partitionIndex: number } | null = null;
  for (const name of wanted) {
    if (!isSeen(name)) {
      const errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      answers.push({ errorCode, name, topicId: ZERO_UUID, isInternal: false, partitions: [] });
      continue;
    }
    const topic = kafka.topics.get(name);
    if (topic === undefined) {
      const isLegal = topicNameFault(name) === undefined;
      const errorCode = isLegal ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION;
      answers.push({ errorCode, name, topicId: ZERO_UUID, isInternal: false, partitions: [] });
      continue;
    }
    const from = cursor !== null && cursor.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
    if (left === 0) {
      nextCursor = { topicName: name, partitionIndex: from };
      break;
    }
    const partitions = partitionAnswers(kafka, topic).slice(from, from + left);
    left -= partitions.length;
    const { id: topicId, isInternal } = topic;
    answers.push({
      errorCode: ErrorCode.NONE,
      name,
      topicId,
      isInternal,
      partitions: partitions.map((each) => ({ ...each, eligibleLeaderReplicas: [], lastKnownElr: [] })),
      topicAuthorizedOperations: kafka.authorizer.allowedOperations(connection, ResourceType.Topic, name),
    });
    if (from + partitions.length < topic.partitions.length) {
      nextCursor = { topicName: name, partitionIndex: from + partitions.length };
      break;
    }
  }
  return { throttleTimeMs: 0, topics: answers, nextCursor };
};
