/** KIP-932: members, epochs, assignments, sessions, and what administrators see. One statement a test. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaNode, startKafkaNode } from '../../../e2e/kafka/node.ts';
import { type KafkaClient, openKafkaClient } from '../../../support/kafka-client.ts';
import { Ack, type Bench, benchOf, gotOf, Member, makeTopic, put, setGroup } from './support.ts';

let broker: KafkaNode;
let bench: Bench;
let client: KafkaClient;
let topic: string;
let topicId: string;
let group: string;
let count = 0;
beforeAll(async () => {
  broker = await startKafkaNode({
    'storage.engine': 'files',
    'kafka.shareGroups.maxMembers': 4,
    'kafka.shareGroups.maxSessions': 3,
  });
});
afterAll(async () => {
  await broker.stop();
});
beforeEach(async () => {
  // Sessions end with their connections, and there are only so many.
  bench?.close();
  bench = await benchOf(broker);
  client = bench.client;
  topic = `topic-${++count}`;
  group = `group-${count}`;
  topicId = await makeTopic(client, topic, 2);
  await setGroup(client, group, { 'share.auto.offset.reset': 'earliest' });
});

const stranger = (id?: string): Member => new Member(client, group, topicId, id);
const describeGroup = async (id = group) =>
  (await client.call(Apis.shareGroupDescribe, 1, { groupIds: [id], includeAuthorizedOperations: true }))
    .groups[0];
const partitionsOf = (answer: Awaited<ReturnType<Member['heartbeat']>>): readonly number[] | undefined =>
  answer.assignment?.topicPartitions.flatMap(({ partitions }) => partitions);

describe('members of a share group', () => {
  test('join with epoch 0 and an id of their own, and are told what they get at once', async () => {
    const member = stranger();
    const joined = await member.heartbeat([topic]);
    expect(joined).toMatchObject({
      errorCode: 0,
      memberId: member.id,
      memberEpoch: 1,
      heartbeatIntervalMs: 5000,
    });
    expect(joined.assignment?.topicPartitions).toEqual([{ topicId, partitions: [0, 1] }]);
    const again = await member.heartbeat();
    expect(again).toMatchObject({ errorCode: 0, memberEpoch: 1, assignment: null });
  });

  test('share partitions as far as there are some, and have some together where there are more of them', async () => {
    const members = [];
    for (let i = 0; i < 4; i++) {
      members.push(stranger());
      await members[i]?.heartbeat([topic]);
    }
    const owned = new Map<number, number>();
    for (const member of members) {
      await member.heartbeat();
      const described = (await describeGroup())?.members.find(({ memberId }) => memberId === member.id);
      const partitions = described?.assignment.topicPartitions.flatMap((each) => each.partitions) ?? [];
      expect(partitions).toHaveLength(1);
      for (const each of partitions) owned.set(each, (owned.get(each) ?? 0) + 1);
    }
    expect([...owned].sort()).toEqual([
      [0, 2],
      [1, 2],
    ]);
  });

  test('hear of another assignment with their next heartbeat, and are fenced with an epoch that is neither that nor the one before', async () => {
    const [one, two] = [stranger(), stranger()];
    await one.heartbeat([topic]);
    await two.heartbeat([topic]);
    const heard = await one.heartbeat();
    expect(heard.memberEpoch).toBe(2);
    expect(partitionsOf(heard)).toHaveLength(1);
    expect((await one.heartbeat(null, 1)).errorCode).toBe(ErrorCode.NONE);
    expect((await one.heartbeat(null, 3)).errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
    expect((await stranger().heartbeat(null, 1)).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  test('leave with epoch -1, and what they had is with the others', async () => {
    const [one, two] = [stranger(), stranger()];
    await one.heartbeat([topic]);
    await two.heartbeat([topic]);
    await one.heartbeat();
    expect(await two.heartbeat(null, -1)).toMatchObject({ errorCode: 0, memberEpoch: -1 });
    expect(partitionsOf(await one.heartbeat())).toEqual([0, 1]);
    expect((await two.heartbeat(null, -1)).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  test('are gone when they are silent for as long as the group says', async () => {
    await setGroup(client, group, {
      'share.session.timeout.ms': '1000',
      'share.heartbeat.interval.ms': '300',
    });
    const member = stranger();
    expect((await member.heartbeat([topic])).heartbeatIntervalMs).toBe(300);
    await expect
      .poll(async () => (await describeGroup())?.groupState, { timeout: 8000, interval: 50 })
      .toBe('Empty');
    expect((await member.heartbeat()).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  test('hear of topics that are made, grow and go', async () => {
    const member = stranger();
    const later = `${topic}-later`;
    expect(partitionsOf(await member.heartbeat([topic, later]))).toEqual([0, 1]);
    await makeTopic(client, later, 1);
    expect(partitionsOf(await member.heartbeat())).toEqual([0, 1, 0]);
    await client.call(Apis.createPartitions, 3, {
      topics: [{ name: later, count: 2, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    });
    expect(partitionsOf(await member.heartbeat())?.toSorted()).toEqual([0, 0, 1, 1]);
    await client.call(Apis.deleteTopics, 5, { topicNames: [later], timeoutMs: 1000 });
    expect(partitionsOf(await member.heartbeat())).toEqual([0, 1]);
  });

  test('are refused above the bound, and with requests that say too little', async () => {
    for (let i = 0; i < 4; i++) await stranger().heartbeat([topic]);
    expect((await stranger().heartbeat([topic])).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    expect((await stranger().heartbeat(null, 0)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await stranger().heartbeat([], 0)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await stranger().heartbeat([topic], -2)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await stranger('').heartbeat([topic], 0)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await stranger('x'.repeat(300)).heartbeat([topic], 0)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });

  test('are of one kind of group: its identifier is no other kind of group, nor the other way', async () => {
    await stranger().heartbeat([topic]);
    const join = {
      groupId: group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
      reason: null,
    };
    expect((await client.call(Apis.joinGroup, 9, join)).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
    const consumer = {
      groupId: group,
      memberId: randomUUID(),
      memberEpoch: 0,
      rebalanceTimeoutMs: 1000,
      subscribedTopicNames: [topic],
      topicPartitions: [],
    };
    const refused = await client.call(Apis.consumerGroupHeartbeat, 0, consumer);
    expect(refused.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    const committed = await client.call(Apis.offsetCommit, 8, {
      groupId: group,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [
        {
          name: topic,
          partitions: [
            { partitionIndex: 0, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: null },
          ],
        },
      ],
    });
    expect(committed.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    const other = `${group}-consumers`;
    await client.call(Apis.consumerGroupHeartbeat, 0, { ...consumer, groupId: other });
    const share = new Member(client, other, topicId);
    expect((await share.heartbeat([topic])).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  });

  test('are still there after a restart, with their epochs', async () => {
    const [one, two] = [stranger(), stranger()];
    await one.heartbeat([topic]);
    await two.heartbeat([topic]);
    const before = await describeGroup();
    await broker.restart();
    client = await openKafkaClient(broker.port);
    const after = await describeGroup();
    const sorted = (group: typeof before) => ({
      ...group,
      members: group?.members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1)),
    });
    expect(sorted(after)).toEqual(sorted(before));
    expect(after?.members).toHaveLength(2);
    client.close();
  });
});

test('a consumer group has configurations of its own, too', async () => {
  await setGroup(client, group, {
    'consumer.heartbeat.interval.ms': '1234',
    'consumer.session.timeout.ms': '1000',
  });
  const joined = await client.call(Apis.consumerGroupHeartbeat, 0, {
    groupId: group,
    memberId: '',
    memberEpoch: 0,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: [topic],
    topicPartitions: [],
  });
  expect(joined).toMatchObject({ errorCode: 0, heartbeatIntervalMs: 1234 });
  const state = async () =>
    (
      await client.call(Apis.consumerGroupDescribe, 0, {
        groupIds: [group],
        includeAuthorizedOperations: false,
      })
    ).groups[0]?.groupState;
  await expect.poll(state, { timeout: 8000, interval: 50 }).toBe('Empty');
});

describe('share sessions', () => {
  test('go on with the next epoch, and are refused with another, or where there is none', async () => {
    const member = await bench.member(group, topic);
    expect((await member.fetch({ epoch: 1 })).errorCode).toBe(ErrorCode.SHARE_SESSION_NOT_FOUND);
    expect((await member.fetch()).errorCode).toBe(ErrorCode.NONE);
    expect((await member.fetch({ epoch: 2 })).errorCode).toBe(ErrorCode.INVALID_SHARE_SESSION_EPOCH);
    expect((await member.fetch({ epoch: 1 })).errorCode).toBe(ErrorCode.NONE);
    expect((await member.acknowledge([], { epoch: 7 })).errorCode).toBe(
      ErrorCode.INVALID_SHARE_SESSION_EPOCH,
    );
    expect((await member.acknowledge([], { epoch: 0 })).errorCode).toBe(
      ErrorCode.INVALID_SHARE_SESSION_EPOCH,
    );
    expect((await member.acknowledge([], { epoch: -1 })).errorCode).toBe(ErrorCode.NONE);
    expect((await member.acknowledge([], { epoch: 3 })).errorCode).toBe(ErrorCode.SHARE_SESSION_NOT_FOUND);
  });

  test('remember partitions, and forget those that they are told to', async () => {
    await put(client, topic, ['a'], 0);
    await put(client, topic, ['b'], 1);
    const member = await bench.member(group, topic);
    const first = await member.fetch({ partitions: [0] });
    expect(first.responses[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([0]);
    const second = await member.fetch({ partitions: [1], forget: [0] });
    expect(gotOf(second, 1).map(({ value }) => value)).toEqual(['b']);
    await put(client, topic, ['c'], 0);
    expect((await member.fetch()).responses).toEqual([]);
    // Named in the answer to the first request of a session, and without news in no other.
    const empty = await member.fetch({ epoch: 0, partitions: [1] });
    expect(empty.responses[0]?.partitions).toMatchObject([{ partitionIndex: 1, errorCode: 0 }]);
  });

  test('are refused above the bound', async () => {
    const members = [];
    for (let i = 0; i < 4; i++) members.push(await bench.member(group, topic));
    const codes = [];
    for (const member of members) codes.push((await member.fetch()).errorCode);
    expect(codes).toEqual([0, 0, 0, ErrorCode.SHARE_SESSION_LIMIT_REACHED]);
  });

  test('and requests that cannot be are told so', async () => {
    await put(client, topic, ['a']);
    const member = await bench.member(group, topic);
    const acks = [{ first: 0, types: [Ack.accept] }];
    expect((await member.fetch({ acks })).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await member.fetch({ epoch: -2 })).errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const unknown = await member.fetch({ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [0] });
    expect(unknown.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    const beyond = await member.fetch({ epoch: 0, partitions: [9] });
    expect(beyond.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await member.fetch({ epoch: 0 });
    for (const [first, last, types] of [
      [1, 0, [1]],
      [0, 0, []],
      [0, 3, [1, 1]],
      [0, 0, [5]],
      [0, 0, [4]],
    ] as const) {
      expect(await member.ack(first, last, ...types)).toBe(ErrorCode.INVALID_REQUEST);
    }
    const overlapping = await member.acknowledge([
      { first: 0, types: [1] },
      { first: 0, types: [1] },
    ]);
    expect(overlapping.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const renewal = await member.fetch({ isRenewAck: true, acks: [{ first: 0, types: [Ack.renew] }] });
    expect(renewal.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const renewed = await member.fetch({
      isRenewAck: true,
      acks: [{ first: 0, types: [Ack.renew] }],
      maxBytes: 0,
      maxRecords: 0,
      minBytes: 0,
    });
    expect(renewed.responses[0]?.partitions[0]).toMatchObject({ acknowledgeErrorCode: 0 });
    const nobody = new Member(client, `${group}-none`, topicId);
    expect((await nobody.fetch()).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  });
});

describe('administrators', () => {
  test('see share groups among the others, and what they are made of', async () => {
    const member = await bench.member(group, topic);
    const listed = await client.call(Apis.listGroups, 5, { statesFilter: [], typesFilter: ['share'] });
    expect(listed.groups).toContainEqual({
      groupId: group,
      protocolType: 'share',
      groupState: 'Stable',
      groupType: 'share',
    });
    expect(await describeGroup()).toMatchObject({
      groupState: 'Stable',
      groupEpoch: 1,
      assignmentEpoch: 1,
      assignorName: 'simple',
      members: [
        {
          memberId: member.id,
          memberEpoch: 1,
          subscribedTopicNames: [topic],
          assignment: { topicPartitions: [{ topicId, topicName: topic, partitions: [0, 1] }] },
        },
      ],
    });
    expect((await describeGroup('none'))?.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    const typed = await client.call(Apis.describeGroups, 6, { groups: [group] });
    expect(typed.groups[0]?.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  });

  const offsetsOf = async (topics: { topicName: string; partitions: number[] }[] | null = null) =>
    (await client.call(Apis.describeShareGroupOffsets, 1, { groups: [{ groupId: group, topics }] }))
      .groups[0];
  const alter = async (partitionIndex: number, startOffset: number, topicName = topic) => {
    const partitions = [{ partitionIndex, startOffset }];
    const answer = await client.call(Apis.alterShareGroupOffsets, 0, {
      groupId: group,
      topics: [{ topicName, partitions }],
    });
    return answer.errorCode || answer.responses[0]?.partitions[0]?.errorCode;
  };

  test('see how far a group is, and put it elsewhere while nobody reads', async () => {
    await put(client, topic, ['a', 'b', 'c', 'd']);
    const member = await bench.member(group, topic);
    await member.take();
    await member.ack(0, 2, Ack.accept, Ack.release, Ack.accept);
    const [first] = (await offsetsOf())?.topics[0]?.partitions ?? [];
    expect(first).toMatchObject({ partitionIndex: 0, startOffset: 1, lag: 2, errorCode: 0 });
    expect(await alter(0, 3)).toBe(ErrorCode.NON_EMPTY_GROUP);
    await member.heartbeat(null, -1);
    expect(await alter(0, 3)).toBe(ErrorCode.NONE);
    expect(await alter(7, 3)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await alter(0, 3, 'none')).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const [moved] = (await offsetsOf([{ topicName: topic, partitions: [0] }]))?.topics[0]?.partitions ?? [];
    expect(moved).toMatchObject({ startOffset: 3, lag: 1 });
    const next = await bench.member(group, topic);
    expect(await next.take()).toEqual([{ offset: 3, value: 'd', count: 1 }]);
    const unknown = await offsetsOf([{ topicName: 'none', partitions: [0] }]);
    expect(unknown?.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  test('say where a group begins before anybody reads, as kafka-share-groups does (KIP-932)', async () => {
    await put(client, topic, ['a', 'b', 'c']);
    expect(await alter(0, 2)).toBe(ErrorCode.NONE);
    expect(await describeGroup()).toMatchObject({ groupState: 'Empty', members: [] });
    const member = await bench.member(group, topic);
    expect((await member.take()).map(({ value }) => value)).toEqual(['c']);
  });

  test('have a group forget a topic, or forget the group, while nobody reads', async () => {
    await put(client, topic, ['a']);
    const member = await bench.member(group, topic);
    await member.take();
    await member.ack(0, 0, Ack.accept);
    const forget = async (topicName: string) => {
      const answer = await client.call(Apis.deleteShareGroupOffsets, 0, {
        groupId: group,
        topics: [{ topicName }],
      });
      return answer.errorCode || answer.responses[0]?.errorCode;
    };
    const remove = async () =>
      (await client.call(Apis.deleteGroups, 2, { groupsNames: [group] })).results[0]?.errorCode;
    expect(await forget(topic)).toBe(ErrorCode.NON_EMPTY_GROUP);
    expect(await remove()).toBe(ErrorCode.NON_EMPTY_GROUP);
    await member.heartbeat(null, -1);
    expect(await forget(topic)).toBe(ErrorCode.NONE);
    expect(await forget(topic)).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const next = await bench.member(group, topic);
    expect((await next.take()).map(({ value }) => value)).toEqual(['a']);
    await next.heartbeat(null, -1);
    expect(await remove()).toBe(ErrorCode.NONE);
    expect(await remove()).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect((await offsetsOf())?.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect((await next.fetch({ epoch: 0 })).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  });
});
