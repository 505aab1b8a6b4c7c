/** CreateTopics and CreatePartitions: what can be made here, and what is answered to the rest. */
import type { Kafka } from '../context.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In } from '../schema/message.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { checkOverrides } from './configs.ts';
import { createdConfigs } from './describe-configs.ts';
import { MAX_PARTITIONS } from './limits.ts';
import { mayCreate, refusalError, refusalText } from './metadata.ts';
import { topicNameFault } from './names.ts';
import type { Topic, TopicRefusal } from './topics.ts';

type CreateTopics = (typeof Apis)['createTopics'];
type CreateAnswer = In<CreateTopics['response']>['topics'][number];
type TopicRequest = Call<CreateTopics>['request']['topics'][number];
type CreatePartitions = (typeof Apis)['createPartitions'];
type GrowAnswer = In<CreatePartitions['response']>['results'][number];

const DEFAULT = -1;

export interface Fault {
  readonly error: ErrorCode;
  readonly message: string;
}

const fault = (error: ErrorCode, message: string): Fault => ({ error, message });

function assignmentFault({ broker }: Kafka, request: TopicRequest): Fault | undefined {
  const { assignments, numPartitions, replicationFactor } = request;
  if (numPartitions !== DEFAULT || replicationFactor !== DEFAULT) {
    return fault(
      ErrorCode.INVALID_REQUEST,
      'a number of partitions or replicas beside an assignment of them',
    );
  }
  const numbers = new Set(assignments.map(({ partitionIndex }) => partitionIndex));
  const isDense =
    numbers.size === assignments.length && assignments.every((_, number) => numbers.has(number));
  if (!isDense) return fault(ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'partitions must be numbered from 0 on');
  const isOurs = assignments.every(
    ({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === broker.nodeId,
  );
  return isOurs
    ? undefined
    : fault(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `there is one broker, with the id ${broker.nodeId}`);
}

function sizeFault(request: TopicRequest): Fault | undefined {
  const { numPartitions, replicationFactor } = request;
  if (numPartitions !== DEFAULT && (numPartitions < 1 || numPartitions > MAX_PARTITIONS)) {
    return fault(ErrorCode.INVALID_PARTITIONS, `partitions must be from 1 to ${MAX_PARTITIONS}`);
  }
  if (replicationFactor === DEFAULT || replicationFactor === 1) return undefined;
  return fault(ErrorCode.INVALID_REPLICATION_FACTOR, 'there is one broker: the replication factor can be 1');
}

export function overridesOf(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): ReadonlyMap<string, string> | Fault {
  const overrides = new Map<string, string>();
  for (const { name, value } of configs) {
    if (value === null) return fault(ErrorCode.INVALID_CONFIG, `${name} has no value`);
    overrides.set(name, value);
  }
  const reason = checkOverrides(overrides);
  return reason === undefined ? overrides : fault(ErrorCode.INVALID_CONFIG, reason);
}

function newTopicFault(kafka: Kafka, request: TopicRequest): Fault | undefined {
  const { name } = request;
  const wrongName = topicNameFault(name);
  if (wrongName !== undefined) return fault(ErrorCode.INVALID_TOPIC_EXCEPTION, wrongName);
  if (kafka.topics.get(name) !== undefined) {
    return fault(ErrorCode.TOPIC_ALREADY_EXISTS, `there is a topic ${name} already`);
  }
  const similar = kafka.topics.colliding(name);
  if (similar !== undefined) {
    return fault(
      ErrorCode.INVALID_TOPIC_EXCEPTION,
      `the name cannot be told from that of ${similar.name} by all tools`,
    );
  }
  return request.assignments.length > 0 ? assignmentFault(kafka, request) : sizeFault(request);
}

function refused(name: string, { error, message }: Fault): CreateAnswer {
  return { name, topicId: ZERO_UUID, errorCode: error, errorMessage: message, configs: null };
}

const notMade = (refusal: TopicRefusal): Fault =>
  fault(refusalError(refusal), `it could not be made: ${refusalText(refusal)}`);

async function createOne(
  kafka: Kafka,
  call: Call<CreateTopics>,
  request: TopicRequest,
): Promise<CreateAnswer> {
  const { name } = request;
  const { connection } = call;
  if (!mayCreate(kafka, connection, name)) {
    return refused(name, fault(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'it may not create this topic'));
  }
  const wrong = newTopicFault(kafka, request);
  if (wrong !== undefined) return refused(name, wrong);
  const overrides = overridesOf(request.configs);
  if ('error' in overrides) return refused(name, overrides);
  const { assignments, numPartitions } = request;
  const asked = assignments.length > 0 ? assignments.length : numPartitions;
  const partitionCount = asked === DEFAULT ? kafka.config.kafka.numPartitions : asked;
  let topicId = ZERO_UUID;
  if (!call.request.validateOnly) {
    const made = await kafka.topics.create({ name, partitionCount, overrides });
    if (typeof made === 'string') {
      return refused(name, notMade(made));
    }
    topicId = made.id;
  } else {
    const refusal = kafka.topics.tenantRefusal(name, 1, partitionCount);
    if (refusal !== undefined) return refused(name, notMade(refusal));
  }
  const maySeeConfigs = kafka.authorizer.allows(
    connection,
    Operation.DescribeConfigs,
    ResourceType.Topic,
    name,
  );
  return {
    name,
    topicId,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topicConfigErrorCode: maySeeConfigs ? ErrorCode.NONE : ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    numPartitions: partitionCount,
    replicationFactor: 1,
    configs: maySeeConfigs ? createdConfigs(kafka, overrides) : null,
  };
}

/** Those that are named more than once, of which none is done. */
export function repeated(names: Iterable<string>): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) (seen.has(name) ? twice : seen).add(name);
  return twice;
}

export const createTopics: Handler<CreateTopics> = async (kafka, call) => {
  const { topics } = call.request;
  const twice = repeated(topics.map(({ name }) => name));
  const once = topics.filter(({ name }) => !twice.has(name));
  const answers = await Promise.all(once.map((topic) => createOne(kafka, call, topic)));
  const inDoubt = [...twice].map((name) =>
    refused(name, fault(ErrorCode.INVALID_REQUEST, 'the topic is in the request more than once')),
  );
  return { topics: [...answers, ...inDoubt] };
};

type GrowRequest = Call<CreatePartitions>['request']['topics'][number];

function growFault(kafka: Kafka, topic: Topic, { count, assignments }: GrowRequest): Fault | undefined {
  const { length } = topic.partitions;
  if (topic.isConfigured) {
    return fault(ErrorCode.POLICY_VIOLATION, 'the topic is a stream of the configuration of the broker');
  }
  if (count <= length)
    return fault(ErrorCode.INVALID_PARTITIONS, `the topic has ${length} partitions already`);
  if (count > MAX_PARTITIONS) {
    return fault(ErrorCode.INVALID_PARTITIONS, `partitions can be ${MAX_PARTITIONS} at most`);
  }
  if (assignments === null) return undefined;
  const isOurs = assignments.every(
    ({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === kafka.broker.nodeId,
  );
  return assignments.length === count - length && isOurs
    ? undefined
    : fault(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        'the assignment does not fit the new partitions and the broker',
      );
}

async function growOne(
  kafka: Kafka,
  call: Call<CreatePartitions>,
  request: GrowRequest,
): Promise<GrowAnswer> {
  const { name, count } = request;
  const failed = ({ error, message }: Fault): GrowAnswer => ({
    name,
    errorCode: error,
    errorMessage: message,
  });
  if (!kafka.authorizer.allows(call.connection, Operation.Alter, ResourceType.Topic, name)) {
    return failed(fault(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'it may not change this topic'));
  }
  const topic = kafka.topics.get(name);
  if (topic === undefined)
    return failed(fault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic'));
  const wrong = growFault(kafka, topic, request);
  if (wrong !== undefined) return failed(wrong);
  if (!call.request.validateOnly) {
    const grown = await kafka.topics.grow(topic, count);
    if (typeof grown === 'string') {
      return failed(notMade(grown));
    }
  } else {
    const refusal = kafka.topics.tenantRefusal(name, 0, count - topic.partitions.length);
    if (refusal !== undefined) return failed(notMade(refusal));
  }
  return { name, errorCode: ErrorCode.NONE };
}

export const createPartitions: Handler<CreatePartitions> = async (kafka, call) => {
  const { topics } = call.request;
  const twice = repeated(topics.map(({ name }) => name));
  const once = topics.filter(({ name }) => !twice.has(name));
  const results = await Promise.all(once.map((topic) => growOne(kafka, call, topic)));
  const inDoubt = [...twice].map((name) => ({
    name,
    errorCode: ErrorCode.INVALID_REQUEST,
    errorMessage: 'the topic is in the request more than once',
  }));
  return { throttleTimeMs: 0, results: [...results, ...inDoubt] };
};
