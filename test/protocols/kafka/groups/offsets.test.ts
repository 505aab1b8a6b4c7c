import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { asker, type Loose } from './requests.ts';
import { createWorld, FakeTopics, given, join, sync, type World } from './support.ts';

const HOUR_MS = 3600_000;
const partition = (partitionIndex: number, committedOffset: number, over: object = {}) => ({
  partitionIndex,
  committedOffset,
  committedMetadata: '',
  ...over,
});
const commit = (version: number, over: object = {}) => ({
  groupId: 'g',
  generationIdOrMemberEpoch: -1,
  memberId: '',
  topics: [
    version >= 10
      ? { topicId: FakeTopics.idOf('t'), partitions: [partition(0, 42)] }
      : { name: 't', partitions: [partition(0, 42)] },
  ],
  ...(version >= 2 && version <= 4 ? { retentionTimeMs: -1 } : {}),
  ...over,
});
const fetch = (version: number, over: object = {}) => {
  const topics =
    version >= 10
      ? [{ topicId: FakeTopics.idOf('t'), partitionIndexes: [0, 1] }]
      : [{ name: 't', partitionIndexes: [0, 1] }];
  return version >= 8 ? { groups: [{ groupId: 'g', topics, ...over }] } : { groupId: 'g', topics, ...over };
};
const topicsOf = (version: number, response: Loose): Loose =>
  version >= 8 ? response.groups[0].topics : response.topics;
const errorOf = (response: Loose): number => response.topics[0].partitions[0].errorCode;

function withTopic(settings: Parameters<typeof createWorld>[0] = {}): World {
  const world = createWorld({ retentionCheckIntervalMs: 1000, ...settings });
  world.topics.set('t', 4);
  return world;
}

function member(world: World): { memberId: string; generation: number } {
  const { memberId, generationId: generation } = given(join(world).value);
  sync(world, { memberId, generation });
  return { memberId, generation };
}

describe('committed offsets', () => {
  it.each(Array.from({ length: 11 }, (_, version) => version))(
    'are read as they were committed in version %i',
    async (version) => {
      const world = withTopic();
      const ask = asker(world);
      expect(errorOf(await ask('offsetCommit', version, commit(version)))).toBe(0);
      const [{ partitions }] = topicsOf(version, await ask('offsetFetch', version, fetch(version)));
      expect(partitions).toMatchObject([
        { partitionIndex: 0, committedOffset: 42, errorCode: 0 },
        { partitionIndex: 1, committedOffset: -1, errorCode: 0 },
      ]);
    },
  );

  it('keep metadata and leader epoch, also over a restart', async () => {
    const world = withTopic();
    const topics = [
      { name: 't', partitions: [partition(3, 5, { committedMetadata: 'här', committedLeaderEpoch: 9 })] },
    ];
    await asker(world)('offsetCommit', 7, commit(7, { topics }));
    for (const from of ['journal', 'pages'] as const) {
      world.restart(from);
      const all = await asker(world)('offsetFetch', 7, { groupId: 'g', topics: null });
      expect(all.topics).toMatchObject([
        {
          name: 't',
          partitions: [{ partitionIndex: 3, committedOffset: 5, committedLeaderEpoch: 9, metadata: 'här' }],
        },
      ]);
    }
  });

  it('are seen when they are durable, and not at all when that fails', async () => {
    const world = withTopic();
    const ask = asker(world);
    world.log.isPrompt = false;
    const answer = ask('offsetCommit', 7, commit(7));
    expect((await ask('offsetFetch', 7, fetch(7))).topics[0].partitions[0].committedOffset).toBe(-1);
    world.log.failure = new Error('disk');
    world.log.flush();
    expect(errorOf(await answer)).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect((await ask('offsetFetch', 7, fetch(7))).topics[0].partitions[0].committedOffset).toBe(-1);
  });

  it('are refused where the topic is unknown, or what is to be kept is too much', async () => {
    const world = withTopic({ maxOffsets: 1 });
    const ask = asker(world);
    const code = async (version: number, over: object) =>
      errorOf(await ask('offsetCommit', version, commit(version, over)));
    const to = (over: object) => ({ topics: [{ name: 't', partitions: [partition(0, 1)], ...over }] });
    expect(await code(8, to({ name: 'nowhere' }))).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await code(8, to({ partitions: [partition(4, 1)] }))).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const id = FakeTopics.idOf('nowhere');
    expect(await code(10, { topics: [{ topicId: id, partitions: [partition(0, 1)] }] })).toBe(
      ErrorCode.UNKNOWN_TOPIC_ID,
    );
    const long = partition(0, 1, { committedMetadata: 'x'.repeat(4097) });
    expect(await code(8, to({ partitions: [long] }))).toBe(ErrorCode.OFFSET_METADATA_TOO_LARGE);
    expect(await code(8, to({}))).toBe(0);
    expect(await code(8, to({ partitions: [partition(1, 1)] }))).toBe(ErrorCode.INVALID_COMMIT_OFFSET_SIZE);
    expect(await code(8, to({ partitions: [partition(0, 2)] }))).toBe(0);
  });

  it('are taken from members of the generation, and from nobody else while there are members', async () => {
    const world = withTopic();
    const ask = asker(world);
    const code = async (over: object, version = 8) =>
      errorOf(await ask('offsetCommit', version, commit(version, over)));
    expect(await code({ groupId: 'new', memberId: 'm', generationIdOrMemberEpoch: 3 })).toBe(
      ErrorCode.ILLEGAL_GENERATION,
    );
    expect(await code({ groupId: 'new', memberId: 'm', generationIdOrMemberEpoch: 3 }, 9)).toBe(
      ErrorCode.GROUP_ID_NOT_FOUND,
    );
    const { memberId, generation } = member(world);
    expect(await code({ memberId, generationIdOrMemberEpoch: generation })).toBe(0);
    expect(await code({ memberId, generationIdOrMemberEpoch: 9 })).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await code({ memberId: 'nobody', generationIdOrMemberEpoch: generation })).toBe(
      ErrorCode.UNKNOWN_MEMBER_ID,
    );
    expect(await code({ memberId, generationIdOrMemberEpoch: generation, groupInstanceId: 'i' })).toBe(
      ErrorCode.UNKNOWN_MEMBER_ID,
    );
    expect(await code({})).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    const again = given(join(world, { memberId }).value);
    expect(await code({ memberId, generationIdOrMemberEpoch: again.generationId })).toBe(
      ErrorCode.REBALANCE_IN_PROGRESS,
    );
  });

  it('of a member show that it is alive', async () => {
    const world = withTopic();
    const { memberId, generation } = member(world);
    for (let i = 0; i < 5; i++) {
      world.clock.advance(8000);
      const over = { memberId, generationIdOrMemberEpoch: generation };
      expect(errorOf(await asker(world)('offsetCommit', 8, commit(8, over)))).toBe(0);
    }
  });
});

describe('offsets of a transaction', () => {
  const standalone = { memberId: '', instanceId: null, generation: -1, isTransactional: true };
  const topics = (offset: number) => [
    {
      name: 't',
      errorCode: 0,
      partitionCount: 1,
      partitions: [
        { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null },
      ],
    },
  ];
  /** As the coordinator of transactions does it: in a change of its own. */
  function change(world: World, make: () => { settle(): void } | (() => void)): void {
    const made = make();
    const settle = typeof made === 'function' ? made : () => made.settle();
    world.log.commit('sync', (error) => {
      if (error === undefined) settle();
    });
  }
  const read = async (world: World, requireStable: boolean): Promise<Loose> =>
    (await asker(world)('offsetFetch', 7, { ...fetch(7), requireStable })).topics[0].partitions[0];

  it.each([true, false])(
    'count when it has ended with a commit (%s), and are unstable until then',
    async (isCommit) => {
      const world = withTopic();
      await asker(world)('offsetCommit', 7, commit(7));
      change(world, () => world.groups.stage('g', standalone, 5, topics(50)));
      for (const from of ['journal', 'pages'] as const) {
        expect(await read(world, false)).toMatchObject({ committedOffset: 42, errorCode: 0 });
        expect(await read(world, true)).toMatchObject({
          committedOffset: -1,
          errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT,
        });
        world.restart(from);
      }
      change(world, () => world.groups.endTransaction(5, isCommit));
      expect(await read(world, true)).toMatchObject({ committedOffset: isCommit ? 50 : 42, errorCode: 0 });
      world.restart();
      expect(await read(world, true)).toMatchObject({ committedOffset: isCommit ? 50 : 42, errorCode: 0 });
    },
  );

  it('do not take the place of what was committed after them', async () => {
    const world = withTopic();
    change(world, () => world.groups.stage('g', standalone, 5, topics(50)));
    await asker(world)('offsetCommit', 7, commit(7));
    change(world, () => world.groups.endTransaction(5, true));
    expect(await read(world, true)).toMatchObject({ committedOffset: 42 });
  });

  it('are refused for another generation, and harmless where there are none', () => {
    const world = withTopic();
    const { memberId } = member(world);
    const staged = world.groups.stage('g', { ...standalone, memberId, generation: 9 }, 5, topics(1));
    expect(staged).toMatchObject({ errorCode: ErrorCode.ILLEGAL_GENERATION });
    expect(world.groups.stage('g', standalone, 5, topics(1))).toMatchObject({ errorCode: 0 });
    change(world, () => world.groups.endTransaction(77, true));
  });
});

describe('offsets that nobody needs', () => {
  const count = (world: World): number => world.groups.table.offsetCount;
  const settings = { offsetsRetentionMs: HOUR_MS };

  it('of a group without members are forgotten after a time, and the group with them', async () => {
    const world = withTopic(settings);
    await asker(world)('offsetCommit', 8, commit(8));
    world.clock.advance(HOUR_MS - 60_000);
    expect(count(world)).toBe(1);
    world.clock.advance(62_000);
    expect(count(world)).toBe(0);
    world.clock.advance(2000);
    expect([...world.groups.ids()]).toEqual([]);
    world.restart();
    expect([...world.groups.ids()]).toEqual([]);
  });

  it('are counted from when the last member has gone', async () => {
    const world = withTopic(settings);
    const { memberId, generation } = member(world);
    const over = { memberId, generationIdOrMemberEpoch: generation };
    await asker(world)('offsetCommit', 8, commit(8, over));
    const beat = { groupId: 'g', memberId, generationId: generation };
    for (let i = 0; i < 720; i++) {
      world.clock.advance(10_000 - 200);
      await asker(world)('heartbeat', 4, beat);
    }
    expect(count(world)).toBe(1);
    await asker(world)('leaveGroup', 2, { groupId: 'g', memberId });
    world.clock.advance(HOUR_MS - 60_000);
    expect(count(world)).toBe(1);
    world.clock.advance(62_000);
    expect(count(world)).toBe(0);
  });

  it('expire when an old client said so', async () => {
    const world = withTopic(settings);
    await asker(world)('offsetCommit', 3, commit(3, { retentionTimeMs: 5000 }));
    world.clock.advance(8000);
    expect(count(world)).toBe(0);
  });

  it('go with their topic', async () => {
    const world = withTopic();
    await asker(world)('offsetCommit', 8, commit(8));
    world.topics.delete('t');
    expect(count(world)).toBe(0);
    world.restart();
    expect(count(world)).toBe(0);
  });
});

describe('deleting offsets', () => {
  const request = { groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] };

  it('is done where nobody reads the topic', async () => {
    const world = withTopic();
    const ask = asker(world);
    expect((await ask('offsetDelete', 0, request)).errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    await ask('offsetCommit', 8, commit(8));
    const nowhere = { ...request, topics: [{ name: 'nowhere', partitions: [{ partitionIndex: 0 }] }] };
    expect(errorOf(await ask('offsetDelete', 0, nowhere))).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(errorOf(await ask('offsetDelete', 0, request))).toBe(0);
    world.restart();
    expect(world.groups.table.offsetCount).toBe(0);
  });

  it('is refused for a topic that members read, and where that is not known', async () => {
    const world = withTopic();
    const { encodeSubscription } = await import(
      '../../../../src/protocols/kafka/messages/consumer-protocol.ts'
    );
    const metadata = encodeSubscription(1, { topics: ['t'] });
    const { memberId, generationId: generation } = given(
      join(world, { protocols: [{ name: 'range', metadata }] }).value,
    );
    sync(world, { memberId, generation });
    expect(errorOf(await asker(world)('offsetDelete', 0, request))).toBe(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
    join(world, { protocolType: 'connect' }, 'workers');
    expect((await asker(world)('offsetDelete', 0, { ...request, groupId: 'workers' })).errorCode).toBe(
      ErrorCode.NON_EMPTY_GROUP,
    );
  });
});
