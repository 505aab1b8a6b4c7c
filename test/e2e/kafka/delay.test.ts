/** Records that are to appear later: where they go, what their producer and its readers see, and the broker's end in between. */
import { CompressionTypes } from 'kafkajs';
import { expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type BatchOptions, buildBatch } from '../../../src/protocols/kafka/records/build.ts';
import { encodeHeaders } from '../../../src/storage/records/record.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { type DurableBroker, ENDS, startDurable, take } from '../durable/broker.ts';
import { produceRequest, type ReadRecord, recordsIn, ZERO } from './batches.ts';
import { startKafkaNode } from './node.ts';

const SETTINGS = {
  'listeners.kafka.enabled': true,
  'listeners.kafka.host': '127.0.0.1',
  'listeners.kafka.port': 0,
};
const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

interface Sent {
  readonly value: string;
  readonly delay?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

class Topic {
  readonly broker: DurableBroker;
  readonly client: KafkaClient;
  readonly name: string;

  private constructor(broker: DurableBroker, client: KafkaClient, name: string) {
    this.broker = broker;
    this.client = client;
    this.name = name;
  }

  static async on(broker: DurableBroker, name = 'orders.late'): Promise<Topic> {
    const address = broker.node.listeners.find((listener) => listener.name === 'kafka')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
    return new Topic(broker, await openKafkaClient(address.port), name);
  }

  async make(configs: Readonly<Record<string, string>> = { 'robustmq.delay.enable': 'true' }): Promise<this> {
    const named = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const topic = {
      name: this.name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: named,
    };
    const { topics } = await this.client.call(Apis.createTopics, 7, { topics: [topic] });
    expect(topics[0]?.errorCode).toBe(0);
    return this;
  }

  get nowMs(): number {
    return this.broker.node.kafka?.context.clock.wallMs() ?? 0;
  }

  async send(sent: readonly Sent[], options: BatchOptions = {}) {
    const records = sent.map(({ value, delay, headers = {} }) => {
      const all = delay === undefined ? headers : { ...headers, 'robustmq.delay.ms': delay };
      const encoded = Object.entries(all).map(([name, each]) => ({ name: bytes(name), value: bytes(each) }));
      return { timestampMs: this.nowMs, key: null, value: bytes(value), headers: encodeHeaders(encoded) };
    });
    const request = produceRequest(this.name, buildBatch(kernel, records, options));
    const { responses } = await this.client.call(Apis.produce, 9, {
      ...request,
      ...(options.isTransactional === true ? { transactionalId: 'tx' } : {}),
    });
    const answer = responses[0]?.partitionResponses[0];
    if (answer === undefined) throw new Error('no answer');
    return answer;
  }

  async read(): Promise<ReadRecord[]> {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
    const topics = [{ topic: this.name, topicId: ZERO, partitions }];
    const answer = await this.client.call(Apis.fetch, 12, { maxWaitMs: 0, minBytes: 0, topics });
    return recordsIn(answer.responses[0]?.partitions[0]?.records ?? null);
  }

  async values(): Promise<string[]> {
    return (await this.read()).map(({ offset, value }) => `${offset} ${value}`);
  }

  async advance(ms: number): Promise<void> {
    await this.broker.advance(ms);
    await this.broker.node.mqtt.context.durable.log.drained();
  }
}

const start = (more: Readonly<Record<string, number | boolean>> = {}): Promise<DurableBroker> =>
  startDurable({ settings: { ...SETTINGS, ...more } });

test('a record appears when its time has come, at an offset and a time of its own; the others of its batch are there at once', async () => {
  const topic = await (await Topic.on(await start())).make();
  const sentMs = topic.nowMs;
  const answer = await topic.send([
    { value: 'a' },
    { value: 'late', delay: '5000', headers: { trace: 't' } },
    { value: 'b', delay: '0' },
    { value: 'soon', delay: '1000' },
  ]);
  expect(answer.errorCode).toBe(0);
  expect(Number(answer.baseOffset)).toBe(0);
  expect(await topic.values()).toEqual(['0 a', '2 b']);
  expect(Number((await topic.send([{ value: 'c' }])).baseOffset)).toBe(4);
  await topic.advance(999);
  expect(await topic.values()).toEqual(['0 a', '2 b', '4 c']);
  await topic.advance(51);
  expect(await topic.values()).toEqual(['0 a', '2 b', '4 c', '5 soon']);
  await topic.advance(4000);
  expect(await topic.values()).toEqual(['0 a', '2 b', '4 c', '5 soon', '6 late']);
  expect((await topic.read()).at(-1)?.timestampMs).toBe(sentMs + 5000);
  expect(topic.broker.node.kafka?.context.delays.counters).toMatchObject({ delayed: 2, appeared: 2 });
});

test('kafkajs sends compressed batches with delays, and reads over the places that they leave', async () => {
  const node = await startKafkaNode();
  const client = node.client();
  const [admin, producer] = [client.admin(), client.producer({ idempotent: true })];
  const consumer = client.consumer({ groupId: 'g', maxWaitTimeInMs: 50 });
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
  const configEntries = [{ name: 'robustmq.delay.enable', value: 'true' }];
  await admin.createTopics({ topics: [{ topic: 'late', numPartitions: 1, configEntries }] });
  const send = (...messages: readonly (readonly [value: string, delayMs: number])[]) =>
    producer.send({
      topic: 'late',
      compression: CompressionTypes.GZIP,
      messages: messages.map(([value, delayMs]) => ({
        value,
        ...(delayMs === 0 ? {} : { headers: { 'robustmq.delay.ms': `${delayMs}` } }),
      })),
    });
  const values: string[] = [];
  await send(['all of it', 400], ['delayed', 300]);
  await send(['a', 0], ['between', 200], ['b', 0]);
  await send(['last', 500]);
  await send(['c', 0]);
  await consumer.subscribe({ topic: 'late', fromBeginning: true });
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: async ({ message }) => {
        values.push(`${message.value}`);
        expect(message.headers).toEqual({});
        if (values.length === 7) resolve();
      },
    });
  });
  expect(values).toEqual(['a', 'b', 'c', 'between', 'delayed', 'all of it', 'last']);
  await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
  await node.stop();
});

test('without the configuration the header is one like others', async () => {
  const topic = await (await Topic.on(await start())).make({});
  await topic.send([{ value: 'a', delay: '5000' }]);
  expect(await topic.values()).toEqual(['0 a']);
});

test('what cannot be delayed is refused, and nothing of its batch is stored', async () => {
  const topic = await (await Topic.on(await start({ 'delay.maxMessages': 2 }))).make();
  for (const delay of ['-1', '1.5', 'soon', '', `${31 * 86_400_000}`]) {
    const { errorCode, recordErrors, errorMessage } = await topic.send([
      { value: 'a' },
      { value: 'b', delay },
    ]);
    expect({ errorCode, index: recordErrors[0]?.batchIndex }).toEqual({
      errorCode: ErrorCode.INVALID_RECORD,
      index: 1,
    });
    expect(errorMessage).toMatch(/delay/);
  }
  const three = ['a', 'b', 'c'].map((value) => ({ value, delay: '1000' }));
  expect((await topic.send(three)).errorCode).toBe(ErrorCode.POLICY_VIOLATION);
  expect((await topic.send(three.slice(1))).errorCode).toBe(0);
  expect((await topic.send(three.slice(2))).errorCode).toBe(ErrorCode.POLICY_VIOLATION);
  await topic.advance(1100);
  expect((await topic.send(three.slice(2))).errorCode).toBe(0);
});

test('records of a transaction cannot be delayed', async () => {
  const topic = await (await Topic.on(await start())).make();
  const { producerId, producerEpoch } = await topic.client.call(Apis.initProducerId, 4, {
    transactionalId: 'tx',
    transactionTimeoutMs: 60_000,
  });
  await topic.client.call(Apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'tx',
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: topic.name, partitions: [0] }],
  });
  const producer = { id: Number(producerId), epoch: producerEpoch, baseSequence: 0 };
  const options = { producer, isTransactional: true };
  const { errorCode, errorMessage } = await topic.send([{ value: 'x', delay: '1000' }], options);
  expect({ errorCode, errorMessage }).toMatchObject({ errorCode: ErrorCode.INVALID_RECORD });
  expect(errorMessage).toContain('transaction');
  expect((await topic.send([{ value: 'x' }], options)).errorCode).toBe(0);
});

test.each(ENDS)('an idempotent producer goes on over a %s as if nothing was delayed', async (end) => {
  const broker = await start();
  let topic = await (await Topic.on(broker)).make();
  const { producerId, producerEpoch } = await topic.client.call(Apis.initProducerId, 4, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
  });
  const from = (baseSequence: number): BatchOptions => ({
    producer: { id: Number(producerId), epoch: producerEpoch, baseSequence },
  });
  const first = [{ value: 'a', delay: '60000' }, { value: 'b' }, { value: 'c', delay: '1000' }];
  expect(await topic.send(first, from(0))).toMatchObject({ errorCode: 0 });
  await broker.restart(end);
  topic = await Topic.on(broker);
  const again = await topic.send(first, from(0));
  expect({ code: again.errorCode, offset: Number(again.baseOffset) }).toEqual({ code: 0, offset: 0 });
  const next = await topic.send([{ value: 'd', delay: '2000' }], from(3));
  expect({ code: next.errorCode, offset: Number(next.baseOffset) }).toEqual({ code: 0, offset: 3 });
  expect((await topic.send([{ value: 'e' }], from(5))).errorCode).toBe(
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  );
  expect((await topic.send([{ value: 'e' }], from(4))).errorCode).toBe(0);
  await topic.advance(61_000);
  expect(await topic.values()).toEqual(['1 b', '4 e', '5 c', '6 d', '7 a']);
});

test('a session of MQTT that is away gets it once, when it appears, whatever the disk has at a moment', async () => {
  const broker = await start();
  const topic = await (await Topic.on(broker)).make();
  const session = { clientId: 'away', expiry: 3600 };
  const first = await broker.connect(session);
  await first.subscribe([{ filter: 'orders/#', qos: 1 }]);
  await first.disconnect();
  const copies: string[] = [];
  await topic.send([{ value: 'now' }, { value: 'late', delay: '1000' }]);
  copies.push(broker.copy());
  await topic.advance(900);
  copies.push(broker.copy());
  await topic.advance(200);
  copies.push(broker.copy());
  await topic.send([{ value: 'end' }]);
  copies.push(broker.copy());
  for (const [i, copyOf] of copies.entries()) {
    const again = await startDurable({ settings: SETTINGS, copyOf });
    const later = await Topic.on(again);
    await later.advance(2000);
    const wanted = i === 3 ? ['now', 'late', 'end'] : ['now', 'late'];
    expect((await later.read()).map(({ value }) => value)).toEqual(wanted);
    const back = await again.connect(session);
    expect(await take(back, wanted.length)).toEqual(wanted);
    expect(await back.barrier()).toEqual([]);
    await again.stop();
  }
});

test('what waits goes with its topic', async () => {
  const broker = await start({ 'delay.maxMessages': 1 });
  const topic = await (await Topic.on(broker)).make();
  await topic.send([{ value: 'a', delay: '1000' }]);
  await topic.client.call(Apis.deleteTopics, 6, {
    topics: [{ name: topic.name, topicId: ZERO }],
    timeoutMs: 1000,
  });
  await topic.make();
  await topic.advance(2000);
  expect(await topic.values()).toEqual([]);
  expect((await topic.send([{ value: 'b', delay: '1000' }])).errorCode).toBe(0);
});

test('what has expired when it is due, and what cannot cross to MQTT, goes to the dead letters of its topic', async () => {
  const broker = await start({ 'mqtt.maxPacketSize': 2000 });
  const dead = await (await Topic.on(broker, 'dead')).make({});
  const topic = await (await Topic.on(broker)).make({
    'robustmq.delay.enable': 'true',
    'robustmq.dead.letter.topic': 'dead',
  });
  const subscriber = await broker.connect({ clientId: 's', clean: true, expiry: 0 });
  await subscriber.subscribe([{ filter: 'orders/#', qos: 1 }]);
  const headers = { 'mqtt.qos': '1', 'mqtt.expires-at': `${topic.nowMs + 500}` };
  const keyed = buildBatch(kernel, [
    {
      timestampMs: topic.nowMs,
      key: bytes('orders/late'),
      value: bytes('expired'),
      headers: encodeHeaders(
        Object.entries({ ...headers, 'robustmq.delay.ms': '1000' }).map(([name, value]) => ({
          name: bytes(name),
          value: bytes(value),
        })),
      ),
    },
  ]);
  await topic.client.call(Apis.produce, 9, produceRequest(topic.name, keyed));
  const large = 'x'.repeat(3000);
  await topic.send([{ value: 'small' }, { value: large }]);
  await topic.send([{ value: large, delay: '1500' }]);
  await topic.advance(3000);
  expect(await take(subscriber, 1)).toEqual(['small']);
  expect(await subscriber.barrier()).toEqual([]);
  expect(await dead.values()).toEqual([`0 ${large}`, '1 expired', `2 ${large}`]);
  const { deadLetters, crossing } = broker.node.kafka?.context ?? {};
  expect(deadLetters?.counters).toEqual({ buried: 3, refused: 0 });
  expect(crossing?.counters).toMatchObject({ refusedTooLarge: 2, refusedTopic: 0 });
});
