/**
 * What tenants leave behind is there after an end of the process, each tenant's under the names that it uses: sessions, what
 * waits for them and for their groups, retained and delayed messages, wills, dead letters. By exact packets and by MQTT.js.
 */
import type { MqttClient } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/security/secret.ts';
import { type PacketOf, propertyList, type RawClient } from '../../support/raw-client.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, type DurableConnect, ENDS, startDurable } from './broker.ts';

const WORLDS = ['acme', 'ac', ''] as const;
type World = (typeof WORLDS)[number];
const PASSWORD = 'correct horse';

const settings = {
  'security.authentication.authenticators': 'database',
  'security.passwords.scryptLogCost': 10,
  'authorization.noMatch': 'allow',
};

async function start(more: Readonly<Record<string, string | number | boolean>> = {}): Promise<DurableBroker> {
  const broker = await startDurable({ settings: { ...settings, ...more } });
  for (const world of WORLDS) {
    const made = await broker.node.security.users.create({
      name: `user-${world}`,
      password: new Secret(PASSWORD),
      tenant: world,
    });
    if (!made.isDone) throw new Error(made.reason);
  }
  return broker;
}

const as = (
  broker: DurableBroker,
  world: World,
  clientId: string,
  more: Partial<DurableConnect> = {},
): Promise<RawClient> =>
  broker.connect({ clientId, username: `user-${world}`, password: PASSWORD, clean: false, ...more });

async function got(client: RawClient): Promise<string[]> {
  const packets = await client.barrier();
  const publishes = packets.filter((packet): packet is PacketOf<'publish'> => packet.type === 'publish');
  for (const each of publishes) await client.complete(each);
  return publishes.map(({ topic, payload }) => `${topic}=${payload}`);
}

describe.each(ENDS)('after the node’s %s', (end) => {
  test('each tenant finds its own', async () => {
    const broker = await start();
    const numbers = [0, 1, 2, 3, 4, 5];
    for (const world of WORLDS) {
      const subscriber = await as(broker, world, 'sub');
      await subscriber.subscribe([
        { filter: 'q/#', qos: 1 },
        { filter: 'late', qos: 1 },
        { filter: 'will', qos: 1 },
      ]);
      await subscriber.disconnect();
      const member = await as(broker, world, 'member');
      await member.subscribe([{ filter: '$share/g/jobs/+', qos: 1 }]);
      await member.disconnect();
      const will = { topic: 'will', payload: `of ${world}`, qos: 1, properties: [[P.willDelay, 5]] } as const;
      await as(broker, world, 'dying', { will });
      const publisher = await as(broker, world, 'pub', { expiry: 0 });
      // Often enough that the data plane knows the flow, and takes them in batches.
      for (const i of numbers) await publisher.publish({ topic: 'q/1', payload: `${world}${i}`, qos: 1 });
      for (const i of numbers) await publisher.publish({ topic: 'jobs/1', payload: `${world}${i}`, qos: 1 });
      await publisher.publish({ topic: 'kept', payload: `by ${world}`, qos: 1, retain: true });
      await publisher.publish({ topic: '$delayed/60/late', payload: world || 'nobody', qos: 1 });
    }
    await broker.restart(end);
    for (const world of WORLDS) {
      const subscriber = await as(broker, world, 'sub');
      expect(subscriber.connack?.sessionPresent).toBe(true);
      expect((await got(subscriber)).sort()).toEqual(numbers.map((i) => `q/1=${world}${i}`));
      const member = await as(broker, world, 'member');
      expect((await got(member)).sort()).toEqual(numbers.map((i) => `jobs/1=${world}${i}`));
      const reader = await as(broker, world, 'reader', { expiry: 0 });
      await reader.subscribe(['kept']);
      expect(await got(reader)).toEqual([`kept=by ${world}`]);
    }
    await broker.advance(10_000);
    const wills: string[] = [];
    for (const world of WORLDS) wills.push(...(await got(await as(broker, world, 'sub'))));
    expect(wills.sort()).toEqual(WORLDS.map((world) => `will=of ${world}`).sort());
    await broker.advance(60_000);
    for (const world of WORLDS) {
      expect(await got(await as(broker, world, 'sub'))).toEqual([`late=${world || 'nobody'}`]);
    }
  });

  test('dead letters are where the tenant finds them, with names that it knows', async () => {
    const broker = await start({ 'deadLetter.topic': '$dead/{client}/{topic}', 'deadLetter.expired': true });
    for (const world of WORLDS) {
      const watcher = await as(broker, world, 'watcher');
      await watcher.subscribe([{ filter: '$dead/#', qos: 1 }]);
      await watcher.disconnect();
      for (const filter of ['t/#', '$share/g/s/#']) {
        const late = await as(broker, world, `late ${filter.length}`);
        await late.subscribe([{ filter, qos: 1 }]);
        await late.disconnect();
      }
      const publisher = await as(broker, world, 'pub', { expiry: 0 });
      for (const topic of ['t/1', 's/1']) {
        await publisher.publish({
          topic,
          payload: `of ${world}`,
          qos: 1,
          properties: [[P.messageExpiry, 5]],
        });
      }
    }
    await broker.restart(end);
    await broker.advance(6000);
    for (const world of WORLDS) {
      for (const id of [3, 12]) await got(await as(broker, world, `late ${id}`));
      const watcher = await as(broker, world, 'watcher');
      const packets = (await watcher.barrier()).filter(
        (packet): packet is PacketOf<'publish'> => packet.type === 'publish',
      );
      for (const packet of packets) await watcher.complete(packet);
      expect(packets.map(({ topic, payload }) => `${topic}=${payload}`).sort()).toEqual([
        `$dead//s/1=of ${world}`,
        `$dead/late 3/t/1=of ${world}`,
      ]);
      const told = packets.flatMap(
        (packet) => propertyList(packet, P.userProperty) as unknown as [string, string][],
      );
      expect(
        told
          .filter(([name]) => name === 'dead-letter-topic')
          .map(([, value]) => value)
          .sort(),
      ).toEqual(['s/1', 't/1']);
      expect(JSON.stringify(told)).not.toContain('$tenant');
    }
  });

  test('by MQTT.js', async () => {
    const broker = await start();
    const clients: Record<string, MqttClient> = {};
    const heard: Record<string, string[]> = {};
    const js = (world: World, clientId: string): Promise<MqttClient> =>
      broker.js(5, {
        clientId,
        username: `user-${world}`,
        password: PASSWORD,
        clean: false,
        properties: { sessionExpiryInterval: 1000 },
      });
    for (const world of WORLDS) {
      const client = await js(world, 'js');
      await client.subscribeAsync('#', { qos: 1 });
      clients[world] = client;
    }
    await broker.restart(end);
    for (const world of WORLDS) {
      const client = await js(world, 'js');
      const own: string[] = [];
      heard[world] = own;
      client.on('message', (topic, payload) => own.push(`${topic}=${payload}`));
      clients[world] = client;
    }
    for (const world of WORLDS) {
      for (let i = 0; i < 3; i++) await clients[world]?.publishAsync('a/b', `${world}${i}`, { qos: 1 });
    }
    for (const world of WORLDS) await got(await as(broker, world, 'settles', { expiry: 0 }));
    await expect
      .poll(() => heard)
      .toEqual(Object.fromEntries(WORLDS.map((world) => [world, [0, 1, 2].map((i) => `a/b=${world}${i}`)])));
  });
});
