/**
 * Exactly once: what one topic has is read, processed and written to another with the offsets in one transaction, while the broker is
 * killed again and again. ROBUSTMQ_CRASH_ROUNDS is the number of kills. The data directory of a run that failed stays.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { createRandom } from '../support/random.ts';
import { waitAtLeast } from '../support/raw-client.ts';
import { type BrokerProcess, compile, createBrokerProcess } from './broker-process.ts';

const KILLS = Number(process.env.ROBUSTMQ_CRASH_ROUNDS ?? 1);
const SEED = Number(process.env.ROBUSTMQ_CRASH_SEED ?? 1);
const GROUP = 'readers';

waitAtLeast(30_000);
beforeAll(compile, 120_000);

/** Reads, processes and writes. */
class Worker {
  private readonly client: Kafka;
  private producer: Producer | undefined;
  private isStopped = false;
  /** Offsets that were seen to be committed: they never go back. */
  committed = 0;
  transactions = 0;
  readonly wrong: string[] = [];

  constructor(client: Kafka) {
    this.client = client;
  }

  stop(): void {
    this.isStopped = true;
  }

  /** One after the other, as long as it is let; whatever fails makes it start again where the group is. */
  async run(): Promise<void> {
    while (!this.isStopped) {
      try {
        await this.work();
      } catch {
        await this.producer?.disconnect().catch(() => {});
        this.producer = undefined;
        await delay(20);
      }
    }
    await this.producer?.disconnect().catch(() => {});
  }

  private async position(): Promise<number> {
    const admin = this.client.admin();
    try {
      await admin.connect();
      const [topic] = await admin.fetchOffsets({ groupId: GROUP, topics: ['in'] });
      return Math.max(0, Number(topic?.partitions[0]?.offset ?? 0));
    } finally {
      await admin.disconnect();
    }
  }

  private async work(): Promise<void> {
    const producer = this.client.producer({
      transactionalId: 'worker',
      idempotent: true,
      maxInFlightRequests: 1,
    });
    this.producer = producer;
    await producer.connect();
    // Ends what the one before has left, so that what the group has is final.
    await (await producer.transaction()).abort();
    let at = await this.position();
    if (at < this.committed) this.wrong.push(`offset ${at} after ${this.committed}`);
    while (!this.isStopped) {
      this.committed = Math.max(this.committed, at);
      const next = at + 1 + (this.transactions % 4);
      const messages = Array.from({ length: next - at }, (_, i) => ({ value: `${at + i}` }));
      const transaction = await producer.transaction();
      const half = Math.ceil(messages.length / 2);
      await transaction.send({
        topic: 'out',
        messages: messages.slice(0, half).map((each) => ({ ...each, partition: 0 })),
      });
      if (messages.length > half) {
        const others = messages.slice(half).map((each) => ({ ...each, partition: 1 }));
        await transaction.send({ topic: 'out', messages: others });
      }
      const partitions = [{ partition: 0, offset: `${next}` }];
      await transaction.sendOffsets({ consumerGroupId: GROUP, topics: [{ topic: 'in', partitions }] });
      this.transactions++;
      if (this.transactions % 7 === 0) await transaction.abort();
      else {
        await transaction.commit();
        at = next;
      }
    }
  }
}

async function readCommitted(client: Kafka, count: number): Promise<number[]> {
  const consumer = client.consumer({ groupId: 'audit', maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic: 'out', fromBeginning: true });
  const values: number[] = [];
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(resolve, 20_000);
    consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(Number(message.value));
          if (values.length < count) return;
          clearTimeout(late);
          // What comes twice comes soon.
          setTimeout(resolve, 300);
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values.sort((a, b) => a - b);
}

const settings = (port: number): string[] =>
  Object.entries({
    'listeners.mqtt.port': 0,
    'listeners.ws.enabled': false,
    'listeners.kafka.enabled': true,
    'listeners.http.enabled': false,
    'listeners.kafka.host': '127.0.0.1',
    'listeners.kafka.port': port,
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
  const setup = client.admin();
  await setup.connect();
  await setup.createTopics({ topics: ['in', 'out'].map((topic) => ({ topic, numPartitions: 2 })) });
  await setup.disconnect();
  const worker = new Worker(client);
  const running = worker.run();
  for (let kill = 0; kill < KILLS; kill++) {
    await delay(500 + random.below(700));
    await broker.kill();
    if (random.oneIn(3)) await broker.startAndKill(100 + random.below(300));
    await broker.start();
  }
  const before = worker.committed;
  for (let wait = 0; wait < 200 && worker.committed <= before + 4; wait++) await delay(50);
  worker.stop();
  await running;
  const admin = client.admin();
  await admin.connect();
  const [topic] = await admin.fetchOffsets({ groupId: GROUP, topics: ['in'] });
  await admin.disconnect();
  const done = Number(topic?.partitions[0]?.offset);
  expect(worker.wrong).toEqual([]);
  expect(done).toBeGreaterThan(before);
  expect(await readCommitted(client, done)).toEqual(Array.from({ length: done }, (_, i) => i));
  expect(broker.defect()).toBeUndefined();
}

test(`exactly once over kills: ${KILLS}`, { timeout: 60_000 + KILLS * 10_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-exactly-once-'));
  const port = await freePort();
  const broker = createBrokerProcess(folder, settings(port));
  try {
    await life(broker, port);
  } finally {
    await broker.stop();
  }
  rmSync(folder, { recursive: true, force: true });
});
