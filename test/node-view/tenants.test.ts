/** Clients of tenants as administration sees them: by their own names, and whose they are. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Secret } from '../../src/security/secret.ts';
import type { RawClient } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { startViewed, type ViewedNode } from './support.ts';

const PASSWORD = 'correct horse';
let node: ViewedNode;

beforeEach(async () => {
  node = await startViewed({
    'storage.engine': 'memory',
    'security.authentication.authenticators': 'database',
    'security.passwords.scryptLogCost': 10,
    'authorization.noMatch': 'allow',
  });
  for (const tenant of ['acme', '']) {
    await node.node.security.users.create({ name: `user-${tenant}`, password: new Secret(PASSWORD), tenant });
  }
});
afterEach(async () => {
  await node.stop();
});

async function as(tenant: string, clientId: string): Promise<RawClient> {
  const client = await node.connect({
    clientId,
    username: `user-${tenant}`,
    password: PASSWORD,
    clean: false,
    properties: [[17, 3600]],
  });
  expect(client.connack?.reason).toBe(0);
  return client;
}

it('are told from each other by their tenant', async () => {
  const [ofTenant, ofNobody] = [await as('acme', 'c'), await as('', 'c')];
  for (const client of [ofTenant, ofNobody]) await client.subscribe([{ filter: 'a/#', qos: 1 }]);
  const clients = await node.all('/clients', 10);
  expect(clients.map(({ id, clientId, tenant }) => [id, clientId, tenant])).toEqual([
    ['mqtt@acme:c', 'c', 'acme'],
    ['mqtt:c', 'c', null],
  ]);
  expect((await node.all('/clients?tenant=acme', 10)).map(({ id }) => id)).toEqual(['mqtt@acme:c']);
  expect((await node.get('/clients/mqtt@acme:c')).body.userName).toBe('user-acme');
  expect((await node.get('/clients/mqtt@none:c')).status).toBe(404);
  expect((await node.get('/clients/mqtt@No:c')).status).toBe(404);

  const sessions = await node.all('/sessions?prefix=c', 10);
  expect(sessions.map(({ clientId, tenant }) => [clientId, tenant])).toEqual([
    ['c', 'acme'],
    ['c', null],
  ]);
  expect((await node.all('/sessions?tenant=acme', 10)).map(({ tenant }) => tenant)).toEqual(['acme']);
  expect((await node.get('/sessions/c?tenant=acme')).body).toMatchObject({
    clientId: 'c',
    tenant: 'acme',
    filters: [{ filter: '$tenant/acme/a/#' }],
  });
  expect((await node.get('/sessions/c')).body).toMatchObject({ tenant: null, filters: [{ filter: 'a/#' }] });
  expect((await node.get('/sessions/c?tenant=other')).status).toBe(404);

  const receiving = async (topic: string) =>
    (await node.all(`/subscriptions?topic=${encodeURIComponent(topic)}`, 10)).map(({ tenant }) => tenant);
  expect(await receiving('$tenant/acme/a/b')).toEqual(['acme']);
  expect(await receiving('a/b')).toEqual([null]);
  expect((await node.all('/subscriptions?clientId=c&tenant=acme', 10)).length).toBe(1);
  expect((await node.get('/subscriptions?tenant=acme')).status).toBe(400);
});

it('are told of in events', async () => {
  const [ofTenant] = [await as('acme', 'c'), await as('', 'c')];
  await ofTenant.subscribe([{ filter: 'a/#', qos: 1 }]);
  const told = async (query: string) =>
    (await node.all(`/events?client=c${query}`, 10)).map(({ kind, tenant, subject }) => [
      kind,
      tenant,
      subject,
    ]);
  expect(await told('&tenant=acme')).toEqual([
    ['client.subscribed', 'acme', 'a/#'],
    ['client.connected', 'acme', null],
  ]);
  expect(await told('&kinds=client.connected')).toEqual([
    ['client.connected', null, null],
    ['client.connected', 'acme', null],
  ]);
});

it('are kicked and ended one by one, and their queues emptied', async () => {
  const [ofTenant, ofNobody] = [await as('acme', 'c'), await as('', 'c')];
  await ofTenant.subscribe([{ filter: 'a/#', qos: 1 }]);
  expect((await node.remove('/clients/mqtt@acme:c')).status).toBe(200);
  await ofTenant.closed();
  await ofNobody.quiet();
  const publisher = await as('acme', 'pub');
  for (let i = 0; i < 3; i++) await publisher.publish({ topic: 'a/b', payload: `${i}`, qos: 1 });
  expect((await node.get('/queues/c?tenant=acme')).body).toMatchObject({
    name: 'c',
    tenant: 'acme',
    waiting: 3,
    members: [{ clientId: 'c', tenant: 'acme' }],
  });
  const [first] = await node.all('/queues/c/messages?tenant=acme', 10);
  expect(first?.topic).toBe('$tenant/acme/a/b');
  expect((await node.get('/queues/c')).body).toMatchObject({ tenant: null, waiting: 0 });
  expect((await node.remove('/queues/c/messages?tenant=acme')).body).toEqual({ removed: 3 });
  expect((await node.remove('/sessions/c?tenant=acme')).status).toBe(200);
  expect((await node.get('/sessions/c?tenant=acme')).status).toBe(404);
  expect((await node.get('/sessions/c')).status).toBe(200);
  await publisher.subscribe([{ filter: '$share/g/jobs', qos: 1 }]);
  publisher.send(wire.disconnect());
  await publisher.closed();
  const queues = await node.all('/queues', 10);
  expect(queues.map(({ name, tenant }) => [name, tenant])).toEqual([
    ['$share/g/$tenant/acme/jobs', 'acme'],
    ['c', null],
    ['pub', 'acme'],
  ]);
});

it('are listed and shown with what they have and may have, and HTTP makes no topic above that', async () => {
  await node.stop();
  node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
    'tenants.limits.maxTopics': 1,
    'tenants.list': JSON.stringify([{ name: 'zeta', maxTopics: 7 }]),
  });
  expect((await node.post('/topics', { name: '$tenant.acme.a', partitions: 2 })).status).toBe(201);
  const refused = await node.post('/topics', { name: '$tenant.acme.b' });
  expect([refused.status, refused.body.detail]).toEqual([
    expect.any(Number),
    expect.stringMatching(/as many topics as its tenant may have/),
  ]);
  expect(refused.status).toBeLessThan(500);
  expect((await node.post('/topics', { name: '$tenant.acme.b', dryRun: true })).status).toBe(refused.status);
  expect(
    (await node.all('/tenants', 1)).map(({ name, topics, maxTopics }) => [name, topics, maxTopics]),
  ).toEqual([
    ['acme', 1, 1],
    ['zeta', 0, 7],
  ]);
  expect((await node.get('/tenants/acme')).body).toMatchObject({ partitions: 2, isConfigured: false });
  expect((await node.get('/tenants/none')).status).toBe(404);
});
