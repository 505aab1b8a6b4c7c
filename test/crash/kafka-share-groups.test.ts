/**
 * A share group under fire: members take, accept, release, reject and vanish while the broker is killed. What was settled does not come
 * again, nothing else is lost, deliveries stay counted as documented, and dead letters are there once. ROBUSTMQ_CRASH_ROUNDS is the
 * number of kills, ROBUSTMQ_CRASH_SEED repeats a run. The data directory of a run that failed stays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { Apis } from '../../src/protocols/kafka/messages/apis.ts';
import { decodeHeaders } from '../../src/storage/records/record.ts';
import { readRecordBatch } from '../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../src/wasm/create-log.ts';
import { makeTopic, setGroup } from '../protocols/kafka/share/support.ts';
import { freePort } from '../support/free-port.ts';
import { type KafkaClient, openKafkaClient } from '../support/kafka-client.ts';
import { createRandom } from '../support/random.ts';
import { compile, createBrokerProcess } from './broker-process.ts';
import { createShareLedger, type Letter, type ShareLedger } from './kafka/share-ledger.ts';
import {
  DELIVERY_LIMIT,
  GROUP,
  PARTITIONS,
  type ShareStage,
  startFeeder,
  startMember,
  TOPIC,
} from './kafka/share-members.ts';

const isLong = process.env.ROBUSTMQ_CRASH_ROUNDS !== undefined;
const KILLS = Number(process.env.ROBUSTMQ_CRASH_ROUNDS ?? 1);
const SEED = Number(process.env.ROBUSTMQ_CRASH_SEED ?? (isLong ? Date.now() % 1_000_000 : 1));
const MEMBERS = isLong ? 4 : 3;
const DEAD = 'dead';
/** A group that has not come to its end by then is stuck. */
const PEACE_MS = 40_000;
const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });

beforeAll(compile, 120_000);

const settings = (port: number): string[] =>
  Object.entries({
    'listeners.mqtt.port': 0,
    'listeners.ws.enabled': false,
    'listeners.http.enabled': false,
    'listeners.kafka.enabled': true,
    'listeners.kafka.host': '127.0.0.1',
    'listeners.kafka.port': port,
    'logging.level': 'warn',
    'storage.segmentSize': '1MiB',
  }).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

async function prepare(port: number): Promise<string> {
  const client = await openKafkaClient(port);
  const topicId = await makeTopic(client, TOPIC, PARTITIONS);
  await makeTopic(client, DEAD, PARTITIONS);
  const errorCode = await setGroup(client, GROUP, {
    'share.auto.offset.reset': 'earliest',
    'share.delivery.count.limit': `${DELIVERY_LIMIT}`,
    'share.record.lock.duration.ms': '3000',
    'share.session.timeout.ms': '5000',
    'errors.deadletterqueue.topic.name': DEAD,
  });
  expect(errorCode).toBe(0);
  client.close();
  return topicId;
}

function lettersIn(records: Uint8Array): Letter[] {
  const letters: Letter[] = [];
  for (let at = 0; at < records.length; ) {
    const { batch, fault } = readRecordBatch(kernel, records.slice(at));
    if (batch === undefined) throw new Error(`no batch at ${at}: ${fault}`);
    for (let i = 0; i < batch.length; i++) {
      const { value, headers } = batch.record(i);
      const said = new Map(decodeHeaders(headers).map((each) => [`${Buffer.from(each.name)}`, each.value]));
      const text = (name: string): string => `${Buffer.from(said.get(`dead-letter-${name}`) ?? [])}`;
      letters.push({
        value: `${Buffer.from(value ?? [])}`,
        reason: text('reason'),
        deliveries: Number(text('deliveries')),
      });
    }
    at += batch.header.byteLength;
  }
  return letters;
}

async function readLetters(client: KafkaClient): Promise<Letter[]> {
  const letters: Letter[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let offset = 0; ; ) {
      const { responses } = await client.call(Apis.fetch, 12, {
        maxWaitMs: 0,
        minBytes: 0,
        topics: [
          { topic: DEAD, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 10_000_000 }] },
        ],
      });
      const found = responses[0]?.partitions[0];
      expect(found?.errorCode).toBe(0);
      if (found === undefined || offset >= found.highWatermark) break;
      const records = found.records as Uint8Array | null;
      letters.push(...lettersIn(records ?? new Uint8Array(0)));
      // One answer has all that there is: it is far below the limits.
      offset = found.highWatermark;
    }
  }
  return letters;
}

/** Until all is accepted, or a dead letter. */
async function peace(client: KafkaClient, ledger: ShareLedger): Promise<Letter[]> {
  const untilMs = performance.now() + PEACE_MS;
  for (;;) {
    const letters = await readLetters(client);
    const open = ledger.open(letters);
    if (open.length === 0) return letters;
    if (performance.now() > untilMs) {
      ledger.complain(`stuck: ${open.length} records, among them ${open.slice(0, 10)}`);
      return letters;
    }
    await delay(100);
  }
}

test(`what a share group has settled stays settled over ${KILLS} kills, seed ${SEED}`, {
  timeout: 120_000 + KILLS * 15_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-share-'));
  const port = await freePort();
  const broker = createBrokerProcess(folder, settings(port));
  const random = createRandom(SEED);
  const ledger = createShareLedger();
  let isPeaceful = false;
  const stageOf = (number: number): ShareStage => ({
    port,
    ledger,
    random: createRandom(SEED * 1000 + number),
    isPeaceful: () => isPeaceful,
  });
  await broker.start();
  const topicId = await prepare(port);
  ledger.begin();
  const feeder = startFeeder(stageOf(1));
  const members = Array.from({ length: MEMBERS }, (_, i) => startMember(stageOf(10 + i), topicId));
  try {
    for (let kill = 1; kill <= KILLS; kill++) {
      const workMs = 300 + random.below(isLong ? 2500 : 900);
      await delay(workMs);
      await broker.kill();
      // What had come by then has been read.
      await delay(20);
      ledger.begin();
      while (random.oneIn(4)) {
        await broker.startAndKill(random.below(700));
        ledger.begin();
      }
      const startMs = await broker.start();
      if (isLong) {
        process.stderr.write(
          `kill ${kill} after ${workMs} ms, start ${Math.round(startMs)} ms: ${JSON.stringify(ledger.figures)}\n`,
        );
      }
      expect(broker.defect()).toBeUndefined();
    }
    await delay(300);
    await feeder.stop();
    isPeaceful = true;
    const client = await openKafkaClient(port);
    await peace(client, ledger);
    await Promise.all(members.map((member) => member.stop()));
    ledger.judge(await readLetters(client), DELIVERY_LIMIT);
    client.close();
  } finally {
    await Promise.all([feeder, ...members].map((actor) => actor.stop()));
    await broker.stop();
  }
  expect(broker.defect()).toBeUndefined();
  expect(ledger.violations, `seed ${SEED}, data in ${folder}`).toEqual([]);
  expect(ledger.figures.accepted).toBeGreaterThan(0);
  expect(ledger.figures.rejected).toBeGreaterThan(0);
  expect(ledger.figures.again).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
});
