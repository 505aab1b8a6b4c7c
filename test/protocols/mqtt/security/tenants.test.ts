/** Tenants on one node: the same names everywhere, and nothing of one reaches another. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ConnectRequest, principalFrom } from '../../../../src/protocols/mqtt/auth.ts';
import { createAuthenticator } from '../../../../src/protocols/mqtt/security/log-in.ts';
import type { Authentication } from '../../../../src/security/authentication/authentication.ts';
import type { Guard } from '../../../../src/security/guard/guard.ts';
import type { Verdict } from '../../../../src/security/security.ts';
import { type PacketOf, property, type RawClient } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';
import { allow, deny, PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
const WORLDS = ['acme', 'ac', ''] as const;
type World = (typeof WORLDS)[number];

beforeAll(async () => {
  node = await startSecureNode({
    'deduplication.userProperty': 'id',
    'deduplication.scope': 'global',
    'mqtt.topicAliasMaximumOut': 10,
  });
  for (const world of WORLDS) await node.user(`user-${world}`, { tenant: world });
  await node.user('root', { isSuperuser: true });
});
afterEach(async () => {
  await node.reset();
  const { retained } = node.node.mqtt.context;
  for (const below of ['$tenant/#', '$tenant$/#', '$own/#']) {
    const { messages } = retained.page(Buffer.from(below), undefined, 1000);
    for (const message of messages) retained.set({ ...message, payload: new Uint8Array(0) });
  }
  await node.rules([], 'allow');
});
afterAll(async () => {
  await node.stop();
});

/** All worlds use the same client identifiers. */
async function as(world: World, clientId = 'client', options: wire.ConnectOptions = {}): Promise<RawClient> {
  const client = await node.connect({ clientId, username: `user-${world}`, password: PASSWORD, ...options });
  if (client.connack?.reason !== 0) throw new Error(`refused: ${client.connack?.reason}`);
  return client;
}

const shown = (packet: PacketOf<'publish'>): string => `${packet.topic}=${packet.payload}`;

/** What has come until now. */
async function got(client: RawClient): Promise<string[]> {
  const packets = await client.barrier();
  const publishes = packets.filter((packet): packet is PacketOf<'publish'> => packet.type === 'publish');
  for (const { qos, packetId } of publishes) if (qos === 1) client.send(wire.ack('puback', packetId));
  return publishes.map(shown);
}

async function inAllWorlds<T>(make: (world: World) => Promise<T>): Promise<Record<World, T>> {
  const made: Partial<Record<World, T>> = {};
  for (const world of WORLDS) made[world] = await make(world);
  return made as Record<World, T>;
}

describe('two tenants and nobody’s clients', () => {
  test.each([0, 1, 2] as const)('get what is published in their own world, at QoS %i', async (qos) => {
    await node.rules([], 'allow');
    const subscribers = await inAllWorlds((world) => as(world, 'sub'));
    for (const client of Object.values(subscribers)) {
      expect(
        (
          await client.subscribe([
            { filter: '#', qos },
            { filter: 'a/+', qos },
          ])
        ).reasons,
      ).toEqual([qos, qos]);
    }
    const publishers = await inAllWorlds((world) => as(world, 'pub'));
    // Often enough that the data plane knows the flow.
    for (let i = 0; i < 4; i++) {
      for (const world of WORLDS)
        await publishers[world].publish({ topic: 'a/b', payload: `${world}${i}`, qos });
    }
    for (const world of WORLDS) {
      const expected = [0, 1, 2, 3].flatMap((i) => [`a/b=${world}${i}`, `a/b=${world}${i}`]);
      expect(await got(subscribers[world]), world).toEqual(expected);
    }
  });

  test('are served by the data plane, each its own', async () => {
    await node.rules([], 'allow');
    const { dataPlane } = node.node.mqtt.context;
    const isOn = node.node.mqtt.context.config.dataplane.flowCache === 'on';
    const subscribers = await inAllWorlds((world) => as(world, 'sub'));
    const durable = { clean: false, properties: [[P.sessionExpiry, 1000]] } as const;
    const keepers = await inAllWorlds((world) => as(world, 'keeper', durable));
    for (const client of [...Object.values(subscribers), ...Object.values(keepers)]) {
      await client.subscribe([{ filter: 'flow/#', qos: 1 }]);
    }
    const publishers = await inAllWorlds((world) => as(world, 'pub'));
    const before = dataPlane.counters();
    for (let i = 0; i < 20; i++) {
      const all = WORLDS.map((world) =>
        publishers[world].publish({ topic: 'flow/1', payload: world, qos: 1 }),
      );
      await Promise.all(all);
    }
    const { flowHits, publishSent } = dataPlane.counters();
    expect(flowHits - before.flowHits).toBeGreaterThanOrEqual(isOn ? 54 : 0);
    expect(publishSent[1] - before.publishSent[1]).toBeGreaterThanOrEqual(isOn ? 54 : 0);
    for (const world of WORLDS) {
      const expected = Array.from({ length: 20 }, () => `flow/1=${world}`);
      expect(await got(subscribers[world])).toEqual(expected);
      expect(await got(keepers[world])).toEqual(expected);
    }
  });

  test('get what waited for their window, and packets of just the size that they take', async () => {
    await node.rules([], 'allow');
    // Fixed header 2, topic 3, packet identifier 2, properties 1, payload 22; the broker's name would be 13 bytes longer.
    const narrow = {
      properties: [
        [P.receiveMaximum, 1],
        [P.maximumPacketSize, 30],
      ],
    } as const;
    const small = {
      clean: false,
      properties: [
        [P.sessionExpiry, 1000],
        [P.maximumPacketSize, 30],
      ],
    } as const;
    const slow = await inAllWorlds((world) => as(world, 'slow', narrow));
    const tight = await inAllWorlds((world) => as(world, 'tight', small));
    for (const client of [...Object.values(slow), ...Object.values(tight)]) {
      await client.subscribe([{ filter: '#', qos: 1 }]);
    }
    for (const world of WORLDS) {
      const publisher = await as(world, 'pub');
      for (let i = 0; i < 6; i++)
        await publisher.publish({ topic: 't', payload: `${i}`.padEnd(22, '.'), qos: 1 });
      await publisher.publish({ topic: 't', payload: '-'.repeat(23), qos: 1 });
    }
    const payloads = [0, 1, 2, 3, 4, 5].map((i) => `t=${`${i}`.padEnd(22, '.')}`);
    for (const world of WORLDS) {
      for (const payload of payloads) {
        const packet = await slow[world].message();
        expect(shown(packet)).toBe(payload);
      }
      expect(await got(tight[world])).toEqual(payloads);
    }
  });

  test('take over sessions and identifiers of their own only', async () => {
    await node.rules([], 'allow');
    const first = await inAllWorlds((world) => as(world));
    for (const world of WORLDS) expect(await got(first[world])).toEqual([]);
    const second = await as('acme');
    await first.acme.closed();
    for (const world of ['ac', ''] as const) expect(await got(first[world])).toEqual([]);
    expect(await got(second)).toEqual([]);
  });

  test('are told the identifier that the broker gave them as it is', async () => {
    const client = await as('acme', '');
    const assigned = property(client.connack as PacketOf<'connack'>, P.assignedClientId);
    expect(assigned).toMatch(/^auto-[0-9a-f]{24}$/);
  });

  test('keep retained messages, also of topics with `$`, apart', async () => {
    await node.rules([allow(['#', '$own/#'])]);
    for (const world of WORLDS) {
      const client = await as(world, 'pub');
      await client.publish({ topic: 'r/1', payload: `by ${world}`, retain: true, qos: 1 });
      await client.publish({ topic: '$own/1', payload: `own ${world}`, retain: true, qos: 1 });
    }
    for (const world of WORLDS) {
      const client = await as(world, 'sub');
      await client.subscribe(['#', '$own/#']);
      expect(await got(client)).toEqual([`r/1=by ${world}`, `$own/1=own ${world}`]);
    }
  });

  test('publish wills, delayed messages and by alias to their own', async () => {
    await node.rules([], 'allow');
    const subscribers = await inAllWorlds((world) => as(world, 'sub'));
    for (const client of Object.values(subscribers)) await client.subscribe(['#']);
    for (const world of WORLDS) {
      const dying = await as(world, 'dying', { will: { topic: 'will', payload: world } });
      dying.socket.destroy();
      const publisher = await as(world, 'pub');
      await publisher.publish({ topic: '$delayed/5/late', payload: world, qos: 1 });
      await publisher.publish({ topic: 'alias', payload: world, qos: 1, properties: [[P.topicAlias, 3]] });
      await publisher.publish({
        topic: '',
        payload: `${world} again`,
        qos: 1,
        properties: [[P.topicAlias, 3]],
      });
    }
    for (const world of WORLDS) {
      const expected = [`will=${world}`, `alias=${world}`, `alias=${world} again`];
      expect(
        (await Promise.all(expected.map(() => subscribers[world].expect('publish')))).map(shown).sort(),
      ).toEqual(expected.sort());
    }
    await node.clock.advance(5100);
    for (const world of WORLDS) {
      expect(shown(await subscribers[world].expect('publish'))).toBe(`late=${world}`);
      expect(await got(subscribers[world])).toEqual([]);
    }
  });

  test('are named by aliases towards them as they name topics', async () => {
    await node.rules([], 'allow');
    for (const world of WORLDS) {
      const subscriber = await as(world, 'sub', { properties: [[P.topicAliasMaximum, 5]] });
      await subscriber.subscribe(['#']);
      const publisher = await as(world, 'pub');
      for (let i = 0; i < 4; i++) await publisher.publish({ topic: 't', payload: `${i}`, qos: 1 });
      const [first, , , last] = await got(subscriber);
      expect([first, last]).toEqual(['t=0', '=3']);
    }
  });

  test('share subscriptions of the same group name each among themselves', async () => {
    await node.rules([], 'allow');
    const members = await inAllWorlds((world) =>
      Promise.all(
        ['m1', 'm2'].map(async (name) => {
          const client = await as(world, name);
          await client.subscribe([{ filter: '$share/g/jobs/#', qos: 1 }]);
          return client;
        }),
      ),
    );
    for (const world of WORLDS) {
      const publisher = await as(world, 'pub');
      for (let i = 0; i < 6; i++)
        await publisher.publish({ topic: 'jobs/x', payload: `${world}${i}`, qos: 1 });
    }
    for (const world of WORLDS) {
      const all = (await Promise.all(members[world].map(got))).flat();
      expect(all.sort()).toEqual([0, 1, 2, 3, 4, 5].map((i) => `jobs/x=${world}${i}`));
    }
  });

  test('answer requests by the response topic as it was written', async () => {
    await node.rules([], 'allow');
    for (const world of WORLDS) {
      const asker = await as(world, 'asker');
      await asker.subscribe(['answers/1']);
      const answerer = await as(world, 'answerer');
      await answerer.subscribe(['questions']);
      await asker.publish({
        topic: 'questions',
        payload: 'why',
        qos: 1,
        properties: [[P.responseTopic, 'answers/1']],
      });
      const question = await answerer.expect('publish');
      const to = String(property(question, P.responseTopic));
      expect(to).toBe('answers/1');
      await answerer.publish({ topic: to, payload: `because ${world}`, qos: 1 });
      expect(shown(await asker.expect('publish'))).toBe(`answers/1=because ${world}`);
    }
  });

  test('have identifiers of messages of their own', async () => {
    await node.rules([], 'allow');
    for (const world of WORLDS) {
      const subscriber = await as(world, 'sub');
      await subscriber.subscribe(['#']);
      const publisher = await as(world, 'pub');
      for (let i = 0; i < 2; i++) {
        await publisher.publish({
          topic: 'once',
          payload: world,
          qos: 1,
          properties: [[P.userProperty, ['id', '7']]],
        });
      }
      expect(await got(subscriber)).toEqual([`once=${world}`]);
    }
  });

  test('come back to what waited for them', async () => {
    await node.rules([], 'allow');
    const durable = { clean: false, properties: [[P.sessionExpiry, 1000]] } as const;
    const first = await inAllWorlds((world) => as(world, 'sub', durable));
    for (const client of Object.values(first)) {
      await client.subscribe([{ filter: 'q/#', qos: 1 }]);
      client.send(wire.disconnect());
      await client.closed();
    }
    for (const world of WORLDS) {
      const publisher = await as(world, 'pub');
      for (let i = 0; i < 6; i++) await publisher.publish({ topic: 'q/1', payload: `${world}${i}`, qos: 1 });
    }
    for (const world of WORLDS) {
      const client = await as(world, 'sub', durable);
      expect(client.connack?.sessionPresent).toBe(true);
      expect(await got(client)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `q/1=${world}${i}`));
    }
  });
});

describe('what tenants may name', () => {
  test('`$SYS` and `$tenant` of a tenant are its own', async () => {
    await node.rules([allow(['#', '$SYS/#', '$tenant/#', '$tenant$/#', '$other/#'])]);
    const other = await as('ac', 'sub');
    await other.subscribe(['#']);
    const client = await as('acme');
    // The name is refused by rules, whoever writes it.
    expect((await client.subscribe(['$tenant/ac/#', '$SYS/#'])).reasons).toEqual([0x87, 2]);
    expect(await client.publish({ topic: '$tenant/ac/x', payload: 'x', qos: 1 })).toBe(0x87);
    expect(await client.publish({ topic: '$SYS/x', payload: 'x', qos: 1 })).toBe(0x87);
    expect(await got(other)).toEqual([]);
    expect(await got(client)).toEqual([]);
  });

  test('only superusers without a tenant see what the broker calls it', async () => {
    await node.rules([], 'allow');
    const nobody = await as('');
    expect((await nobody.subscribe(['$tenant/acme/#', '$share/g/$tenant/acme/#'])).reasons).toEqual([
      0x87, 0x87,
    ]);
    expect(await nobody.publish({ topic: '$tenant/acme/a', payload: 'x', qos: 1 })).toBe(0x87);
    const root = await node.as('root');
    expect((await root.subscribe([{ filter: '$tenant/+/a/#', qos: 0 }])).reasons).toEqual([0]);
    const subscriber = await as('acme', 'sub');
    await subscriber.subscribe(['a/#']);
    const publisher = await as('acme', 'pub');
    for (let i = 0; i < 3; i++) await publisher.publish({ topic: 'a/b', payload: `${i}`, qos: 1 });
    expect(await got(root)).toEqual([0, 1, 2].map((i) => `$tenant/acme/a/b=${i}`));
    for (let i = 3; i < 6; i++) await root.publish({ topic: '$tenant/acme/a/b', payload: `${i}`, qos: 1 });
    expect(await got(subscriber)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `a/b=${i}`));
    const nameless = [
      '$tenant',
      '$tenant/acme',
      '$tenant/acme/',
      '$tenant$/acme/',
      '$tenant/acme/$a',
      '$tenant$/acme/a',
    ];
    for (const topic of nameless) {
      expect(await root.publish({ topic, payload: 'x', qos: 1 }), topic).toBe(0x87);
    }
  });

  test('rules are about what clients write, and a placeholder about whose they are', async () => {
    await node.rules([allow([`$\{tenant}/#`, 'open/#']), deny(['open/secret'], { tenants: ['acme'] })]);
    const acme = await as('acme');
    const reasons = async (...filters: string[]) => (await acme.subscribe(filters)).reasons;
    expect(await reasons('acme/#', 'ac/#', 'open/secret', 'open/#')).toEqual([2, 0x87, 0x87, 2]);
    const publisher = await as('ac');
    await publisher.publish({ topic: 'open/1', payload: 'x', qos: 1 });
    const own = await as('acme', 'pub');
    expect(await own.publish({ topic: 'open/secret', payload: 'x', qos: 1 })).toBe(0x87);
    await own.publish({ topic: 'open/public', payload: 'x', qos: 1 });
    expect(await got(acme)).toEqual(['open/public=x']);
  });

  test('rules that change reach what tenants are subscribed to', async () => {
    await node.rules([], 'allow');
    const subscriber = await as('acme', 'sub');
    await subscriber.subscribe([{ filter: '#', qos: 1 }]);
    const publisher = await as('acme', 'pub');
    await publisher.publish({ topic: 'a', payload: '1', qos: 1 });
    await node.rules([allow(['#']), deny(['a'], { users: ['nobody'] }), deny(['b'], { tenants: ['acme'] })]);
    await publisher.publish({ topic: 'a', payload: '2', qos: 1 });
    await publisher.publish({ topic: 'b', payload: '3', qos: 1 });
    expect(await got(subscriber)).toEqual(['a=1', 'a=2']);
  });

  test('a topic that has no room for the prefix is refused', async () => {
    await node.rules([], 'allow');
    const client = await as('acme');
    const { maxTopicBytes } = node.node.mqtt.context.config.mqtt;
    if (maxTopicBytes < 65_535) return;
    const long = 'x'.repeat(65_530);
    expect(await client.publish({ topic: long, payload: 'x', qos: 1 })).toBe(0x90);
    expect((await client.subscribe([long])).reasons).toEqual([0x8f]);
    expect((await client.unsubscribe([long])).reasons).toEqual([0x8f]);
  });
});

const request: ConnectRequest = {
  clientId: 'c',
  version: 5,
  userName: 'ann',
  password: undefined,
  certificate: undefined,
  remoteAddress: '127.0.0.1',
  listener: 'mqtt',
  transport: 'tcp',
};
const principal = principalFrom(request, 'ann');

test('who is of a tenant that cannot be one is let in by nobody', async () => {
  const warnings: string[] = [];
  const letIn = (tenant: string): Verdict => ({ isLetIn: true, principal: { ...principal, tenant } });
  const answerTo = async (tenant: string) => {
    const authenticator = createAuthenticator({
      authentication: { authenticate: async () => letIn(tenant) } as unknown as Authentication,
      guard: { mayLogIn: () => undefined, logIns: { succeeded() {} } } as unknown as Guard,
      logger: { warn: (_, message) => void warnings.push(message) },
    });
    return (await authenticator.authenticate(request)).allow;
  };
  expect(await Promise.all(['', 'acme'].map(answerTo))).toEqual([true, true]);
  expect(await Promise.all(['Acme', 'a/b', '+', 'a\0b', '$x'].map(answerTo))).toEqual(Array(5).fill(false));
  expect(warnings).toHaveLength(5);
});
