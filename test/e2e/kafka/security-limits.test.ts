/** Access control lists beside common rules, clients that show nothing, and how much anybody gets. */
import { afterEach, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import type { KafkaClient } from '../../support/kafka-client.ts';
import { batchFrom, produceRequest } from './batches.ts';
import type { Settings } from './node.ts';
import { create, produce, read, type SecurityBench, securityBench } from './security-bench.ts';

const DENIED = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
let bench: SecurityBench | undefined;
afterEach(() => bench?.stop());

async function start(settings: Settings): Promise<SecurityBench> {
  bench = await securityBench(settings);
  return bench;
}

const acl = (client: KafkaClient, permissionType: number, operation: number, resourceName: string) =>
  client.call(Apis.createAcls, 3, {
    creations: [
      {
        resourceType: 2,
        resourceName,
        resourcePatternType: 4,
        principal: 'User:alice',
        host: '*',
        operation,
        permissionType,
      },
    ],
  });
const [DENY, ALLOW, READ, WRITE] = [2, 3, 3, 4];

test('lists and rules: either allows, either denies, and nothing is allowed by neither', async () => {
  const { as, user } = await start({
    'kafka.security.authorization': 'acl',
    'kafka.security.superUsers': JSON.stringify(['User:admin']),
    'authorization.rules': JSON.stringify([
      { effect: 'allow', actions: ['subscribe', 'publish'], filters: ['ruled/#'], users: ['alice'] },
      { effect: 'deny', actions: ['subscribe'], filters: ['listed/secret'] },
    ]),
  });
  for (const name of ['admin', 'alice']) await user(name);
  const admin = await as('admin');
  const topics = ['ruled.a', 'ruled.b', 'listed.a', 'listed.secret', 'other'];
  expect(await create(admin, ...topics)).toEqual(topics.map(() => 0));
  expect((await acl(admin, ALLOW, READ, 'listed')).results[0]?.errorCode).toBe(0);
  expect((await acl(admin, DENY, WRITE, 'ruled.b')).results[0]?.errorCode).toBe(0);
  const alice = await as('alice');
  const may: [string, number | undefined, number | undefined][] = [];
  for (const name of topics)
    may.push([name, (await read(alice, name)).errorCode, await produce(alice, name)]);
  expect(may).toEqual([
    ['ruled.a', 0, 0],
    ['ruled.b', 0, DENIED],
    ['listed.a', 0, DENIED],
    ['listed.secret', DENIED, DENIED],
    ['other', DENIED, DENIED],
  ]);
});

test('who shows nothing is nobody where the listener lets nobody in, and stays it', async () => {
  const { open, user, logIn, as } = await start({
    'security.authentication.anonymous': 'loopback',
    'authorization.rules': JSON.stringify([
      { effect: 'deny', actions: ['publish', 'subscribe'], filters: ['named/#'], clients: 'anonymous' },
      { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'], users: ['alice'] },
    ]),
  });
  await user('alice');
  const alice = await as('alice');
  expect(await create(alice, 'named.x', 'free')).toEqual([0, 0]);
  const nobody = await open();
  expect(await produce(nobody, 'free')).toBe(0);
  expect(await produce(nobody, 'named.x')).toBe(DENIED);
  expect(await nobody.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' })).toMatchObject({
    errorCode: ErrorCode.ILLEGAL_SASL_STATE,
  });
  expect((await logIn(nobody, 'alice')).errorCode).toBe(ErrorCode.ILLEGAL_SASL_STATE);
  expect(await produce(nobody, 'named.x')).toBe(DENIED);
});

test('rates of all protocols are throttle time, and connections above a limit are not taken', async () => {
  const { as, user, open, broker } = await start({
    'guard.client.maxMessagesPerSecond': 10,
    'guard.address.maxConnections': 2,
    'authorization.noMatch': 'allow',
  });
  await user('alice');
  const alice = await as('alice');
  expect(await create(alice, 't')).toEqual([0]);
  const many = batchFrom(Array.from({ length: 20 }, () => ({ value: 'x' })));
  const startedAt = performance.now();
  const first = await alice.call(Apis.produce, 9, produceRequest('t', many));
  expect(first.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  expect(first.throttleTimeMs).toBeGreaterThan(500);
  const second = await as('alice');
  expect((await second.call(Apis.metadata, 12, { topics: [] })).throttleTimeMs).toBe(0);
  const third = await open();
  expect(await third.closed()).toHaveLength(0);
  await alice.call(Apis.metadata, 12, { topics: [] });
  expect(performance.now() - startedAt).toBeGreaterThan(400);
  second.close();
  await broker.node.security.guard.bans.create({
    kind: 'network',
    value: '127.0.0.0/8',
    tenant: undefined,
    reason: 'test',
    by: 'test',
    expiresAtMs: undefined,
  });
  // Who is there is ended, and nobody comes any more.
  expect(await alice.closed()).toHaveLength(0);
  expect(await (await open()).closed()).toHaveLength(0);
});

test('a tenant has its rates and its connections for all of its clients together, and others have theirs', async () => {
  const { as, user, open, logIn } = await start({
    'tenants.limits.maxMessagesPerSecond': 10,
    'tenants.limits.maxConnections': 2,
    'authorization.noMatch': 'allow',
  });
  for (const name of ['ann', 'art']) await user(name, { tenant: 'acme' });
  await user('bea', { tenant: 'beta' });
  await user('ned');
  const [ann, art] = [await as('ann'), await as('art')];
  expect(await create(ann, 't')).toEqual([0]);
  const many = batchFrom(Array.from({ length: 20 }, () => ({ value: 'x' })));
  const first = await ann.call(Apis.produce, 9, produceRequest('t', many));
  expect(first.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  expect(first.throttleTimeMs).toBeGreaterThan(500);
  const own = await art.call(Apis.produce, 9, produceRequest('t', batchFrom([{ value: 'x' }])));
  expect(own.throttleTimeMs).toBeGreaterThan(500);
  for (const name of ['bea', 'ned']) {
    const client = await as(name);
    expect(await create(client, 't')).toEqual([0]);
    const other = await client.call(Apis.produce, 9, produceRequest('t', batchFrom([{ value: 'x' }])));
    expect([name, other.throttleTimeMs]).toEqual([name, 0]);
  }
  expect((await logIn(await open(), 'art')).errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
  ann.close();
  await expect.poll(async () => (await logIn(await open(), 'art')).errorCode).toBe(0);
});
