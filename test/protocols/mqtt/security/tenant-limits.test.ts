/** What tenants may have of the broker, told in words of MQTT, and what is counted of them. */
import { afterEach, expect, test } from 'vitest';
import type { RawClient } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';
import { PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
afterEach(async () => {
  await node.stop();
});

async function start(settings: Readonly<Record<string, string | number>>): Promise<void> {
  node = await startSecureNode(settings);
  await node.rules([], 'allow');
  for (const tenant of ['acme', 'ac', '']) await node.user(`user-${tenant}`, { tenant });
}

const shown = (tenant: string, clientId: string) => ({
  clientId,
  username: `user-${tenant}`,
  password: PASSWORD,
});

async function as(tenant: string, clientId: string): Promise<RawClient> {
  const client = await node.connect(shown(tenant, clientId));
  expect(client.connack?.reason).toBe(0);
  return client;
}

test('item 24: connections and sessions, in CONNACK', async () => {
  await start({ 'tenants.limits.maxConnections': 3, 'tenants.limits.maxSessions': 2 });
  const first = await as('acme', 'a');
  await as('acme', 'b');
  expect(await node.refusal(shown('acme', 'c'))).toBe(0x97);
  for (const tenant of ['ac', ''] as const) {
    await as(tenant, 'a');
    await as(tenant, 'b');
  }
  for (const id of ['c', 'd', 'e', 'f']) await as('', id);
  // Who takes up its own session needs no more.
  const again = await as('acme', 'a');
  await first.closed();
  await again.disconnect();
  await as('acme', 'c');
  expect(node.node.security.guard.tenants.countsOf('acme')?.refused.sessions).toBe(1);
});

test('item 24: subscriptions in SUBACK, retained messages in PUBACK', async () => {
  await start({ 'tenants.limits.maxSubscriptions': 2, 'tenants.limits.maxRetained': 1 });
  const first = await as('acme', 'a');
  const second = await as('acme', 'b');
  expect((await first.subscribe(['1'])).reasons).toEqual([2]);
  expect((await second.subscribe(['1', '2'])).reasons).toEqual([2, 0x97]);
  await first.unsubscribe(['1']);
  expect((await second.subscribe(['2'])).reasons).toEqual([2]);
  const retain = (client: RawClient, topic: string, payload = 'x') =>
    client.publish({ topic, payload, retain: true, qos: 1 });
  expect(await retain(first, 'r1')).toBe(0x10);
  expect(await retain(second, 'r2')).toBe(0x97);
  expect(await retain(second, 'r1', '')).toBe(0x10);
  expect(await retain(second, 'r2')).toBe(0x10);
  const nobody = await as('', 'a');
  expect((await nobody.subscribe(['1', '2', '3'])).reasons).toEqual([2, 2, 2]);
  expect([await retain(nobody, 'r1'), await retain(nobody, 'r2')]).toEqual([0x10, 0x10]);
});

test('item 25: messages per second are all of the tenant’s, and who is above is not read', async () => {
  await start({ 'tenants.limits.maxMessagesPerSecond': 10 });
  const [first, second, other] = [await as('acme', 'a'), await as('acme', 'b'), await as('ac', 'a')];
  const message = wire.publish({ topic: 't', payload: 'x' });
  first.send(...Array.from({ length: 40 }, () => message));
  second.send(message);
  other.send(message);
  await other.barrier();
  second.send(wire.pingreq());
  await other.barrier();
  expect(second.received.some(({ type }) => type === 'pingresp')).toBe(false);
  await node.clock.advance(10_000);
  await second.expect('pingresp');
});

test('metrics say what came, went and was refused, by tenant, and nothing of who has none', async () => {
  await start({ 'tenants.maxLabels': 1, 'tenants.limits.maxSubscriptions': 2 });
  await node.rules([
    { effect: 'allow', actions: ['publish', 'subscribe'], filters: ['#'] },
    { effect: 'deny', actions: ['publish', 'subscribe'], filters: ['no'] },
  ]);
  for (const tenant of ['acme', 'ac', '']) {
    const subscriber = await as(tenant, 'sub');
    await subscriber.subscribe([{ filter: 't', qos: 1 }]);
    const third = await as(tenant, 'third');
    expect((await third.subscribe(['t', 'no', 'u'])).reasons).toEqual([2, 0x87, tenant === '' ? 2 : 0x97]);
    const publisher = await as(tenant, 'pub');
    for (let i = 0; i < 10; i++) await publisher.publish({ topic: 't', payload: 'x', qos: 1 });
    for (let i = 0; i < 5; i++) publisher.send(wire.publish({ topic: 't', payload: 'x' }));
    await publisher.publish({ topic: 'no', payload: 'x', qos: 1 });
    publisher.send(wire.publish({ topic: 't', payload: 'last' }), wire.disconnect());
    await publisher.closed();
    await subscriber.barrier();
    await third.barrier();
  }
  const { tenants } = node.node.security.guard;
  expect([...tenants.counts().keys()]).toEqual(['acme', 'other']);
  for (const counts of tenants.counts().values()) {
    expect(counts).toMatchObject({
      connections: 2,
      messagesReceived: { mqtt: 17, kafka: 0 },
      messagesSent: { mqtt: 32, kafka: 0 },
      refused: { connections: 0, sessions: 0, subscriptions: 1, retained: 0 },
      denied: 2,
    });
  }
});
