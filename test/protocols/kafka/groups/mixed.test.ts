/** What KIP-848 says of groups that have members of both protocols, statement by statement. */
import { describe, expect, it } from 'vitest';
import {
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
} from '../../../../src/protocols/kafka/messages/consumer-protocol.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { asker, type Loose } from './requests.ts';
import { createWorld, FakeTopics, given, type World } from './support.ts';

const T = FakeTopics.idOf('t');
const { NONE, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION } = ErrorCode;

function withTopic(settings: Parameters<typeof createWorld>[0] = {}): World {
  const world = createWorld({ retentionCheckIntervalMs: 1e12, ...settings });
  world.topics.set('t', 4);
  return world;
}

const subscription = (owned: readonly number[] = [], version = 1): Uint8Array =>
  encodeSubscription(version, {
    topics: ['t'],
    userData: null,
    ownedPartitions: owned.length === 0 ? [] : [{ topic: 't', partitions: owned }],
    ...(version >= 3 ? { rackId: 'r1' } : {}),
  });

const joinOld = (world: World, over: object = {}, version = 5): Promise<Loose> =>
  asker(world)('joinGroup', version, {
    groupId: 'g',
    memberId: '',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription() }],
    ...over,
  });
const syncOld = (world: World, memberId: string, generationId: number, over: object = {}): Promise<Loose> =>
  asker(world)('syncGroup', 5, {
    groupId: 'g',
    memberId,
    generationId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [],
    ...over,
  });
const beatOld = async (world: World, memberId: string, generationId: number): Promise<number> =>
  (await asker(world)('heartbeat', 4, { groupId: 'g', memberId, generationId })).errorCode;
const beatNew = (world: World, memberId: string, memberEpoch: number, over: object = {}): Promise<Loose> =>
  asker(world)('consumerGroupHeartbeat', 1, { groupId: 'g', memberId, memberEpoch, ...over });
const joinNew = (world: World, memberId = 'n', over: object = {}): Promise<Loose> =>
  beatNew(world, memberId, 0, {
    rebalanceTimeoutMs: 20_000,
    subscribedTopicNames: ['t'],
    topicPartitions: [],
    ...over,
  });
const numbersOf = (bytes: Uint8Array): readonly number[] =>
  given(decodeAssignment(bytes).value).assignedPartitions.flatMap(({ partitions }) => partitions);

/** A classic group of one member, which has all. */
async function classicGroup(world: World, over: object = {}): Promise<{ id: string; generation: number }> {
  let joined = await joinOld(world, over);
  if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
    joined = await joinOld(world, { ...over, memberId: joined.memberId });
  }
  expect(joined.errorCode).toBe(NONE);
  const assignment = encodeAssignment(1, {
    assignedPartitions: [{ topic: 't', partitions: [0, 1, 2, 3] }],
    userData: null,
  });
  const assignments = [{ memberId: joined.memberId, assignment }];
  const synced = await syncOld(world, joined.memberId, joined.generationId, { assignments });
  expect(synced.errorCode).toBe(NONE);
  return { id: joined.memberId, generation: joined.generationId };
}

describe('a classic group that a member of the new protocol joins', () => {
  it('becomes one in which the broker assigns, its epochs going on from the generation', async () => {
    const world = withTopic();
    const { generation } = await classicGroup(world);
    const joined = await joinNew(world);
    expect(joined).toMatchObject({ errorCode: NONE, memberEpoch: generation + 1 });
    expect(joined.assignment.topicPartitions).toEqual([]);
    expect(world.groups.find('g')).toMatchObject({ kind: 'consumer', epoch: generation + 1 });
  });

  it('calls its members to join again, and takes nothing from them before they have', async () => {
    const world = withTopic();
    const { id, generation } = await classicGroup(world);
    await joinNew(world);
    expect((await beatNew(world, 'n', generation + 1)).assignment).toBeNull();
    expect(await beatOld(world, id, generation)).toBe(REBALANCE_IN_PROGRESS);
    // A member that keeps what stays its own says what it has, and is told what is left of it.
    const protocols = [{ name: 'range', metadata: subscription([0, 1, 2, 3]) }];
    const first = await joinOld(world, { memberId: id, protocols });
    expect(first).toMatchObject({ errorCode: NONE, generationId: generation, leader: '', members: [] });
    const kept = await syncOld(world, id, generation);
    expect(numbersOf(kept.assignment)).toEqual([0, 1]);
    expect((await beatNew(world, 'n', generation + 1)).assignment).toBeNull();
    expect(await beatOld(world, id, generation)).toBe(REBALANCE_IN_PROGRESS);
    const less = [{ name: 'range', metadata: subscription([0, 1]) }];
    const second = await joinOld(world, { memberId: id, protocols: less });
    expect(second.generationId).toBe(generation + 1);
    expect(numbersOf((await syncOld(world, id, generation + 1)).assignment)).toEqual([0, 1]);
    expect(await beatOld(world, id, generation + 1)).toBe(NONE);
    const got = await beatNew(world, 'n', generation + 1);
    expect(got.assignment.topicPartitions).toEqual([{ topicId: T, partitions: [2, 3] }]);
  });

  it('needs one more round only of those that gave up everything to join', async () => {
    const world = withTopic();
    const { id, generation } = await classicGroup(world);
    await joinNew(world);
    const joined = await joinOld(world, { memberId: id });
    expect(joined.generationId).toBe(generation + 1);
    expect(numbersOf((await syncOld(world, id, generation + 1)).assignment)).toEqual([0, 1]);
  });

  it.each([
    ['its policy does not let it', { migrationPolicy: 'downgrade' as const }, {}],
    ['its policy lets nothing change', { migrationPolicy: 'disabled' as const }, {}],
    ['its members are no consumers', {}, { protocolType: 'connect' }],
    [
      'its members speak something unknown',
      {},
      { protocols: [{ name: 'range', metadata: Buffer.from('?') }] },
    ],
  ])('stays one when %s', async (_, settings, over) => {
    const world = withTopic(settings);
    const joined = await joinOld(world, over, 3);
    expect(joined.errorCode).toBe(NONE);
    expect((await joinNew(world)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect(world.groups.find('g')?.kind).toBe('classic');
  });

  it('lets those who wait for its rebalance ask again', async () => {
    const world = withTopic();
    const { id, generation } = await classicGroup(world);
    const waiting = joinOld(world, {}, 3);
    await joinNew(world);
    expect(await waiting).toMatchObject({ errorCode: REBALANCE_IN_PROGRESS });
    expect(await beatOld(world, id, generation)).toBe(REBALANCE_IN_PROGRESS);
  });
});

describe('a classic member of a group in which the broker assigns', () => {
  it('joins it, with an id that it was given first', async () => {
    const world = withTopic();
    await joinNew(world);
    const asked = await joinOld(world);
    expect(asked.errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED);
    const joined = await joinOld(world, { memberId: asked.memberId });
    expect(joined).toMatchObject({ errorCode: NONE, generationId: 2, protocolName: 'range', leader: '' });
    expect(numbersOf((await syncOld(world, joined.memberId, 2)).assignment)).toEqual([]);
    expect(await beatOld(world, joined.memberId, 2)).toBe(NONE);
    await beatNew(world, 'n', 1);
    await beatNew(world, 'n', 1, { topicPartitions: [{ topicId: T, partitions: [0, 1] }] });
    // What it waits for is free.
    expect(await beatOld(world, joined.memberId, 2)).toBe(REBALANCE_IN_PROGRESS);
    await joinOld(world, { memberId: joined.memberId });
    expect(numbersOf((await syncOld(world, joined.memberId, 2)).assignment)).toEqual([2, 3]);
  });

  it('does not get in with an id that nobody gave it, or that is of the other protocol', async () => {
    const world = withTopic();
    await joinNew(world);
    expect((await joinOld(world, { memberId: 'mine' })).errorCode).toBe(UNKNOWN_MEMBER_ID);
    expect((await joinOld(world, { memberId: 'n' })).errorCode).toBe(UNKNOWN_MEMBER_ID);
    expect(await beatOld(world, 'n', 1)).toBe(UNKNOWN_MEMBER_ID);
    expect((await syncOld(world, 'n', 1)).errorCode).toBe(UNKNOWN_MEMBER_ID);
    const { memberId } = await joinOld(world, {}, 3);
    expect((await beatNew(world, memberId, 2)).errorCode).toBe(UNKNOWN_MEMBER_ID);
  });

  it('has to speak as consumers do, and something that all classic members know', async () => {
    const world = withTopic();
    await joinNew(world);
    const refused = ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
    expect((await joinOld(world, { protocolType: 'connect' })).errorCode).toBe(refused);
    expect((await joinOld(world, { protocols: [] })).errorCode).toBe(refused);
    await joinOld(world, {}, 3);
    const other = [{ name: 'sticky', metadata: subscription() }];
    expect((await joinOld(world, { protocols: other })).errorCode).toBe(refused);
  });

  it('is told of another generation, or of another protocol, that it says', async () => {
    const world = withTopic();
    await joinNew(world);
    const { memberId } = await joinOld(world, {}, 3);
    expect(await beatOld(world, memberId, 1)).toBe(ILLEGAL_GENERATION);
    expect((await syncOld(world, memberId, 1)).errorCode).toBe(ILLEGAL_GENERATION);
    const wrong = { protocolName: 'sticky' };
    expect((await syncOld(world, memberId, 2, wrong)).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  });

  it('commits by its generation, in any version', async () => {
    const world = withTopic();
    await joinNew(world);
    const { memberId } = await joinOld(world, {}, 3);
    const commit = async (generationIdOrMemberEpoch: number): Promise<number> => {
      const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }];
      const request = {
        groupId: 'g',
        memberId,
        generationIdOrMemberEpoch,
        topics: [{ name: 't', partitions }],
      };
      return (await asker(world)('offsetCommit', 6, request)).topics[0].partitions[0].errorCode;
    };
    expect(await commit(2)).toBe(NONE);
    expect(await commit(1)).toBe(ILLEGAL_GENERATION);
  });

  it('is out when it does not come when it is called, does not ask what it gets, or is silent', async () => {
    for (const stays of ['called', 'joined', 'silent'] as const) {
      const world = withTopic({ consumerSessionTimeoutMs: 1e9 });
      await joinNew(world);
      const { memberId } = await joinOld(world, { sessionTimeoutMs: 30_000 }, 3);
      if (stays !== 'joined') await syncOld(world, memberId, 2);
      if (stays === 'called') await joinNew(world, 'm');
      const members = (): number => world.groups.find('g')?.members.size ?? 0;
      const before = members();
      for (let s = 0; s < 25; s++) {
        world.clock.advance(1000);
        if (stays !== 'silent') await beatOld(world, memberId, 2);
      }
      expect(members()).toBe(stays === 'silent' ? before : before - 1);
      world.clock.advance(10_000);
      expect(members()).toBe(before - 1);
    }
  });

  it('hears of topics that have grown', async () => {
    const world = withTopic();
    await joinNew(world);
    const { memberId } = await joinOld(world, {}, 3);
    await syncOld(world, memberId, 2);
    world.topics.set('t', 6);
    expect(await beatOld(world, memberId, 2)).toBe(REBALANCE_IN_PROGRESS);
    expect((await joinOld(world, { memberId })).generationId).toBe(3);
  });

  it('is described as what it is, with its rack', async () => {
    const world = withTopic();
    await joinNew(world);
    const protocols = [{ name: 'range', metadata: subscription([], 3) }];
    await joinOld(world, { protocols }, 3);
    const { groups } = await asker(world)('consumerGroupDescribe', 1, { groupIds: ['g'] });
    expect(groups[0].members).toMatchObject([{ memberType: 1 }, { memberType: 0, rackId: 'r1' }]);
  });

  it('is a static one as others are: its place is taken at once, and who had it is fenced', async () => {
    const world = withTopic();
    await joinNew(world);
    const old = await joinOld(world, { groupInstanceId: 'i' });
    expect(old.errorCode).toBe(NONE);
    const again = await joinOld(world, { groupInstanceId: 'i' });
    expect(again).toMatchObject({ errorCode: NONE, generationId: 2 });
    const stale = { groupId: 'g', memberId: old.memberId, generationId: 2, groupInstanceId: 'i' };
    expect((await asker(world)('heartbeat', 4, stale)).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    // An upgrade of the instance takes the place, too.
    expect(await joinNew(world, 'm', { instanceId: 'i' })).toMatchObject({ errorCode: NONE, memberEpoch: 2 });
    const back = await joinNew(world, 'o', { instanceId: 'i' });
    expect(back.errorCode).toBe(ErrorCode.UNRELEASED_INSTANCE_ID);
    expect((await joinOld(world, { groupInstanceId: 'i' })).errorCode).toBe(NONE);
  });

  it.each(['journal', 'pages'] as const)('is one after a start from its %s', async (from) => {
    const world = withTopic();
    await joinNew(world);
    const { memberId } = await joinOld(world, {}, 3);
    await syncOld(world, memberId, 2);
    world.restart(from);
    expect(await beatOld(world, memberId, 2)).toBe(NONE);
    expect((await beatNew(world, 'n', 1)).errorCode).toBe(NONE);
  });

  it('leaves, by its id or by its instance', async () => {
    const world = withTopic();
    await joinNew(world);
    const { memberId } = await joinOld(world, {}, 3);
    await joinOld(world, { groupInstanceId: 'i' });
    const members = [
      { memberId, groupInstanceId: null },
      { memberId: '', groupInstanceId: 'i' },
      { memberId: 'x', groupInstanceId: null },
      { memberId: 'x', groupInstanceId: 'i' },
    ];
    const left = await asker(world)('leaveGroup', 4, { groupId: 'g', members });
    expect(left.members.map(({ errorCode }: Loose) => errorCode)).toEqual([
      NONE,
      NONE,
      UNKNOWN_MEMBER_ID,
      FENCED_INSTANCE_ID,
    ]);
    expect(world.groups.find('g')?.members.size).toBe(1);
  });
});

describe('a group whose last member of the new protocol goes', () => {
  it.each(['leaves', 'is silent'])('is a classic one again when it %s, and rebalances', async (how) => {
    const world = withTopic({ consumerSessionTimeoutMs: 5000 });
    const { id, generation } = await classicGroup(world);
    await joinNew(world);
    await joinOld(world, { memberId: id });
    await syncOld(world, id, generation + 1);
    if (how === 'leaves') await beatNew(world, 'n', -1);
    else world.clock.advance(6000);
    expect(world.groups.find('g')).toMatchObject({ kind: 'classic', generation: generation + 1 });
    world.restart('pages');
    expect(await beatOld(world, id, generation + 1)).toBe(REBALANCE_IN_PROGRESS);
    const joined = await joinOld(world, { memberId: id });
    expect(joined).toMatchObject({ errorCode: NONE, generationId: generation + 2, leader: id });
    expect(joined.members).toHaveLength(1);
  });

  it.each(['upgrade', 'disabled'] as const)(
    'stays one of the new kind where the policy is %s',
    async (policy) => {
      const world = withTopic({ migrationPolicy: policy });
      await joinNew(world);
      const { memberId } = await joinOld(world, {}, 3);
      await syncOld(world, memberId, 2);
      await beatNew(world, 'n', -1);
      expect(world.groups.find('g')?.kind).toBe('consumer');
      expect(await beatOld(world, memberId, 2)).toBe(REBALANCE_IN_PROGRESS);
      await joinOld(world, { memberId });
      expect(numbersOf((await syncOld(world, memberId, 3)).assignment)).toEqual([0, 1, 2, 3]);
    },
  );

  it('is classic when a classic process takes the place of its instance', async () => {
    const world = withTopic();
    await joinNew(world, 'n', { instanceId: 'i' });
    const joined = await joinOld(world, { groupInstanceId: 'i' });
    expect(joined.errorCode).toBe(REBALANCE_IN_PROGRESS);
    expect(world.groups.find('g')?.kind).toBe('classic');
    const again = await joinOld(world, { groupInstanceId: 'i', memberId: joined.memberId });
    expect(again).toMatchObject({ errorCode: NONE, leader: joined.memberId });
  });

  it('is of neither kind when all have gone, and whoever comes decides', async () => {
    const world = withTopic();
    await joinNew(world);
    await beatNew(world, 'n', -1);
    expect((await joinOld(world, {}, 3)).generationId).toBe(3);
    expect(world.groups.find('g')?.kind).toBe('classic');
  });
});
