/** Groups of kafkajs against a whole node: consumers come, go and share while messages flow, and the broker starts anew. */
import type { Consumer, Kafka } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { openKafkaClient } from '../../support/kafka-client.ts';
import { type KafkaNode, type Settings, startKafkaNode } from './node.ts';

const TOPIC = 'shared';
const PARTITIONS = 4;
const FAST: Settings = { 'kafka.groups.minSessionTimeout': '1s' };

let broker: KafkaNode | undefined;
const consumers: Consumer[] = [];
afterEach(async () => {
  await Promise.allSettled(consumers.splice(0).map((each) => each.disconnect()));
  await broker?.stop();
  broker = undefined;
});

async function startWithTopic(settings: Settings = {}): Promise<{ broker: KafkaNode; client: Kafka }> {
  broker = await startKafkaNode({ ...FAST, ...settings });
  const client = broker.client({ retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 50 } });
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  await admin.disconnect();
  return { broker, client };
}

interface Running {
  readonly consumer: Consumer;
  readonly seen: string[];
  /** Of the newest generation it was in. */
  partitions: readonly number[];
  generations: number;
}

async function consume(client: Kafka, groupId = 'g'): Promise<Running> {
  const consumer = client.consumer({
    groupId,
    sessionTimeout: 6000,
    rebalanceTimeout: 6000,
    heartbeatInterval: 100,
    maxWaitTimeInMs: 50,
  });
  consumers.push(consumer);
  const running: Running = { consumer, seen: [], partitions: [], generations: 0 };
  consumer.on('consumer.group_join', ({ payload }) => {
    running.partitions = payload.memberAssignment[TOPIC] ?? [];
    running.generations++;
  });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      running.seen.push(String(message.value));
    },
  });
  return running;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function produce(client: Kafka, from: number, count: number): Promise<void> {
  const producer = client.producer();
  await producer.connect();
  for (let at = from; at < from + count; at += 20) {
    const messages = Array.from({ length: 20 }, (_, i) => ({
      partition: i % PARTITIONS,
      value: String(at + i),
    }));
    await producer.send({ topic: TOPIC, messages });
  }
  await producer.disconnect();
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));
const isComplete = (all: readonly Running[], count: number): boolean => {
  const seen = new Set(all.flatMap(({ seen }) => seen));
  return numbers(count).every((each) => seen.has(each));
};

describe('groups of kafkajs', () => {
  test('share partitions, and read everything while members come and go', async () => {
    const { client } = await startWithTopic();
    const first = await consume(client);
    await until(() => first.partitions.length === PARTITIONS);
    const producing = produce(client, 0, 2000);
    const second = await consume(client);
    await until(() => first.partitions.length === 2 && second.partitions.length === 2);
    expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3]);
    await second.consumer.disconnect();
    await until(() => first.partitions.length === PARTITIONS);
    await producing;
    await until(() => isComplete([first, second], 2000));
  });

  test('go on where they were when the broker starts anew', async () => {
    const { broker, client } = await startWithTopic({ 'storage.engine': 'files' });
    const { port } = broker;
    const before = await consume(client);
    await produce(client, 0, 200);
    await until(() => isComplete([before], 200));
    await before.consumer.disconnect();
    await broker.restart({ 'listeners.kafka.port': port });
    await produce(client, 200, 200);
    const after = await consume(client);
    await until(() => after.seen.length >= 200);
    expect(after.seen.sort()).toEqual(numbers(400).slice(200).sort());
  });

  test('live through a start of the broker without a rebalance', async () => {
    const { broker, client } = await startWithTopic({ 'storage.engine': 'files' });
    const { port } = broker;
    const member = await consume(client);
    await until(() => member.partitions.length === PARTITIONS);
    await broker.restart({ 'listeners.kafka.port': port });
    await produce(client, 0, 200);
    await until(() => isComplete([member], 200));
    expect(member.generations).toBe(1);
  });

  test('are seen and deleted by administrators', async () => {
    const { broker, client } = await startWithTopic();
    const admin = broker.client({ retry: { retries: 1, initialRetryTime: 20 } }).admin();
    await admin.connect();
    const member = await consume(client);
    await produce(client, 0, 100);
    await until(() => isComplete([member], 100));
    expect(await admin.listGroups()).toEqual({ groups: [{ groupId: 'g', protocolType: 'consumer' }] });
    const described = await admin.describeGroups(['g', 'nobody']);
    expect(described.groups).toMatchObject([
      { groupId: 'g', state: 'Stable', protocol: 'RoundRobinAssigner', members: [{ clientId: 'test' }] },
      { groupId: 'nobody', state: 'Dead' },
    ]);
    await expect(admin.deleteGroups(['g'])).rejects.toThrow();
    await member.consumer.disconnect();
    const [{ partitions }] = await admin.fetchOffsets({ groupId: 'g', topics: [TOPIC] });
    expect(partitions.map(({ offset }) => offset)).toEqual(['25', '25', '25', '25']);
    await admin.deleteGroups(['g']);
    expect((await admin.listGroups()).groups).toEqual([]);
    await admin.disconnect();
  });

  test('that wait for a member do not hold the broker up when it stops', async () => {
    const { broker } = await startWithTopic();
    const request = {
      groupId: 'g',
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    };
    const first = await openKafkaClient(broker.port);
    const joined = await first.call(Apis.joinGroup, 3, request);
    expect(joined).toMatchObject({ errorCode: 0, generationId: 1 });
    const second = await openKafkaClient(broker.port);
    second.send(second.frame(Apis.joinGroup, 3, request));
    const beat = { groupId: 'g', generationId: 1, memberId: joined.memberId };
    while ((await first.call(Apis.heartbeat, 3, beat)).errorCode === 0);
    // The rebalance would go on for longer than a test may.
    await broker.node.stop();
    first.close();
    second.close();
    await broker.restart();
  });
});
