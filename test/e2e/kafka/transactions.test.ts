/** Transactions as kafkajs makes them, with readers of committed records, against a whole node. */
import type { Consumer, Kafka, Producer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode;
beforeAll(async () => {
  broker = await startKafkaNode();
});
afterAll(() => broker.stop());

const transactional = async (client: Kafka, transactionalId: string): Promise<Producer> => {
  const producer = client.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  return producer;
};

/** Values from the start of the topic, up to and with `last`. */
async function readUntil(client: Kafka, topic: string, last: string, readUncommitted = false) {
  const groupId = `${topic}-${readUncommitted}-${Math.random()}`;
  const consumer: Consumer = client.consumer({ groupId, readUncommitted, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(String(message.value));
          if (values.at(-1) === last) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values;
}

describe('kafkajs and transactions', () => {
  test('a reader of committed records sees what was committed, and never what was aborted', async () => {
    const client = broker.client();
    const producer = await transactional(client, 'a');
    for (let i = 0; i < 6; i++) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: 'decided', messages: [{ value: `${i}` }, { value: `${i}+` }] });
      await (i % 2 === 0 ? transaction.commit() : transaction.abort());
    }
    const plain = client.producer();
    await plain.connect();
    await plain.send({ topic: 'decided', messages: [{ value: 'end' }] });
    const committed = ['0', '0+', '2', '2+', '4', '4+', 'end'];
    expect(await readUntil(client, 'decided', 'end')).toEqual(committed);
    expect(await readUntil(client, 'decided', 'end', true)).toHaveLength(13);
    await Promise.all([producer.disconnect(), plain.disconnect()]);
  });

  test('offsets that are sent with a transaction count when it is committed', async () => {
    const client = broker.client();
    const producer = await transactional(client, 'offsets');
    const admin = client.admin();
    await admin.connect();
    await producer.send({ topic: 'input', messages: [{ value: 'x' }] });
    const offsets = { consumerGroupId: 'readers', topics: [] as never[] };
    const at = (offset: string) => ({
      ...offsets,
      topics: [{ topic: 'input', partitions: [{ partition: 0, offset }] }],
    });
    const fetched = async () =>
      (await admin.fetchOffsets({ groupId: 'readers', topics: ['input'] }))[0]?.partitions[0]?.offset;
    const aborted = await producer.transaction();
    await aborted.sendOffsets(at('1'));
    await aborted.abort();
    expect(await fetched()).toBe('-1');
    const committed = await producer.transaction();
    await committed.send({ topic: 'output', messages: [{ value: 'y' }] });
    await committed.sendOffsets(at('1'));
    expect(await fetched()).toBe('-1');
    await committed.commit();
    expect(await fetched()).toBe('1');
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  });

  test('a second producer with the same transactional id fences the first, and aborts what it left', async () => {
    const client = broker.client({ retry: { retries: 1 } });
    const first = await transactional(client, 'fenced');
    const left = await first.transaction();
    await left.send({ topic: 'fencing', messages: [{ value: 'lost' }] });
    const second = await transactional(client, 'fenced');
    const taken = await second.transaction();
    await taken.send({ topic: 'fencing', messages: [{ value: 'kept' }] });
    await taken.commit();
    await expect(left.commit()).rejects.toThrow(/epoch|fenced/i);
    expect(await readUntil(client, 'fencing', 'kept')).toEqual(['kept']);
    await Promise.all([first.disconnect(), second.disconnect()]);
  });
});

describe('a restart', () => {
  test('keeps open transactions, producers, and what was aborted', async () => {
    const node = await startKafkaNode({ 'storage.engine': 'files' });
    try {
      const before = await transactional(node.client(), 'left');
      const aborted = await before.transaction();
      await aborted.send({ topic: 'kept', messages: [{ value: 'aborted' }] });
      await aborted.abort();
      const open = await before.transaction();
      await open.send({ topic: 'kept', messages: [{ value: 'open' }] });
      await before.disconnect();
      await node.restart();
      const client = node.client();
      const plain = client.producer();
      await plain.connect();
      await plain.send({ topic: 'kept', messages: [{ value: 'after' }] });
      const after = await transactional(client, 'left');
      const transaction = await after.transaction();
      await transaction.send({ topic: 'kept', messages: [{ value: 'end' }] });
      await transaction.commit();
      expect(await readUntil(client, 'kept', 'end')).toEqual(['after', 'end']);
      await Promise.all([plain.disconnect(), after.disconnect()]);
    } finally {
      await node.stop();
    }
  });
});
