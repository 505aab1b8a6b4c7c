/** Logging in on the wire, and what administrators set, over a restart. */
import { createHmac, pbkdf2Sync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { servedApis } from '../../../src/protocols/kafka/dispatch.ts';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { createRandom } from '../../support/random.ts';
import { batchOf, produceRequest, ZERO } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

const secret = 'k'.repeat(40);
const settings = {
  'kafka.security.authentication': 'sasl',
  'kafka.security.users': JSON.stringify([{ name: 'alice', password: 'alice-secret' }]),
  'kafka.security.oauth.keys': JSON.stringify([{ algorithm: 'HS256', secret }]),
  'kafka.security.oauth.clockSkew': 0,
  'kafka.security.failureDelay': 0,
  'guard.logIn.maxFailures': 0,
};

let broker: KafkaNode;
const clients: KafkaClient[] = [];
beforeAll(async () => {
  broker = await startKafkaNode({ 'storage.engine': 'files', ...settings });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});
afterAll(() => broker.stop());

async function open(clientId = 'raw'): Promise<KafkaClient> {
  const client = await openKafkaClient(broker.port, clientId);
  clients.push(client);
  return client;
}

const plain = (user: string, password = `${user}-secret`): Buffer => Buffer.from(`\0${user}\0${password}`);

async function loggedIn(user = 'alice'): Promise<KafkaClient> {
  const client = await open();
  await client.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
  const { errorCode } = await client.call(Apis.saslAuthenticate, 2, { authBytes: plain(user) });
  expect(errorCode).toBe(0);
  return client;
}

const metadata = (client: KafkaClient) => client.call(Apis.metadata, 12, { topics: [] });

/** A token without a header. */
function raw(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function bearer(claims: object): Buffer {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  return Buffer.from(`n,,\x01auth=Bearer ${token}\x01\x01`);
}

describe('a client that has not logged in', () => {
  test('is served no API but the versions and the log-in', async () => {
    const open3 = [Apis.apiVersions.key, Apis.saslHandshake.key];
    for (const api of servedApis.filter(({ key }) => !open3.includes(key))) {
      const client = await open();
      const header = Buffer.alloc(14);
      header.writeInt32BE(10);
      header.writeInt16BE(api.key, 4);
      header.writeInt16BE(api.versions.last, 6);
      header.writeInt16BE(-1, 12);
      client.send(header);
      expect([api.name, (await client.closed()).length]).toEqual([api.name, 0]);
    }
    const client = await open();
    expect(
      (await client.call(Apis.apiVersions, 3, { clientSoftwareName: 'a', clientSoftwareVersion: '1' }))
        .errorCode,
    ).toBe(0);
  });

  test('gets no memory for more than a log-in needs', async () => {
    const client = await open();
    const length = Buffer.alloc(8);
    length.writeInt32BE(1_000_000);
    client.send(length);
    expect(await client.closed()).toHaveLength(0);
  });

  test('is told of the mechanisms when it wants another, and then let go', async () => {
    const client = await open();
    expect(await client.call(Apis.saslHandshake, 1, { mechanism: 'GSSAPI' })).toEqual({
      errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
      mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    });
    expect(await client.closed()).toHaveLength(0);
  });

  test('hears that it is refused, and is let go', async () => {
    const client = await open();
    await client.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
    const answer = await client.call(Apis.saslAuthenticate, 2, { authBytes: plain('alice', 'wrong') });
    expect(answer).toMatchObject({ errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED, sessionLifetimeMs: 0 });
    expect(await client.closed()).toHaveLength(0);
  });
});

describe('whatever comes for a log-in', () => {
  test('costs its own connection at worst', async () => {
    const random = createRandom(Number(process.env.ROBUSTMQ_SEED ?? 7));
    const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'];
    const good = [
      'n,,n=alice,r=abc',
      'n,a=alice,n=alice,r=abc',
      'n,,\x01auth=Bearer a.b.c\x01\x01',
      '\0alice\0alice-secret',
    ];
    for (let round = 0; round < 60; round++) {
      const client = await open();
      const version = random.below(2);
      await client.call(Apis.saslHandshake, version, { mechanism: mechanisms[random.below(4)] ?? '' });
      const token = Buffer.from(good[random.below(4)] ?? '');
      for (let changes = random.below(4); changes > 0; changes--)
        token[random.below(token.length)] = random.below(256);
      const cut = token.subarray(0, random.below(token.length + 1));
      client.send(version === 0 ? raw(cut) : client.frame(Apis.saslAuthenticate, 2, { authBytes: cut }));
      // An answer, or the end of the connection: never neither.
      await client.receive().catch(() => {});
      client.close();
    }
    const { brokers } = await metadata(await loggedIn());
    expect(brokers).toHaveLength(1);
  });
});

describe('a log-in', () => {
  test('of an old client has tokens without headers', async () => {
    const client = await open();
    await client.call(Apis.saslHandshake, 0, { mechanism: 'PLAIN' });
    client.send(raw(plain('alice')));
    expect(await client.receive()).toHaveLength(0);
    expect((await metadata(client)).brokers).toHaveLength(1);

    for (const token of [plain('alice', 'wrong'), Buffer.alloc(0), Buffer.from('x')]) {
      const refused = await open();
      await refused.call(Apis.saslHandshake, 0, { mechanism: 'PLAIN' });
      refused.send(raw(token));
      expect(await refused.closed()).toHaveLength(0);
    }
  });

  test('counts as long as its token, and can be renewed on the same connection', async () => {
    const client = await open();
    const logIn = async (forMs: number) => {
      await client.call(Apis.saslHandshake, 1, { mechanism: 'OAUTHBEARER' });
      const exp = ((broker.node.kafka?.context.clock.wallMs() ?? 0) + forMs) / 1000;
      return client.call(Apis.saslAuthenticate, 2, { authBytes: bearer({ sub: 'alice', exp }) });
    };
    const { errorCode, sessionLifetimeMs } = await logIn(240_000);
    expect(errorCode).toBe(0);
    expect(sessionLifetimeMs).toBeGreaterThan(120_000);
    const { sessionLifetimeMs: shorter } = await logIn(120_000);
    expect(shorter).toBeGreaterThan(0);
    expect(shorter).toBeLessThanOrEqual(120_000);
    broker.pass(60_000);
    expect((await metadata(client)).brokers).toHaveLength(1);
    expect((await logIn(120_000)).errorCode).toBe(0);
    broker.pass(70_000);
    // The token before has ended, this one has not.
    expect((await metadata(client)).brokers).toHaveLength(1);
    broker.pass(60_000);
    await expect(metadata(client)).rejects.toThrow('closed');
  });
});

describe('a quota', () => {
  test('on connections makes an address wait before it is heard', async () => {
    const client = await loggedIn();
    const limit = (remove: boolean) =>
      client.call(Apis.alterClientQuotas, 1, {
        entries: [
          {
            entity: [{ entityType: 'ip', entityName: '127.0.0.1' }],
            ops: [{ key: 'connection_creation_rate', value: 2, remove }],
          },
        ],
        validateOnly: false,
      });
    expect((await limit(false)).entries[0]?.errorCode).toBe(0);
    const startedAt = performance.now();
    for (let i = 0; i < 3; i++) await loggedIn();
    expect(performance.now() - startedAt).toBeGreaterThan(400);
    await limit(true);
  });

  test('makes who was over it wait, by word and by deed, and nobody else', async () => {
    const client = await loggedIn();
    const { topics } = await client.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name: 'slow' }] });
    expect(topics[0]?.errorCode).toBe(0);
    const entity = [{ entityType: 'user', entityName: 'alice' }];
    const limit = (remove: boolean) =>
      client.call(Apis.alterClientQuotas, 1, {
        entries: [{ entity, ops: [{ key: 'producer_byte_rate', value: 10_000, remove }] }],
        validateOnly: false,
      });
    expect((await limit(false)).entries[0]?.errorCode).toBe(0);
    const produce = () => client.call(Apis.produce, 9, produceRequest('slow', batchOf('x'.repeat(13_000))));
    const startedAt = performance.now();
    const first = await produce();
    expect(first.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    expect(first.throttleTimeMs).toBeGreaterThan(200);
    const bystander = await loggedIn();
    expect((await metadata(bystander)).throttleTimeMs).toBe(0);
    await metadata(client);
    expect(performance.now() - startedAt).toBeGreaterThan(first.throttleTimeMs - 100);
    await limit(true);
    expect((await produce()).throttleTimeMs).toBe(0);
  });
});

describe('what administrators set', () => {
  test('is there after a restart: credentials, rules, quotas, configurations', async () => {
    const client = await loggedIn();
    const salt = Buffer.from('0123456789');
    const saltedPassword = pbkdf2Sync('carol-secret', salt, 4096, 32, 'sha256');
    const made = await client.call(Apis.alterUserScramCredentials, 0, {
      deletions: [],
      upsertions: [{ name: 'carol', mechanism: 1, iterations: 4096, salt, saltedPassword }],
    });
    expect(made.results).toMatchObject([{ user: 'carol', errorCode: 0 }]);
    await client.call(Apis.alterClientQuotas, 1, {
      entries: [
        {
          entity: [{ entityType: 'client-id', entityName: null }],
          ops: [{ key: 'consumer_byte_rate', value: 12.5, remove: false }],
        },
      ],
      validateOnly: false,
    });
    await client.call(Apis.incrementalAlterConfigs, 1, {
      resources: [
        {
          resourceType: 4,
          resourceName: '',
          configs: [{ name: 'num.partitions', configOperation: 0, value: '3' }],
        },
      ],
      validateOnly: false,
    });
    await broker.restart({
      'kafka.security.authorization': 'acl',
      'kafka.security.superUsers': JSON.stringify(['User:carol']),
    });
    const carol = await loggedIn('carol');
    const quotas = await carol.call(Apis.describeClientQuotas, 1, { components: [], strict: false });
    expect(quotas.entries).toEqual([
      {
        entity: [{ entityType: 'client-id', entityName: null }],
        values: [{ key: 'consumer_byte_rate', value: 12.5 }],
      },
    ]);
    const { topics } = await carol.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name: 'three' }] });
    expect(topics[0]?.partitions).toHaveLength(3);
    const creation = {
      resourceType: 2,
      resourceName: 'three',
      resourcePatternType: 3,
      principal: 'User:alice',
      host: '127.0.0.1',
      operation: 8,
      permissionType: 3,
    };
    await carol.call(Apis.createAcls, 3, { creations: [creation] });
    await broker.restart({ 'kafka.security.authorization': 'acl' });
    const alice = await loggedIn();
    const seen = await alice.call(Apis.metadata, 12, { topics: null });
    expect(seen.topics.map(({ name }) => name)).toEqual(['three']);
  });
});
