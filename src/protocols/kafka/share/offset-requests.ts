/** Where share groups are in their partitions, for administrators: shown, moved, forgotten. */
import type { Caller, Kafka } from '../context.ts';
import type { Handler, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In } from '../schema/message.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import type { Topic } from '../topics/topics.ts';
import type { ShareGroup } from './group.ts';
import type { SharePartition } from './share-partition.ts';

/** Nothing is known of the partition. */
const NO_START = -1;

type Describe = typeof Apis.describeShareGroupOffsets;
type DescribedGroup = In<Describe['response']>['groups'][number];
type DescribedPartition = DescribedGroup['topics'][number]['partitions'][number];

function describedPartition(
  { broker }: Kafka,
  partitionIndex: number,
  share: SharePartition | undefined,
): DescribedPartition {
  if (share === undefined) {
    return { partitionIndex, startOffset: NO_START, leaderEpoch: 0, lag: -1, errorCode: ErrorCode.NONE };
  }
  share.follow();
  const { floor, end, waiting, leased } = share.state.queue.stats;
  return {
    partitionIndex,
    startOffset: floor,
    leaderEpoch: broker.leaderEpoch,
    lag: Math.max(0, share.partition.endOffset - end) + waiting + leased,
    errorCode: ErrorCode.NONE,
  };
}

const failedPartitions = (numbers: readonly number[], errorCode: ErrorCode): DescribedPartition[] =>
  numbers.map((partitionIndex) => ({
    partitionIndex,
    startOffset: NO_START,
    leaderEpoch: 0,
    lag: -1,
    errorCode,
  }));

function describeTopics(
  kafka: Kafka,
  caller: Caller,
  group: ShareGroup,
  wanted: readonly { readonly topicName: string; readonly partitions: readonly number[] }[],
): DescribedGroup['topics'] {
  return wanted.map(({ topicName, partitions: numbers }) => {
    const topic = kafka.topics.get(topicName);
    if (!kafka.authorizer.allows(caller, Operation.Describe, ResourceType.Topic, topicName)) {
      const partitions = failedPartitions(numbers, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      return { topicName, topicId: ZERO_UUID, partitions };
    }
    if (topic === undefined) {
      const partitions = failedPartitions(numbers, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      return { topicName, topicId: ZERO_UUID, partitions };
    }
    const partitions = numbers.map((partition) =>
      topic.partitions[partition] === undefined
        ? failedPartitions([partition], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)[0]
        : describedPartition(
            kafka,
            partition,
            kafka.shares.get({ group: group.id, topicId: topic.id, partition }),
          ),
    );
    return { topicName, topicId: topic.id, partitions };
  });
}

/** All that it has and the caller may see. */
function everything(kafka: Kafka, caller: Caller, group: ShareGroup) {
  const found = new Map<string, number[]>();
  for (const { partition } of kafka.shares.ofGroup(group.id)) {
    const numbers = found.get(partition.name) ?? [];
    found.set(partition.name, numbers);
    numbers.push(partition.number);
  }
  return [...found]
    .filter(([name]) => kafka.authorizer.allows(caller, Operation.Describe, ResourceType.Topic, name))
    .map(([topicName, partitions]) => ({ topicName, partitions: partitions.sort((a, b) => a - b) }));
}

const describeShareGroupOffsets: Handler<Describe> = (kafka, { connection, request }) => ({
  throttleTimeMs: 0,
  groups: request.groups.map(({ groupId, topics }): DescribedGroup => {
    if (!kafka.authorizer.allows(connection, Operation.Describe, ResourceType.Group, groupId)) {
      return { groupId, topics: [], errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
    }
    const group = kafka.shares.groups.find(groupId);
    if (group === undefined) {
      const errorMessage = `Group ${groupId} is not a share group.`;
      return { groupId, topics: [], errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage };
    }
    const wanted = topics ?? everything(kafka, connection, group);
    return {
      groupId,
      topics: describeTopics(kafka, connection, group, wanted),
      errorCode: ErrorCode.NONE,
    };
  }),
});

interface Refusal {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
}

/** A group that may be changed: nobody is reading. Whose place is said before anybody reads is made. */
function emptyGroup(
  kafka: Kafka,
  caller: Caller,
  operation: Operation,
  groupId: string,
  isMade: boolean,
): ShareGroup | Refusal {
  if (!kafka.authorizer.allows(caller, operation, ResourceType.Group, groupId)) {
    return { errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED, errorMessage: null };
  }
  const { shares, groups } = kafka;
  const isFree = groupId !== '' && groups.find(groupId) === undefined;
  const group = shares.groups.find(groupId) ?? (isMade && isFree ? shares.groups.make(groupId) : undefined);
  if (group === undefined) {
    const errorMessage = `Group ${groupId} is not a share group.`;
    return { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, errorMessage };
  }
  if (group.members.size === 0) return group;
  return { errorCode: ErrorCode.NON_EMPTY_GROUP, errorMessage: 'The group has members.' };
}

/** The topic that the caller may change a group's place in. */
function topicOf(kafka: Kafka, caller: Caller, name: string): Topic | ErrorCode {
  if (!kafka.authorizer.allows(caller, Operation.Read, ResourceType.Topic, name)) {
    return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
  }
  return kafka.topics.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

const committed = (kafka: Kafka): Promise<boolean> =>
  new Promise((resolve) => {
    kafka.log.commit(kafka.config.kafka.durability.offsets, (error) => resolve(error === undefined), true);
  });

const notWritten: Refusal = {
  errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
  errorMessage: 'The change could not be written down.',
};

const alterShareGroupOffsets: Handler<typeof Apis.alterShareGroupOffsets> = async (
  kafka,
  { connection, request },
) => {
  const group = emptyGroup(kafka, connection, Operation.Read, request.groupId, true);
  if (!('members' in group)) return { throttleTimeMs: 0, ...group, responses: [] };
  const responses = request.topics.map(({ topicName, partitions }) => {
    const topic = topicOf(kafka, connection, topicName);
    const isKnown = typeof topic !== 'number';
    return {
      topicName,
      topicId: isKnown ? topic.id : ZERO_UUID,
      partitions: partitions.map(({ partitionIndex, startOffset }) => {
        if (!isKnown) return { partitionIndex, errorCode: topic };
        if (topic.partitions[partitionIndex] === undefined) {
          return { partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
        }
        if (startOffset < 0) {
          const errorMessage = 'There is no such offset.';
          return { partitionIndex, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE, errorMessage };
        }
        kafka.shares.move(group.id, topic, partitionIndex, startOffset);
        return { partitionIndex, errorCode: ErrorCode.NONE };
      }),
    };
  });
  const isWritten = await committed(kafka);
  if (!isWritten) return { throttleTimeMs: 0, ...notWritten, responses: [] };
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, responses };
};

const deleteShareGroupOffsets: Handler<typeof Apis.deleteShareGroupOffsets> = async (
  kafka,
  { connection, request },
) => {
  const group = emptyGroup(kafka, connection, Operation.Delete, request.groupId, false);
  if (!('members' in group)) return { throttleTimeMs: 0, ...group, responses: [] };
  const responses = request.topics.map(({ topicName }) => {
    const topic = topicOf(kafka, connection, topicName);
    if (typeof topic === 'number') return { topicName, topicId: ZERO_UUID, errorCode: topic };
    const isRead = kafka.shares.ofGroup(group.id).some(({ state }) => state.topicId === topic.id);
    if (!isRead) {
      const errorMessage = 'The group has nothing of the topic.';
      return {
        topicName,
        topicId: topic.id,
        errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        errorMessage,
      };
    }
    kafka.shares.drop(group.id, topic.id);
    return { topicName, topicId: topic.id, errorCode: ErrorCode.NONE };
  });
  const isWritten = await committed(kafka);
  if (!isWritten) return { throttleTimeMs: 0, ...notWritten, responses: [] };
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, responses };
};

export const shareOffsetHandlers: HandlerTable = {
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
};
