import { describe, expect, it } from 'vitest';
import type { ClassicGroup, JoinResponse } from '../../../../src/protocols/kafka/groups/classic-group.ts';
import { heartbeat, leaveGroup } from '../../../../src/protocols/kafka/groups/classic-members.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { createWorld, given, join, sync, type World } from './support.ts';

const groupOf = (world: World): ClassicGroup => {
  const group = world.groups.find('g');
  if (group?.kind !== 'classic') throw new Error('no group');
  return group;
};
const beat = (world: World, memberId: string, generation: number, instanceId: string | null = null): number =>
  heartbeat(groupOf(world), { memberId, generation, instanceId });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One member, stable. */
function alone(world: World, over: Parameters<typeof join>[1] = {}): JoinResponse {
  const joined = given(join(world, over).value);
  const { memberId, generationId: generation } = joined;
  const synced = sync(world, {
    memberId,
    generation,
    instanceId: over.instanceId ?? null,
    assignments: [{ memberId, assignment: bytes('all') }],
  });
  expect(given(synced.value)).toMatchObject({ errorCode: 0, assignment: bytes('all') });
  return joined;
}

describe('joining a classic group', () => {
  it('makes the first member leader of generation 1 at once', () => {
    const world = createWorld();
    const joined = given(join(world).value);
    expect(joined).toMatchObject({
      errorCode: 0,
      generationId: 1,
      protocolName: 'range',
      leader: joined.memberId,
    });
    expect(joined.members).toHaveLength(1);
  });

  it('waits for more members where it is told to', () => {
    const world = createWorld({ initialRebalanceDelayMs: 3000 });
    const first = join(world);
    world.clock.advance(2000);
    const second = join(world);
    world.clock.advance(2000);
    expect(first.value).toBeUndefined();
    world.clock.advance(3000);
    expect(given(first.value).members).toHaveLength(2);
    expect(given(second.value)).toMatchObject({ errorCode: 0, generationId: 1, members: [] });
  });

  it('sends a newcomer away with an id where its version wants that', () => {
    const world = createWorld();
    const away = given(join(world, { requiresMemberId: true }).value);
    expect(away.errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED);
    expect(away.memberId).toMatch(/^client-/);
    expect(given(join(world, { memberId: away.memberId }).value).errorCode).toBe(0);
    const late = given(join(world, { requiresMemberId: true }).value);
    world.clock.advance(11_000);
    expect(given(join(world, { memberId: late.memberId }).value).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('refuses what has no protocol in common with the others', () => {
    const world = createWorld();
    alone(world);
    const other = { protocols: [{ name: 'other', metadata: bytes('') }] };
    expect(given(join(world, other).value).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    expect(given(join(world, { protocolType: 'connect' }).value).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
    expect(given(join(world, { protocols: [] }, 'empty').value).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
  });

  it('takes the protocol that most like best among those that all have', () => {
    const world = createWorld();
    const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: bytes(name) }));
    const first = alone(world, { protocols: protocols('a', 'b', 'c') });
    const second = join(world, { protocols: protocols('c', 'b') });
    const third = join(world, { protocols: protocols('b', 'c') });
    const again = join(world, { memberId: first.memberId, protocols: protocols('a', 'b', 'c') });
    expect(given(again.value).protocolName).toBe('b');
    expect(given(second.value).protocolName).toBe('b');
    expect(given(third.value).protocolName).toBe('b');
  });

  it('refuses members beyond its size, and subscriptions beyond their bytes', () => {
    const world = createWorld({ maxMembers: 1, maxGroupBytes: 200 });
    alone(world);
    expect(given(join(world).value).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    const large = { protocols: [{ name: 'range', metadata: new Uint8Array(201) }] };
    expect(given(join(world, large, 'large').value).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
  });

  it('gives a follower that asks again what it had, and rebalances for its leader', () => {
    const world = createWorld();
    const leader = alone(world);
    const follower = join(world);
    const led = given(join(world, { memberId: leader.memberId }).value);
    const { memberId, generationId: generation } = given(follower.value);
    // Both answers were lost: they are given again.
    expect(given(join(world, { memberId: leader.memberId }).value).members).toHaveLength(2);
    expect(given(join(world, { memberId }).value)).toMatchObject({ generationId: generation, members: [] });
    sync(world, { memberId: leader.memberId, generation: led.generationId });
    expect(given(join(world, { memberId }).value)).toMatchObject({ generationId: generation, members: [] });
    expect(groupOf(world).state).toBe('Stable');
    expect(join(world, { memberId: leader.memberId }).value).toBeUndefined();
    expect(beat(world, memberId, generation)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('goes on without those that do not join again in time, and with static ones', () => {
    const world = createWorld();
    const gone = alone(world);
    const here = join(world, { sessionTimeoutMs: 60_000 });
    world.clock.advance(9000);
    expect(here.value).toBeUndefined();
    world.clock.advance(2000);
    expect(given(here.value)).toMatchObject({ errorCode: 0, generationId: 2 });
    expect(groupOf(world).members.has(gone.memberId)).toBe(false);
    expect(beat(world, gone.memberId, 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('keeps a static member that does not join again until its session ends', () => {
    const world = createWorld();
    const fixed = alone(world, { instanceId: 'i', sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 5000 });
    const other = join(world, { rebalanceTimeoutMs: 5000 });
    world.clock.advance(5100);
    expect(given(other.value).members).toHaveLength(2);
    expect(given(other.value).leader).not.toBe(fixed.memberId);
  });
});

describe('static members', () => {
  it('take their place again without a rebalance, and fence who had it', () => {
    const world = createWorld();
    const first = alone(world, { instanceId: 'i' });
    const second = given(join(world, { instanceId: 'i' }).value);
    expect(second).toMatchObject({
      errorCode: 0,
      generationId: 1,
      skipAssignment: true,
      leader: second.memberId,
    });
    expect(second.members).toHaveLength(1);
    const { memberId } = second;
    expect(given(sync(world, { memberId, generation: 1, instanceId: 'i' }).value).assignment).toEqual(
      bytes('all'),
    );
    expect(beat(world, first.memberId, 1, 'i')).toBe(ErrorCode.FENCED_INSTANCE_ID);
    expect(beat(world, first.memberId, 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(beat(world, memberId, 1, 'unknown')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(given(join(world, { memberId: first.memberId, instanceId: 'i' }).value).errorCode).toBe(
      ErrorCode.FENCED_INSTANCE_ID,
    );
  });

  it.each(['journal', 'pages'] as const)('take it over a start of the broker from its %s, too', (from) => {
    const world = createWorld();
    const first = alone(world, { instanceId: 'i' });
    world.restart(from);
    expect(beat(world, first.memberId, 1, 'i')).toBe(0);
    const { memberId, generationId } = given(join(world, { instanceId: 'i' }).value);
    expect(generationId).toBe(1);
    world.restart(from);
    expect(given(sync(world, { memberId, generation: 1, instanceId: 'i' }).value).assignment).toEqual(
      bytes('all'),
    );
    expect(beat(world, first.memberId, 1, 'i')).toBe(ErrorCode.FENCED_INSTANCE_ID);
  });

  it('are not told that they lead where their version would make an assignment of it', () => {
    const world = createWorld();
    const first = alone(world, { instanceId: 'i' });
    const second = given(join(world, { instanceId: 'i', canSkipAssignment: false }).value);
    expect(second).toMatchObject({ leader: first.memberId, skipAssignment: false, members: [] });
  });

  it('rebalance when their protocol is another', () => {
    const world = createWorld();
    alone(world, { instanceId: 'i' });
    const protocols = [{ name: 'other', metadata: bytes('') }];
    expect(given(join(world, { instanceId: 'i', protocols: [...protocols] }).value).errorCode).toBe(
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    );
    const both = [
      { name: 'other', metadata: bytes('') },
      { name: 'range', metadata: bytes('topics') },
    ];
    expect(given(join(world, { instanceId: 'i', protocols: both }).value).generationId).toBe(2);
  });

  it('fence a join and a sync that still wait', () => {
    const world = createWorld();
    alone(world);
    const waiting = join(world, { instanceId: 'i' });
    const taking = join(world, { instanceId: 'i' });
    expect(given(waiting.value).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    expect(taking.value).toBeUndefined();
  });
});

describe('the assignment', () => {
  it('reaches who asked before the leader gave it, and who asks later', () => {
    const world = createWorld();
    const leader = alone(world);
    const follower = join(world);
    join(world, { memberId: leader.memberId });
    const { memberId } = given(follower.value);
    const early = sync(world, { memberId, generation: 2 });
    expect(early.value).toBeUndefined();
    const assignments = [{ memberId, assignment: bytes('half') }];
    const own = sync(world, { memberId: leader.memberId, generation: 2, assignments });
    expect(given(own.value).assignment).toHaveLength(0);
    expect(given(early.value)).toMatchObject({ errorCode: 0, assignment: bytes('half') });
    expect(given(sync(world, { memberId, generation: 2 }).value).assignment).toEqual(bytes('half'));
  });

  it('is refused to who is of another generation, protocol or rebalance', () => {
    const world = createWorld();
    const { memberId } = alone(world);
    const errorOf = (over: Parameters<typeof sync>[1]) =>
      given(sync(world, { memberId, ...over }).value).errorCode;
    expect(errorOf({ generation: 9 })).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(errorOf({ generation: 1, memberId: 'nobody' })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(errorOf({ generation: 1, protocolType: 'connect' })).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    expect(errorOf({ generation: 1, protocolName: 'other' })).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    join(world);
    expect(errorOf({ generation: 1 })).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('is no longer waited for when another member comes', () => {
    const world = createWorld();
    const leader = alone(world);
    const follower = join(world);
    join(world, { memberId: leader.memberId });
    const waiting = sync(world, { memberId: given(follower.value).memberId, generation: 2 });
    join(world);
    expect(given(waiting.value).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('takes those out that never ask for it', () => {
    const world = createWorld();
    const { memberId } = given(join(world, { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 5000 }).value);
    world.clock.advance(5100);
    expect(groupOf(world)).toMatchObject({ state: 'Empty', generation: 2 });
    expect(beat(world, memberId, 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });
});

describe('sessions', () => {
  it('end without heartbeats and last with them', () => {
    const world = createWorld();
    const { memberId } = alone(world);
    for (let i = 0; i < 5; i++) {
      world.clock.advance(6000);
      expect(beat(world, memberId, 1)).toBe(0);
    }
    expect(beat(world, memberId, 2)).toBe(ErrorCode.ILLEGAL_GENERATION);
    world.clock.advance(10_200);
    expect(beat(world, memberId, 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(groupOf(world).state).toBe('Empty');
  });

  it('do not count time in which nobody could listen', () => {
    const world = createWorld();
    const { memberId } = alone(world);
    world.clock.stop(600_000);
    world.clock.advance(100);
    expect(beat(world, memberId, 1)).toBe(0);
    world.clock.advance(10_100);
    expect(beat(world, memberId, 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('of a newcomer that waits for the others end after a longer time', () => {
    const world = createWorld({ newMemberJoinTimeoutMs: 20_000 });
    const { memberId } = alone(world, { rebalanceTimeoutMs: 300_000, sessionTimeoutMs: 300_000 });
    const waiting = join(world);
    world.clock.advance(15_000);
    expect(waiting.value).toBeUndefined();
    world.clock.advance(6000);
    expect(given(waiting.value).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(beat(world, memberId, 1)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  it('end when a member leaves, by itself or by its instance', () => {
    const world = createWorld();
    const { memberId } = alone(world);
    const fixed = join(world, { instanceId: 'i' });
    const again = given(join(world, { memberId }).value);
    sync(world, { memberId, generation: again.generationId });
    const { host } = world.groups;
    expect(
      leaveGroup(host, groupOf(world), [
        { memberId: 'nobody', instanceId: null },
        { memberId: 'nobody', instanceId: 'i' },
        { memberId: '', instanceId: 'unknown' },
        { memberId: '', instanceId: 'i' },
        { memberId, instanceId: null },
      ]),
    ).toEqual([
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.FENCED_INSTANCE_ID,
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.NONE,
      ErrorCode.NONE,
    ]);
    expect(beat(world, given(fixed.value).memberId, 2)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(groupOf(world)).toMatchObject({ state: 'Empty', generation: 3 });
  });
});

describe('what is told is durable', () => {
  it('answers when the change is committed, in order, and fails with it', () => {
    const world = createWorld();
    world.log.isPrompt = false;
    const joined = join(world);
    expect(joined.value).toBeUndefined();
    world.log.flush();
    const { memberId, generationId: generation } = given(joined.value);
    const synced = sync(world, { memberId, generation });
    expect(synced.value).toBeUndefined();
    world.log.failure = new Error('disk');
    world.log.flush();
    expect(given(synced.value).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
  });

  it.each(['journal', 'pages'] as const)(
    'goes on after a restart from its %s without a rebalance',
    (from) => {
      const world = createWorld();
      const { memberId } = alone(world);
      world.restart(from);
      expect(beat(world, memberId, 1)).toBe(0);
      expect(given(sync(world, { memberId, generation: 1 }).value).assignment).toEqual(bytes('all'));
      expect(given(join(world, { memberId }).value).generationId).toBe(2);
      world.restart(from);
      expect(given(sync(world, { memberId, generation: 2 }).value).errorCode).toBe(0);
      world.clock.advance(10_200);
      expect(groupOf(world).state).toBe('Empty');
    },
  );
});
