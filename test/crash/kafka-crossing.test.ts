/**
 * From Kafka to MQTT while the broker is killed again and again: records of transactions, delayed ones and others, for a session that
 * is away all the time. What it gets in the end is what readers of committed records see, in the same order, each once.
 * ROBUSTMQ_CRASH_ROUNDS is the number of kills. The data directory of a run that failed stays.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { createRandom } from '../support/random.ts';
import { waitAtLeast } from '../support/raw-client.ts';
import { type BrokerProcess, compile, createBrokerProcess } from './broker-process.ts';

const KILLS = Number(process.env.ROBUSTMQ_CRASH_ROUNDS ?? 1);
const SEED = Number(process.env.ROBUSTMQ_CRASH_SEED ?? 1);
const TOPIC = 'moves.out';
const MAX_DELAY_MS = 400;
const TIMEOUT_MS = 5000;

waitAtLeast(30_000);
beforeAll(compile, 120_000);

type Step = (producer: Producer, turn: number) => Promise<void>;

/** One step after the other, as long as it is let; whatever fails makes it start again with another producer. */
class Writer {
  private isStopped = false;
  turns = 0;
  private readonly make: () => Producer;
  private readonly step: Step;

  constructor(make: () => Producer, step: Step) {
    this.make = make;
    this.step = step;
  }

  stop(): void {
    this.isStopped = true;
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      const producer = this.make();
      try {
        await producer.connect();
        while (!this.isStopped) await this.step(producer, this.turns++);
      } catch {
        await delay(20);
      }
      await producer.disconnect().catch(() => {});
    }
  }
}

const send = (to: Pick<Producer, 'send'>, values: readonly string[], delayMs = 0) =>
  to.send({
    topic: TOPIC,
    messages: values.map((value) => ({
      value,
      ...(delayMs === 0 ? {} : { headers: { 'robustmq.delay.ms': `${delayMs}` } }),
    })),
  });

const transactions: Step = async (producer, turn) => {
  const transaction = await producer.transaction();
  await send(transaction, [`t${turn}`, `t${turn}+`]);
  await send(transaction, [`t${turn}++`]);
  await (turn % 3 === 2 ? transaction.abort() : transaction.commit());
};

const others: Step = async (producer, turn) => {
  await send(producer, [`p${turn}`]);
  await send(producer, [`d${turn}`], 1 + ((turn * 37) % MAX_DELAY_MS));
  await delay(5);
};

async function readCommitted(client: Kafka, last: string): Promise<string[]> {
  const consumer = client.consumer({ groupId: 'audit', maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(`${message.value}`);
          if (values.at(-1) === last) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values;
}

async function session(broker: BrokerProcess): Promise<IClientOptions> {
  const { host, port } = await broker.listening();
  const properties = { sessionExpiryInterval: 3600, receiveMaximum: 1000 };
  return { host, port, protocol: 'mqtt', protocolVersion: 5, clientId: 'away', clean: false, properties };
}

/** What waits for the session, up to the last one and what comes behind that soon. */
async function waiting(options: IClientOptions, last: string): Promise<string[]> {
  const values: string[] = [];
  const client: MqttClient = mqtt.connect(options);
  await new Promise<void>((resolve) => {
    client.on('message', (_topic, payload) => {
      values.push(payload.toString());
      if (values.at(-1) === last) setTimeout(resolve, 300);
    });
  });
  await client.endAsync(true);
  return values;
}

const settings = (port: number): string[] =>
  Object.entries({
    'listeners.mqtt.port': 0,
    'listeners.ws.enabled': false,
    'listeners.http.enabled': false,
    'listeners.kafka.enabled': true,
    'listeners.kafka.host': '127.0.0.1',
    'listeners.kafka.port': port,
    'mqtt.queue.maxMessages': 1_000_000,
  }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

async function life(broker: BrokerProcess, port: number): Promise<void> {
  const random = createRandom(SEED);
  await broker.start();
  const client = new Kafka({
    brokers: [`127.0.0.1:${port}`],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 500,
    retry: { initialRetryTime: 30, maxRetryTime: 200, retries: 4 },
  });
  const admin = client.admin();
  await admin.connect();
  const configEntries = [{ name: 'robustmq.delay.enable', value: 'true' }];
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1, configEntries }] });
  await admin.disconnect();
  const first = await mqtt.connectAsync(await session(broker));
  await first.subscribeAsync('moves/#', { qos: 1 });
  await first.endAsync();
  const transactional = (): Producer =>
    client.producer({
      transactionalId: 'writer',
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: TIMEOUT_MS,
    });
  const writers = [
    new Writer(transactional, transactions),
    new Writer(() => client.producer({ idempotent: true, maxInFlightRequests: 1 }), others),
  ];
  const running = writers.map((writer) => writer.run());
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(500 + random.below(700));
    await broker.kill();
    if (random.oneIn(3)) await broker.startAndKill(100 + random.below(300));
    await broker.start();
  }
  await delay(300);
  for (const writer of writers) writer.stop();
  await Promise.all(running);
  // What was left open is aborted, and what was delayed is there: the last one is behind all of it.
  await delay(MAX_DELAY_MS + 100);
  const last = transactional();
  await last.connect();
  const transaction = await last.transaction();
  await send(transaction, ['end']);
  await transaction.commit();
  await last.disconnect();
  const committed = await readCommitted(client, 'end');
  expect(committed.length).toBeGreaterThan(KILLS);
  expect(new Set(committed.filter((value) => /^[td]/.test(value))).size).toBe(
    committed.filter((value) => /^[td]/.test(value)).length,
  );
  expect(await waiting(await session(broker), 'end')).toEqual(committed);
  expect(broker.defect()).toBeUndefined();
}

test(`what crosses, over kills: ${KILLS}`, { timeout: 60_000 + KILLS * 10_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-crossing-'));
  const port = await freePort();
  const broker = createBrokerProcess(folder, settings(port));
  try {
    await life(broker, port);
  } finally {
    await broker.stop();
  }
  rmSync(folder, { recursive: true, force: true });
});
