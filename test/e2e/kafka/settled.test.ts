/** Retention by what the groups of kafkajs have committed, down to the segments of the journal. */
import type { Consumer, Kafka, Producer } from 'kafkajs';
import { Kafka as Client, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { OPERATIONS } from '../../../src/admin/operations.ts';
import { administer, type DurableBroker, startDurable } from '../durable/broker.ts';

const YAML = `
streams:
  - { name: telemetry, capture: ["sensors/#"], partitions: 1, retention: { settled: true } }
`;
const SETTINGS = {
  'listeners.kafka.enabled': true,
  'listeners.kafka.host': '127.0.0.1',
  'listeners.kafka.port': 0,
  'storage.segmentSize': '64KiB',
};

function clientOf(broker: DurableBroker): Kafka {
  const address = broker.node.listeners.find(({ name }) => name === 'kafka')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
  const brokers = [`127.0.0.1:${address.port}`];
  return new Client({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });
}

async function fill(broker: DurableBroker, producer: Producer, topic: string): Promise<void> {
  const timestamp = `${broker.node.kafka?.context.clock.wallMs()}`;
  for (let i = 0; i < 30; i++) {
    await producer.send({ topic, messages: [{ value: 'x'.repeat(20_000), timestamp }] });
  }
}

/** Commits the offset as a group of that name would that has read so far. */
async function commit(broker: DurableBroker, groupId: string, topic: string, offset: number): Promise<void> {
  // A join ends when the broker's time goes on; what comes afterwards the member does by its own, so it must not go faster.
  let stepMs = 100;
  const time = setInterval(() => void broker.advance(stepMs), 10);
  const client = clientOf(broker);
  const consumer: Consumer = client.consumer({ groupId, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
  await consumer.run({ autoCommit: false, eachMessage: async () => {} });
  await joined;
  stepMs = 10;
  await consumer.commitOffsets([{ topic, partition: 0, offset: `${offset}` }]);
  await consumer.disconnect();
  clearInterval(time);
}

const startOf = (broker: DurableBroker, topic: string): number =>
  broker.node.kafka?.context.topics.partition(topic, 0)?.startOffset ?? -1;

const segments = (broker: DurableBroker): Promise<number> =>
  administer(broker, async (client) => (await client.call(OPERATIONS.status, {})).journal.segments);

/** Retention and the cleaner look, and what they do is done. */
async function goOn(broker: DurableBroker, until: () => Promise<boolean> | boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !(await until()); turn++) {
    await broker.advance(10_000);
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  }
}

test.each([
  ['a stream', 'telemetry', undefined],
  ['a topic', 'own', { 'robustmq.retention.settled': 'true' }],
] as const)('what all groups of %s have passed goes, and the segments with it', async (_, topic, configs) => {
  const broker = await startDurable({ yaml: YAML, settings: SETTINGS });
  const client = clientOf(broker);
  const [producer, admin] = [client.producer(), client.admin()];
  await Promise.all([producer.connect(), admin.connect()]);
  if (configs !== undefined) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
  }
  await fill(broker, producer, topic);
  await goOn(broker, () => startOf(broker, topic) > 0);
  expect(startOf(broker, topic)).toBe(0);
  const before = await segments(broker);
  // In this order: retention may look in between, and goes by the groups that there are.
  await commit(broker, 'slow', topic, 10);
  await commit(broker, 'fast', topic, 30);
  await goOn(broker, () => startOf(broker, topic) > 0);
  expect(startOf(broker, topic)).toBeGreaterThan(5);
  expect(startOf(broker, topic)).toBeLessThanOrEqual(10);
  await commit(broker, 'slow', topic, 30);
  await fill(broker, producer, 'filler');
  await goOn(broker, async () => startOf(broker, topic) === 30 && (await segments(broker)) < before);
  expect(startOf(broker, topic)).toBe(30);
  await Promise.all([producer.disconnect(), admin.disconnect()]);
});
