/** What the rules of all protocols let Kafka's clients do, and how soon a change counts: ops' checklist, by its numbers. */
import { connect } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import type { Rule } from '../../../src/security/security.ts';
import { Member } from '../../protocols/kafka/share/support.ts';
import { ZERO } from './batches.ts';
import {
  bearer,
  create,
  fetched,
  fetchRequest,
  jwt,
  passwordOf,
  produce,
  read,
  type SecurityBench,
  securityBench,
} from './security-bench.ts';

const DENIED = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const rules: readonly Rule[] = [
  {
    effect: 'allow',
    actions: ['publish', 'subscribe', 'manage'],
    filters: ['plant/#'],
    users: ['alice', 'eve'],
  },
  { effect: 'allow', actions: ['subscribe'], filters: ['plant/#'], roles: ['reader'] },
  { effect: 'deny', actions: ['subscribe'], filters: ['plant/+/secret', 'plant/secret/#'], users: ['alice'] },
  { effect: 'deny', actions: ['publish'], filters: ['plant/locked'] },
  { effect: 'deny', actions: ['manage'], filters: ['plant/fixed'] },
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
  { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['own/${username}/#'] },
];

let bench: SecurityBench;
beforeAll(async () => {
  bench = await securityBench({
    'storage.engine': 'files',
    'authorization.rules': JSON.stringify(rules),
    'security.authentication.listeners': JSON.stringify([{ listener: 'mqtt', anonymous: 'allow' }]),
  });
  for (const user of ['alice', 'bob', 'eve', '+', '#', 'al/ice', '.*', 'root']) {
    await bench.user(user, user === 'root' ? { isSuperuser: true } : {});
  }
  await bench.user('reader', { roles: ['reader'] });
  const root = await bench.as('root');
  const made = ['plant.a.secret', 'plant.secret.b', 'plant.open', 'plant.locked', 'own.alice.x', 'other'];
  expect(await create(root, ...made)).toEqual(made.map(() => 0));
  for (const name of made) expect([name, await produce(root, name, `of ${name}`)]).toEqual([name, 0]);
});
afterAll(() => bench.stop());

const reload = (changed: readonly Rule[]): void =>
  bench.broker.node.security.authorization.reload({
    noMatch: 'auto',
    wideSubscriptions: 'refuse',
    rules: changed,
  });

describe('item 36: a denial wins, and what no rule is about is refused', () => {
  test('to what is read and listed, and to offsets', async () => {
    const alice = await bench.as('alice');
    expect(await read(alice, 'plant.open')).toEqual({ errorCode: 0, values: ['of plant.open'] });
    for (const name of ['plant.a.secret', 'plant.secret.b', 'other']) {
      expect([name, await read(alice, name)]).toEqual([name, { errorCode: DENIED, values: [] }]);
    }
    const offsets = await alice.call(Apis.listOffsets, 6, {
      replicaId: -1,
      isolationLevel: 0,
      topics: ['plant.open', 'other'].map((name) => ({
        name,
        partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1, maxNumOffsets: 1 }],
      })),
    });
    expect(offsets.topics.map(({ partitions }) => partitions[0]?.errorCode)).toEqual([0, DENIED]);
    const bob = await bench.as('bob');
    expect((await read(bob, 'plant.open')).errorCode).toBe(DENIED);
    const { topics } = await alice.call(Apis.metadata, 12, { topics: null });
    expect(topics.map(({ name }) => name).toSorted()).toEqual([
      'own.alice.x',
      'plant.a.secret',
      'plant.locked',
      'plant.open',
      'plant.secret.b',
    ]);
  });

  test('to what is written, and to what crosses to other protocols', async () => {
    const alice = await bench.as('alice');
    const { node } = bench.broker;
    const address = node.listeners.find(({ name }) => name === 'mqtt')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no listener');
    const mqtt = connect({
      port: address.port,
      host: '127.0.0.1',
      username: 'eve',
      password: passwordOf('eve'),
    });
    await new Promise<void>((resolve, reject) => {
      mqtt.once('connect', () => resolve());
      mqtt.once('error', reject);
    });
    const heard: string[] = [];
    mqtt.on('message', (topic) => heard.push(topic));
    await mqtt.subscribeAsync('plant/#');
    expect(await produce(alice, 'plant.locked')).toBe(DENIED);
    const delivered = new Promise<void>((resolve) => mqtt.once('message', () => resolve()));
    expect(await produce(alice, 'plant.open')).toBe(0);
    await delivered;
    expect(heard).toEqual(['plant/open']);
    await mqtt.endAsync();
    const reader = await bench.as('reader');
    expect((await read(reader, 'plant.open')).errorCode).toBe(0);
    expect(await produce(reader, 'plant.open')).toBe(DENIED);
  });

  test('to what is made, changed and deleted', async () => {
    const alice = await bench.as('alice');
    expect(await create(alice, 'plant.new', 'plant.fixed', 'elsewhere')).toEqual([0, DENIED, DENIED]);
    const reader = await bench.as('reader');
    const gone = await reader.call(Apis.deleteTopics, 6, {
      topics: [{ name: 'plant.new', topicId: ZERO }],
      timeoutMs: 1000,
    });
    expect(gone.responses.map(({ errorCode }) => errorCode)).toEqual([DENIED]);
    expect((await read(alice, 'plant.new')).errorCode).toBe(0);
  });

  test('and to what is about the node, for who has no scope', async () => {
    const alice = await bench.as('alice');
    const salt = Buffer.from('0123456789');
    const saltedPassword = Buffer.alloc(32, 7);
    const upsertions = [{ name: 'mallory', mechanism: 1, iterations: 4096, salt, saltedPassword }];
    const { results } = await alice.call(Apis.alterUserScramCredentials, 0, { deletions: [], upsertions });
    expect(results[0]?.errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    expect(bench.broker.node.security.users.get('mallory')).toBeUndefined();
  });
});

test('item 37: names of users that look like filters or patterns widen nothing', async () => {
  for (const user of ['+', '#', 'al/ice', '.*']) {
    const client = await bench.as(user, '+');
    for (const name of ['own.alice.x', 'plant.open', 'other']) {
      expect([user, name, (await read(client, name)).errorCode]).toEqual([user, name, DENIED]);
    }
  }
  expect((await read(await bench.as('alice', '#'), 'own.alice.x')).errorCode).toBe(0);
});

describe('item 38: a change counts within a second', () => {
  test('of rules, for a Fetch that waits', async () => {
    const eve = await bench.as('eve');
    const waiting = eve.call(Apis.fetch, 12, {
      ...fetchRequest('plant.open', 600_000, 0),
      minBytes: 1_000_000,
    });
    // The next answer is that of the request before: the one that waits is being looked at.
    await read(await bench.as('eve'), 'plant.open');
    reload([{ effect: 'deny', actions: ['subscribe'], filters: ['plant/#'] }, ...rules]);
    expect(fetched(await waiting)).toEqual({ errorCode: DENIED, values: [] });
    expect((await read(eve, 'plant.open')).errorCode).toBe(DENIED);
    reload(rules);
    expect((await read(eve, 'plant.open')).errorCode).toBe(0);
  });

  test('of rules, for a ShareFetch that waits', async () => {
    const eve = await bench.as('eve');
    const { topics } = await eve.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name: 'plant.open' }] });
    const member = new Member(eve, 'sharing', topics[0]?.topicId ?? '');
    expect((await member.heartbeat(['plant.open'], 0)).errorCode).toBe(0);
    expect((await member.fetch({ partitions: [0] })).errorCode).toBe(0);
    const waiting = member.fetch({ maxWaitMs: 600_000 });
    await read(await bench.as('eve'), 'plant.open');
    reload([{ effect: 'deny', actions: ['subscribe'], filters: ['plant/#'] }, ...rules]);
    const { responses } = await waiting;
    expect(responses[0]?.partitions[0]?.errorCode).toBe(DENIED);
    reload(rules);
  });

  test.each([
    ['other roles', (user: string) => bench.broker.node.security.users.update(user, { roles: ['reader'] })],
    ['a user who is disabled', (user: string) => bench.broker.node.security.users.disable(user)],
    ['a ban of the user', (value: string) => ban('user', value)],
    ['a ban of the client identifier', (value: string) => ban('client', `client-of-${value}`)],
  ] as const)('of %s, for a connection that waits', async (what, change) => {
    const name = `changing ${what}`;
    await bench.user(name, { roles: ['reader', 'more'] });
    const client = await bench.as(name, `client-of-${name}`);
    client.send(
      client.frame(Apis.fetch, 12, { ...fetchRequest('plant.open', 600_000), minBytes: 1_000_000 }),
    );
    await read(await bench.as('eve'), 'plant.open');
    await change(name);
    await client.closed();
    if (what.startsWith('a ban')) {
      const again = await bench.open(`client-of-${name}`);
      expect((await bench.logIn(again, name)).errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
    }
  });
});

const ban = (kind: 'user' | 'client', value: string) =>
  bench.broker.node.security.guard.bans.create({
    kind,
    value,
    tenant: undefined,
    reason: 'test',
    by: 'test',
    expiresAtMs: undefined,
  });

test('item 39: names that the broker keeps are nobody’s, also not of who may do everything', async () => {
  const root = await bench.as('root');
  expect(await create(root, '__consumer_offsets', '$SYS.x', '$tenant.acme.x')).not.toContain(0);
  for (const name of ['__consumer_offsets', '__transaction_state', '__share_group_state']) {
    expect([name, await produce(root, name)]).toEqual([name, DENIED]);
  }
  for (const name of ['$SYS.broker', '$share.g.x', '$tenant.acme.x']) {
    expect([name, await produce(root, name)]).not.toEqual([name, 0]);
    expect((await read(root, name)).errorCode).not.toBe(0);
  }
});

test('what administrators change through Kafka is in the audit log, without secrets', async () => {
  const { security } = bench.broker.node;
  const root = await bench.as('root');
  await create(root, 'noted');
  const salt = Buffer.from('0123456789');
  const saltedPassword = Buffer.from('planted-salted-password-of-32-by');
  const upsertions = [{ name: 'noted', mechanism: 1, iterations: 4096, salt, saltedPassword }];
  await root.call(Apis.alterUserScramCredentials, 0, { deletions: [], upsertions });
  await root.call(Apis.incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 4,
        resourceName: '',
        configs: [{ name: 'ssl.keystore.password', configOperation: 0, value: 'planted-value' }],
      },
    ],
    validateOnly: false,
  });
  const page = await security.audit.read({ user: 'root', limit: 50 });
  const seen = (page?.entries ?? []).map(({ operation, result, via }) => `${via} ${operation} ${result}`);
  expect(seen).toEqual(
    expect.arrayContaining([
      'kafka kafka.createTopics begun',
      'kafka kafka.createTopics ok',
      'kafka kafka.alterUserScramCredentials ok',
      'kafka kafka.incrementalAlterConfigs failed',
    ]),
  );
  const text = JSON.stringify(page) + bench.lines.join('');
  expect(text).not.toContain('planted-salted');
  expect(text).not.toContain('planted-value');
  expect(text).not.toContain(Buffer.from(saltedPassword).toString('base64'));
  const refused = await security.audit.read({
    user: 'alice',
    operation: 'kafka.alterUserScramCredentials',
    limit: 9,
  });
  expect(refused?.entries.map(({ result }) => result)).toEqual(['refused']);
});

test('a token brings its own rules', async () => {
  const client = await bench.open();
  await client.call(Apis.saslHandshake, 1, { mechanism: 'OAUTHBEARER' });
  const acl = [{ effect: 'allow', actions: ['subscribe'], filters: ['other'] }];
  await client.call(Apis.saslAuthenticate, 2, { authBytes: bearer(jwt({ sub: 'guest', acl })) });
  expect(await read(client, 'other')).toEqual({ errorCode: 0, values: ['of other'] });
  expect((await read(client, 'plant.open')).errorCode).toBe(DENIED);
  expect(await produce(client, 'other')).toBe(DENIED);
});
