/**
 * SIGKILL while messages go to an object store: as copies, as a stream, and as segments that leave the disk. With
 * ROBUSTMQ_TEST_S3 the store is a real one, too. ROBUSTMQ_OBJECT_KILLS=n is the number of kills.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPERATIONS } from '../../../src/admin/operations.ts';
import { connectAdmin } from '../../../src/cli/admin-client.ts';
import { openTestBucket, type TestBucket, whyNoS3 } from '../../support/s3.ts';
import { type Finished, type Program, type ReadyFile, root, run } from '../process.ts';

const KILLS = Number(process.env.ROBUSTMQ_OBJECT_KILLS ?? 1);
const outDir = join(root, 'build/objects');
const command = (args: readonly string[]): Program =>
  run(process.execPath, [join(outDir, 'cli/main.js'), ...args]);

/** A folder of its own: other files of tests compile, too. Types are the compiler's business elsewhere. */
beforeAll(() => {
  execFileSync(process.execPath, ['scripts/build-js.mjs', '--unchecked', '--out', 'objects'], { cwd: root });
});

let bucket: Promise<TestBucket> | undefined;
const folders: string[] = [];
const programs = new Set<Program>();
afterAll(async () => {
  for (const { child } of programs) child.kill('SIGKILL');
  await Promise.all([...programs].map(({ finished }) => finished));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  await (await bucket)?.stop();
}, 60_000);

const STORES: Readonly<Record<string, (folder: string) => Promise<string[]>>> = {
  'a directory': async (folder) => [`storage.object.directory=${join(folder, 'objects')}`],
  ...(whyNoS3 === undefined && {
    S3: async () => {
      bucket ??= openTestBucket();
      const { settings } = await bucket;
      const wanted = ['endpoint', 'region', 'bucket', 'accessKeyId', 'secretAccessKey'] as const;
      return wanted.map((key) => `storage.object.${key}=${settings[key]}`);
    },
  }),
};

interface Broker {
  readonly port: number;
  kill(): Promise<Finished>;
  stop(): Promise<Finished>;
}

async function start(dataDir: string, sets: readonly string[]): Promise<Broker> {
  const path = `${dataDir}.ready.json`;
  rmSync(path, { force: true });
  const all = [
    'listeners.mqtt.port=0',
    'listeners.ws.enabled=false',
    'listeners.kafka.enabled=false',
    'listeners.http.enabled=false',
    'storage.segmentSize=64KiB',
    'storage.tier.enabled=true',
    'storage.tier.localSize=0',
    'topics=[{"match":"o/#","storage":"object"}]',
    'streams=[{"name":"cold","capture":["s/#"]},{"name":"kept","capture":["k/#"],"storage":"object"}]',
    ...sets,
  ].flatMap((set) => ['--set', set]);
  const program = command(['start', '--data-dir', dataDir, '--ready-file', path, ...all]);
  programs.add(program);
  while (!existsSync(path)) {
    if (program.child.exitCode !== null)
      throw new Error(`the broker ended: ${program.err()}${program.out()}`);
    await delay(5);
  }
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<Finished> => {
    program.child.kill(signal);
    const finished = await program.finished;
    programs.delete(program);
    return finished;
  };
  const { listeners } = JSON.parse(readFileSync(path, 'utf8')) as ReadyFile;
  return { port: listeners.mqtt?.port ?? 0, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

async function connect({ port }: Broker, clientId: string, clean: boolean): Promise<MqttClient> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5,
    clientId,
    clean,
    reconnectPeriod: 0,
    ...(clean ? {} : { properties: { sessionExpiryInterval: 3600 } }),
  });
  client.on('error', () => {});
  return client;
}

const TOPICS = ['o/1', 's/1', 'k/1'];

/** Publishes, some at once, until the broker is gone; what was acknowledged is in `acked`. */
async function publishUntilGone(broker: Broker, round: number, acked: Set<string>): Promise<void> {
  const client = await connect(broker, 'publisher', true);
  await new Promise<void>((resolve) => client.once('connect', () => resolve()));
  let isGone = false;
  const gone = new Promise<void>((resolve) => {
    client.once('close', () => {
      isGone = true;
      resolve();
    });
  });
  const filler = 'x'.repeat(4000);
  const lane = async (name: number): Promise<void> => {
    for (let i = 0; !isGone; i++) {
      const topic = TOPICS[i % TOPICS.length] ?? '';
      const id = `${topic} ${round} ${name} ${i}`;
      const sent = client.publishAsync(topic, `${id}|${filler}`, { qos: 1 }).then(() => acked.add(id));
      await Promise.race([sent.catch(() => {}), gone]);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => lane(name)));
  client.end(true);
}

const idOf = (payload: string): string => payload.slice(0, payload.indexOf('|'));

async function readStream(dataDir: string, name: string): Promise<string[]> {
  const client = connectAdmin(dataDir);
  const records: { readonly offset: number; readonly payload?: string }[] = [];
  try {
    for (;;) {
      const where = { name, partition: 0, offset: records.length, payloadBytes: 100 };
      const { items } = await client.call(OPERATIONS.streamsRead, where);
      if (items.length === 0) break;
      records.push(...items);
    }
  } finally {
    client.close();
  }
  expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
  return records.map(({ payload }) => idOf(payload ?? ''));
}

test.each(Object.keys(STORES))(
  'what was acknowledged is there after kills, with %s',
  async (store) => {
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-kill-'));
    folders.push(folder);
    const sets = (await STORES[store]?.(folder)) ?? [];
    const dataDir = join(folder, 'data');
    const acked = new Set<string>();
    const ackedOf = (topic: string): string[] => [...acked].filter((id) => id.startsWith(topic));

    let broker = await start(dataDir, sets);
    const away = await connect(broker, 'away', false);
    await away.subscribeAsync(['o/#', 's/#'], { qos: 1 });
    await away.endAsync();
    for (let round = 0; round < KILLS; round++) {
      const publishing = publishUntilGone(broker, round, acked);
      await delay(300 + 400 * Math.random());
      await broker.kill();
      await publishing;
      broker = await start(dataDir, sets);
    }
    expect(ackedOf('o/1').length).toBeGreaterThan(0);

    expect(await readStream(dataDir, 'kept')).toEqual(expect.arrayContaining(ackedOf('k/')));
    expect(await readStream(dataDir, 'cold')).toEqual(expect.arrayContaining(ackedOf('s/')));
    await broker.kill();
    // The disk is lost: the store alone has what it was to keep.
    const other = join(folder, 'other');
    const second = await start(other, sets);
    expect(await readStream(other, 'kept')).toEqual(expect.arrayContaining(ackedOf('k/')));
    expect(await readStream(other, '$recovered')).toEqual(expect.arrayContaining(ackedOf('o/')));
    await second.kill();

    const got: string[] = [];
    const wanted = new Set([...ackedOf('o/'), ...ackedOf('s/')]);
    broker = await start(dataDir, sets);
    const back = await connect(broker, 'away', false);
    await new Promise<void>((resolve) => {
      back.on('message', (_topic, payload) => {
        got.push(idOf(payload.toString()));
        wanted.delete(got.at(-1) ?? '');
        if (wanted.size === 0) resolve();
      });
    });
    expect(new Set(got).size).toBe(got.length);
    back.end(true);
    expect((await broker.stop()).code).toBe(0);
  },
  120_000,
);
