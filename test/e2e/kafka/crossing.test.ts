/** One message, two protocols: what MQTT publishes is read by Kafka's clients, and the other way round. */
import type { Kafka, Producer } from 'kafkajs';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { recordsIn, ZERO } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode;
let kafka: Kafka;
let producer: Producer;
let raw: KafkaClient;
const clients: MqttClient[] = [];

beforeAll(async () => {
  broker = await startKafkaNode();
  kafka = broker.client();
  producer = kafka.producer();
  await producer.connect();
  raw = await openKafkaClient(broker.port);
});
afterAll(async () => {
  for (const client of clients) await client.endAsync(true);
  await producer.disconnect();
  raw.close();
  await broker.stop();
});

function whereMqttIs(): mqtt.IClientOptions {
  const address = broker.node.listeners.find(({ name }) => name === 'mqtt')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no mqtt listener');
  return { host: '127.0.0.1', port: address.port, protocol: 'mqtt', protocolVersion: 5 };
}

async function connect(options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync({ ...whereMqttIs(), ...options });
  clients.push(client);
  return client;
}

async function make(topic: string, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  const { topics } = await raw.call(Apis.createTopics, 7, {
    topics: [
      {
        name: topic,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  expect(topics[0]?.errorCode).toBe(0);
}

async function valuesOf(topic: string): Promise<string[]> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const topics = [{ topic, topicId: ZERO, partitions }];
  const answer = await raw.call(Apis.fetch, 12, { maxWaitMs: 0, minBytes: 1, topics });
  return recordsIn(answer.responses[0]?.partitions[0]?.records ?? null).map(({ value }) => value);
}

interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The next so many messages. */
function hear(client: MqttClient, count: number): Promise<Heard[]> {
  const heard: Heard[] = [];
  return new Promise((resolve) => {
    client.on('message', (topic, payload, { properties }) => {
      heard.push({ topic, payload: payload.toString(), properties: { ...properties?.userProperties } });
      if (heard.length === count) resolve(heard);
    });
  });
}

describe('from MQTT to Kafka', () => {
  test('a publish to sensors/a is a record of the topic sensors.a, and of no other', async () => {
    const publisher = await connect();
    // A decision that was made before the topic was there does not stay.
    for (let i = 0; i < 5; i++) await publisher.publishAsync('sensors/a', 'too early', { qos: 1 });
    await make('sensors.a');
    for (let i = 0; i < 20; i++)
      await publisher.publishAsync('sensors/a', `v${i}`, { qos: i % 2 === 0 ? 1 : 0 });
    await publisher.publishAsync('sensors/b', 'elsewhere', { qos: 1 });
    expect(await valuesOf('sensors.a')).toEqual(Array.from({ length: 20 }, (_, i) => `v${i}`));
    const { responses } = await raw.call(Apis.deleteTopics, 6, {
      topics: [{ name: 'sensors.a', topicId: ZERO }],
      timeoutMs: 1000,
    });
    expect(responses[0]?.errorCode).toBe(0);
    await publisher.publishAsync('sensors/a', 'too late', { qos: 1 });
    await make('sensors.a');
    expect(await valuesOf('sensors.a')).toEqual([]);
  });

  test('an empty message to a compacted topic deletes its key', async () => {
    await make('state.light', { 'cleanup.policy': 'compact' });
    const publisher = await connect();
    await publisher.publishAsync('state/light', 'on', { qos: 1, retain: true });
    await publisher.publishAsync('state/light', '', { qos: 1, retain: true });
    expect(await valuesOf('state.light')).toEqual(['on', '']);
  });
});

describe('from Kafka to MQTT', () => {
  test('records reach subscribers at once, with key and headers, compressed or not, and come once', async () => {
    const subscriber = await connect();
    await subscriber.subscribeAsync('orders/#', { qos: 1 });
    const heard = hear(subscriber, 3);
    const messages = [{ key: 'k', value: 'plain', headers: { trace: 't1', raw: Buffer.from([0xff, 0x00]) } }];
    await producer.send({ topic: 'orders.new', messages });
    await producer.send({ topic: 'orders.new', messages: [{ value: 'a' }, { value: 'b' }], compression: 1 });
    expect(await heard).toMatchObject([
      {
        topic: 'orders/new',
        payload: 'plain',
        properties: { 'kafka.key': 'k', trace: 't1', 'raw.base64': '/wA=' },
      },
      { topic: 'orders/new', payload: 'a', properties: {} },
      { topic: 'orders/new', payload: 'b', properties: {} },
    ]);
    // None of them has come back as another record.
    const offsets = await raw.call(Apis.listOffsets, 7, {
      replicaId: -1,
      topics: [{ name: 'orders.new', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    expect(offsets.topics[0]?.partitions[0]?.offset).toBe(3);
  });

  test('records wait for a durable session that is away', async () => {
    const options = { clientId: 'away', clean: false, properties: { sessionExpiryInterval: 3600 } };
    const first = await connect(options);
    await first.subscribeAsync('alarms/fire', { qos: 1 });
    await first.endAsync();
    await producer.send({ topic: 'alarms.fire', messages: [{ value: 'now' }, { value: 'again' }] });
    const back = mqtt.connect({ ...whereMqttIs(), ...options });
    clients.push(back);
    const heard = hear(back, 2);
    expect((await heard).map(({ payload }) => payload)).toEqual(['now', 'again']);
  });
});
