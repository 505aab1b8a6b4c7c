import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { asker, type Loose } from './requests.ts';
import { createWorld, FakeTopics, given, join, type World } from './support.ts';

const T = FakeTopics.idOf('t');

function withTopic(settings: Parameters<typeof createWorld>[0] = {}): World {
  const world = createWorld({ retentionCheckIntervalMs: 1e12, ...settings });
  world.topics.set('t', 4);
  return world;
}

const heartbeat = (over: object = {}) => ({ groupId: 'g', memberId: 'm', memberEpoch: 0, ...over });
const joining = (over: object = {}) =>
  heartbeat({ rebalanceTimeoutMs: 10_000, subscribedTopicNames: ['t'], topicPartitions: [], ...over });
const partitions = (...numbers: number[]) => ({ topicPartitions: [{ topicId: T, partitions: numbers }] });

const beat = (world: World, over: object, version = 1): Promise<Loose> =>
  asker(world)('consumerGroupHeartbeat', version, heartbeat(over));
const join848 = (world: World, over: object = {}, version = 1): Promise<Loose> =>
  asker(world)('consumerGroupHeartbeat', version, joining(over));

/** `m` has all; `n` has joined, and waits for what `m` has to give up. */
async function two(world: World): Promise<void> {
  await join848(world);
  expect(await join848(world, { memberId: 'n' })).toMatchObject({
    memberEpoch: 2,
    assignment: { topicPartitions: [] },
  });
}

describe('a member of a consumer group', () => {
  it('joins with epoch 0 and gets all that there is', async () => {
    const world = withTopic();
    expect(await join848(world)).toMatchObject({
      errorCode: 0,
      memberId: 'm',
      memberEpoch: 1,
      heartbeatIntervalMs: 5000,
      assignment: partitions(0, 1, 2, 3),
    });
    expect(await beat(world, { memberEpoch: 1 })).toMatchObject({
      errorCode: 0,
      memberEpoch: 1,
      assignment: null,
    });
  });

  it('is given an id in version 0', async () => {
    const world = withTopic();
    expect(given((await join848(world, { memberId: '' }, 0)).memberId)).not.toBe('');
  });

  it('gives up before another gets', async () => {
    const world = withTopic();
    await two(world);
    const reduced = await beat(world, { memberEpoch: 1 });
    expect(reduced).toMatchObject({ memberEpoch: 1, assignment: partitions(0, 1) });
    expect(await beat(world, { memberId: 'n', memberEpoch: 2 })).toMatchObject({
      memberEpoch: 2,
      assignment: null,
    });
    // It still has them.
    expect((await beat(world, { memberEpoch: 1, ...partitions(0, 1, 2, 3) })).memberEpoch).toBe(1);
    expect((await beat(world, { memberEpoch: 1, ...partitions(0, 1) })).memberEpoch).toBe(2);
    expect(await beat(world, { memberId: 'n', memberEpoch: 2 })).toMatchObject({
      memberEpoch: 2,
      assignment: partitions(2, 3),
    });
  });

  it('is thrown out when it does not give up in time, or says nothing', async () => {
    const world = withTopic();
    await two(world);
    await beat(world, { memberEpoch: 1 });
    for (let i = 0; i < 11; i++) {
      world.clock.advance(1000);
      await beat(world, { memberId: 'n', memberEpoch: i === 0 ? 2 : 3 }).catch(() => {});
      await beat(world, { memberEpoch: 1 });
    }
    expect((await beat(world, { memberEpoch: 1 })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    world.clock.advance(46_000);
    expect((await beat(world, { memberId: 'n', memberEpoch: 3 })).errorCode).toBe(
      ErrorCode.UNKNOWN_MEMBER_ID,
    );
  });

  it('is fenced with an epoch that it cannot have', async () => {
    const world = withTopic();
    await join848(world);
    await join848(world, { subscribedTopicNames: ['t', 'u'] });
    expect((await beat(world, { memberEpoch: 3 })).errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
    expect((await beat(world, { memberEpoch: 1 })).errorCode).toBe(ErrorCode.FENCED_MEMBER_EPOCH);
    // The answer was lost: it still has what it had.
    expect(await beat(world, { memberEpoch: 1, ...partitions(0, 1) })).toMatchObject({
      errorCode: 0,
      memberEpoch: 2,
    });
    expect((await beat(world, { memberEpoch: 1, ...partitions(9) })).errorCode).toBe(
      ErrorCode.FENCED_MEMBER_EPOCH,
    );
  });

  it('leaves with epoch -1, and what it had is free', async () => {
    const world = withTopic();
    await two(world);
    expect(await beat(world, { memberEpoch: -1 })).toMatchObject({ errorCode: 0, memberEpoch: -1 });
    expect(await beat(world, { memberId: 'n', memberEpoch: 2 })).toMatchObject({
      memberEpoch: 3,
      assignment: partitions(0, 1, 2, 3),
    });
    expect((await beat(world, { memberEpoch: -1 })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('follows its topics as they come, grow and go', async () => {
    const world = withTopic();
    await join848(world, { subscribedTopicNames: ['t', 'u'] });
    world.topics.set('t', 5);
    expect(await beat(world, { memberEpoch: 1 })).toMatchObject({
      memberEpoch: 2,
      assignment: partitions(0, 1, 2, 3, 4),
    });
    world.topics.set('other', 1);
    expect((await beat(world, { memberEpoch: 2 })).memberEpoch).toBe(2);
    world.topics.delete('t');
    world.topics.set('u', 1);
    const moved = await beat(world, { memberEpoch: 2, topicPartitions: [] });
    expect(moved.assignment.topicPartitions).toEqual([{ topicId: FakeTopics.idOf('u'), partitions: [0] }]);
  });

  it('subscribes with a pattern, to topics that come later as well', async () => {
    const world = withTopic();
    const regex = { subscribedTopicNames: null, subscribedTopicRegex: 'sensors\\..+' };
    expect(await join848(world, regex)).toMatchObject({
      memberEpoch: 1,
      assignment: { topicPartitions: [] },
    });
    world.topics.set('sensors.a', 2);
    const found = await beat(world, { memberEpoch: 1 });
    expect(found.assignment.topicPartitions).toEqual([
      { topicId: FakeTopics.idOf('sensors.a'), partitions: [0, 1] },
    ]);
    const bad = await join848(world, { ...regex, memberId: 'n', subscribedTopicRegex: '(' });
    expect(bad.errorCode).toBe(ErrorCode.INVALID_REGULAR_EXPRESSION);
  });

  it.each([
    ['no group', { groupId: '' }],
    ['no member', { memberId: '' }],
    ['an empty instance', { instanceId: '' }],
    ['an empty rack', { rackId: '' }],
    ['an impossible epoch', { memberEpoch: -3 }],
    ['an instance that leaves without a name', { memberEpoch: -2 }],
    ['no rebalance timeout', { rebalanceTimeoutMs: -1 }],
    ['partitions from nowhere', partitions(0)],
    ['nothing about its partitions', { topicPartitions: null }],
    ['no subscription', { subscribedTopicNames: null }],
  ])('is refused with %s', async (_, over) => {
    const world = withTopic();
    expect((await join848(world, over)).errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });

  it('is refused with an assignor that there is not, without a group, and beyond bounds', async () => {
    const world = withTopic({ maxMembers: 1, maxGroups: 1, maxGroupBytes: 100 });
    expect((await join848(world, { serverAssignor: 'mine' })).errorCode).toBe(ErrorCode.UNSUPPORTED_ASSIGNOR);
    expect((await beat(world, { memberEpoch: 3 })).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect((await join848(world, { serverAssignor: 'range' })).errorCode).toBe(0);
    expect((await join848(world, { memberId: 'n' })).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    const long = { memberEpoch: 1, subscribedTopicNames: ['x'.repeat(101)] };
    expect((await beat(world, long)).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    expect((await join848(world, { groupId: 'h' })).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
  });
});

describe('a static member of a consumer group', () => {
  it('leaves for a while, and comes back as another to what it had', async () => {
    const world = withTopic();
    await join848(world, { instanceId: 'i' });
    const taken = await join848(world, { memberId: 'n', instanceId: 'i' });
    expect(taken.errorCode).toBe(ErrorCode.UNRELEASED_INSTANCE_ID);
    expect((await beat(world, { memberId: 'n', memberEpoch: -2, instanceId: 'i' })).errorCode).toBe(
      ErrorCode.FENCED_INSTANCE_ID,
    );
    expect((await beat(world, { memberEpoch: -2, instanceId: 'i' })).memberEpoch).toBe(-2);
    world.restart('pages');
    expect(await join848(world, { memberId: 'n', instanceId: 'i' })).toMatchObject({
      errorCode: 0,
      memberEpoch: 1,
      assignment: partitions(0, 1, 2, 3),
    });
    expect((await beat(world, { memberEpoch: 1, instanceId: 'i' })).errorCode).toBe(
      ErrorCode.FENCED_INSTANCE_ID,
    );
    expect((await beat(world, { memberEpoch: 1 })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('need not say its instance again while it stays (KIP-848: null where it has not changed)', async () => {
    const world = withTopic();
    await join848(world, { instanceId: 'i' });
    expect(await beat(world, { memberEpoch: 1 })).toMatchObject({ errorCode: 0, memberEpoch: 1 });
    expect((await join848(world, { memberId: 'n', instanceId: 'i' })).errorCode).toBe(
      ErrorCode.UNRELEASED_INSTANCE_ID,
    );
    expect((await beat(world, { memberEpoch: -1 })).errorCode).toBe(0);
    expect((await join848(world, { memberId: 'n', instanceId: 'i' })).errorCode).toBe(0);
  });

  it('loses its place when it stays away', async () => {
    const world = withTopic();
    await join848(world, { instanceId: 'i' });
    await beat(world, { memberEpoch: -2, instanceId: 'i' });
    world.clock.advance(46_000);
    expect((await join848(world, { memberId: 'n', instanceId: 'i' })).memberEpoch).toBe(3);
  });
});

describe('a consumer group', () => {
  it.each(['journal', 'pages'] as const)('goes on after a restart from its %s', async (from) => {
    const world = withTopic();
    await two(world);
    await beat(world, { memberEpoch: 1 });
    world.restart(from);
    expect((await beat(world, { memberEpoch: 1, ...partitions(0, 1) })).memberEpoch).toBe(2);
    world.restart(from);
    const got = await beat(world, { memberId: 'n', memberEpoch: 2 });
    expect(got).toMatchObject({ memberEpoch: 2, assignment: partitions(2, 3) });
  });

  it('answers when the change is durable, and fails with it', async () => {
    const world = withTopic();
    world.log.isPrompt = false;
    let isAnswered = false;
    const answer = join848(world).finally(() => {
      isAnswered = true;
    });
    await Promise.resolve();
    expect(isAnswered).toBe(false);
    world.log.failure = new Error('disk');
    world.log.flush();
    expect((await answer).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  });

  it('takes offsets of its members by their epochs', async () => {
    const world = withTopic();
    await join848(world);
    const commit = async (version: number, memberId: string, generationIdOrMemberEpoch: number) => {
      const topics = [
        { name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }] },
      ];
      const request = { groupId: 'g', memberId, generationIdOrMemberEpoch, topics };
      return (await asker(world)('offsetCommit', version, request)).topics[0].partitions[0].errorCode;
    };
    expect(await commit(9, 'm', 1)).toBe(0);
    expect(await commit(9, 'm', 0)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await commit(9, 'n', 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commit(9, '', -1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commit(8, 'm', 1)).toBe(ErrorCode.UNSUPPORTED_VERSION);
    const transactional = { memberId: 'm', instanceId: null, generation: 0, isTransactional: true };
    expect(world.groups.stage('g', transactional, 1, []).errorCode).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(world.groups.stage('g', { ...transactional, generation: 1 }, 1, []).errorCode).toBe(0);
    const fetch = async (over: object) =>
      (await asker(world)('offsetFetch', 9, { groups: [{ groupId: 'g', topics: null, ...over }] })).groups[0]
        .errorCode;
    expect(await fetch({})).toBe(0);
    expect(await fetch({ memberId: 'm', memberEpoch: 1 })).toBe(0);
    expect(await fetch({ memberId: 'm', memberEpoch: 7 })).toBe(ErrorCode.STALE_MEMBER_EPOCH);
    expect(await fetch({ memberId: 'n', memberEpoch: 1 })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('comes from an empty classic group and becomes one again, its epochs and generations going on', async () => {
    const world = withTopic();
    const { memberId } = given(join(world).value);
    expect((await join848(world)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await asker(world)('leaveGroup', 2, { groupId: 'g', memberId });
    expect((await join848(world)).memberEpoch).toBe(3);
    const classic = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    };
    expect((await asker(world)('joinGroup', 3, classic)).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
    for (const [name, request] of [
      ['heartbeat', { groupId: 'g', memberId: 'm', generationId: 3 }],
      ['syncGroup', { groupId: 'g', memberId: 'm', generationId: 3, assignments: [] }],
    ] as const) {
      expect((await asker(world)(name, 1, request)).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    }
    // Kafka removes members of either protocol by LeaveGroup, as administrators do.
    expect((await asker(world)('leaveGroup', 1, { groupId: 'g', memberId: 'm' })).errorCode).toBe(0);
    expect((await beat(world, { memberEpoch: 3 })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    world.restart();
    expect((await asker(world)('joinGroup', 3, classic)).generationId).toBe(5);
    world.restart('pages');
    expect(world.groups.find('g')).toMatchObject({ kind: 'classic', generation: 5 });
  });

  it('is described with what its members have and are to have', async () => {
    const world = withTopic();
    await two(world);
    await beat(world, { memberEpoch: 1 });
    const ask = asker(world);
    const { groups } = await ask('consumerGroupDescribe', 1, {
      groupIds: ['g', 'nobody'],
      includeAuthorizedOperations: true,
    });
    expect(groups).toMatchObject([
      {
        errorCode: 0,
        groupState: 'Reconciling',
        groupEpoch: 2,
        assignmentEpoch: 2,
        assignorName: 'uniform',
        members: [
          {
            memberId: 'm',
            memberEpoch: 1,
            subscribedTopicNames: ['t'],
            assignment: { topicPartitions: [{ topicName: 't', partitions: [0, 1] }] },
          },
          { memberId: 'n', targetAssignment: { topicPartitions: [{ topicName: 't', partitions: [2, 3] }] } },
        ],
      },
      { groupId: 'nobody', errorCode: ErrorCode.GROUP_ID_NOT_FOUND },
    ]);
    const listed = await ask('listGroups', 5, { statesFilter: ['reconciling'], typesFilter: ['Consumer'] });
    expect(listed.groups).toEqual([
      { groupId: 'g', protocolType: 'consumer', groupState: 'Reconciling', groupType: 'consumer' },
    ]);
    expect((await ask('deleteGroups', 2, { groupsNames: ['g'] })).results[0].errorCode).toBe(
      ErrorCode.NON_EMPTY_GROUP,
    );
    expect((await ask('describeGroups', 6, { groups: ['g'] })).groups[0].errorCode).toBe(
      ErrorCode.GROUP_ID_NOT_FOUND,
    );
  });
});
