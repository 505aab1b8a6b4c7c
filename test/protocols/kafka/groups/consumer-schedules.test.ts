/** Random lives of consumer groups: the broker assigns, members are slow, answers are lost, the coordinator restarts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Assignment, NO_PARTITIONS } from '../../../../src/protocols/kafka/groups/assignment.ts';
import type { HeartbeatAnswer } from '../../../../src/protocols/kafka/groups/heartbeat-answer.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { createWorld, type World } from './support.ts';

const CLIENTS = 4;
const RUNS = Number(process.env.GROUP_RUNS ?? 30);

interface Client {
  readonly instanceId: string | null;
  /** Each of its processes has an id of its own. */
  incarnation: number;
  isAlive: boolean;
  epoch: number;
  /** What it reads now. */
  owned: Assignment;
  /** What it was told to read. */
  wanted: Assignment;
  topicNames: readonly string[];
  regex: string;
  /** The next heartbeat says everything. */
  saysAll: boolean;
  answer: { value: HeartbeatAnswer | undefined } | undefined;
}

class Life {
  readonly world: World = createWorld({ retentionCheckIntervalMs: 1e12 });
  readonly clients: readonly Client[];
  private lastEpoch = 0;

  constructor() {
    this.world.topics.set('a', 3);
    this.world.topics.set('b.x', 4);
    this.clients = Array.from({ length: CLIENTS }, (_, i) => ({
      instanceId: i % 2 === 0 ? null : `i${i}`,
      incarnation: 0,
      isAlive: false,
      epoch: 0,
      owned: NO_PARTITIONS,
      wanted: NO_PARTITIONS,
      topicNames: i === 3 ? [] : ['a', 'b.x'],
      regex: i === 3 ? 'b\\..*' : '',
      saysAll: true,
      answer: undefined,
    }));
  }

  private idOf(client: Client): string {
    return `c${this.clients.indexOf(client)}-${client.incarnation}`;
  }

  start(client: Client): void {
    if (client.isAlive) return;
    client.incarnation++;
    client.isAlive = true;
    this.reset(client);
  }

  private reset(client: Client): void {
    Object.assign(client, {
      epoch: 0,
      owned: NO_PARTITIONS,
      wanted: NO_PARTITIONS,
      saysAll: true,
      answer: undefined,
    });
  }

  crash(client: Client): void {
    client.isAlive = false;
    this.reset(client);
  }

  leave(client: Client, forGood: boolean): void {
    if (!client.isAlive || client.epoch <= 0) return;
    const group = this.world.groups.find('g');
    if (group?.kind === 'consumer') {
      const memberEpoch = client.instanceId === null || forGood ? -1 : -2;
      this.world.groups.consumers.leave(group, this.request(client, memberEpoch));
    }
    this.crash(client);
  }

  private request(client: Client, memberEpoch: number) {
    const says = client.saysAll || memberEpoch === 0;
    return {
      memberId: this.idOf(client),
      memberEpoch,
      instanceId: client.instanceId,
      rackId: null,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      rebalanceTimeoutMs: says ? 20_000 : undefined,
      topicNames: says ? client.topicNames : undefined,
      regex: says ? client.regex : undefined,
      assignor: undefined,
      owned: memberEpoch === 0 ? NO_PARTITIONS : client.owned,
    };
  }

  /** Sends a heartbeat; `isLost`: its answer never comes. */
  send(client: Client, isLost: boolean): void {
    if (!client.isAlive || client.answer !== undefined) return;
    const { groups } = this.world;
    const group = client.epoch === 0 ? groups.openConsumer('g') : groups.find('g');
    if (group?.kind !== 'consumer') {
      this.reset(client);
      return;
    }
    const epochBefore = group.epoch;
    const answer = groups.consumers.heartbeat(group, this.request(client, client.epoch));
    expect(group.epoch).toBeGreaterThanOrEqual(epochBefore);
    client.saysAll = isLost;
    if (isLost) return;
    const waiting: Client['answer'] = { value: undefined };
    client.answer = waiting;
    groups.host.answer(
      group,
      (value) => {
        waiting.value = value;
        if (value.memberId !== undefined && client.isAlive) {
          this.lastEpoch = Math.max(this.lastEpoch, value.memberEpoch);
        }
      },
      answer,
      { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, reason: '' },
    );
  }

  receive(client: Client): void {
    const answer = client.answer?.value;
    if (!client.isAlive || answer === undefined) return;
    client.answer = undefined;
    if (answer.memberId === undefined) {
      client.saysAll = true;
      const { errorCode } = answer;
      if (errorCode === ErrorCode.FENCED_INSTANCE_ID) this.crash(client);
      else if (errorCode !== ErrorCode.UNRELEASED_INSTANCE_ID) this.reset(client);
      return;
    }
    client.epoch = answer.memberEpoch;
    if (answer.assignment !== undefined) client.wanted = answer.assignment;
    this.adopt(client);
  }

  /** Gives up and takes what it was told, and nobody else may have any of it. */
  private adopt(client: Client): void {
    client.owned = client.wanted;
    const members = this.membersOf();
    // An answer may come later than its member is out.
    if (!members.has(this.idOf(client))) return;
    for (const other of this.clients) {
      // Who was thrown out without hearing of it reads on until its next heartbeat.
      if (other === client || !other.isAlive || !members.has(this.idOf(other))) continue;
      for (const [topic, numbers] of client.owned) {
        const both = numbers.filter((number) => other.owned.get(topic)?.includes(number));
        expect(both).toEqual([]);
      }
    }
  }

  private membersOf(): ReadonlySet<string> {
    const group = this.world.groups.find('g');
    return new Set(group?.members.keys());
  }

  restart(from: 'journal' | 'pages'): void {
    this.world.restart(from);
    for (const client of this.clients) {
      if (client.answer !== undefined) Object.assign(client, { answer: undefined, saysAll: true });
    }
  }

  settle(): void {
    this.world.log.isPrompt = true;
    this.world.log.flush();
    for (let round = 0; round < 150; round++) {
      for (const client of this.clients) {
        this.receive(client);
        this.send(client, false);
        this.receive(client);
      }
      this.world.clock.advance(1000);
    }
    const alive = this.clients.filter(({ isAlive }) => isAlive);
    const group = this.world.groups.find('g');
    expect(group?.members.size ?? 0).toBe(alive.length);
    if (group?.kind !== 'consumer' || alive.length === 0) return;
    for (const client of alive) expect(client.epoch).toBe(group.epoch);
    for (const { name, id, partitions } of this.world.topics.list()) {
      const readers = alive.filter(
        ({ topicNames, regex }) => topicNames.includes(name) || (regex !== '' && name.startsWith('b.')),
      );
      const owned = alive.flatMap(({ owned }) => owned.get(id) ?? []).sort((a, b) => a - b);
      expect(owned).toEqual(
        readers.length === 0 ? [] : Array.from({ length: partitions.length }, (_, i) => i),
      );
    }
  }
}

const who = fc.nat(CLIENTS - 1);
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const), who }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('send' as const), who, isLost: fc.boolean() }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('receive' as const), who }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('everyone' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who, forGood: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('flush' as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('topic' as const),
      name: fc.constantFrom('a', 'b.x', 'b.y'),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      from: fc.constantFrom('journal' as const, 'pages' as const),
    }),
  },
);

describe('consumer groups in random schedules', () => {
  it('never have two owners of a partition, go forward, and come to rest', () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 30, maxLength: 120, size: 'max' }),
        fc.boolean(),
        (actions, isPrompt) => {
          const life = new Life();
          life.world.log.isPrompt = isPrompt;
          for (const each of actions) {
            if (each.kind === 'start') life.start(life.clients[each.who]);
            else if (each.kind === 'send') life.send(life.clients[each.who], each.isLost);
            else if (each.kind === 'receive') life.receive(life.clients[each.who]);
            else if (each.kind === 'crash') life.crash(life.clients[each.who]);
            else if (each.kind === 'leave') life.leave(life.clients[each.who], each.forGood);
            else if (each.kind === 'advance') life.world.clock.advance(each.ms);
            else if (each.kind === 'flush') life.world.log.flush(each.count);
            else if (each.kind === 'topic')
              life.world.topics.set(
                each.name,
                Math.max(each.count, life.world.topics.get(each.name)?.partitions.length ?? 0),
              );
            else if (each.kind === 'restart') life.restart(each.from);
            else {
              for (const client of life.clients) {
                life.send(client, false);
                life.receive(client);
              }
            }
          }
          life.settle();
          life.world.groups.close();
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
