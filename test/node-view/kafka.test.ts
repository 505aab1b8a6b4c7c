import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../src/node-view/kafka-requests.ts';
import { ZERO_UUID } from '../../src/protocols/kafka/schema/fields.ts';
import { name, startViewed, type ViewedNode } from './support.ts';

let node: ViewedNode;

beforeEach(async () => {
  node = await startViewed({
    'storage.engine': 'memory',
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
  });
});
afterEach(() => node.stop());

async function produce(topic: string, partition: number, timestamps: readonly number[]): Promise<void> {
  const address = node.node.listeners.find((each) => each.name === 'kafka')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
  const kafka = new Kafka({ brokers: [`127.0.0.1:${address.port}`], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  for (const ms of timestamps) {
    await producer.send({ topic, messages: [{ partition, value: 'x', timestamp: String(ms) }] });
  }
  await producer.disconnect();
}

async function commit(groupId: string, topic: string, offsets: readonly number[]): Promise<void> {
  const kafka = node.node.kafka?.context;
  if (kafka === undefined) throw new Error('no Kafka');
  await ask(kafka, 'offsetCommit', 9, {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [
      {
        name: topic,
        topicId: ZERO_UUID,
        partitions: offsets.map((committedOffset, partitionIndex) => ({
          partitionIndex,
          committedOffset,
          committedLeaderEpoch: -1,
          commitTimestamp: -1,
          committedMetadata: '',
        })),
      },
    ],
  });
}

describe('topics', () => {
  it('are made, shown, changed, grown and deleted, and only tried where that was asked', async () => {
    const make = (body: object) => node.post('/topics', { name: 'orders', ...body });
    expect((await make({ partitions: 2, dryRun: true })).body).toEqual({ name: 'orders', isDone: false });
    expect((await node.get('/topics/orders')).status).toBe(404);
    expect(await make({ partitions: 2, configs: ['retention.ms=60000'] })).toMatchObject({ status: 201 });
    expect(await make({})).toMatchObject({ status: 409, body: { type: expect.stringContaining('exists') } });
    const shown = (await node.get('/topics/orders')).body;
    expect(shown).toMatchObject({
      name: 'orders',
      partitions: 2,
      records: 0,
      isStream: false,
      partitionDetails: [{ partition: 0, startOffset: 0, endOffset: 0 }, { partition: 1 }],
    });
    expect(shown.configs).toContainEqual({ name: 'retention.ms', value: '60000', isDefault: false });
    const change = (body: unknown) => node.patch('/topics/orders', body);
    expect((await change({ partitions: 3, configs: ['retention.ms=x'] })).status).toBe(400);
    expect((await change({ partitions: 1, configs: ['retention.ms=1'] })).status).toBe(400);
    expect((await node.get('/topics/orders')).body).toEqual(shown);
    expect((await change({})).status).toBe(400);
    expect((await change({ configs: ['no equals sign'] })).status).toBe(400);
    expect((await change({ partitions: 3, unset: ['retention.ms'] })).body).toEqual({
      name: 'orders',
      isDone: true,
    });
    const { partitions, configs } = (await node.get('/topics/orders')).body;
    expect(partitions).toBe(3);
    expect(configs).toContainEqual(expect.objectContaining({ name: 'retention.ms', isDefault: true }));
    expect((await node.remove('/topics/orders')).body).toEqual({ removed: 1 });
    expect((await node.remove('/topics/orders')).status).toBe(404);
  });

  it('are listed in order with the streams, which cannot be changed here', async () => {
    for (const each of ['b', 'a', 'c']) await node.post('/topics', { name: each, partitions: 1 });
    const names = async (query: string): Promise<unknown[]> =>
      (await node.all(`/topics${query}`, 2)).map((each) => each.name);
    expect(await names('')).toEqual(['a', 'audit', 'b', 'c', 'telemetry']);
    expect(await names('?prefix=a')).toEqual(['a', 'audit']);
    expect((await node.get('/topics/telemetry')).body).toMatchObject({ isStream: true, partitions: 3 });
    for (const { status, body } of [
      await node.patch('/topics/telemetry', { partitions: 9 }),
      await node.remove('/topics/telemetry'),
    ]) {
      expect([status, body.type]).toEqual([409, 'urn:robustmq:problem:policy-violation']);
    }
  });

  it('of hostile names are refused', async () => {
    for (const each of ['', '..', 'a/b', 'ä', 'a\n', '\u001b[31m', 'x'.repeat(300), '__proto__x y']) {
      expect([each, (await node.post('/topics', { name: each })).status]).toEqual([each, 400]);
      expect((await node.get(`/topics/${name(each || '%')}`)).status).toBe(404);
    }
    expect((await node.post('/topics', { name: 'x', configs: ['__proto__=1'] })).status).toBe(400);
    expect((await node.post('/topics', { name: 'x', partitions: 65_537 })).status).toBe(400);
  });
});

describe('groups', () => {
  beforeEach(async () => {
    await node.post('/topics', { name: 'orders', partitions: 2 });
    await produce('orders', 0, [1000, 2000, 3000, 4000]);
    await produce('orders', 1, [1500]);
    await commit('billing', 'orders', [2, 1]);
  });

  it('are listed, shown with their lag, and deleted', async () => {
    await commit('archive', 'orders', [0]);
    expect(await node.all('/groups', 1)).toEqual([
      { group: 'archive', tenant: null, kind: 'classic', state: 'Empty', members: 0 },
      { group: 'billing', tenant: null, kind: 'classic', state: 'Empty', members: 0 },
    ]);
    expect((await node.get('/groups/billing')).body).toEqual({
      group: 'billing',
      tenant: null,
      kind: 'classic',
      state: 'Empty',
      members: 0,
      lag: 2,
      memberDetails: [],
      offsets: [
        { topic: 'orders', partition: 0, offset: 2, endOffset: 4, lag: 2 },
        { topic: 'orders', partition: 1, offset: 1, endOffset: 1, lag: 0 },
      ],
    });
    await commit('acme\0billing', 'orders', [1, 0]);
    expect((await node.all('/groups?prefix=b', 5)).map(({ group, tenant }) => [group, tenant])).toEqual([
      ['billing', 'acme'],
      ['billing', null],
    ]);
    expect((await node.get('/groups/billing?tenant=acme')).body).toMatchObject({
      group: 'billing',
      tenant: 'acme',
      lag: 4,
    });
    for (const other of ['beta', 'No']) {
      expect((await node.get(`/groups/billing?tenant=${other}`)).status).toBe(404);
    }
    const reset = await node.post('/groups/billing:reset?tenant=acme', { to: 'latest' });
    expect(reset.body).toMatchObject({
      isDone: true,
      moves: [
        { from: 1, to: 4 },
        { from: 0, to: 1 },
      ],
    });
    expect((await node.remove('/groups/billing?tenant=acme')).body).toEqual({ removed: 1 });
    expect((await node.get('/groups/billing')).body).toMatchObject({ tenant: null, lag: 2 });
    expect((await node.remove('/groups/archive')).body).toEqual({ removed: 1 });
    expect((await node.remove('/groups/archive')).status).toBe(404);
    expect((await node.all('/groups?prefix=b', 5)).map(({ group }) => group)).toEqual(['billing']);
  });

  it.each([
    ['earliest', [0, 0]],
    ['latest', [4, 1]],
    ['3', [3, 1]],
    ['+1', [3, 1]],
    ['-1', [1, 0]],
    ['-100', [0, 0]],
    ['@1500', [1, 0]],
    ['@1970-01-01T00:00:03Z', [2, 1]],
    ['@9999', [4, 1]],
  ])('are moved to %s, and only shown it where that was asked', async (to, expected) => {
    const before = (await node.get('/groups/billing')).body;
    const dry = (await node.post('/groups/billing:reset', { to, dryRun: true })).body;
    const moves = expected.map((offset, partition) => ({
      topic: 'orders',
      partition,
      from: [2, 1][partition],
      to: offset,
    }));
    expect(dry).toEqual({ isDone: false, moves });
    expect((await node.get('/groups/billing')).body).toEqual(before);
    expect((await node.post('/groups/billing:reset', { to })).body).toEqual({ isDone: true, moves });
    const { offsets } = (await node.get('/groups/billing')).body as { offsets: { offset: number }[] };
    expect(offsets.map(({ offset }) => offset)).toEqual(expected);
  });

  it('refuse what is no place, no topic, no group', async () => {
    const reset = (group: string, body: unknown) => node.post(`/groups/${group}:reset`, body);
    for (const to of ['', 'first', '1.5', '+', '@', '@yesterday', '@-1', `${2 ** 60}0`]) {
      expect([to, (await reset('billing', { to })).status]).toEqual([to, 400]);
    }
    expect((await reset('billing', { to: 'latest', topics: ['none'] })).status).toBe(404);
    expect((await reset('none', { to: 'latest' })).status).toBe(404);
    expect((await reset('billing', { to: 'earliest', topics: ['orders'] })).body.moves).toHaveLength(2);
  });
});

describe('without Kafka', () => {
  it('says that it is not served', async () => {
    await node.stop();
    node = await startViewed({ 'storage.engine': 'memory' });
    expect((await node.get('/topics')).body.type).toBe('urn:robustmq:problem:kafka-disabled');
    expect((await node.get('/groups/x')).status).toBe(409);
    expect((await node.get('/clients')).status).toBe(200);
  });
});
