/** Topics and partitions of a tenant are limited, by whatever way they would come. */
import { afterEach, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import type { KafkaClient } from '../../support/kafka-client.ts';
import { type SecurityBench, securityBench } from './security-bench.ts';

const { NONE, POLICY_VIOLATION } = ErrorCode;
let bench: SecurityBench | undefined;
afterEach(async () => {
  await bench?.stop();
  bench = undefined;
});

async function start(settings: Readonly<Record<string, string | number>> = {}): Promise<SecurityBench> {
  const rules = [{ effect: 'allow', actions: ['publish', 'subscribe', 'manage'], filters: ['#'] }];
  bench = await securityBench({
    'authorization.rules': JSON.stringify(rules),
    'tenants.limits.maxTopics': 3,
    'tenants.limits.maxPartitions': 6,
    'kafka.autoCreateTopics': true,
    ...settings,
  });
  for (const [user, tenant] of [
    ['ann', 'acme'],
    ['bea', 'beta'],
    ['ned', ''],
  ] as const) {
    await bench.user(user, { tenant, isSuperuser: true });
  }
  return bench;
}

async function make(client: KafkaClient, name: string, numPartitions = 1, validateOnly = false) {
  const request = {
    topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 1000,
    validateOnly,
  };
  const { topics } = await client.call(Apis.createTopics, 7, request);
  return topics[0];
}

async function grow(client: KafkaClient, name: string, count: number, validateOnly = false) {
  const request = { topics: [{ name, count, assignments: null }], timeoutMs: 1000, validateOnly };
  const { results } = await client.call(Apis.createPartitions, 3, request);
  return results[0];
}

async function touch(client: KafkaClient, name: string) {
  const request = {
    topics: [{ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    allowAutoTopicCreation: true,
    includeTopicAuthorizedOperations: false,
  };
  const { topics } = await client.call(Apis.metadata, 12, request as never);
  return topics[0]?.errorCode;
}

const remove = (client: KafkaClient, name: string) =>
  client.call(Apis.deleteTopics, 6, {
    topics: [{ name, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    topicNames: [],
    timeoutMs: 1000,
  } as never);

const ofAcme = ({ broker }: SecurityBench) => {
  const { tenants } = broker.node.security.guard;
  return [tenants.used('acme', 'topics'), tenants.used('acme', 'partitions')];
};

test('item 24: topics by CreateTopics and by being named, partitions by CreateTopics and CreatePartitions', async () => {
  const own = await start({ 'kafka.numPartitions': 1 });
  const ann = await own.as('ann');
  expect(await make(ann, 'a', 7)).toMatchObject({
    errorCode: POLICY_VIOLATION,
    errorMessage: expect.stringMatching(/as many partitions as its tenant may have/),
  });
  expect(ofAcme(own)).toEqual([0, 0]);
  expect((await make(ann, 'a', 3))?.errorCode).toBe(NONE);
  expect(await touch(ann, 'b')).toBe(NONE);
  expect((await grow(ann, 'b', 4, true))?.errorCode).toBe(POLICY_VIOLATION);
  expect((await grow(ann, 'b', 4))?.errorCode).toBe(POLICY_VIOLATION);
  expect((await grow(ann, 'b', 2))?.errorCode).toBe(NONE);
  expect((await make(ann, 'c', 1, true))?.errorCode).toBe(NONE);
  expect((await make(ann, 'c', 2, true))?.errorCode).toBe(POLICY_VIOLATION);
  expect((await make(ann, 'c'))?.errorCode).toBe(NONE);
  expect(ofAcme(own)).toEqual([3, 6]);
  expect(await make(ann, 'd')).toMatchObject({
    errorCode: POLICY_VIOLATION,
    errorMessage: expect.stringMatching(/as many topics as its tenant may have/),
  });
  expect((await make(ann, 'd', 1, true))?.errorCode).toBe(POLICY_VIOLATION);
  expect(await touch(ann, 'd')).toBe(POLICY_VIOLATION);
  // Others have limits of their own, and who has no tenant has none.
  expect((await make(await own.as('bea'), 'a', 6))?.errorCode).toBe(NONE);
  expect((await make(await own.as('ned'), 'a', 60))?.errorCode).toBe(NONE);
  await remove(ann, 'a');
  expect(ofAcme(own)).toEqual([2, 3]);
  expect((await make(ann, 'd', 3))?.errorCode).toBe(NONE);
  expect(own.broker.node.security.guard.tenants.countsOf('acme')?.refused).toMatchObject({
    topics: 2,
    partitions: 2,
  });
});

test('many at once get no more than there may be, and what was made counts after a restart', async () => {
  const own = await start({ 'storage.engine': 'files' });
  const ann = await own.as('ann');
  const topics = Array.from({ length: 9 }, (_, i) => ({
    name: `t${i}`,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }));
  const made = await ann.call(Apis.createTopics, 7, { topics, timeoutMs: 1000, validateOnly: false });
  expect(made.topics.filter(({ errorCode }) => errorCode === NONE)).toHaveLength(3);
  expect(ofAcme(own)).toEqual([3, 3]);
  const [{ name } = { name: '' }] = made.topics.filter(({ errorCode }) => errorCode === NONE);
  const grown = await Promise.all([grow(ann, name, 4), grow(await own.as('ann'), name, 4)]);
  expect(grown.map((each) => each?.errorCode)).toContain(NONE);
  expect(ofAcme(own)).toEqual([3, 6]);
  await own.broker.restart();
  expect(ofAcme(own)).toEqual([3, 6]);
  expect((await make(await own.as('ann'), 'more'))?.errorCode).toBe(POLICY_VIOLATION);
});
