/** Requests about committed offsets. */
import type { Kafka } from '../context.ts';
import type { Call, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In, Out } from '../schema/message.ts';
import type { Subject } from '../security/authorizer.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { committedPartitions, type FetchedOffset, fetchNothing, fetchOffsets } from './offsets.ts';

const TOPIC_IDS_FROM = 10;
const GROUPS_FROM = 8;
/** From this version on a group that is not there is said to be. */
const MODERN_FROM = 9;

const mayRead = ({ authorizer }: Kafka, subject: Subject, topic: string): boolean =>
  authorizer.allows(subject, Operation.Read, ResourceType.Topic, topic);

type CommitResponse = In<typeof Apis.offsetCommit.response>;

function commitOffsets(
  kafka: Kafka,
  { connection, version, request }: Call<typeof Apis.offsetCommit>,
): CommitResponse | Promise<CommitResponse> {
  const { groups, topics: all, authorizer } = kafka;
  const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch } = request;
  const answer = (errorOf: (topic: number, partition: number) => number): CommitResponse => ({
    topics: request.topics.map(({ name, topicId, partitions }, topic) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }, partition) => ({
        partitionIndex,
        errorCode: errorOf(topic, partition),
      })),
    })),
  });
  if (!authorizer.allows(connection, Operation.Read, ResourceType.Group, groupId)) {
    return answer(() => ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const wanted = request.topics.map(({ name, topicId, partitions }) => {
    const topic = version >= TOPIC_IDS_FROM ? all.byId(topicId) : all.get(name);
    const isUnknown =
      version >= TOPIC_IDS_FROM ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    // Who names a topic by an id that there is not has named none.
    const isNamed = topic !== undefined || version < TOPIC_IDS_FROM;
    const isAllowed = !isNamed || mayRead(kafka, connection, topic?.name ?? name);
    const errorCode = !isAllowed
      ? ErrorCode.TOPIC_AUTHORIZATION_FAILED
      : topic === undefined
        ? isUnknown
        : ErrorCode.NONE;
    const partitionCount = topic?.partitions.length ?? 0;
    return { name: topic?.name ?? name, partitions, partitionCount, errorCode };
  });
  return new Promise((resolve) => {
    groups.commit(
      groupId,
      {
        memberId,
        instanceId: groupInstanceId,
        generation: generationIdOrMemberEpoch,
        isTransactional: false,
      },
      wanted,
      { isModern: version >= MODERN_FROM, retentionMs: request.retentionTimeMs },
      (committed) =>
        resolve(answer((topic, partition) => committed.errors?.[topic]?.[partition] ?? committed.errorCode)),
    );
  });
}

type FetchRequest = Out<typeof Apis.offsetFetch.request>;
type GroupRequest = Pick<FetchRequest['groups'][number], 'groupId' | 'memberId' | 'memberEpoch'> & {
  readonly topics:
    | readonly {
        readonly name: string;
        readonly topicId: string;
        readonly partitionIndexes: readonly number[];
      }[]
    | null;
};
interface FetchedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: readonly FetchedOffset[];
}
interface FetchedGroup {
  readonly groupId: string;
  readonly errorCode: number;
  readonly topics: readonly FetchedTopic[];
}

function fetchGroup(
  kafka: Kafka,
  subject: Subject,
  version: number,
  wanted: GroupRequest,
  requireStable: boolean,
): FetchedGroup {
  const { groups, topics: all, authorizer } = kafka;
  const { groupId } = wanted;
  const fail = (errorCode: number): FetchedGroup => ({ groupId, errorCode, topics: [] });
  if (!authorizer.allows(subject, Operation.Describe, ResourceType.Group, groupId)) {
    return fail(ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const errorCode = groups.checkFetch(groupId, wanted.memberId, wanted.memberEpoch);
  if (errorCode !== ErrorCode.NONE) return fail(errorCode);
  const mayDescribe = (topic: string): boolean =>
    authorizer.allows(subject, Operation.Describe, ResourceType.Topic, topic);
  const record = groups.table.records.get(groupId);
  if (wanted.topics === null) {
    const topics: FetchedTopic[] = [];
    for (const [name, partitions] of record === undefined ? [] : committedPartitions(record, requireStable)) {
      const topicId = all.get(name)?.id ?? ZERO_UUID;
      // Who speaks of topics by their ids cannot be told of one that is gone.
      if (!mayDescribe(name) || (version >= TOPIC_IDS_FROM && topicId === ZERO_UUID)) continue;
      topics.push({ name, topicId, partitions: fetchOffsets(record, name, [...partitions], requireStable) });
    }
    return { groupId, errorCode: ErrorCode.NONE, topics };
  }
  const topics = wanted.topics.map(({ name: asked, topicId, partitionIndexes }) => {
    const name = version >= TOPIC_IDS_FROM ? all.byId(topicId)?.name : asked;
    if (name === undefined) {
      return { name: '', topicId, partitions: fetchNothing(partitionIndexes, ErrorCode.UNKNOWN_TOPIC_ID) };
    }
    const partitions = mayDescribe(name)
      ? fetchOffsets(record, name, partitionIndexes, requireStable)
      : fetchNothing(partitionIndexes, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    return { name, topicId, partitions };
  });
  return { groupId, errorCode: ErrorCode.NONE, topics };
}

export const offsetHandlers: HandlerTable = {
  offsetCommit: commitOffsets,

  offsetFetch(kafka, { connection, version, request }) {
    const { requireStable } = request;
    if (version >= GROUPS_FROM) {
      const groups = request.groups.map((each) =>
        fetchGroup(kafka, connection, version, each, requireStable),
      );
      return { groups };
    }
    const topics =
      request.topics?.map(({ name, partitionIndexes }) => ({ name, partitionIndexes, topicId: ZERO_UUID })) ??
      null;
    const wanted = { groupId: request.groupId, memberId: null, memberEpoch: -1, topics };
    const fetched = fetchGroup(kafka, connection, version, wanted, requireStable);
    // The oldest versions have no place for the error but at each partition.
    const isRefused = fetched.errorCode !== ErrorCode.NONE && version < 2;
    return {
      errorCode: fetched.errorCode,
      topics: isRefused
        ? (topics ?? []).map(({ name, partitionIndexes }) => ({
            name,
            partitions: fetchNothing(partitionIndexes, fetched.errorCode),
          }))
        : fetched.topics,
    };
  },

  offsetDelete(kafka, { connection, request }) {
    const { groups, topics: all, authorizer } = kafka;
    const { groupId } = request;
    const refuse = (errorCode: number) => ({ errorCode, throttleTimeMs: 0, topics: [] });
    if (!authorizer.allows(connection, Operation.Delete, ResourceType.Group, groupId)) {
      return refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED);
    }
    const group = groups.find(groupId);
    const usage = groups.usageOf(groupId);
    if (group === undefined || usage === undefined) return refuse(ErrorCode.GROUP_ID_NOT_FOUND);
    if (usage === 'members') return refuse(ErrorCode.NON_EMPTY_GROUP);
    const errorOf = (name: string): number => {
      if (!mayRead(kafka, connection, name)) return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      if (all.get(name) === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return usage.has(name) ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE;
    };
    const wanted = request.topics.map((each) => ({ ...each, errorCode: errorOf(each.name) }));
    const partitions = new Map<string, number[]>();
    for (const { name, errorCode, partitions: each } of wanted) {
      if (errorCode !== ErrorCode.NONE) continue;
      const numbers = partitions.get(name) ?? [];
      numbers.push(...each.map(({ partitionIndex }) => partitionIndex).filter((index) => index >= 0));
      partitions.set(name, numbers);
    }
    return new Promise((resolve) => {
      groups.forget(group, partitions, (hasFailed) =>
        resolve({
          errorCode: hasFailed ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.NONE,
          throttleTimeMs: 0,
          topics: wanted.map(({ name, errorCode, partitions: each }) => ({
            name,
            partitions: each.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
          })),
        }),
      );
    });
  },
};
