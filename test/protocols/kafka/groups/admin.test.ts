import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import type { Authorizer } from '../../../../src/protocols/kafka/security/authorizer.ts';
import { asker } from './requests.ts';
import { createWorld, given, join, sync, type World } from './support.ts';

function withMember(): { world: World; memberId: string } {
  const world = createWorld();
  world.topics.set('t', 1);
  const { memberId, generationId: generation } = given(join(world).value);
  sync(world, { memberId, generation, assignments: [{ memberId, assignment: Uint8Array.of(1) }] });
  return { world, memberId };
}

const deny: Authorizer = {
  isEnabled: true,
  allows: () => false,
  denies: () => true,
  allowedOperations: () => 0,
  allowsAny: () => false,
  onChange: () => () => {},
};

describe('the coordinator', () => {
  it.each([0, 1, 2, 3])('of one key is this node, in version %i', async (version) => {
    const found = await asker(createWorld())('findCoordinator', version, {
      key: 'g',
      ...(version > 0 ? { keyType: 0 } : {}),
    });
    expect(found).toMatchObject({ errorCode: 0, nodeId: 7, host: 'here', port: 9092 });
  });

  it('of several keys is this node, and of what is none, nobody', async () => {
    const ask = asker(createWorld());
    const find = async (version: number, keyType: number, ...coordinatorKeys: string[]) =>
      (await ask('findCoordinator', version, { keyType, coordinatorKeys })).coordinators;
    expect(await find(4, 0, 'a', 'b')).toMatchObject([
      { key: 'a', nodeId: 7, errorCode: 0 },
      { key: 'b', nodeId: 7, errorCode: 0 },
    ]);
    expect(await find(6, 1, 't', '')).toMatchObject([
      { errorCode: 0 },
      { errorCode: ErrorCode.INVALID_REQUEST, nodeId: -1 },
    ]);
    const share = `g:${'A'.repeat(22)}:0`;
    expect(await find(6, 2, share, 'g')).toMatchObject([
      { errorCode: 0 },
      { errorCode: ErrorCode.INVALID_REQUEST },
    ]);
    expect(await find(5, 2, share)).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST }]);
    expect(await find(5, 9, 'g')).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST }]);
  });
});

describe('groups', () => {
  it('are listed by state and type', async () => {
    const { world } = withMember();
    const ask = asker(world);
    const request = {
      groupId: 'offsets only',
      topics: [
        { name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] },
      ],
    };
    await ask('offsetCommit', 8, { ...request, generationIdOrMemberEpoch: -1, memberId: '' });
    const list = async (statesFilter: string[], typesFilter: string[]) =>
      (await ask('listGroups', 5, { statesFilter, typesFilter })).groups.map(
        ({ groupId }: { groupId: string }) => groupId,
      );
    expect(await list([], [])).toEqual(['g', 'offsets only']);
    expect(await list(['stable'], [])).toEqual(['g']);
    expect(await list(['Empty', 'Stable'], ['CLASSIC'])).toEqual(['g', 'offsets only']);
    expect(await list([], ['consumer'])).toEqual([]);
    expect((await ask('listGroups', 0, {})).groups[0]).toMatchObject({
      groupId: 'g',
      protocolType: 'consumer',
    });
    world.restart();
    expect((await asker(world)('listGroups', 4, { statesFilter: [] })).groups).toMatchObject([
      { groupId: 'g', groupState: 'Stable' },
      { groupId: 'offsets only', groupState: 'Empty' },
    ]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])('are described in version %i', async (version) => {
    const { world, memberId } = withMember();
    const ask = asker(world);
    const { groups } = await ask('describeGroups', version, {
      groups: ['g', 'nobody'],
      ...(version >= 3 ? { includeAuthorizedOperations: true } : {}),
    });
    expect(groups[0]).toMatchObject({
      errorCode: 0,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        { memberId, clientId: 'client', clientHost: '/127.0.0.1', memberAssignment: Uint8Array.of(1) },
      ],
    });
    const isSaid = version >= 6;
    expect(groups[1]).toMatchObject({
      groupState: 'Dead',
      errorCode: isSaid ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.NONE,
    });
    if (version >= 3) expect(groups[0].authorizedOperations).not.toBe(-2147483648);
  });

  it('are deleted when they are empty, with all they have', async () => {
    const { world, memberId } = withMember();
    const ask = asker(world);
    const remove = async (groupId: string) =>
      (await ask('deleteGroups', 2, { groupsNames: [groupId] })).results[0].errorCode;
    expect(await remove('nobody')).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    expect(await remove('g')).toBe(ErrorCode.NON_EMPTY_GROUP);
    const left = await ask('leaveGroup', 5, {
      groupId: 'g',
      members: [{ memberId, groupInstanceId: null, reason: 'x' }],
    });
    expect(left).toMatchObject({ errorCode: 0, members: [{ memberId, errorCode: 0 }] });
    expect(await remove('g')).toBe(0);
    expect(await remove('g')).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
    world.restart();
    expect([...world.groups.ids()]).toEqual([]);
  });
});

describe('requests about groups', () => {
  const topics = [
    { name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }] },
  ];
  const protocols = [{ name: 'range', metadata: new Uint8Array(0) }];
  const joining = {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 1,
    memberId: '',
    protocolType: 'consumer',
    protocols,
  };

  it('are refused without a name or with a session that is too short or too long', async () => {
    const ask = asker(createWorld());
    for (const version of [0, 3, 6, 9]) {
      const request = version === 0 ? { ...joining, rebalanceTimeoutMs: undefined } : joining;
      const codeOf = async (over: object) =>
        (await ask('joinGroup', version, { ...request, ...over })).errorCode;
      expect(await codeOf({ groupId: '' })).toBe(ErrorCode.INVALID_GROUP_ID);
      expect(await codeOf({ sessionTimeoutMs: 5999 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
      expect(await codeOf({ sessionTimeoutMs: 2_000_000 })).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
      expect(await codeOf({ memberId: 'unknown' })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    }
  });

  it('of a newcomer whose connection closes do not keep the others waiting', async () => {
    const { world, memberId } = withMember();
    const atClose = new Set<() => void>();
    const newcomer = asker(world, undefined, atClose)('joinGroup', 3, joining);
    expect(world.groups.find('g')?.members.size).toBe(2);
    for (const callback of [...atClose]) callback();
    expect((await newcomer).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(atClose.size).toBe(0);
    const again = await asker(world)('joinGroup', 3, { ...joining, memberId });
    expect(again).toMatchObject({ errorCode: 0, generationId: 2, members: [{ memberId }] });
  });

  it('of groups beyond their number are refused', async () => {
    const world = createWorld({ maxGroups: 1 });
    world.topics.set('t', 1);
    join(world);
    const ask = asker(world);
    expect((await ask('joinGroup', 3, { ...joining, groupId: 'h' })).errorCode).toBe(
      ErrorCode.GROUP_MAX_SIZE_REACHED,
    );
    const commit = { groupId: 'h', generationIdOrMemberEpoch: -1, memberId: '', topics };
    expect((await ask('offsetCommit', 8, commit)).topics[0].partitions[0].errorCode).toBe(
      ErrorCode.INVALID_COMMIT_OFFSET_SIZE,
    );
  });

  it('are refused to who may not make them, and nothing is changed', async () => {
    const { world, memberId } = withMember();
    const ask = asker(world, deny);
    const refused = ErrorCode.GROUP_AUTHORIZATION_FAILED;
    expect((await ask('joinGroup', 9, joining)).errorCode).toBe(refused);
    expect((await ask('heartbeat', 4, { groupId: 'g', memberId, generationId: 1 })).errorCode).toBe(refused);
    expect(
      (await ask('syncGroup', 5, { groupId: 'g', memberId, generationId: 1, assignments: [] })).errorCode,
    ).toBe(refused);
    expect(
      (await ask('leaveGroup', 4, { groupId: 'g', members: [{ memberId, groupInstanceId: null }] }))
        .errorCode,
    ).toBe(refused);
    const commit = { groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '', topics };
    expect((await ask('offsetCommit', 8, commit)).topics[0].partitions[0].errorCode).toBe(refused);
    expect(
      (await ask('offsetFetch', 8, { groups: [{ groupId: 'g', topics: null }] })).groups[0].errorCode,
    ).toBe(refused);
    const old = await ask('offsetFetch', 1, { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] });
    expect(old.topics[0].partitions[0].errorCode).toBe(refused);
    expect((await ask('offsetDelete', 0, { groupId: 'g', topics: [] })).errorCode).toBe(refused);
    expect((await ask('describeGroups', 5, { groups: ['g'] })).groups[0].errorCode).toBe(refused);
    expect((await ask('deleteGroups', 2, { groupsNames: ['g'] })).results[0].errorCode).toBe(refused);
    expect((await ask('findCoordinator', 0, { key: 'g' })).errorCode).toBe(refused);
    expect((await ask('listGroups', 5, {})).groups).toEqual([]);
    const beat = { groupId: 'h', memberId: 'm', memberEpoch: 0 };
    expect((await ask('consumerGroupHeartbeat', 1, beat)).errorCode).toBe(refused);
    expect(
      (await ask('consumerGroupDescribe', 1, { groupIds: ['g'], includeAuthorizedOperations: false }))
        .groups[0].errorCode,
    ).toBe(refused);
    expect([...world.groups.ids()]).toEqual(['g']);
    expect(world.groups.find('g')?.members.size).toBe(1);
  });

  it('about topics that may not be seen are refused for those', async () => {
    const { world } = withMember();
    const noTopics: Authorizer = { ...deny, allows: (_subject, _operation, type) => type !== 2 };
    const ask = asker(world, noTopics);
    const commit = { groupId: 'h', generationIdOrMemberEpoch: -1, memberId: '', topics };
    expect((await ask('offsetCommit', 8, commit)).topics[0].partitions[0].errorCode).toBe(
      ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    );
    const fetched = await ask('offsetFetch', 8, {
      groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }],
    });
    expect(fetched.groups[0].topics[0].partitions[0].errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    const beat = { groupId: 'h', memberId: 'm', memberEpoch: 0, subscribedTopicNames: ['t'] };
    expect((await ask('consumerGroupHeartbeat', 1, beat)).errorCode).toBe(
      ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    );
  });
});
