/** Tenants on one broker, and clients without one: the same names everywhere, and nobody sees what is another's. */
import { type Admin, type Consumer, type Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { create, passwordOf, produce, read, type SecurityBench, securityBench } from './security-bench.ts';

const rules = [
  { effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'], clients: 'named' },
];
const WORLDS = { ann: 'acme', bea: 'beta', ned: '' } as const;
type User = keyof typeof WORLDS;
const users = Object.keys(WORLDS) as User[];

let bench: SecurityBench;
beforeAll(async () => {
  bench = await securityBench({ 'authorization.rules': JSON.stringify(rules) });
  for (const user of users) await bench.user(user, { tenant: WORLDS[user], isSuperuser: user !== 'ned' });
});
afterAll(() => bench.stop());

const clientOf = (user: User): Kafka =>
  bench.broker.client({
    sasl: { mechanism: 'plain', username: user, password: passwordOf(user) },
    logLevel: logLevel.NOTHING,
  });

async function administer<T>(user: User, run: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = clientOf(user).admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}

async function consumed(consumer: Consumer, topic: string | RegExp, count: number): Promise<string[]> {
  const found: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({
      topic: from,
      message,
    }: {
      topic: string;
      message: { value: Buffer | null };
    }) => {
      found.push(`${from}: ${message.value}`);
      if (found.length >= count) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  return found.toSorted();
}

test('the same topic and the same group are three, for kafkajs', async () => {
  for (const user of users) {
    const isMade = await administer(user, (admin) =>
      admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 2 }] }),
    );
    expect([user, isMade]).toEqual([user, true]);
    const producer = clientOf(user).producer();
    await producer.connect();
    await producer.send({
      topic: 'orders',
      messages: [1, 2].map((i) => ({ value: `${user}${i}`, partition: 0 })),
    });
    await producer.disconnect();
  }
  const seen = users.map(async (user) => {
    const consumer = clientOf(user).consumer({ groupId: 'workers', maxWaitTimeInMs: 50 });
    expect(await consumed(consumer, 'orders', 2)).toEqual([`orders: ${user}1`, `orders: ${user}2`]);
    await administer(user, async (admin) => {
      // Kafka's own are of no tenant.
      const own = WORLDS[user] === '' ? ['__consumer_offsets'] : [];
      expect((await admin.listTopics()).toSorted()).toEqual([...own, 'orders']);
      expect((await admin.listGroups()).groups.map(({ groupId }) => groupId)).toEqual(['workers']);
      const { groups } = await admin.describeGroups(['workers']);
      expect(groups[0]).toMatchObject({ groupId: 'workers', state: 'Stable', protocolType: 'consumer' });
      expect(groups[0]?.members).toHaveLength(1);
    });
    await consumer.disconnect();
    const offsets = await administer(user, (admin) => admin.fetchOffsets({ groupId: 'workers' }));
    expect(offsets.map(({ topic }) => topic)).toEqual(['orders']);
  });
  await Promise.all(seen);
});

test('what tenants produce and read is counted under their labels', () => {
  const counts = bench.broker.node.security.guard.tenants.counts();
  expect([...counts.keys()].toSorted()).toEqual(['acme', 'beta']);
  for (const each of counts.values()) {
    expect(each.messagesReceived.kafka).toBe(2);
    expect(each.messagesSent.kafka).toBeGreaterThanOrEqual(2);
  }
});

test('patterns see the topics of their tenant alone', async () => {
  await administer('ann', (admin) => admin.createTopics({ topics: [{ topic: 'orders-late' }] }));
  const consumer = clientOf('bea').consumer({ groupId: 'by-pattern', maxWaitTimeInMs: 50 });
  expect(await consumed(consumer, /orders.*/, 2)).toEqual(['orders: bea1', 'orders: bea2']);
  await consumer.disconnect();
});

test('transactions of the same id do not fence each other', async () => {
  const open = [];
  for (const user of users) {
    const producer = clientOf(user).producer({
      transactionalId: 'tx',
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic: 'orders', messages: [{ value: `${user} in tx`, partition: 1 }] });
    open.push({ producer, transaction });
  }
  for (const user of users) {
    const client = await bench.as(user);
    const listed = await client.call(Apis.listTransactions, 2, {
      stateFilters: [],
      producerIdFilters: [],
      durationFilter: -1,
      transactionalIdPattern: '^tx$',
    });
    expect(listed.transactionStates.map(({ transactionalId }) => transactionalId)).toEqual(['tx']);
    const described = await client.call(Apis.describeTransactions, 0, { transactionalIds: ['tx'] });
    expect(described.transactionStates).toMatchObject([
      { errorCode: 0, transactionalId: 'tx', topics: [{ topic: 'orders', partitions: [1] }] },
    ]);
  }
  for (const { transaction } of open) await transaction.commit();
  for (const { producer } of open) await producer.disconnect();
  for (const user of users) {
    const ends = await administer(user, (admin) => admin.fetchTopicOffsets('orders'));
    expect(ends.map(({ high }) => high).toSorted()).toEqual(['2', '2']);
  }
});

describe('a topic of another', () => {
  const idOf = async (user: User, name: string): Promise<string> => {
    const client = await bench.as(user);
    const { topics } = await client.call(Apis.metadata, 12, {
      topics: [{ name }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    });
    return topics[0]?.topicId ?? '';
  };

  test.each([
    ['ned', 'ann'],
    ['ann', 'ned'],
    ['ann', 'bea'],
  ] as const)('of %s is unknown by its id to %s', async (owner, other) => {
    const topicId = await idOf(owner, 'orders');
    expect(topicId).not.toBe(await idOf(other, 'orders'));
    const client = await bench.as(other);
    const byId = { topics: [{ topicId, name: null }], allowAutoTopicCreation: false };
    const found = await client.call(Apis.metadata, 12, { ...byId, includeTopicAuthorizedOperations: false });
    expect(found.topics).toMatchObject([{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId }]);
    const fetched = await client.call(Apis.fetch, 13, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1000,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
      forgottenTopicsData: [],
    });
    expect(fetched.responses).toMatchObject([
      { topicId, partitions: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }] },
    ]);
    const produced = await client.call(Apis.produce, 13, {
      acks: 1,
      timeoutMs: 1000,
      topicData: [{ topicId, partitionData: [{ index: 0, records: null }] }],
    });
    expect(produced.responses).toMatchObject([
      { topicId, partitionResponses: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }] },
    ]);
    const deleted = await client.call(Apis.deleteTopics, 6, {
      topics: [{ name: null, topicId }],
      timeoutMs: 1,
    });
    expect(deleted.responses).toMatchObject([{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID, topicId }]);
    const committed = await client.call(Apis.offsetCommit, 10, {
      groupId: 'x',
      memberId: '',
      topics: [{ topicId, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] }],
    });
    expect(committed.topics).toMatchObject([
      { topicId, partitions: [{ errorCode: ErrorCode.UNKNOWN_TOPIC_ID }] },
    ]);
  });

  test('cannot be spelled: by name, group or transactional id', async () => {
    for (const user of ['ned', 'bea'] as const) {
      const client = await bench.as(user);
      const name = '$tenant.acme.orders';
      expect(await create(client, name)).not.toContain(0);
      expect(await produce(client, name)).not.toBe(0);
      expect((await read(client, name)).errorCode).not.toBe(0);
      const deleted = await client.call(Apis.deleteTopics, 5, {
        topics: [],
        topicNames: [name],
        timeoutMs: 1,
      });
      expect(deleted.responses).toMatchObject([{ name }]);
      expect(deleted.responses[0]?.errorCode).not.toBe(0);
      const { groups } = await client.call(Apis.describeGroups, 5, {
        groups: ['acme\0workers'],
        includeAuthorizedOperations: false,
      });
      expect(groups).toMatchObject([{ groupId: 'acme\0workers', members: [] }]);
      const gone = await client.call(Apis.deleteGroups, 2, { groupsNames: ['acme\0workers'] });
      expect(gone.results[0]?.errorCode).not.toBe(0);
    }
    expect(await administer('ann', (admin) => admin.listTopics())).toContain('orders');
  });
});

test('deleting by id names the id that has just gone', async () => {
  const client = await bench.as('ann');
  const [topic] = (
    await client.call(Apis.createTopics, 7, {
      topics: [{ name: 'short-lived', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1000,
      validateOnly: false,
    })
  ).topics;
  expect(topic).toMatchObject({ errorCode: 0, name: 'short-lived' });
  const topicId = topic?.topicId ?? '';
  const { responses } = await client.call(Apis.deleteTopics, 6, {
    topics: [{ name: null, topicId }],
    timeoutMs: 1000,
  });
  expect(responses).toMatchObject([{ errorCode: 0, name: 'short-lived', topicId }]);
});

test('errors name what the client names, and names have the length that they always may have', async () => {
  const client = await bench.as('ann');
  const make = async (name: string) =>
    (
      await client.call(Apis.createTopics, 7, {
        topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
        timeoutMs: 1000,
        validateOnly: false,
      })
    ).topics[0];
  expect(await make('orders')).toMatchObject({
    name: 'orders',
    errorCode: ErrorCode.TOPIC_ALREADY_EXISTS,
    errorMessage: 'there is a topic orders already',
  });
  expect(await make('n'.repeat(249))).toMatchObject({ errorCode: 0 });
  expect((await make('n'.repeat(250)))?.errorMessage).toContain('250 characters');
  expect(await make('')).toMatchObject({ errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, name: '' });
  expect(await make('__consumer_offsets')).toMatchObject({ errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED });
});

describe('administration of a tenant', () => {
  test('changes nothing of the node, and does not see how it is made', async () => {
    const client = await bench.as('ann');
    const broker = { resourceType: 4, resourceName: '1' };
    const described = await client.call(Apis.describeConfigs, 4, {
      resources: [{ ...broker, configurationKeys: null }],
      includeSynonyms: false,
      includeDocumentation: false,
    });
    expect(described.results).toMatchObject([
      { errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, configs: [] },
    ]);
    const altered = await client.call(Apis.incrementalAlterConfigs, 1, {
      resources: [{ ...broker, configs: [{ name: 'num.partitions', configOperation: 0, value: '9' }] }],
      validateOnly: false,
    });
    expect(altered.responses).toMatchObject([{ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED }]);
    const dirs = await client.call(Apis.describeLogDirs, 4, { topics: null });
    expect(dirs.results).toMatchObject([{ logDir: 'memory', totalBytes: -1, usableBytes: -1 }]);
    const names = dirs.results[0]?.topics.map(({ name }) => name).toSorted();
    expect(names).toEqual((await administer('ann', (admin) => admin.listTopics())).toSorted());
    const listed = await client.call(Apis.listConfigResources, 1, { resourceTypes: [] });
    expect(new Set(listed.configResources.map(({ resourceType }) => resourceType))).toEqual(new Set([2]));
  });

  test('sets topics and groups of the tenant', async () => {
    const client = await bench.as('ann');
    const alter = async (resourceType: number, name: string, value: string) =>
      (
        await client.call(Apis.incrementalAlterConfigs, 1, {
          resources: [
            { resourceType, resourceName: 'orders', configs: [{ name, configOperation: 0, value }] },
          ],
          validateOnly: false,
        })
      ).responses[0];
    expect(await alter(2, 'retention.ms', '1000')).toMatchObject({ errorCode: 0, resourceName: 'orders' });
    expect(await alter(32, 'share.session.timeout.ms', '50000')).toMatchObject({ errorCode: 0 });
    for (const [user, value] of [
      ['ann', '1000'],
      ['bea', '604800000'],
      ['ned', '604800000'],
    ] as const) {
      const { resources } = await administer(user, (admin) =>
        admin.describeConfigs({
          resources: [{ type: 2, name: 'orders', configNames: ['retention.ms'] }],
          includeSynonyms: false,
        }),
      );
      expect(resources[0]?.configEntries[0]?.configValue).toBe(value);
    }
  });

  test('makes users of the tenant, who are nobody to others, and cannot have a name twice', async () => {
    const upsert = (name: string) => ({
      name,
      mechanism: 1,
      iterations: 4096,
      salt: Buffer.alloc(16, 1),
      saltedPassword: Buffer.alloc(32, 2),
    });
    const ann = await bench.as('ann');
    const bea = await bench.as('bea');
    const make = (client: typeof ann, name: string) =>
      client.call(Apis.alterUserScramCredentials, 0, { deletions: [], upsertions: [upsert(name)] });
    expect((await make(ann, 'intern')).results).toMatchObject([{ user: 'intern', errorCode: 0 }]);
    expect((await make(bea, 'intern')).results[0]?.errorCode).toBe(ErrorCode.UNACCEPTABLE_CREDENTIAL);
    expect((await make(bea, 'ned')).results[0]?.errorCode).toBe(ErrorCode.UNACCEPTABLE_CREDENTIAL);
    expect(bench.broker.node.security.users.get('intern')?.tenant).toBe('acme');
    const seen = async (client: typeof ann) =>
      (await client.call(Apis.describeUserScramCredentials, 0, { users: null })).results.map(
        ({ user }) => user,
      );
    expect(await seen(ann)).toEqual(['intern']);
    expect(await seen(bea)).toEqual([]);
    const deletions = [{ name: 'intern', mechanism: 1 }];
    const remove = (client: typeof ann) =>
      client.call(Apis.alterUserScramCredentials, 0, { deletions, upsertions: [] });
    expect((await remove(bea)).results[0]?.errorCode).toBe(ErrorCode.UNACCEPTABLE_CREDENTIAL);
    expect((await remove(ann)).results[0]?.errorCode).toBe(0);
    expect(bench.broker.node.security.users.get('intern')).toBeUndefined();
  });

  test('sets quotas for the clients of the tenant', async () => {
    const set = async (user: User, entityType: string, entityName: string | null) =>
      (
        await (
          await bench.as(user)
        ).call(Apis.alterClientQuotas, 1, {
          entries: [
            {
              entity: [{ entityType, entityName }],
              ops: [
                {
                  key: entityType === 'ip' ? 'connection_creation_rate' : 'producer_byte_rate',
                  value: 1e6,
                  remove: false,
                },
              ],
            },
          ],
          validateOnly: false,
        })
      ).entries[0];
    expect(await set('ann', 'client-id', 'app')).toMatchObject({ errorCode: 0 });
    expect(await set('ann', 'ip', '10.0.0.1')).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
    const seen = async (user: User) =>
      (
        await (
          await bench.as(user)
        ).call(Apis.describeClientQuotas, 1, {
          components: [{ entityType: 'client-id', matchType: 2, match: null }],
          strict: true,
        })
      ).entries?.map(({ entity }) => entity);
    expect(await seen('ann')).toEqual([[{ entityType: 'client-id', entityName: 'app' }]]);
    expect(await seen('bea')).toEqual([]);
  });

  test("is in the audit log as the tenant's, with the names that it used", async () => {
    const noted = bench.lines
      .filter((line) => line.includes('kafka.createTopics'))
      .map((line) => (JSON.parse(line) as { readonly audit: Readonly<Record<string, unknown>> }).audit);
    expect(noted.length).toBeGreaterThan(0);
    expect(noted).toContainEqual(expect.objectContaining({ user: 'ann', tenant: 'acme', result: 'ok' }));
    const own = noted.filter(({ tenant }) => tenant === 'acme');
    expect(JSON.stringify(own)).not.toContain('$tenant.acme');
  });
});
