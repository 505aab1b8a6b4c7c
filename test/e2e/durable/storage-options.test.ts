/** Options of storage and of policies, each by what a client sees of it. */
import { expect, test } from 'vitest';
import type { Streams } from '../../../src/kernel/streams/streams.ts';
import { P } from '../../support/wire.ts';
import { type DurableBroker, publisherOf, startDurable, take } from './broker.ts';

const QUOTA_EXCEEDED = 0x97;

async function away(broker: DurableBroker, filter = '#', clientId = 'away'): Promise<void> {
  const client = await broker.connect({ clientId });
  await client.subscribe([{ filter, qos: 1 }]);
  await client.disconnect();
}

async function reasons(broker: DurableBroker, topic: string, payloads: readonly string[]): Promise<number[]> {
  const publisher = await publisherOf(broker);
  return Promise.all(payloads.map((payload) => publisher.publish({ topic, payload, qos: 1 })));
}

const many = (count: number, bytes: number): string[] =>
  Array.from({ length: count }, (_, i) => `${i}`.padEnd(bytes, '.'));

test('storage.maxPendingSize: more than may wait at once is taken all the same, later or one by one', async () => {
  const settings = {
    'storage.maxPendingSize': '1MiB',
    'storage.durability': 'sync',
    'mqtt.maxPacketSize': '3MiB',
    'mqtt.maxHeldSize': '4MiB',
    'mqtt.queue.maxSize': '64MiB',
  };
  const yaml = 'streams: [{ name: s, capture: ["#"] }, { name: m, capture: ["#"], storage: memory }]';
  const broker = await startDurable({ settings, yaml });
  await away(broker);
  expect(await reasons(broker, 't/large', many(1, 2_500_000))).toEqual([0]);
  const publishers = await Promise.all(
    Array.from({ length: 24 }, (_, i) => publisherOf(broker, `publisher ${i}`)),
  );
  const answers = await Promise.all(
    publishers.map((publisher) =>
      publisher.publish({ topic: 't/many', payload: 'x'.repeat(60_000), qos: 1 }),
    ),
  );
  expect(answers.every((reason) => reason === 0 || reason === QUOTA_EXCEEDED)).toBe(true);
  expect(await reasons(broker, 't/later', ['x'])).toEqual([0]);
  expect(broker.node.mqtt.context.durable.log.refusal()).toBe(undefined);
  await broker.restart('crash');
  const back = await broker.connect({ clientId: 'away' });
  const got = await take(back, 2 + answers.filter((reason) => reason === 0).length);
  expect([got[0]?.length, got.at(-1)]).toEqual([2_500_000, 'x']);
});

test('storage.messages: at either bound new messages are refused, and taken again when some are settled', async () => {
  for (const [settings, bytes, bound] of [
    [{ 'storage.messages.maxMessages': 1000 }, 1, 1000],
    [{ 'storage.messages.maxSize': '1MiB' }, 20_000, 52],
  ] as const) {
    const broker = await startDurable({ settings: { ...settings, 'mqtt.queue.maxMessages': 5000 } });
    await away(broker);
    const answers = await reasons(broker, 't', many(bound + 20, bytes));
    const taken = answers.filter((reason) => reason === 0).length;
    expect(taken).toBe(bound);
    expect(answers.slice(taken).every((reason) => reason === QUOTA_EXCEEDED)).toBe(true);
    const back = await broker.connect({ clientId: 'away' });
    await take(back, taken);
    expect(await reasons(broker, 't', ['x'])).toEqual([0]);
    await broker.stop();
  }
});

test('storage.watermarkSize: publishers are refused below it, readers and settlements go on (item 27)', async () => {
  const broker = await startDurable();
  await away(broker);
  await reasons(broker, 't', ['before']);
  await broker.stop();
  const full = await startDurable({ settings: { 'storage.watermarkSize': '1024GiB' } });
  const client = await full.connect({ clientId: 'away' });
  await client.subscribe([{ filter: '#', qos: 1 }]);
  await client.disconnect();
  expect(await reasons(full, 't', ['x'])).toEqual([QUOTA_EXCEEDED]);
});

test('storage.views: what was asked for holds the views', async () => {
  const broker = await startDurable({ settings: { 'storage.views': 'memory' } });
  await away(broker);
  await reasons(broker, 't', ['kept']);
  await broker.checkpoint();
  await broker.restart('stop');
  expect(await take(await broker.connect({ clientId: 'away' }), 1)).toEqual(['kept']);
});

test('delay: its bounds, its property, and its switch', async () => {
  const settings = { 'delay.maxDelay': '10s', 'delay.maxMessages': 2, 'delay.userProperty': 'after' };
  const broker = await startDurable({ settings });
  const client = await broker.connect({ clientId: 'c' });
  await client.subscribe([{ filter: '#', qos: 1 }]);
  expect(await reasons(broker, '$delayed/11/t', ['too long'])).toEqual([0x90]);
  const publisher = await publisherOf(broker);
  const properties = [[P.userProperty, ['after', '5']]] as const;
  expect(await publisher.publish({ topic: 't', payload: 'by property', qos: 1, properties })).toBe(0);
  expect(await reasons(broker, '$delayed/10/t', ['by topic', 'too many'])).toEqual([0, QUOTA_EXCEEDED]);
  await client.quiet();
  await broker.advance(11_000);
  expect(await take(client, 2)).toEqual(['by property', 'by topic']);
  await broker.stop();
  const off = await startDurable({ settings: { ...settings, 'delay.enabled': false } });
  const sub = await off.connect({ clientId: 'c' });
  await sub.subscribe([{ filter: '#', qos: 1 }]);
  const other = await publisherOf(off);
  await other.publish({ topic: 't', payload: 'a property like any other', qos: 1, properties });
  expect(await take(sub, 1)).toEqual(['a property like any other']);
});

test('deduplication.maxIds: the oldest identifiers give way', async () => {
  const settings = { 'deduplication.userProperty': 'id', 'deduplication.maxIds': 2 };
  const broker = await startDurable({ settings });
  const client = await broker.connect({ clientId: 'c' });
  await client.subscribe([{ filter: '#', qos: 1 }]);
  const publisher = await publisherOf(broker);
  for (const id of ['a', 'b', 'b', 'c', 'a', 'c']) {
    await publisher.publish({ topic: 't', payload: id, qos: 1, properties: [[P.userProperty, ['id', id]]] });
  }
  expect(await take(client, 4)).toEqual(['a', 'b', 'c', 'a']);
  await client.quiet();
});

test('retention.size of a stream: the oldest go, and what the size allows stays', async () => {
  const yaml = 'streams: [{ name: s, capture: ["#"], retention: { size: 200000 } }]';
  const broker = await startDurable({ yaml });
  const publisher = await publisherOf(broker);
  for (const payload of many(100, 5000)) await publisher.publish({ topic: 't', payload, qos: 1 });
  await broker.advance(20_000);
  await broker.node.mqtt.context.durable.log.drained();
  const partition = (broker.node.mqtt.context.streams as Streams).describe('s')?.partitions[0];
  expect(partition?.endOffset).toBe(100);
  expect(partition?.startOffset).toBeGreaterThan(20);
  expect(partition?.bytes).toBeGreaterThanOrEqual(200_000);
  expect(partition?.bytes).toBeLessThan(300_000);
});
