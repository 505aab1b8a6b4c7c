/**
 * A backup of a broker under load, and what a broker has that is started on it in another place: everything that was
 * acknowledged before the backup began, nothing that was never sent, and offsets that go on. The broker is killed in the
 * end, so that nothing of its directory can help. ROBUSTMQ_BACKUP_ROUNDS is the number of backups in a row (1).
 */
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RawClient, waitAtLeast } from '../support/raw-client.ts';
import * as wire from '../support/wire.ts';
import { type BrokerProcess, compile, createBrokerProcess, entry } from './broker-process.ts';
import { createLedger, type Ledger, shortened } from './ledger.ts';
import { startPublisher } from './publisher.ts';
import { command } from './streams.ts';

const ROUNDS = Number(process.env.ROBUSTMQ_BACKUP_ROUNDS ?? 1);
const BURST = 150;
const TOPICS = ['b/1', 'b/2'] as const;
const FOREVER: wire.Properties = [[wire.P.sessionExpiry, 0xffffffff]];
const SETTINGS = [
  'listeners.mqtt.port=0',
  'listeners.ws.enabled=false',
  'listeners.kafka.enabled=false',
  'listeners.http.enabled=false',
  'logging.level=error',
  'storage.segmentSize=64KiB',
  'mqtt.queue.maxMessages=100000',
  'storage.views=memory',
  `streams=${JSON.stringify([{ name: 'all', capture: ['b/1'], partitions: 1, key: 'topic' }])}`,
].flatMap((set) => ['--set', set]);

const folder = mkdtempSync(join(tmpdir(), 'robustmq-backup-'));
const brokers: BrokerProcess[] = [];
waitAtLeast(20_000);

beforeAll(compile);
afterAll(async () => {
  await Promise.all(brokers.map((broker) => broker.kill()));
  rmSync(folder, { recursive: true, force: true });
});

function brokerIn(name: string): BrokerProcess {
  const own = join(folder, name);
  const broker = createBrokerProcess(folder, SETTINGS, own);
  brokers.push(broker);
  return broker;
}

/** Exit code and what was said. */
function robustmq(...args: string[]): Promise<{ readonly code: number; readonly err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [entry, ...args], (error, _out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), err });
    });
  });
}

const acknowledgedIn = ({ sent }: Ledger): string[] =>
  [...sent].filter(([, { acknowledged }]) => acknowledged).map(([payload]) => payload);

async function session(broker: BrokerProcess, clean: boolean): Promise<RawClient> {
  const client = await RawClient.open(await broker.listening(), 5, 'away');
  client.send(wire.connect({ clientId: 'away', clean, properties: FOREVER }));
  const { sessionPresent } = await client.expect('connack');
  expect(sessionPresent).toBe(!clean);
  return client;
}

/** All that waits for the session, by topic in the order of delivery. */
async function collect(client: RawClient): Promise<Map<string, string[]>> {
  const seen = new Map<string, string[]>();
  const end = 'end of what waited';
  // What is published now comes behind everything that waits.
  await client.publish({ topic: 'b/1', payload: end, qos: 1 });
  for (;;) {
    const message = await client.message();
    await client.complete(message);
    const payload = message.payload.toString();
    if (payload === end) return seen;
    const topic = message.topic.toString();
    seen.set(topic, [...(seen.get(topic) ?? []), payload]);
  }
}

async function streamOf(
  broker: BrokerProcess,
): Promise<{ readonly offset: number; readonly payload: string }[]> {
  const lines = await command(['stream', 'read', 'all', '--data-dir', broker.dataDir, '-o', 'ndjson']);
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { readonly offset: number; readonly payload: string });
}

interface Taken {
  readonly path: string;
  /** Acknowledged before it began. */
  readonly before: readonly string[];
}

async function takeUnderLoad(): Promise<{ readonly ledger: Ledger; readonly taken: readonly Taken[] }> {
  const broker = brokerIn('old');
  await broker.start();
  const away = await session(broker, true);
  await away.subscribe([{ filter: 'b/#', qos: 2 }]);
  await away.disconnect();
  const ledger = createLedger();
  const publisher = startPublisher(ledger, broker, 'p', TOPICS);
  const taken: Taken[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    publisher.produce(BURST);
    while (acknowledgedIn(ledger).length < BURST * (2 * round + 1) - 40) await delay(5);
    const path = join(folder, `backup-${round}`);
    const before = acknowledgedIn(ledger);
    publisher.produce(BURST);
    const { code, err } = await robustmq('backup', path, '--data-dir', broker.dataDir);
    expect({ code, err }).toMatchObject({ code: 0 });
    taken.push({ path, before });
  }
  await broker.kill();
  await publisher.end();
  expect(broker.defect()).toBeUndefined();
  rmSync(broker.dataDir, { recursive: true });
  return { ledger, taken };
}

test('what was acknowledged before a backup is there after a restore, and nothing else that was never sent', {
  timeout: 60_000,
}, async () => {
  const { ledger, taken } = await takeUnderLoad();
  for (const [i, { path, before }] of taken.entries()) {
    const broker = brokerIn(`new-${i}`);
    const { code, err } = await robustmq('restore', path, '--data-dir', broker.dataDir);
    expect({ code, err }).toMatchObject({ code: 0 });
    await broker.start();
    const seen = await collect(await session(broker, false));
    const all = [...seen.values()].flat();
    expect(all.filter((payload) => !ledger.sent.has(payload)).map(shortened)).toEqual([]);
    expect(before.filter((payload) => !all.includes(payload)).map(shortened)).toEqual([]);
    for (const payloads of seen.values()) {
      const numbers = payloads.map((payload) => Number(payload.split('|')[2]));
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    }
    const records = await streamOf(broker);
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, at) => at));
    expect(records.at(-1)?.payload).toBe('end of what waited');
    const inStream = new Set(records.map(({ payload }) => payload));
    const missing = before.filter((payload) => payload.split('|')[1] === 'b/1' && !inStream.has(payload));
    expect(missing.map(shortened)).toEqual([]);
    await broker.stop();
    expect(broker.defect()).toBeUndefined();
  }
  const [first] = taken;
  if (first === undefined) throw new Error('there is no backup');
  await refusesDamage(first.path);
});

async function refusesDamage(backup: string): Promise<void> {
  const target = join(folder, 'damaged');
  const segment = readdirSync(join(backup, 'journal/main')).find((name) => name.endsWith('.wal')) ?? '';
  const path = join(backup, 'journal/main', segment);
  const bytes = readFileSync(path);
  const at = Math.floor(statSync(path).size / 2);
  // A backup's files are its own where they were copied, and nobody else's any more where they were linked.
  const altered = Buffer.from(bytes);
  altered[at] = (altered[at] ?? 0) ^ 1;
  writeFileSync(path, altered);
  const restored = await robustmq('restore', backup, '--data-dir', target);
  expect(restored).toMatchObject({ code: 1 });
  expect(restored.err).toMatch(/is not what was written there/);
  expect(existsSync(join(target, 'format.json'))).toBe(false);
  writeFileSync(path, bytes.subarray(0, -1));
  expect((await robustmq('restore', backup, '--check')).err).toMatch(/ends at/);
  rmSync(join(backup, 'manifest.json'));
  appendFileSync(join(backup, 'INCOMPLETE'), '');
  expect((await robustmq('restore', backup, '--data-dir', `${target}-2`)).err).toMatch(/incomplete/);
}
