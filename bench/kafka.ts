/**
 * Brokers that speak Kafka, each in a process of its own, and requests that were made beforehand: what of the work is the broker's. Per
 * scenario: requests and bytes per second, and the broker's processor time, which other work on the machine disturbs less. With a folder
 * of Apache Kafka's jars each scenario runs with it as well, and a line says how many times as much ours does (of latency: the share).
 *
 *   npm run build && node --import tsx bench/kafka.ts --seconds 3 --engine files --peer-jars kafka/libs
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureLatency, type Percentiles } from './kafka-latency.ts';
import { batchOf, fetchFrame, makeTopic, produceFrame, runLoad } from './kafka-load.ts';
import { measureWithLibrdkafka } from './librdkafka.ts';
import { type KafkaBroker, startApacheKafka, whyNoApacheKafka } from './peers/apache-kafka.ts';
import { processUsage } from './process-stats.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'files' },
    only: { type: 'string', default: '' },
    /** Settings of our broker, as `name=value`, separated by commas. */
    set: { type: 'string', default: '' },
    /** Configuration of the topic, as `name=value`, separated by commas. */
    topic: { type: 'string', default: '' },
    /** What is compiled while it is measured belongs to no steady state, and what a topic keeps must have come once. */
    warm: { type: 'string', default: '5' },
    /** Options of our broker's process, such as --cpu-prof. */
    node: { type: 'string', default: '' },
    'peer-jars': { type: 'string', default: '' },
    /** Path of librdkafka's load program, for latencies with its clients. */
    'rdkafka-performance': { type: 'string', default: '' },
  },
});
const SECONDS = Number(values.seconds);
const WARM_UP_SECONDS = Number(values.warm);
const MB = 1e6;
const main = fileURLToPath(new URL('../build/js/cli/main.js', import.meta.url));
const round = (value: number): number => Math.round(value * 100) / 100;

async function startOurs(): Promise<KafkaBroker> {
  const directory = mkdtempSync(join(tmpdir(), 'robustmq-bench-'));
  const ready = join(directory, 'ready.json');
  const settings = [
    'listeners.mqtt.enabled=false',
    'listeners.ws.enabled=false',
    'listeners.kafka.port=0',
    'listeners.http.enabled=false',
    'logging.level=error',
    `storage.engine=${values.engine}`,
    ...values.set.split(',').filter(Boolean),
  ].flatMap((set) => ['--set', set]);
  const args = ['start', '--data-dir', join(directory, 'data'), '--ready-file', ready, ...settings];
  const nodeOptions = values.node === '' ? [] : values.node.split(' ');
  const child = spawn(process.execPath, [...nodeOptions, main, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (!existsSync(ready)) await delay(20);
  const { listeners } = JSON.parse(readFileSync(ready, 'utf8')) as { listeners: { kafka: { port: number } } };
  return {
    pid: child.pid ?? 0,
    port: listeners.kafka.port,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** By its column; what is compared first. */
type Row = Readonly<Record<string, number>>;

interface Scenario {
  readonly title: string;
  /** Of the topic of a peer whose defaults promise less than ours. */
  readonly peerTopic?: Readonly<Record<string, string>>;
  readonly run: (broker: KafkaBroker) => Promise<Row>;
}

interface Produce {
  readonly records: number;
  readonly recordBytes: number;
  readonly acks: number;
  readonly connections: number;
  readonly inFlight: number;
}

const produce =
  ({ records, recordBytes, acks, connections, inFlight }: Produce): Scenario['run'] =>
  async (broker) => {
    const made = batchOf(records, recordBytes);
    const { answers, seconds, cpuSeconds, residentBytes } = await runLoad(broker, {
      connections,
      inFlight,
      request: produceFrame(made, acks),
      warmUpSeconds: WARM_UP_SECONDS,
      seconds: SECONDS,
    });
    const bytes = answers * made.byteLength;
    return {
      'requests/s': Math.round(answers / seconds),
      'requests/s per core': Math.round(answers / cpuSeconds),
      'records/s': Math.round((answers * records) / seconds),
      'records/s per core': Math.round((answers * records) / cpuSeconds),
      'MB/s': round(bytes / MB / seconds),
      'MB/s per core': round(bytes / MB / cpuSeconds),
      cores: round(cpuSeconds / seconds),
      'RSS MB': Math.round(residentBytes / MB),
    };
  };

async function fetchTail(broker: KafkaBroker): Promise<Row> {
  const load = { warmUpSeconds: WARM_UP_SECONDS, seconds: SECONDS };
  const request = produceFrame(batchOf(64, 1024), 1);
  const producing = await runLoad(broker, { ...load, connections: 1, inFlight: 8, request, seconds: 1 });
  const at = Math.max(0, producing.answers - 400) * 64;
  const fetching = { ...load, connections: 1, inFlight: 1, request: fetchFrame(at, 1024 * 1024) };
  const { answers, bytes, seconds, cpuSeconds } = await runLoad(broker, fetching);
  return {
    'requests/s': Math.round(answers / seconds),
    'MB/s': round(bytes / MB / seconds),
    'MB/s per core': round(bytes / MB / cpuSeconds),
    cores: round(cpuSeconds / seconds),
  };
}

/** Of the broker, while something runs, by the wall clock. */
async function withCores<T>(pid: number, run: () => Promise<T>): Promise<{ result: T; cores: number }> {
  const cpuBefore = processUsage(pid)?.cpuSeconds ?? 0;
  const startMs = performance.now();
  const result = await run();
  const cpuSeconds = (processUsage(pid)?.cpuSeconds ?? 0) - cpuBefore;
  return { result, cores: round(cpuSeconds / ((performance.now() - startMs) / 1000)) };
}

const latencyRow = ({ p50, p99, p999, max }: Percentiles): Row => ({
  'p50 ms': p50,
  'p99 ms': p99,
  'p99.9 ms': p999,
  'max ms': max,
});

async function latency({ pid, port }: KafkaBroker): Promise<Row> {
  const load = { port, topic: 'bench', messagesPerSecond: 10_000, messageBytes: 1024 };
  const { result, cores } = await withCores(pid, () =>
    measureLatency({ ...load, warmUpSeconds: 8, seconds: SECONDS }),
  );
  return {
    ...latencyRow(result.millis),
    'from sending p50 ms': result.fromSendingMillis.p50,
    'from sending p99 ms': result.fromSendingMillis.p99,
    'sent late p99 ms': result.sentLateMillis.p99,
    cores,
  };
}

const program = values['rdkafka-performance'];

async function librdkafkaLatency({ pid, port }: KafkaBroker): Promise<Row> {
  const load = { program, port, topic: 'bench', messagesPerSecond: 11_500, messageBytes: 1024 };
  const { result, cores } = await withCores(pid, () =>
    measureWithLibrdkafka({ ...load, warmUpSeconds: WARM_UP_SECONDS, seconds: SECONDS }),
  );
  return { ...latencyRow(result.millis), 'messages/s': result.messagesPerSecond, cores };
}

const single = { records: 1, recordBytes: 100, acks: -1, connections: 64 };
/** Ours is on disk before acks=all is answered. */
const synced = { 'flush.messages': '1' };
const scenarios: Readonly<Record<string, Scenario>> = {
  '1k': {
    title: 'produce 1 KiB records, 64 a batch, acks=1',
    run: produce({ records: 64, recordBytes: 1024, acks: 1, connections: 2, inFlight: 8 }),
  },
  '1k-large': {
    title: 'produce 1 KiB records, 900 a batch, acks=1',
    run: produce({ records: 900, recordBytes: 1024, acks: 1, connections: 2, inFlight: 4 }),
  },
  '100b': {
    title: 'produce 100 B records, 1,000 a batch, acks=1',
    run: produce({ records: 1000, recordBytes: 100, acks: 1, connections: 2, inFlight: 8 }),
  },
  single: {
    title: 'produce 1 record of 100 B, acks=all, synced, 64 connections, one request at a time',
    peerTopic: synced,
    run: produce({ ...single, inFlight: 1 }),
  },
  single5: {
    title: 'produce 1 record of 100 B, acks=all, synced, 64 connections, five requests on the way',
    peerTopic: synced,
    run: produce({ ...single, inFlight: 5 }),
  },
  fetch: { title: 'fetch 1 MiB from the tail, 1 KiB records', run: fetchTail },
  latency: { title: 'end to end, 10,000 messages/s of 1 KiB, acks=1', run: latency },
  ...(program === ''
    ? {}
    : {
        librdkafka: {
          title: 'end to end with librdkafka, 1 KiB, acks=1, linger 1 ms',
          run: librdkafkaLatency,
        },
      }),
};

const topic = Object.fromEntries(
  values.topic
    .split(',')
    .filter(Boolean)
    .map((pair) => pair.split('=') as [string, string]),
);

async function measure(
  name: string,
  { title, run }: Scenario,
  start: () => Promise<KafkaBroker>,
  configs: Readonly<Record<string, string>>,
): Promise<Row> {
  const broker = await start();
  try {
    await makeTopic(broker.port, configs);
    const row = await run(broker);
    console.log(JSON.stringify({ broker: name, scenario: title, ...row }));
    return row;
  } finally {
    await broker.stop();
  }
}

function compare(title: string, ours: Row, theirs: Row): void {
  const ratios = Object.keys(ours)
    .filter((column) => column !== 'sent late p99 ms')
    .map((column) => [column, round((ours[column] ?? Number.NaN) / (theirs[column] ?? Number.NaN))]);
  console.log(JSON.stringify({ ratio: title, ...Object.fromEntries(ratios) }));
}

const jars = values['peer-jars'];
const why = jars === '' ? 'no --peer-jars' : whyNoApacheKafka(jars);
if (why !== undefined) console.log(`Apache Kafka does not run: ${why}`);
for (const [name, scenario] of Object.entries(scenarios)) {
  if (values.only !== '' && values.only !== name) continue;
  const ours = await measure('RobustMQ', scenario, startOurs, topic);
  if (why !== undefined) continue;
  const peerTopic = { ...topic, ...scenario.peerTopic };
  const theirs = await measure('Apache Kafka', scenario, () => startApacheKafka(jars), peerTopic);
  compare(scenario.title, ours, theirs);
}
