/** The client that most of Node uses, against a whole node. */
import { ConfigResourceTypes, type Kafka } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

interface Seen {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly headers: Record<string, string>;
}

/** Until so many have come. */
async function readAll(client: Kafka, topic: string, count: number, groupId = `g-${topic}`): Promise<Seen[]> {
  const consumer = client.consumer({ groupId, sessionTimeout: 10_000, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const seen: Seen[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
    consumer
      .run({
        eachMessage: async ({ partition, message: { offset, key, value, headers = {} } }) => {
          const texts = Object.entries(headers).map(([name, text]) => [name, String(text)]);
          seen.push({
            partition,
            offset,
            key: key?.toString(),
            value: value?.toString(),
            headers: Object.fromEntries(texts),
          });
          if (seen.length >= count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return seen;
}

let broker: KafkaNode;
beforeAll(async () => {
  broker = await startKafkaNode();
});
afterAll(() => broker.stop());

describe('kafkajs', () => {
  test('produces to a topic that its asking makes', async () => {
    const producer = broker.client().producer();
    await producer.connect();
    const first = await producer.send({ topic: 'made', messages: [{ key: 'k', value: 'v' }] });
    expect(first).toMatchObject([{ topicName: 'made', partition: 0, errorCode: 0, baseOffset: '0' }]);
    const second = await producer.send({ topic: 'made', messages: [{ value: 'w' }, { value: 'x' }] });
    expect(second[0]?.baseOffset).toBe('1');
    await producer.disconnect();
  });

  test('reads from the start what was written, in order, with keys and headers', async () => {
    const client = broker.client();
    const producer = client.producer();
    await producer.connect();
    const messages = Array.from({ length: 500 }, (_, i) => ({
      key: `k${i % 7}`,
      value: `v${i}`,
      headers: { n: String(i) },
    }));
    for (let at = 0; at < messages.length; at += 50) {
      await producer.send({ topic: 'read', messages: messages.slice(at, at + 50) });
    }
    const seen = await readAll(client, 'read', 500);
    expect(seen.map(({ value }) => value)).toEqual(messages.map(({ value }) => value));
    expect(seen.map(({ offset }) => offset)).toEqual(messages.map((_, i) => String(i)));
    expect(seen[3]).toMatchObject({ key: 'k3', headers: { n: '3' } });
    await producer.disconnect();
  });

  test.each([
    [-1, '0'],
    [1, '0'],
    [0, undefined],
  ])('produces with acks=%i', async (acks, baseOffset) => {
    const topic = `acks${acks}`;
    const client = broker.client();
    const producer = client.producer();
    await producer.connect();
    const [answer] = await producer.send({ topic, acks, messages: [{ value: 'a' }, { value: 'b' }] });
    expect(answer?.baseOffset).toBe(baseOffset);
    const seen = await readAll(client, topic, 2);
    expect(seen.map(({ value }) => value)).toEqual(['a', 'b']);
    await producer.disconnect();
  });

  test('spreads keys over many partitions as every client does, and reads them all', async () => {
    const client = broker.client();
    const admin = client.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'many', numPartitions: 64 }] });
    const producer = client.producer();
    await producer.connect();
    const messages = Array.from({ length: 640 }, (_, i) => ({ key: `key-${i}`, value: String(i) }));
    await producer.send({ topic: 'many', messages });
    const seen = await readAll(client, 'many', 640);
    expect(new Set(seen.map(({ value }) => value)).size).toBe(640);
    const partitions = new Set(seen.map(({ partition }) => partition));
    expect(partitions.size).toBeGreaterThan(50);
    const offsets = await admin.fetchTopicOffsets('many');
    expect(offsets.reduce((sum, { high }) => sum + Number(high), 0)).toBe(640);
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  });

  test('moves messages of a megabyte, and is told which are too large', async () => {
    const client = broker.client();
    const producer = client.producer({ retry: { retries: 0 } });
    await producer.connect();
    const value = 'x'.repeat(1_000_000);
    for (let i = 0; i < 5; i++) await producer.send({ topic: 'large', messages: [{ value }] });
    const tooLarge = producer.send({ topic: 'large', messages: [{ value: 'x'.repeat(1_100_000) }] });
    await expect(tooLarge).rejects.toMatchObject({ type: 'MESSAGE_TOO_LARGE' });
    const seen = await readAll(client, 'large', 5);
    expect(seen.every((each) => each.value === value)).toBe(true);
    await producer.disconnect();
  });

  test('administers topics: makes, grows, describes, cuts and deletes them', async () => {
    const client = broker.client();
    const admin = client.admin();
    await admin.connect();
    const topic = 'administered';
    const configEntries = [{ name: 'retention.ms', value: '60000' }];
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries }] })).toBe(true);
    expect(await admin.createTopics({ topics: [{ topic }] })).toBe(false);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    expect(topics[0]?.partitions.map(({ partitionId, leader }) => [partitionId, leader]).sort()).toEqual(
      [0, 1, 2, 3, 4].map((id) => [id, 1]),
    );
    const producer = client.producer();
    await producer.connect();
    await producer.send({
      topic,
      messages: Array.from({ length: 10 }, () => ({ partition: 3, value: 'v' })),
    });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 3, offset: '4' }] });
    expect((await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 3)).toMatchObject({
      low: '4',
      high: '10',
    });
    const cluster = await admin.describeCluster();
    expect(cluster).toMatchObject({ controller: 1, brokers: [{ nodeId: 1, port: broker.port }] });
    expect(cluster.clusterId).toMatch(/^[\w-]{22}$/);
    await admin.deleteTopics({ topics: [topic] });
    expect(await admin.listTopics()).not.toContain(topic);
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  });

  test('changes a configuration, which takes effect, and is told which cannot be', async () => {
    const client = broker.client({ retry: { retries: 0 } });
    const [admin, producer] = [client.admin(), client.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({ topics: [{ topic: 'configured' }] });
    const alter = (name: string, value: string) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          { type: ConfigResourceTypes.TOPIC, name: 'configured', configEntries: [{ name, value }] },
        ],
      });
    await alter('max.message.bytes', '1000');
    const send = (size: number) =>
      producer.send({ topic: 'configured', messages: [{ value: 'x'.repeat(size) }] });
    await expect(send(2000)).rejects.toMatchObject({ type: 'MESSAGE_TOO_LARGE' });
    await send(500);
    await expect(alter('remote.storage.enable', 'true')).rejects.toMatchObject({ type: 'INVALID_CONFIG' });
    const twice = [1, 2].map((value) => ({ name: 'retention.ms', value: `${value}` }));
    const ofTwice = { type: ConfigResourceTypes.TOPIC, name: 'configured', configEntries: twice };
    await expect(admin.alterConfigs({ validateOnly: false, resources: [ofTwice] })).rejects.toMatchObject({
      type: 'INVALID_REQUEST',
    });
    await expect(alter('no.such.thing', '1')).rejects.toMatchObject({ type: 'INVALID_CONFIG' });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: 'configured', configNames: ['max.message.bytes'] },
      ],
    });
    expect(resources[0]?.configEntries).toMatchObject([
      { configName: 'max.message.bytes', configValue: '1000', isDefault: false },
    ]);
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  });

  test('seeks by time and by offset', async () => {
    const client = broker.client();
    const [admin, producer] = [client.admin(), client.producer()];
    await Promise.all([admin.connect(), producer.connect()]);
    const nowMs = Date.now();
    const messages = [0, 1, 2, 3].map((i) => ({
      value: String(i),
      timestamp: String(nowMs - 4000 + i * 1000),
    }));
    await producer.send({ topic: 'timed', messages });
    const at = async (ms: number) => (await admin.fetchTopicOffsetsByTimestamp('timed', ms))[0]?.offset;
    expect(await at(nowMs - 10_000)).toBe('0');
    expect(await at(nowMs - 2500)).toBe('2');
    // kafkajs gives the end where there is nothing so new.
    expect(await at(nowMs + 10_000)).toBe('4');
    await Promise.all([admin.disconnect(), producer.disconnect()]);
  });
});

describe('a restart on files', () => {
  test('keeps topics, ids, records, offsets of groups and the identity of the cluster', async () => {
    const files = await startKafkaNode({ 'storage.engine': 'files' });
    try {
      const before = files.client();
      const [admin, producer] = [before.admin(), before.producer()];
      await Promise.all([admin.connect(), producer.connect()]);
      await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 3 }, { topic: 'dropped' }] });
      const messages = Array.from({ length: 30 }, (_, i) => ({ partition: i % 3, value: `v${i}` }));
      await producer.send({ topic: 'kept', messages });
      expect(await readAll(before, 'kept', 30)).toHaveLength(30);
      await admin.deleteTopics({ topics: ['dropped'] });
      const { clusterId } = await admin.describeCluster();
      await Promise.all([admin.disconnect(), producer.disconnect()]);

      await files.restart();
      const after = files.client();
      const again = after.admin();
      await again.connect();
      expect((await again.describeCluster()).clusterId).toBe(clusterId);
      expect((await again.listTopics()).toSorted()).toEqual(['__consumer_offsets', 'kept']);
      expect((await again.fetchTopicOffsets('kept')).map(({ high }) => high)).toEqual(['10', '10', '10']);
      const producerAfter = after.producer();
      await producerAfter.connect();
      const [sent] = await producerAfter.send({ topic: 'kept', messages: [{ partition: 0, value: 'new' }] });
      expect(sent?.baseOffset).toBe('10');
      // The group goes on where it was.
      const seen = await readAll(after, 'kept', 1);
      expect(seen.map(({ value }) => value)).toEqual(['new']);
      await Promise.all([again.disconnect(), producerAfter.disconnect()]);
    } finally {
      await files.stop();
    }
  }, 20_000);
});
