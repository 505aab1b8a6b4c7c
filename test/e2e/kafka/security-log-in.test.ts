/** Logging in by the authenticators of all protocols: what ops' checklist asks of it, by its numbers. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { KafkaConfig } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { batchOf, produceRequest } from './batches.ts';
import { bearer, jwt, passwordOf, type SecurityBench, securityBench, tokenSecret } from './security-bench.ts';

const REFUSED = { errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED, errorMessage: 'authentication failed' };
const rules = [
  { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'], clients: 'named' },
];

let bench: SecurityBench;
beforeAll(async () => {
  bench = await securityBench({
    'authorization.rules': JSON.stringify(rules),
    'security.authentication.jwt.issuer': 'issuer',
    // Nobody is there: keys cannot be fetched.
    'security.authentication.jwt.jwks.url': 'http://127.0.0.1:9/keys',
  });
  for (const user of ['alice', 'bob', 'victim']) await bench.user(user);
  await bench.user('tenant-user', { tenant: 'acme' });
});
afterAll(() => bench.stop());

const metadata = (client: Awaited<ReturnType<SecurityBench['open']>>) =>
  client.call(Apis.metadata, 12, { topics: [] });

async function byToken(token: string) {
  const client = await bench.open();
  await client.call(Apis.saslHandshake, 1, { mechanism: 'OAUTHBEARER' });
  const first = await client.call(Apis.saslAuthenticate, 2, { authBytes: bearer(token) });
  if (first.errorCode !== 0 || first.authBytes.length === 0) return first;
  return client.call(Apis.saslAuthenticate, 2, { authBytes: Buffer.from('\x01') });
}

test.each([
  ['plain', { mechanism: 'plain', username: 'alice', password: passwordOf('alice') }],
  ['SCRAM', { mechanism: 'scram-sha-256', username: 'alice', password: passwordOf('alice') }],
  ['SCRAM', { mechanism: 'scram-sha-512', username: 'bob', password: passwordOf('bob') }],
] as const)('kafkajs is let in by %s: %j', async (_by, sasl) => {
  const admin = bench.broker.client({ sasl: sasl as unknown as NonNullable<KafkaConfig['sasl']> }).admin();
  await admin.connect();
  expect((await admin.describeCluster()).brokers).toHaveLength(1);
  await admin.disconnect();
});

test('kafkajs is let in by a token of the issuer of all protocols', async () => {
  const value = jwt({ sub: 'carol', iss: 'issuer' });
  const sasl = { mechanism: 'oauthbearer' as const, oauthBearerProvider: async () => ({ value }) };
  const admin = bench.broker.client({ sasl }).admin();
  await admin.connect();
  expect((await admin.describeCluster()).brokers).toHaveLength(1);
  await admin.disconnect();
});

test('item 29: wrong passwords, and names that are none, are refused in the same words, and too many lock the name', async () => {
  for (const [user, password] of [
    ['alice', 'wrong'],
    ['nobody', 'wrong'],
    ['nobody', passwordOf('alice')],
    ['alice', ''],
    ['', passwordOf('alice')],
    ['al\0ice', passwordOf('alice')],
    ['Alice', passwordOf('alice')],
    ['alice', 'x'.repeat(64 * 1024 - 20)],
    ['ａlice', passwordOf('alice')],
  ] as const) {
    const client = await bench.open();
    expect([user, await bench.logIn(client, user, password)]).toMatchObject([user, REFUSED]);
    expect(await client.closed()).toHaveLength(0);
  }
  for (let i = 0; i < 5; i++) {
    expect(await bench.logIn(await bench.open(), 'victim', `guess ${i}`)).toMatchObject(REFUSED);
  }
  // The right one does not help any more, and others are not concerned.
  expect(await bench.logIn(await bench.open(), 'victim')).toMatchObject(REFUSED);
  expect(bench.broker.node.security.guard.logIns.locks()).toBe(1);
  expect((await metadata(await bench.as('bob'))).brokers).toHaveLength(1);
});

async function scram(user: string, change: (final: string) => string = (final) => final, header = 'n,,') {
  const client = await bench.open();
  await client.call(Apis.saslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
  const bare = `n=${user},r=nonce${Math.random()}`;
  const first = await client.call(Apis.saslAuthenticate, 2, { authBytes: Buffer.from(header + bare) });
  if (first.errorCode !== 0) return { client, first, salt: '', answer: first, sent: '' };
  const challenge = Buffer.from(first.authBytes).toString();
  const [, nonce = '', salt = '', rounds = ''] = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(challenge) ?? [];
  const salted = pbkdf2Sync(passwordOf(user), Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256');
  const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = createHash('sha256').update(clientKey).digest();
  const without = `c=${Buffer.from(header).toString('base64')},r=${nonce}`;
  const signature = hmac(storedKey, `${bare},${challenge},${without}`);
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))).toString('base64');
  const sent = change(`${without},p=${proof}`);
  const answer = await client.call(Apis.saslAuthenticate, 2, { authBytes: Buffer.from(sent) });
  return { client, first, salt, answer, sent };
}

test('item 30: SCRAM takes no altered nonce, no binding, no replay, and knows nobody by their salt', async () => {
  expect((await scram('bob')).answer.errorCode).toBe(0);
  for (const change of [
    (final: string) => final.replace(',r=nonce', ',r=other'),
    (final: string) => final.replace(/,r=(.{6})[^,]*/, ',r=$1'),
    (final: string) => final.replace('c=biws', 'c=eSws'),
    (final: string) => final.replace(/p=.*/, 'p='),
    () => 'n,,n=bob,r=again',
  ]) {
    expect((await scram('bob', change)).answer).toMatchObject(REFUSED);
    // So that failures of this test do not lock the name.
    bench.broker.node.security.guard.logIns.succeeded('bob');
  }
  expect((await scram('bob', undefined, 'p=tls-unique,,')).answer).toMatchObject(REFUSED);
  const replayed = (await scram('bob')).sent;
  expect((await scram('bob', () => replayed)).answer).toMatchObject(REFUSED);
  const [one, same, other] = [await scram('ghost'), await scram('ghost'), await scram('phantom')];
  expect(one.answer).toMatchObject(REFUSED);
  expect(one.salt).toBe(same.salt);
  expect(one.salt).not.toBe(other.salt);
  const outOfOrder = await bench.open();
  await outOfOrder.call(Apis.saslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
  expect(
    await outOfOrder.call(Apis.saslAuthenticate, 2, { authBytes: Buffer.from('c=biws,r=x,p=eA==') }),
  ).toMatchObject(REFUSED);
});

test('item 31: tokens that are not in order are refused, and those of keys that are not to be had', async () => {
  const good = { sub: 'carol', iss: 'issuer' };
  expect((await byToken(jwt(good))).errorCode).toBe(0);
  for (const token of [
    `${jwt(good, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`,
    jwt(good, { alg: 'HS256' }, 'another secret'.padEnd(40, 'x')),
    jwt({ ...good, aud: 'mqtt' }),
    jwt({ ...good, iss: 'somebody' }),
    jwt({ ...good, exp: 1 }),
    jwt({ ...good, nbf: Date.now() / 1000 + 600 }),
    jwt(good, { alg: 'HS512', kid: '../../../dev/null' }),
    jwt(good, { alg: 'RS256', kid: 'of the issuer' }),
    jwt({ ...good, more: 'x'.repeat(40_000) }),
  ]) {
    expect(await byToken(token)).toMatchObject(REFUSED);
  }
  const huge = await bench.open();
  await huge.call(Apis.saslHandshake, 1, { mechanism: 'OAUTHBEARER' });
  huge.send(
    huge.frame(Apis.saslAuthenticate, 2, { authBytes: bearer(jwt({ ...good, more: 'x'.repeat(1e6) })) }),
  );
  expect(await huge.closed()).toHaveLength(0);
});

test('item 33: nothing is done before the log-in, and nobody becomes another on the way', async () => {
  const early = await bench.open();
  early.send(early.frame(Apis.produce, 9, produceRequest('early', batchOf('x'))));
  expect(await early.closed()).toHaveLength(0);
  const between = await bench.open();
  await between.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
  between.send(between.frame(Apis.metadata, 12, { topics: null }));
  expect(await between.closed()).toHaveLength(0);
  const alice = await bench.as('alice');
  const { topics } = await alice.call(Apis.metadata, 12, { topics: null });
  expect(topics).toEqual([]);
  expect((await bench.logIn(alice, 'alice')).errorCode).toBe(0);
  expect(await bench.logIn(alice, 'bob')).toMatchObject(REFUSED);
  expect(await alice.closed()).toHaveLength(0);
});

test('a token ends the session when it ends (KIP-368)', async () => {
  const client = await bench.open();
  await client.call(Apis.saslHandshake, 1, { mechanism: 'OAUTHBEARER' });
  const token = jwt({ sub: 'carol', iss: 'issuer', exp: Date.now() / 1000 + 300 });
  const { sessionLifetimeMs } = await client.call(Apis.saslAuthenticate, 2, { authBytes: bearer(token) });
  expect(sessionLifetimeMs).toBeGreaterThan(0);
  expect(sessionLifetimeMs).toBeLessThanOrEqual(300_000);
  expect((await metadata(client)).brokers).toHaveLength(1);
  bench.broker.pass(300_000);
  await expect(metadata(client)).rejects.toThrow('closed');
});

test('a user of a tenant is let in by the right password alone, into a world of its own', async () => {
  expect(await bench.logIn(await bench.open(), 'tenant-user', 'wrong')).toMatchObject(REFUSED);
  await expect(
    (await bench.as('tenant-user')).call(Apis.metadata, 12, { topics: null }),
  ).resolves.toMatchObject({
    topics: [],
  });
});

test('what was shown for a log-in is in no line of the log, at its lowest level', async () => {
  const text = bench.lines.join('');
  expect(text).toContain('a client is refused');
  for (const secret of ['planted-secret', 'token-secret', 'guess 1', tokenSecret]) {
    expect(text).not.toContain(secret);
  }
  for (const token of bench.lines.filter((line) => /eyJ[A-Za-z0-9]/.test(line))) expect(token).toBe('');
});
