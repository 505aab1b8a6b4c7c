/**
 * Nothing crosses: clients of two tenants and of none do whatever they like with a handful of names that all of them use, and with
 * names and identifiers that they may only have guessed. Each sees what a broker of its own would show.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import type { KafkaClient } from '../../support/kafka-client.ts';
import { produce, read, type SecurityBench, securityBench } from './security-bench.ts';

const RUNS = Number(process.env.ROBUSTMQ_KAFKA_TENANT_RUNS ?? 6);
const WORLDS = { ann: 'acme', amy: 'acme-2', ned: '' } as const;
type User = keyof typeof WORLDS;
const users = Object.keys(WORLDS) as User[];
const rules = [
  { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'], clients: 'named' },
];

let bench: SecurityBench;
const clients = new Map<User, KafkaClient>();
beforeAll(async () => {
  bench = await securityBench({
    'authorization.rules': JSON.stringify(rules),
    'kafka.autoCreateTopics': false,
  });
  for (const user of users) {
    await bench.user(user, { tenant: WORLDS[user], isSuperuser: user !== 'ned' });
    clients.set(user, await bench.as(user));
  }
});
afterAll(() => bench.stop());

/** What a broker that nobody else uses would have. */
class World {
  readonly topics = new Map<string, { id: string; readonly values: string[] }>();
  /** Offsets of groups, by `group topic`. */
  readonly offsets = new Map<string, number>();
}

const plain = fc.constantFrom('a', 'a.b', 'b_c', 'long.name-x');
const guessed = fc.constantFrom(
  '$tenant.acme.a',
  '$tenant.acme-2.a.b',
  '$tenant.acme',
  'acme.a',
  '$tenant..a',
);
const topic = fc.oneof({ weight: 6, arbitrary: plain }, { weight: 1, arbitrary: guessed });
const group = fc.constantFrom('g', 'g2', 'acme\0g', 'acme-2\0g', '\0g');
const step = fc.record({
  user: fc.constantFrom(...users),
  kind: fc.constantFrom('create', 'delete', 'produce', 'read', 'commit', 'byId', 'look', 'look'),
  topic,
  group,
  value: fc.integer({ min: 1, max: 1_000_000 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const isLegal = (name: string): boolean => /^[\w.-]+$/.test(name);
/** Whoever has no tenant cannot have a group with a mark in its name. */
const isGroup = (user: User, name: string): boolean => WORLDS[user] !== '' || !name.includes('\0');

const clientOf = (user: User): KafkaClient => {
  const client = clients.get(user);
  if (client === undefined) throw new Error(user);
  return client;
};

async function create(client: KafkaClient, name: string) {
  const { topics } = await client.call(Apis.createTopics, 7, {
    topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
  });
  return topics[0];
}

const drop = async (client: KafkaClient, name: string): Promise<number | undefined> =>
  (await client.call(Apis.deleteTopics, 5, { topics: [], topicNames: [name], timeoutMs: 1000 })).responses[0]
    ?.errorCode;

async function commit(client: KafkaClient, groupId: string, name: string, offset: number): Promise<number> {
  const { topics } = await client.call(Apis.offsetCommit, 9, {
    groupId,
    memberId: '',
    topics: [{ name, partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }] }],
  });
  expect(topics).toMatchObject([{ name }]);
  return topics[0]?.partitions[0]?.errorCode ?? -1;
}

/** Everything that can be listed. */
async function look(client: KafkaClient) {
  const { topics } = await client.call(Apis.metadata, 12, { topics: null });
  const { groups } = await client.call(Apis.listGroups, 4, { statesFilter: [] });
  const offsets: string[] = [];
  for (const { groupId } of groups) {
    const fetched = await client.call(Apis.offsetFetch, 9, { groups: [{ groupId, topics: null }] });
    expect(fetched.groups).toMatchObject([{ groupId }]);
    for (const { name, partitions } of fetched.groups[0]?.topics ?? []) {
      offsets.push(`${groupId} ${name} ${partitions[0]?.committedOffset}`);
    }
  }
  return {
    topics: topics.map(({ name, topicId }) => `${name} ${topicId}`).toSorted(),
    offsets: offsets.toSorted(),
  };
}

const expected = ({ topics, offsets }: World) => ({
  topics: Array.from(topics, ([name, { id }]) => `${name} ${id}`).toSorted(),
  offsets: Array.from(offsets, ([place, offset]) => `${place} ${offset}`).toSorted(),
});

class Life {
  readonly worlds = new Map<User, World>(users.map((user) => [user, new World()]));

  private worldOf(user: User): World {
    return this.worlds.get(user) ?? new World();
  }

  async run({ user, kind, topic: name, group: groupId, value }: Step): Promise<void> {
    const client = clientOf(user);
    const world = this.worldOf(user);
    const known = world.topics.get(name);
    switch (kind) {
      case 'create': {
        const made = await create(client, name);
        expect([name, made?.name, made?.errorCode === 0]).toEqual([
          name,
          name,
          known === undefined && isLegal(name),
        ]);
        if (made?.errorCode === 0) world.topics.set(name, { id: made.topicId, values: [] });
        return;
      }
      case 'delete': {
        expect([name, (await drop(client, name)) === 0]).toEqual([name, known !== undefined]);
        world.topics.delete(name);
        for (const place of world.offsets.keys()) {
          if (place.endsWith(` ${name}`)) world.offsets.delete(place);
        }
        return;
      }
      case 'produce':
        expect((await produce(client, name, `${user} ${value}`)) === 0).toBe(known !== undefined);
        known?.values.push(`${user} ${value}`);
        return;
      case 'read': {
        const { errorCode, values } = await read(client, name);
        expect([errorCode === 0, values]).toEqual([known !== undefined, known?.values ?? []]);
        return;
      }
      case 'commit': {
        const errorCode = await commit(client, groupId, name, value);
        const isGood = known !== undefined && isGroup(user, groupId);
        expect([user, groupId, name, errorCode === 0]).toEqual([user, groupId, name, isGood]);
        if (isGood) world.offsets.set(`${groupId} ${name}`, value);
        return;
      }
      case 'byId': {
        const all = [...this.worlds].flatMap(([owner, { topics }]) =>
          Array.from(topics.values(), ({ id }) => ({ owner, id })),
        );
        for (const { owner, id } of all) {
          const { topics } = await client.call(Apis.metadata, 12, { topics: [{ topicId: id, name: null }] });
          expect([topics[0]?.topicId, topics[0]?.errorCode === 0]).toEqual([id, owner === user]);
        }
        return;
      }
      case 'look':
        expect([user, await look(client)]).toEqual([user, expected(world)]);
    }
  }

  async end(): Promise<void> {
    for (const [user, world] of this.worlds) {
      expect([user, await look(clientOf(user))]).toEqual([user, expected(world)]);
      for (const name of world.topics.keys()) expect(await drop(clientOf(user), name)).toBe(0);
      const { groups } = await clientOf(user).call(Apis.listGroups, 4, { statesFilter: [] });
      await clientOf(user).call(Apis.deleteGroups, 2, { groupsNames: groups.map(({ groupId }) => groupId) });
    }
  }
}

test('each sees what a broker of its own would show', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const life = new Life();
      try {
        for (const each of steps) await life.run(each);
      } finally {
        await life.end();
      }
    }),
    { numRuns: RUNS },
  );
});
