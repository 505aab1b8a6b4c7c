/** What is kept in memory has a bound, which the broker keeps: a stream that nobody limits, and what sessions leave behind. */
import { expect, test } from 'vitest';
import { OPERATIONS } from '../../../src/admin/operations.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { administer, type DurableBroker, publisherOf, startDurable, take } from './broker.ts';

const MIB = 1024 * 1024;
const MESSAGES = 130;
const MOST_TRIES = 500;

/** Once there is room, which takes cleaning some turns of the event loop, and a turn of the disk where there is one. */
async function put(
  broker: DurableBroker,
  publisher: RawClient,
  topic: string,
  payload: string,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const reason = await publisher.publish({ topic, payload, qos: 1 });
    // Copying keeps to a rate.
    await broker.advance(100);
    if (reason < 0x80) return;
    await broker.node.mqtt.context.durable.log.drained();
  }
  throw new Error('refused for good');
}

test('of what memory has no room for the oldest goes, and none is refused for good', async () => {
  const broker = await startDurable({
    settings: { 'storage.memory.maxSize': '64MiB' },
    yaml: 'streams: [{ name: all, capture: ["#"], storage: memory, durability: memory }]',
  });
  const publisher = await publisherOf(broker);
  const payload = 'x'.repeat(MIB - 1000);
  for (let i = 0; i < MESSAGES; i++) await put(broker, publisher, 't', payload);
  await administer(broker, async (client) => {
    const { partitionDetails } = await client.call(OPERATIONS.streamsShow, { name: 'all' });
    const [partition] = partitionDetails;
    expect(partition?.endOffset).toBe(MESSAGES);
    const start = partition?.startOffset ?? 0;
    expect(MESSAGES - start).toBeGreaterThan(30);
    expect(MESSAGES - start).toBeLessThan(64);
    const read = { name: 'all', partition: 0, offset: start, limit: 1 };
    expect((await client.call(OPERATIONS.streamsRead, read)).items).toMatchObject([{ offset: start }]);
  });
  await broker.stop();
});

test('what sessions have taken makes room in the engine `memory`, and none is refused for good', async () => {
  const broker = await startDurable({
    settings: { 'storage.engine': 'memory', 'storage.memory.maxSize': '64MiB' },
  });
  const away = await broker.connect({ clientId: 'away' });
  await away.subscribe([{ filter: 'kept', qos: 1 }]);
  away.socket.destroy();
  const subscriber = await broker.connect({ clientId: 'subscriber' });
  await subscriber.subscribe([{ filter: 'taken', qos: 1 }]);
  const publisher = await publisherOf(broker);
  const kept: string[] = [];
  for (let i = 0; i < 110; i++) {
    const payload = `${i} `.padEnd(MIB - 1000, 'x');
    // One of two stays, up to a third of what there is, between those that go.
    const stays = i % 2 === 0 && kept.length < 20;
    await put(broker, publisher, stays ? 'kept' : 'taken', payload);
    if (stays) kept.push(payload);
    else expect(await take(subscriber, 1)).toEqual([payload]);
  }
  const back = await broker.connect({ clientId: 'away' });
  expect(await take(back, kept.length)).toEqual(kept);
  await broker.stop();
});
