/** Logging in, access control lists and quotas, as kafkajs meets them at a whole node. */
import { createHmac } from 'node:crypto';
import type { Admin, Kafka, KafkaConfig } from 'kafkajs';
import * as kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const secret = 'k'.repeat(40);
const users = [
  { name: 'admin', password: 'admin-secret' },
  { name: 'alice', password: 'alice-secret' },
];

const jwt = (claims: object): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};

let broker: KafkaNode;
const open: { disconnect(): Promise<void> }[] = [];

function client(sasl: KafkaConfig['sasl']): Kafka {
  return broker.client({ ...(sasl === undefined ? {} : { sasl }), retry: { retries: 0 } });
}
const as = (username: string, mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' = 'plain'): Kafka =>
  client({ mechanism, username, password: `${username}-secret` } as KafkaConfig['sasl']);

async function adminOf(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin();
  await admin.connect();
  open.push(admin);
  return admin;
}

beforeAll(async () => {
  broker = await startKafkaNode({
    'kafka.security.authentication': 'sasl',
    'kafka.security.authorization': 'acl',
    'kafka.security.users': JSON.stringify(users),
    'kafka.security.superUsers': JSON.stringify(['User:admin']),
    'kafka.security.oauth.keys': JSON.stringify([{ algorithm: 'HS256', secret }]),
    'kafka.security.failureDelay': 0,
  });
});
afterAll(async () => {
  for (const each of open) await each.disconnect();
  await broker.stop();
});

describe('kafkajs logs in', () => {
  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('by %s', async (mechanism) => {
    const admin = await adminOf(as('admin', mechanism));
    expect(await admin.listTopics()).toEqual([]);
  });

  test('by a token', async () => {
    const value = jwt({ sub: 'admin', exp: Date.now() / 1000 + 60 });
    const admin = await adminOf(
      client({ mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value }) }),
    );
    expect((await admin.describeCluster()).brokers).toHaveLength(1);
  });

  test.each([
    ['a wrong password', { mechanism: 'plain', username: 'admin', password: 'alice-secret' }],
    ['a wrong password', { mechanism: 'scram-sha-256', username: 'admin', password: 'alice-secret' }],
    ['nobody we know', { mechanism: 'scram-sha-512', username: 'eve', password: 'alice-secret' }],
    ['nobody we know', { mechanism: 'plain', username: 'eve', password: 'alice-secret' }],
  ] as const)('not with %s: %j', async (_what, sasl) => {
    await expect(client(sasl).admin().connect()).rejects.toThrow(/authentication failed|SASL/i);
  });

  test('not with a token that has ended, or that somebody else signed', async () => {
    for (const value of [
      jwt({ sub: 'admin', exp: 1 }),
      `${jwt({ sub: 'admin', exp: 1e10 }).slice(0, -4)}AAAA`,
    ]) {
      const kafka = client({ mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value }) });
      // It takes the refusal for a challenge, and learns the truth with its first request, as it does from Kafka.
      const admin = await adminOf(kafka);
      await expect(admin.listTopics()).rejects.toThrow();
    }
  });

  test('or gets nowhere', async () => {
    const admin = await adminOf(client(undefined));
    await expect(admin.listTopics()).rejects.toThrow();
  });
});

describe('access control lists', () => {
  const rule = (operation: number, resourceType: number, resourceName: string) => ({
    resourceType,
    resourceName,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:alice',
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
  });

  test('keep who is not named from topics and groups, and let in who is', async () => {
    const admin = await adminOf(as('admin'));
    await admin.createTopics({ topics: [{ topic: 'ledger' }] });
    const alice = as('alice');
    const producer = alice.producer({ retry: { retries: 0 } });
    await producer.connect();
    open.push(producer);
    const send = () => producer.send({ topic: 'ledger', messages: [{ value: 'v' }] });

    await expect(send()).rejects.toThrow(/authorized/i);
    const acl = { acl: [rule(AclOperationTypes.WRITE, AclResourceTypes.TOPIC, 'ledger')] };
    await admin.createAcls(acl);
    expect(await send()).toMatchObject([{ topicName: 'ledger', errorCode: 0 }]);

    const consume = async (groupId: string): Promise<string> => {
      const consumer = alice.consumer({
        groupId,
        retry: { retries: 0, restartOnFailure: async () => false },
      });
      try {
        await consumer.connect();
        await consumer.subscribe({ topic: 'ledger', fromBeginning: true });
        return await new Promise<string>((resolve, reject) => {
          consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
          consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) }).catch(reject);
        });
      } finally {
        await consumer.disconnect();
      }
    };
    // Who may not see a group is not told where it is.
    await expect(consume('readers')).rejects.toThrow(/coordinator/i);
    await admin.createAcls({ acl: [rule(AclOperationTypes.READ, AclResourceTypes.GROUP, 'readers')] });
    await admin.createAcls({ acl: [rule(AclOperationTypes.READ, AclResourceTypes.TOPIC, 'ledger')] });
    expect(await consume('readers')).toBe('v');

    const all = {
      resourceType: AclResourceTypes.ANY,
      resourcePatternType: ResourcePatternTypes.ANY,
      operation: AclOperationTypes.ANY,
      permissionType: AclPermissionTypes.ANY,
    };
    expect((await admin.describeAcls({ ...all, principal: 'User:alice' })).resources).toHaveLength(2);
    await admin.deleteAcls({ filters: [{ ...all, operation: AclOperationTypes.WRITE }] });
    await expect(send()).rejects.toThrow(/authorized/i);
    const own = await adminOf(alice);
    await expect(own.createAcls(acl)).rejects.toThrow(/authorization/i);
    await expect(own.createTopics({ topics: [{ topic: 'mine' }] })).rejects.toThrow();
  });
});
