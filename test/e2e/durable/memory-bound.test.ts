/** A stream in memory that nobody limits: the broker does. */
import { expect, test } from 'vitest';
import { OPERATIONS } from '../../../src/admin/operations.ts';
import { administer, publisherOf, startDurable } from './broker.ts';

const MIB = 1024 * 1024;
const MESSAGES = 130;

test('of what memory has no room for the oldest goes, and none is refused', async () => {
  const broker = await startDurable({
    settings: { 'storage.memory.maxSize': '64MiB' },
    yaml: 'streams: [{ name: all, capture: ["#"], storage: memory, durability: memory }]',
  });
  const publisher = await publisherOf(broker);
  const payload = 'x'.repeat(MIB - 1000);
  for (let i = 0; i < MESSAGES; i++) await publisher.publish({ topic: 't', payload, qos: 1 });
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
