/**
 * A node with many partitions and groups: how long it needs to serve after kill -9, and what it costs while nobody asks it for anything.
 *
 *   npm run build && node --import tsx bench/kafka-many.ts --topics 100 --partitions 100 --groups 1000
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { processUsage } from './process-stats.ts';

const { values } = parseArgs({
  options: {
    topics: { type: 'string', default: '100' },
    partitions: { type: 'string', default: '100' },
    groups: { type: 'string', default: '1000' },
    idle: { type: 'string', default: '10' },
    repeats: { type: 'string', default: '3' },
  },
});
const [topics, partitions, groups] = [values.topics, values.partitions, values.groups].map(Number) as [
  number,
  number,
  number,
];
const IDLE_SECONDS = Number(values.idle);
const AT_ONCE = 100;
const MB = 1e6;
const main = fileURLToPath(new URL('../build/js/cli/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'robustmq-many-'));

async function start() {
  const ready = join(directory, 'ready.json');
  rmSync(ready, { force: true });
  const settings = ['mqtt.enabled=false', 'ws.enabled=false', 'http.enabled=false', 'kafka.port=0'];
  const args = ['start', '--data-dir', join(directory, 'data'), '--ready-file', ready];
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [
      main,
      ...args,
      '--set',
      'logging.level=error',
      ...settings.flatMap((set) => ['--set', `listeners.${set}`]),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  while (!existsSync(ready)) await delay(5);
  const seconds = (performance.now() - startedMs) / 1000;
  const { listeners } = JSON.parse(readFileSync(ready, 'utf8')) as { listeners: { kafka: { port: number } } };
  const usage = () => processUsage(child.pid ?? 0) ?? { cpuSeconds: Number.NaN, residentBytes: Number.NaN };
  return {
    seconds,
    port: listeners.kafka.port,
    usage,
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function asAdmin<T>(port: number, work: (admin: Admin, kafka: Kafka) => Promise<T>): Promise<T> {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin, kafka);
  } finally {
    await admin.disconnect();
  }
}

/** One record in each partition, one committed offset for each group. */
async function fill(port: number): Promise<void> {
  await asAdmin(port, async (admin, kafka) => {
    const names = Array.from({ length: topics }, (_, i) => `bench-${i}`);
    for (let from = 0; from < topics; from += 10) {
      const made = names.slice(from, from + 10);
      await admin.createTopics({ topics: made.map((topic) => ({ topic, numPartitions: partitions })) });
    }
    const producer = kafka.producer();
    await producer.connect();
    for (const topic of names) {
      const messages = Array.from({ length: partitions }, (_, partition) => ({ partition, value: 'x' }));
      await producer.send({ topic, messages });
    }
    await producer.disconnect();
    for (let from = 0; from < groups; from += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, groups - from) }, (_, i) => from + i);
      const offsets = (i: number) => ({
        groupId: `group-${i}`,
        topic: `bench-${i % topics}`,
        partitions: [{ partition: 0, offset: '1' }],
      });
      await Promise.all(some.map((i) => admin.setOffsets(offsets(i))));
    }
  });
}

let node = await start();
try {
  await fill(node.port);
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
    await node.kill();
    node = await start();
    const startCpuSeconds = node.usage().cpuSeconds;
    const there = await asAdmin(node.port, async (admin) => ({
      partitions: (await admin.fetchTopicMetadata()).topics.reduce(
        (sum, each) => sum + each.partitions.length,
        0,
      ),
      groups: (await admin.listGroups()).groups.length,
    }));
    // What a start leaves to do belongs to the start.
    await delay(3000);
    const before = node.usage().cpuSeconds;
    await delay(IDLE_SECONDS * 1000);
    const { cpuSeconds, residentBytes } = node.usage();
    const row = {
      ...there,
      'start after kill -9, s': Number(node.seconds.toFixed(2)),
      'processor time of it, s': startCpuSeconds,
      'idle, % of a core': Number((((cpuSeconds - before) / IDLE_SECONDS) * 100).toFixed(1)),
      'RSS MB': Math.round(residentBytes / MB),
    };
    console.log(JSON.stringify(row));
  }
} finally {
  await node.kill();
  rmSync(directory, { recursive: true, force: true });
}
