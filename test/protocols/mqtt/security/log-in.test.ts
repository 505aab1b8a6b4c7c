/** Who is let in at CONNECT, and what ends a connection later. */
import { afterEach, describe, expect, test } from 'vitest';
import { Secret } from '../../../../src/security/secret.ts';
import { scramClient } from '../../../security/scram/client.ts';
import { property, RawClient } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';
import { PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
afterEach(async () => {
  await node.stop();
});

const METHOD = [P.authMethod, 'SCRAM-SHA-256'] as const;
const data = (text: string) => [P.authData, Buffer.from(text)] as const;
const textOf = (value: unknown): string => Buffer.from(value as Uint8Array).toString();

async function scram(user: string, password: string, clientId = user): Promise<RawClient> {
  const client = await RawClient.open(node.mqtt, 5, clientId);
  const exchange = scramClient(user, password, 'sha256');
  client.send(wire.connect({ clientId, properties: [METHOD, data(exchange.first)] }));
  const challenge = await client.expect('auth');
  expect(challenge.reason).toBe(0x18);
  client.send(wire.auth(0x18, [METHOD, data(exchange.final(textOf(property(challenge, P.authData))))]));
  client.connack = await client.expect('connack');
  if (client.connack.reason === 0) {
    expect(textOf(property(client.connack, P.authData))).toBe(exchange.serverFinal());
  }
  return client;
}

/** AUTH packets once more, on the same connection; the reason of the server's last one. */
async function again(client: RawClient, user: string, password: string): Promise<number> {
  const exchange = scramClient(user, password, 'sha256');
  client.send(wire.auth(0x19, [METHOD, data(exchange.first)]));
  const challenge = await client.expect('auth');
  client.send(wire.auth(0x18, [METHOD, data(exchange.final(textOf(property(challenge, P.authData))))]));
  return ((await client.next()) as { reason: number }).reason;
}

describe('by password', () => {
  test('who knows it is let in; a wrong one, an unknown user and a disabled one hear the same', async () => {
    node = await startSecureNode();
    await node.user('ann');
    await node.user('gone', { isDisabled: true });
    const right = { clientId: 'a', username: 'ann', password: PASSWORD };
    expect(await node.refusal(right)).toBe(0);
    for (const wrong of [
      { ...right, password: 'wrong password' },
      { ...right, username: 'nobody' },
      { ...right, username: 'gone' },
      { ...right, password: '' },
      { ...right, username: '' },
    ]) {
      expect(await node.refusal(wrong)).toBe(0x86);
      expect(await node.refusal({ ...wrong, version: 4 })).toBe(4);
    }
    expect(await node.refusal({ clientId: 'a' })).toBe(0x87);
    expect(await node.refusal({ clientId: 'a', version: 4 })).toBe(5);
  });

  test('after too many failures the name is not tried for a while, whether there is such a user or not', async () => {
    node = await startSecureNode({ 'guard.logIn.maxFailures': 3 });
    await node.user('ann');
    for (const username of ['ann', 'nobody']) {
      const wrong = { clientId: 'a', username, password: 'wrong password' };
      for (let i = 0; i < 3; i++) expect(await node.refusal(wrong)).toBe(0x86);
      expect(await node.refusal({ ...wrong, password: PASSWORD })).toBe(0x97);
    }
    await node.clock.advance(11 * 60_000);
    expect(await node.refusal({ clientId: 'a', username: 'ann', password: PASSWORD })).toBe(0);
  });

  test('an authenticator that the configuration names is asked on each listener', async () => {
    node = await startSecureNode({ 'security.authentication.anonymous': 'loopback' });
    expect(await node.refusal({ clientId: 'a' })).toBe(0);
    expect(await node.refusal({ clientId: 'a', username: 'ann', password: 'some password' })).toBe(0x86);
  });
});

describe('by SCRAM in AUTH packets', () => {
  test('lets in whom the same password lets in, and nobody else', async () => {
    node = await startSecureNode();
    await node.user('ann');
    expect((await scram('ann', PASSWORD)).connack?.reason).toBe(0);
    expect((await scram('ann', 'wrong password')).connack?.reason).toBe(0x87);
    expect((await scram('nobody', PASSWORD)).connack?.reason).toBe(0x87);
  });

  test('again, by the same user; another one ends the connection', async () => {
    node = await startSecureNode();
    await node.user('ann');
    await node.user('bob');
    const client = await scram('ann', PASSWORD);
    expect(await again(client, 'ann', PASSWORD)).toBe(0);
    await client.quiet();
    expect(await again(client, 'bob', PASSWORD)).toBe(0x87);
    await client.closed();
  });

  test('is not offered by a listener whose chain does not have it', async () => {
    node = await startSecureNode({ 'security.authentication.authenticators': 'database' });
    await node.user('ann');
    const { first } = scramClient('ann', PASSWORD, 'sha256');
    expect(await node.refusal({ clientId: 'a', properties: [METHOD, data(first)] })).toBe(0x8c);
  });

  test('failures count for the name inside the exchange', async () => {
    node = await startSecureNode({ 'guard.logIn.maxFailures': 2 });
    await node.user('ann');
    for (let i = 0; i < 2; i++) await scram('ann', 'wrong password', `c${i}`);
    const { first } = scramClient('ann', PASSWORD, 'sha256');
    const refused = { clientId: 'a', properties: [METHOD, data(first)] };
    expect(await node.refusal(refused)).toBe(0x97);
    expect(await node.refusal({ clientId: 'a', username: 'ann', password: PASSWORD })).toBe(0x97);
  });
});

describe('users and bans that change', () => {
  test.each([
    [
      'another password',
      (users: SecureNode['node']['security']['users']) =>
        users.setPassword('ann', new Secret('another password')),
    ],
    ['disabled', (users: SecureNode['node']['security']['users']) => users.disable('ann')],
    ['deleted', (users: SecureNode['node']['security']['users']) => users.delete('ann')],
    [
      'other roles',
      (users: SecureNode['node']['security']['users']) => users.update('ann', { roles: ['viewer'] }),
    ],
  ])('%s: connections of the user end with 0x98, others stay', async (_what, change) => {
    node = await startSecureNode();
    await node.rules([], 'allow');
    const ann = await node.as('ann', { will: { topic: 'w' } });
    const old = await node.as('ann', { clientId: 'old', version: 4 });
    const bob = await node.as('bob');
    await change(node.node.security.users);
    await ann.expectRefusal(0x98);
    await old.closed();
    await bob.quiet();
  });

  test('a ban ends connections of whom it is about, and they are told at CONNECT', async () => {
    node = await startSecureNode();
    const ann = await node.as('ann');
    const bob = await node.as('bob');
    const { bans } = node.node.security.guard;
    await bans.create({
      kind: 'user',
      value: 'ann',
      tenant: undefined,
      reason: 'x',
      by: 'test',
      expiresAtMs: undefined,
    });
    await ann.expectRefusal(0x98);
    await bob.quiet();
    expect(await node.refusal({ clientId: 'other', username: 'ann', password: PASSWORD })).toBe(0x8a);
  });

  test('a banned network is closed before a byte is looked at', async () => {
    node = await startSecureNode();
    const { bans } = node.node.security.guard;
    await bans.create({
      kind: 'network',
      value: '127.0.0.0/8',
      tenant: undefined,
      reason: 'x',
      by: 'test',
      expiresAtMs: undefined,
    });
    const client = await RawClient.open(node.mqtt, 5, 'x');
    expect(await client.closed()).toEqual([]);
  });

  test('a client that comes and goes too often is banned for a while', async () => {
    node = await startSecureNode({ 'guard.flapping.maxDisconnects': 3 });
    for (let i = 0; i < 3; i++) {
      const client = await node.as('ann');
      client.send(wire.disconnect());
      await client.closed();
    }
    expect(await node.refusal({ clientId: 'ann', username: 'ann', password: PASSWORD })).toBe(0x8a);
    expect(await node.refusal({ clientId: 'other', username: 'ann', password: PASSWORD })).toBe(0);
  });
});

test('connections of an address are limited, and each is given back', async () => {
  node = await startSecureNode({ 'guard.address.maxConnections': 2 });
  const first = await node.as('ann');
  const second = await node.as('bob');
  const third = await RawClient.open(node.mqtt, 5, 'x');
  expect(await third.closed()).toEqual([]);
  first.send(wire.disconnect());
  await first.closed();
  await node.as('carl');
  await second.quiet();
});

test('who is above its rate is not read until it has paid, and loses nothing', async () => {
  node = await startSecureNode({ 'guard.client.maxMessagesPerSecond': 10 });
  await node.rules([], 'allow');
  const subscriber = await node.as('sub');
  subscriber.send(wire.subscribe(5, 1, [{ filter: 't', qos: 0 }]));
  await subscriber.expect('suback');
  const publisher = await node.as('pub');
  const message = wire.publish({ topic: 't', payload: 'x' });
  publisher.send(...Array.from({ length: 40 }, () => message));
  for (let i = 0; i < 40; i++) await subscriber.expect('publish');
  publisher.send(wire.pingreq());
  await subscriber.barrier();
  expect(publisher.received.some(({ type }) => type === 'pingresp')).toBe(false);
  await node.clock.advance(5000);
  await publisher.expect('pingresp');
});

test('a user has so many sessions, subscriptions and retained messages, and gives them back', async () => {
  node = await startSecureNode({
    'guard.user.maxSessions': 2,
    'guard.user.maxSubscriptions': 3,
    'guard.user.maxRetained': 1,
  });
  await node.rules([], 'allow');
  const first = await node.as('ann', { clientId: 'a' });
  const second = await node.as('ann', { clientId: 'b' });
  const third = { clientId: 'c', username: 'ann', password: PASSWORD };
  expect(await node.refusal(third)).toBe(0x97);
  expect((await first.subscribe(['1', '2'])).reasons).toEqual([2, 2]);
  expect((await second.subscribe(['1', '2'])).reasons).toEqual([2, 0x97]);
  await first.unsubscribe(['1']);
  expect((await second.subscribe(['2'])).reasons).toEqual([2]);
  first.send(wire.disconnect());
  await first.closed();
  expect(await node.refusal(third)).toBe(0);

  const retain = (topic: string, payload: string) => second.publish({ topic, payload, qos: 1, retain: true });
  expect(await retain('r/1', 'x')).toBe(0x10);
  expect(await retain('r/1', 'y')).toBe(0x10);
  expect(await retain('r/2', 'x')).toBe(0x97);
  expect(await retain('r/1', '')).toBe(0x10);
  expect(await retain('r/2', 'x')).toBe(0x10);
  const other = await node.as('bob');
  expect(await other.publish({ topic: 'r/1', payload: 'x', qos: 1, retain: true })).toBe(0x10);
});
