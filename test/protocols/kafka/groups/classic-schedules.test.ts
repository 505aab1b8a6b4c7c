/** Random lives of classic groups: members come, crash, leave and come back, commits are late, the coordinator restarts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JoinResponse, SyncResponse } from '../../../../src/protocols/kafka/groups/classic-group.ts';
import { heartbeat, leaveGroup } from '../../../../src/protocols/kafka/groups/classic-members.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { type Answer, createWorld, join, sync, type World } from './support.ts';

const PARTITIONS = 6;
const CLIENTS = 4;
const RUNS = Number(process.env.GROUP_RUNS ?? 40);

interface Client {
  readonly name: string;
  readonly instanceId: string | null;
  isAlive: boolean;
  memberId: string;
  generation: number;
  partitions: readonly number[];
  joined: Answer<JoinResponse> | undefined;
  synced: Answer<SyncResponse> | undefined;
  isStable: boolean;
}

const newClient = (name: string, instanceId: string | null): Client => ({
  name,
  instanceId,
  isAlive: false,
  memberId: '',
  generation: -1,
  partitions: [],
  joined: undefined,
  synced: undefined,
  isStable: false,
});

class Life {
  readonly world: World;
  readonly clients: readonly Client[];
  /** By generation and partition. */
  private readonly owners = new Map<string, string>();
  private lastGeneration = 0;

  constructor(delayMs: number) {
    this.world = createWorld({ initialRebalanceDelayMs: delayMs, retentionCheckIntervalMs: 1e12 });
    this.clients = Array.from({ length: CLIENTS }, (_, i) =>
      newClient(`c${i}`, i % 2 === 0 ? null : `i${i}`),
    );
  }

  private rejoin(client: Client, memberId = client.memberId): void {
    Object.assign(client, { memberId, isStable: false, synced: undefined });
    const request = {
      memberId,
      instanceId: client.instanceId,
      requiresMemberId: true,
      rebalanceTimeoutMs: 20_000,
      protocols: [{ name: 'range', metadata: new TextEncoder().encode(client.name) }],
    };
    client.joined = join(this.world, request, 'g', ({ errorCode, generationId }) => {
      if (errorCode !== ErrorCode.NONE) return;
      expect(generationId).toBeGreaterThanOrEqual(this.lastGeneration);
      this.lastGeneration = generationId;
    });
  }

  start(client: Client): void {
    if (client.isAlive) return;
    client.isAlive = true;
    this.rejoin(client, '');
  }

  crash(client: Client): void {
    Object.assign(client, { isAlive: false, isStable: false, joined: undefined, synced: undefined });
  }

  leave(client: Client): void {
    const group = this.world.groups.find('g');
    if (!client.isAlive || client.memberId === '' || group?.kind !== 'classic') return;
    leaveGroup(this.world.groups.host, group, [{ memberId: client.memberId, instanceId: client.instanceId }]);
    this.crash(client);
  }

  restart(from: 'journal' | 'pages'): void {
    this.world.restart(from);
    // Connections are gone, and with them what they waited for.
    for (const client of this.clients) if (client.isAlive && !client.isStable) this.rejoin(client);
  }

  step(client: Client): void {
    if (!client.isAlive) return;
    if (client.joined?.value !== undefined) this.hasJoined(client, client.joined.value);
    else if (client.synced?.value !== undefined) this.hasSynced(client, client.synced.value);
    else if (client.isStable) this.beat(client);
  }

  private fails(client: Client, errorCode: number): boolean {
    if (errorCode === ErrorCode.NONE) return false;
    if (errorCode === ErrorCode.FENCED_INSTANCE_ID) this.crash(client);
    else this.rejoin(client, errorCode === ErrorCode.UNKNOWN_MEMBER_ID ? '' : client.memberId);
    return true;
  }

  private hasJoined(client: Client, response: JoinResponse): void {
    client.joined = undefined;
    if (response.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.rejoin(client, response.memberId);
      return;
    }
    if (this.fails(client, response.errorCode)) return;
    const { memberId, generationId: generation, members, leader, skipAssignment } = response;
    Object.assign(client, { memberId, generation });
    const isLeader = leader === memberId && !skipAssignment;
    const assignments = isLeader
      ? members.map((each, i) => ({
          memberId: each.memberId,
          assignment: Uint8Array.from(
            Array.from({ length: PARTITIONS }, (_, p) => p).filter((p) => p % members.length === i),
          ),
        }))
      : [];
    client.synced = sync(this.world, { memberId, instanceId: client.instanceId, generation, assignments });
  }

  private hasSynced(client: Client, response: SyncResponse): void {
    client.synced = undefined;
    if (this.fails(client, response.errorCode)) return;
    client.partitions = [...response.assignment];
    client.isStable = true;
    for (const partition of client.partitions) {
      const key = `${client.generation}/${partition}`;
      // A static member's other process has the same place.
      const owner = client.instanceId ?? client.memberId;
      expect(this.owners.get(key) ?? owner).toBe(owner);
      this.owners.set(key, owner);
    }
  }

  private beat(client: Client): void {
    const group = this.world.groups.find('g');
    const errorCode = group?.kind === 'classic' ? heartbeat(group, client) : ErrorCode.UNKNOWN_MEMBER_ID;
    this.fails(client, errorCode);
  }

  everyone(): void {
    for (const client of this.clients) this.step(client);
  }

  /** No more mishaps: everybody has to agree in a while. */
  settle(): void {
    this.world.log.isPrompt = true;
    this.world.log.flush();
    for (let round = 0; round < 120; round++) {
      for (let i = 0; i < 4; i++) this.everyone();
      this.world.clock.advance(1000);
    }
    const alive = this.clients.filter(({ isAlive }) => isAlive);
    for (const client of alive)
      expect(client).toMatchObject({ isStable: true, generation: alive[0].generation });
    const owned = alive.flatMap(({ partitions }) => partitions).sort();
    expect(owned).toEqual(alive.length === 0 ? [] : Array.from({ length: PARTITIONS }, (_, p) => p));
    const group = this.world.groups.find('g');
    expect(group === undefined || group.members.size).toBe(group === undefined ? true : alive.length);
  }
}

const who = fc.nat(CLIENTS - 1);
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const), who }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('everyone' as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('step' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 9000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('flush' as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      from: fc.constantFrom('journal' as const, 'pages' as const),
    }),
  },
);

describe('classic groups in random schedules', () => {
  it('have one owner for each partition of a generation, go forward, and agree in the end', () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 30, maxLength: 120, size: 'max' }),
        fc.boolean(),
        fc.constantFrom(0, 3000),
        (actions, isPrompt, delayMs) => {
          const life = new Life(delayMs);
          life.world.log.isPrompt = isPrompt;
          for (const each of actions) {
            if (each.kind === 'start') life.start(life.clients[each.who]);
            else if (each.kind === 'step') life.step(life.clients[each.who]);
            else if (each.kind === 'crash') life.crash(life.clients[each.who]);
            else if (each.kind === 'leave') life.leave(life.clients[each.who]);
            else if (each.kind === 'everyone') life.everyone();
            else if (each.kind === 'advance') life.world.clock.advance(each.ms);
            else if (each.kind === 'flush') life.world.log.flush(each.count);
            else life.restart(each.from);
          }
          life.settle();
          life.world.groups.close();
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
