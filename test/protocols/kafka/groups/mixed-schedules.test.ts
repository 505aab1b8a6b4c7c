/**
 * Random lives of groups that clients of both protocols share, so that they change from one kind to the other: members are slow, come and
 * go in any order, answers are lost, the coordinator restarts.
 */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MixedClient, NewClient, OldClient, TOPIC } from './mixed-clients.ts';
import { type Ask, asker } from './requests.ts';
import { createWorld, type World } from './support.ts';

const CLIENTS = 5;
const RUNS = Number(process.env.GROUP_RUNS ?? 10);
/** Some instances stay the same over processes. */
const INSTANCES = [null, 'i', null, 'j', null];

class Life {
  readonly world: World = createWorld({ retentionCheckIntervalMs: 1e12, consumerSessionTimeoutMs: 12_000 });
  readonly clients: (MixedClient | undefined)[] = Array.from({ length: CLIENTS });
  private readonly isCooperative: boolean;
  private incarnations = 0;
  private lastEpoch = 0;

  constructor(isCooperative: boolean) {
    this.isCooperative = isCooperative;
    this.world.topics.set(TOPIC, 5);
  }

  private readonly ask: Ask = (...request) => asker(this.world)(...request);
  private readonly partitionCount = (): number => this.world.topics.get(TOPIC)?.partitions.length ?? 0;

  start(who: number, isNew: boolean): void {
    const before = this.clients[who];
    if (before !== undefined && !before.isDead) return;
    const instanceId = INSTANCES[who] ?? null;
    this.clients[who] = isNew
      ? new NewClient(this.ask, instanceId, `n${who}-${++this.incarnations}`)
      : new OldClient(this.ask, instanceId, this.isCooperative, this.partitionCount);
  }

  leave(who: number): void {
    this.clients[who]?.leave();
  }

  crash(who: number): void {
    const client = this.clients[who];
    if (client !== undefined) client.isDead = true;
  }

  get alive(): MixedClient[] {
    return this.clients.flatMap((client) => (client === undefined || client.isDead ? [] : [client]));
  }

  private get group() {
    return this.world.groups.find('g');
  }

  async receive(who: number): Promise<void> {
    await turn();
    this.clients[who]?.receive();
    this.check();
  }

  /** Nobody has what another member has; epochs and generations go on whatever the group is. */
  check(): void {
    const { group } = this;
    if (group === undefined) return;
    const epoch = group.kind === 'classic' ? group.generation : group.epoch;
    expect(epoch).toBeGreaterThanOrEqual(this.world.log.isPrompt ? this.lastEpoch : 0);
    if (this.world.log.isPrompt) this.lastEpoch = epoch;
    const readers = new Map<number, string>();
    for (const { id, owned } of this.alive) {
      // Who was thrown out without hearing of it reads on until its next request.
      if (!group.members.has(id)) continue;
      for (const partition of owned) {
        expect(`${partition} is of ${readers.get(partition) ?? id}`).toBe(`${partition} is of ${id}`);
        readers.set(partition, id);
      }
    }
  }

  restart(from: 'journal' | 'pages'): void {
    this.world.restart(from);
    this.lastEpoch = 0;
    for (const client of this.alive) client.disconnect();
  }

  async settle(): Promise<void> {
    this.world.log.isPrompt = true;
    this.world.log.flush();
    for (let round = 0; round < 160; round++) {
      for (const client of this.alive) client.step(false);
      await turn();
      for (const client of this.alive) client.receive();
      this.world.clock.advance(500);
    }
    this.check();
    const { alive, group } = this;
    expect(group?.members.size ?? 0).toBe(alive.length);
    if (alive.length === 0) return;
    const read = alive.flatMap(({ owned }) => [...owned]).sort((a, b) => a - b);
    expect(read).toEqual(Array.from({ length: this.partitionCount() }, (_, i) => i));
    expect(group?.kind).toBe(alive.some((client) => client instanceof NewClient) ? 'consumer' : 'classic');
  }
}

const who = fc.nat(CLIENTS - 1);
const kind = <K extends string>(name: K) => fc.constant(name);
const action = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: kind('start'), who, isNew: fc.boolean() }) },
  { weight: 10, arbitrary: fc.record({ kind: kind('step'), who, isLost: fc.nat(9).map((n) => n === 0) }) },
  { weight: 10, arbitrary: fc.record({ kind: kind('receive'), who }) },
  { weight: 12, arbitrary: fc.record({ kind: kind('everyone') }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('crash'), who }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('leave'), who }) },
  { weight: 3, arbitrary: fc.record({ kind: kind('advance'), ms: fc.integer({ min: 1, max: 15_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('flush'), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('grow') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: kind('restart'),
      from: fc.constantFrom('journal' as const, 'pages' as const),
    }),
  },
);

describe('groups of both protocols in random schedules', () => {
  it.each([
    ['that give everything up to rebalance', false],
    ['that keep what stays theirs', true],
  ])(
    'share all partitions without two owners, whatever comes and goes: classic members %s',
    async (_, isCooperative) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(action, { minLength: 40, maxLength: 140, size: 'max' }),
          fc.boolean(),
          async (actions, isPrompt) => {
            const life = new Life(isCooperative);
            life.world.log.isPrompt = isPrompt;
            for (const each of actions) {
              if (each.kind === 'start') life.start(each.who, each.isNew);
              else if (each.kind === 'step') life.clients[each.who]?.step(each.isLost);
              else if (each.kind === 'receive') await life.receive(each.who);
              else if (each.kind === 'crash') life.crash(each.who);
              else if (each.kind === 'leave') life.leave(each.who);
              else if (each.kind === 'advance') life.world.clock.advance(each.ms);
              else if (each.kind === 'flush') life.world.log.flush(each.count);
              else if (each.kind === 'restart') life.restart(each.from);
              else if (each.kind === 'grow') {
                const count = life.world.topics.get(TOPIC)?.partitions.length ?? 0;
                if (count < 8) life.world.topics.set(TOPIC, count + 1);
              } else {
                for (const client of life.alive) client.step(false);
                await turn();
                for (const client of life.alive) client.receive();
                life.check();
              }
            }
            await life.settle();
            life.world.groups.close();
          },
        ),
        { numRuns: RUNS, endOnFailure: true },
      );
    },
  );
});
