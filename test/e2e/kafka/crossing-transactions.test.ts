/** Records of transactions on their way to MQTT: when they are committed, in their order, once, whatever the broker's end. */
import { Kafka, logLevel, type Producer, type Transaction } from 'kafkajs';
import { expect, test } from 'vitest';
import { type DurableBroker, publisherOf, startDurable, take } from '../durable/broker.ts';

const SETTINGS = {
  'listeners.kafka.enabled': true,
  'listeners.kafka.host': '127.0.0.1',
  'listeners.kafka.port': 0,
};
const TIMEOUT_MS = 30_000;

const start = (copyOf?: string): Promise<DurableBroker> =>
  startDurable({ settings: SETTINGS, ...(copyOf === undefined ? {} : { copyOf }) });

class Writer {
  private readonly broker: DurableBroker;
  private readonly producers: Producer[] = [];
  readonly client: Kafka;

  constructor(broker: DurableBroker) {
    this.broker = broker;
    const address = broker.node.listeners.find(({ name }) => name === 'kafka')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no kafka listener');
    const brokers = [`127.0.0.1:${address.port}`];
    this.client = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING });
  }

  async producer(transactionalId?: string): Promise<Producer> {
    const options = { idempotent: true, maxInFlightRequests: 1, transactionTimeout: TIMEOUT_MS };
    const producer = this.client.producer(
      transactionalId === undefined ? {} : { ...options, transactionalId },
    );
    await producer.connect();
    this.producers.push(producer);
    return producer;
  }

  async send(to: Producer | Transaction, ...values: string[]): Promise<void> {
    const timestamp = `${this.broker.node.kafka?.context.clock.wallMs()}`;
    await to.send({ topic: 'bank.moves', messages: values.map((value) => ({ value, timestamp })) });
  }

  async close(): Promise<void> {
    for (const producer of this.producers) await producer.disconnect();
  }
}

const session = { clientId: 'away', expiry: 3600 };

async function subscribe(broker: DurableBroker): Promise<void> {
  const client = await broker.connect(session);
  await client.subscribe([{ filter: 'bank/#', qos: 1 }]);
  await client.disconnect();
}

/** What waits for the session, which is `count` messages. */
async function waiting(broker: DurableBroker, count: number): Promise<string[]> {
  const client = await broker.connect(session);
  const values = await take(client, count);
  const more = await client.barrier();
  return [...values, ...more.map(({ type }) => `and ${type}`)];
}

test('a subscriber gets what is committed when it is, what came behind it after it, and nothing that is aborted', async () => {
  const broker = await start();
  const live = await broker.connect({ clientId: 'live', clean: true, expiry: 0 });
  await live.subscribe([{ filter: 'bank/moves', qos: 1 }]);
  const writer = new Writer(broker);
  const [one, two, plain] = [
    await writer.producer('one'),
    await writer.producer('two'),
    await writer.producer(),
  ];
  const committed = await one.transaction();
  const aborted = await two.transaction();
  await writer.send(plain, 'before');
  await writer.send(committed, 'a', 'b');
  await writer.send(aborted, 'x');
  await writer.send(plain, 'between');
  await writer.send(committed, 'c');
  expect(await take(live, 1)).toEqual(['before']);
  expect(await live.barrier()).toEqual([]);
  await committed.commit();
  expect(await take(live, 2)).toEqual(['a', 'b']);
  await aborted.abort();
  expect(await take(live, 2)).toEqual(['between', 'c']);
  await writer.send(plain, 'after');
  expect(await take(live, 1)).toEqual(['after']);
  expect(await live.barrier()).toEqual([]);
  await writer.close();
});

test('what MQTT publishes into the midst of a transaction is there at once, and does not come back with it', async () => {
  const broker = await start();
  const live = await broker.connect({ clientId: 'live', clean: true, expiry: 0 });
  await live.subscribe([{ filter: 'bank/moves', qos: 1 }]);
  const writer = new Writer(broker);
  const producer = await writer.producer('one');
  const committed = await producer.transaction();
  await writer.send(committed, 'a');
  const publisher = await publisherOf(broker);
  await publisher.publish({ topic: 'bank/moves', payload: 'by MQTT', qos: 1 });
  expect(await take(live, 1)).toEqual(['by MQTT']);
  await writer.send(committed, 'b');
  await committed.commit();
  expect(await take(live, 2)).toEqual(['a', 'b']);
  // The address of the topic has it all, once: a, what MQTT published, b, and the mark.
  expect(broker.node.kafka?.context.topics.partition('bank.moves', 0)?.endOffset).toBe(4);
  await publisher.publish({ topic: 'bank/moves', payload: 'end', qos: 1 });
  expect(await take(live, 1)).toEqual(['end']);
  expect(await live.barrier()).toEqual([]);
  await writer.close();
});

test('whatever the disk has at a moment, a session that is away gets exactly what is committed', async () => {
  const broker = await start();
  await subscribe(broker);
  const writer = new Writer(broker);
  const [one, two, plain] = [
    await writer.producer('one'),
    await writer.producer('two'),
    await writer.producer(),
  ];
  const copies: { readonly folder: string; readonly values: readonly string[] }[] = [];
  /** By the place in the partition. */
  const places: { readonly value: string; isDecided: boolean }[] = [];
  const note = (value: string, isDecided: boolean) => {
    const place = { value, isDecided };
    places.push(place);
    return place;
  };
  const copy = (): void => {
    const values = places.filter(({ isDecided }) => isDecided).map(({ value }) => value);
    copies.push({ folder: broker.copy(), values });
  };
  const decide = (open: readonly { isDecided: boolean }[]): void => {
    for (const place of open) place.isDecided = true;
  };
  for (let round = 0; round < 2; round++) {
    const isCommit = round % 2 === 0;
    const [first, second] = [await one.transaction(), await two.transaction()];
    await writer.send(first, `f${round}`);
    const ofFirst = [note(`f${round}`, false)];
    await writer.send(plain, `p${round}`);
    note(`p${round}`, true);
    await writer.send(second, `s${round}`, `s${round}+`);
    const ofSecond = [note(`s${round}`, false), note(`s${round}+`, false)];
    copy();
    await second.commit();
    decide(ofSecond);
    copy();
    await (isCommit ? first.commit() : first.abort());
    if (isCommit) decide(ofFirst);
    copy();
  }
  await writer.close();
  const all = copies.at(-1)?.values ?? [];
  expect(all.length).toBe(7);
  expect(await waiting(broker, all.length)).toEqual(all);
  for (const { folder, values } of copies) {
    const again = await start(folder);
    // What is still open is aborted by time.
    for (let i = 0; i < 4; i++) await again.advance(TIMEOUT_MS / 2);
    expect(await waiting(again, values.length)).toEqual(values);
    await again.stop();
  }
});
