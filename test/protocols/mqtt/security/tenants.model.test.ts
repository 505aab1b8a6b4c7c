/**
 * Clients of two tenants and of none, with the same identifiers, topics and filters, in any order: each gets what a naive model
 * of its own world says, whether the data plane carries messages or the host does; somebody who may see everything gets all.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { naiveMatch } from '../../../kernel/topic-model.ts';
import type { PacketOf, RawClient } from '../../../support/raw-client.ts';
import { P } from '../../../support/wire.ts';
import { allow, PASSWORD, type SecureNode, startSecureNode } from './support.ts';

const RUNS = Number(process.env.ROBUSTMQ_TENANT_RUNS ?? 8);
const LOOKS_MAX = 500;
const WORLDS = ['acme', 'ac', ''] as const;
type World = (typeof WORLDS)[number];
const CLIENTS = ['v5', 'v3', 'durable'] as const;
type Client = (typeof CLIENTS)[number];
const TOPICS = ['a', 'a/b', '/a', '$own/a', 'acme/a', 'x/y/z/w'] as const;
const FILTERS = [...TOPICS, '#', '+', 'a/#', '+/+', '$own/#', 'acme/#', 'x/y/z/+'] as const;

const who = { world: fc.constantFrom(...WORLDS), client: fc.constantFrom(...CLIENTS) };
const stepArb = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      ...who,
      topic: fc.constantFrom(...TOPICS),
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      retain: fc.constant(false),
      times: fc.constantFrom(1, 4),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      ...who,
      topic: fc.constantFrom(...TOPICS),
      qos: fc.constantFrom(0 as const, 1 as const),
      retain: fc.constant(true),
      times: fc.constant(1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('subscribe' as const, 'subscribe' as const, 'unsubscribe' as const),
      ...who,
      filter: fc.constantFrom(...FILTERS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave or come' as const), world: who.world }) },
);
type Step = typeof stepArb extends fc.Arbitrary<infer S> ? S : never;

/** Of one world. */
class Model {
  readonly filters = new Map<Client, Set<string>>(CLIENTS.map((client) => [client, new Set()]));
  readonly expected = new Map<Client, string[]>(CLIENTS.map((client) => [client, []]));
  readonly retained = new Map<string, string>();
  isHere = true;

  publish(topic: string, payload: string, qos: number, retain: boolean): void {
    if (retain) this.retained.set(topic, payload);
    for (const [client, filters] of this.filters) {
      if (client === 'durable' && !this.isHere && qos === 0) continue;
      for (const filter of filters) {
        if (naiveMatch(filter, topic)) this.expected.get(client)?.push(`${topic}=${payload}`);
      }
    }
  }

  subscribe(client: Client, filter: string): void {
    this.filters.get(client)?.add(filter);
    for (const [topic, payload] of this.retained) {
      if (naiveMatch(filter, topic)) this.expected.get(client)?.push(`${topic}=${payload} retained`);
    }
  }
}

/** What administrators see it as. */
function inside(world: World, topic: string): string {
  if (world === '') return topic;
  return `${topic.startsWith('$') ? '$tenant$' : '$tenant'}/${world}/${topic}`;
}

async function take(client: RawClient): Promise<string[]> {
  const packets = await client.barrier();
  const publishes = packets.filter((packet): packet is PacketOf<'publish'> => packet.type === 'publish');
  for (const each of publishes) await client.complete(each);
  return publishes.map(({ topic, payload, retain }) => `${topic}=${payload}${retain ? ' retained' : ''}`);
}

const nodes: SecureNode[] = [];
beforeAll(async () => {
  for (const flowCache of ['on', 'off']) {
    const node = await startSecureNode({ 'mqtt.overlapping': 'separate', 'dataplane.flowCache': flowCache });
    await node.rules([allow(['#', '$own/#'])]);
    for (const tenant of WORLDS) await node.user(`user-${tenant}`, { tenant });
    await node.user('root', { isSuperuser: true });
    nodes.push(node);
  }
});
afterAll(async () => {
  for (const node of nodes) await node.stop();
});

async function connect(node: SecureNode, world: World, client: Client): Promise<RawClient> {
  const durable = { clean: false, properties: [[P.sessionExpiry, 1000]] } as const;
  const connected = await node.connect({
    clientId: client,
    username: `user-${world}`,
    password: PASSWORD,
    version: client === 'v3' ? 4 : 5,
    ...(client === 'durable' ? durable : {}),
  });
  expect(connected.connack?.reason).toBe(0);
  return connected;
}

async function run(node: SecureNode, steps: readonly Step[], isWatched: boolean): Promise<void> {
  const models = new Map<World, Model>(WORLDS.map((world) => [world, new Model()]));
  const clients = new Map<string, RawClient>();
  const got = new Map<string, string[]>();
  const all: string[] = [];
  let number = 0;
  const nameOf = (world: World, client: Client): string => `${world}/${client}`;
  const root = isWatched ? await node.as('root') : undefined;
  await root?.subscribe(['$tenant/#', '$tenant$/#'].map((filter) => ({ filter, qos: 1 })));
  for (const world of WORLDS) {
    for (const client of CLIENTS) {
      clients.set(nameOf(world, client), await connect(node, world, client));
      got.set(nameOf(world, client), []);
    }
  }
  const collect = async (world: World, client: Client): Promise<void> => {
    const own = clients.get(nameOf(world, client));
    if (own !== undefined) got.get(nameOf(world, client))?.push(...(await take(own)));
  };
  const switchDurable = async (world: World, model: Model): Promise<void> => {
    const name = nameOf(world, 'durable');
    if (model.isHere) {
      await collect(world, 'durable');
      await clients.get(name)?.disconnect();
      clients.delete(name);
    } else clients.set(name, await connect(node, world, 'durable'));
    model.isHere = !model.isHere;
  };
  for (const step of steps) {
    const model = models.get(step.world) as Model;
    if (step.kind === 'leave or come') {
      await switchDurable(step.world, model);
      continue;
    }
    const own = clients.get(nameOf(step.world, step.client));
    if (own === undefined) continue;
    if (step.kind === 'publish') {
      for (let i = 0; i < step.times; i++) {
        const payload = `${step.world}${number++}`;
        const { topic, qos, retain } = step;
        await own.publish({ topic, payload, qos, retain });
        model.publish(topic, payload, qos, retain);
        if (step.world !== '') all.push(`${inside(step.world, topic)}=${payload}`);
      }
      if (step.qos === 0) await collect(step.world, step.client);
    } else if (step.kind === 'subscribe') {
      await own.subscribe([{ filter: step.filter, qos: 1 }]);
      model.subscribe(step.client, step.filter);
      await collect(step.world, step.client);
    } else {
      await own.unsubscribe([step.filter]);
      model.filters.get(step.client)?.delete(step.filter);
    }
  }
  for (const world of WORLDS) {
    const model = models.get(world) as Model;
    if (!model.isHere) await switchDurable(world, model);
    for (const client of CLIENTS) {
      const name = nameOf(world, client);
      const expected = model.expected.get(client)?.length ?? 0;
      // What waits for the journal is not kept up by an answer to PINGREQ.
      for (let looks = 0; looks < LOOKS_MAX; looks++) {
        await collect(world, client);
        if ((got.get(name)?.length ?? 0) >= expected) break;
      }
      await collect(world, client);
      expect(got.get(name)?.sort(), name).toEqual(model.expected.get(client)?.sort());
    }
  }
  if (root !== undefined) expect((await take(root)).sort()).toEqual(all.sort());
}

async function clean(node: SecureNode): Promise<void> {
  await node.reset();
  const { retained } = node.node.mqtt.context;
  for (const below of ['$tenant/#', '$tenant$/#', '$own/#']) {
    const { messages } = retained.page(Buffer.from(below), undefined, 1000);
    for (const message of messages) retained.set({ ...message, payload: new Uint8Array(0) });
  }
}

test(
  'nothing crosses, and nothing is missing',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepArb, { minLength: 10, maxLength: 60 }),
        fc.boolean(),
        async (steps, isWatched) => {
          for (const node of nodes) {
            try {
              await run(node, steps, isWatched);
            } finally {
              await clean(node);
            }
          }
        },
      ),
      { numRuns: RUNS },
    );
    const [fast, slow] = nodes.map((node) => node.node.mqtt.context.dataPlane.counters().flowHits);
    expect(fast).toBeGreaterThan(0);
    expect(slow).toBe(0);
  },
  60_000 + RUNS * 2000,
);
