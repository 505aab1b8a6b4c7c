/**
 * A broker in a process of its own, and Kafka requests that were made beforehand: what of the work is the broker's. Per scenario:
 * requests and bytes per second, and the broker's processor time, which other work on the machine disturbs less.
 *
 *   npm run build && node --import tsx bench/kafka.ts --seconds 3 --engine files
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Api, Apis } from '../src/protocols/kafka/messages/apis.ts';
import { encodeRequest } from '../src/protocols/kafka/messages/frame.ts';
import { buildBatch } from '../src/protocols/kafka/records/build.ts';
import { ZERO_UUID } from '../src/protocols/kafka/schema/fields.ts';
import type { In } from '../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../src/protocols/kafka/schema/writer.ts';
import { NO_HEADERS } from '../src/storage/records/record.ts';
import { createLogKernel } from '../src/wasm/create-log.ts';
import { measureLatency } from './kafka-latency.ts';
import { processUsage } from './process-stats.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    engine: { type: 'string', default: 'files' },
    only: { type: 'string', default: '' },
    /** Settings of the broker, as `name=value`, separated by commas. */
    set: { type: 'string', default: '' },
    /** Configuration of the topic, as `name=value`, separated by commas. */
    topic: { type: 'string', default: '' },
    /** What is compiled while it is measured belongs to no steady state, and what a topic keeps must have come once. */
    warm: { type: 'string', default: '5' },
    /** Options of the broker's process, such as --cpu-prof. */
    node: { type: 'string', default: '' },
  },
});
const SECONDS = Number(values.seconds);
const main = fileURLToPath(new URL('../build/js/cli/main.js', import.meta.url));
const nodeOptions = values.node === '' ? [] : values.node.split(' ');
const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const writer = new WireWriter();

function batch(records: number, bytes: number): Uint8Array {
  const timestampMs = Date.now();
  const value = Buffer.alloc(bytes, 'x');
  const made = Array.from({ length: records }, () => ({
    timestampMs,
    key: null,
    value,
    headers: NO_HEADERS,
  }));
  return buildBatch(kernel, made);
}

const frame = <A extends Api>(api: A, version: number, value: In<A['request']>): Buffer =>
  Buffer.concat(encodeRequest(writer, api, version, { correlationId: 1, clientId: 'bench' }, value));

interface Broker {
  readonly child: ChildProcess;
  readonly port: number;
  stop(): Promise<void>;
}

async function startBroker(): Promise<Broker> {
  const directory = mkdtempSync(join(tmpdir(), 'robustmq-bench-'));
  const ready = join(directory, 'ready.json');
  const settings = [
    'listeners.mqtt.enabled=false',
    'listeners.ws.enabled=false',
    'listeners.kafka.port=0',
    'listeners.http.enabled=false',
    'logging.level=error',
    `storage.engine=${values.engine}`,
    ...(values.set === '' ? [] : values.set.split(',')),
  ];
  const args = ['start', '--data-dir', join(directory, 'data'), '--ready-file', ready];
  const child = spawn(
    process.execPath,
    [...nodeOptions, main, ...args, ...settings.flatMap((set) => ['--set', set])],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  while (!existsSync(ready)) await delay(20);
  const { listeners } = JSON.parse(readFileSync(ready, 'utf8')) as { listeners: { kafka: { port: number } } };
  return {
    child,
    port: listeners.kafka.port,
    async stop() {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Connection {
  readonly socket: Socket;
  /** Answers that came, and their bytes. */
  answers: number;
  bytes: number;
  onAnswer: () => void;
}

async function open(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const connection: Connection = { socket, answers: 0, bytes: 0, onAnswer: () => {} };
  /** Of the answer that is arriving: bytes that are missing, or its length so far. */
  let missing = 0;
  let head = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    connection.bytes += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      if (missing > 0) {
        const take = Math.min(missing, chunk.length - at);
        missing -= take;
        at += take;
        if (missing === 0) {
          connection.answers++;
          connection.onAnswer();
        }
        continue;
      }
      const take = Math.min(4 - head.length, chunk.length - at);
      head = Buffer.concat([head, chunk.subarray(at, at + take)]);
      at += take;
      if (head.length < 4) return;
      missing = head.readInt32BE(0);
      head = Buffer.alloc(0);
    }
  });
  return connection;
}

async function call(port: number, request: Buffer): Promise<void> {
  const connection = await open(port);
  await new Promise<void>((resolve) => {
    connection.onAnswer = resolve;
    connection.socket.write(request);
  });
  connection.socket.destroy();
}

async function makeTopic(broker: Broker): Promise<void> {
  const pairs = values.topic === '' ? [] : values.topic.split(',').map((pair) => pair.split('='));
  const configs = pairs.map(([name = '', value = '']) => ({ name, value }));
  const topic = { name: 'bench', numPartitions: 1, replicationFactor: 1, assignments: [], configs };
  await call(broker.port, frame(Apis.createTopics, 5, { topics: [topic], timeoutMs: 10_000 }));
}

interface Load {
  readonly connections: number;
  readonly inFlight: number;
  readonly request: Buffer;
  readonly seconds?: number;
}

/** Keeps so many requests under way on each connection. */
async function run(broker: Broker, { connections, inFlight, request, seconds = SECONDS }: Load) {
  const open_ = await Promise.all(Array.from({ length: connections }, () => open(broker.port)));
  let isOver = false;
  for (const connection of open_) {
    connection.onAnswer = () => {
      if (!isOver) connection.socket.write(request);
    };
    for (let i = 0; i < inFlight; i++) connection.socket.write(request);
  }
  await delay(Number(values.warm) * 1000);
  const before = open_.map(({ answers, bytes }) => ({ answers, bytes }));
  const cpuBefore = processUsage(broker.child.pid ?? 0)?.cpuSeconds ?? 0;
  const startMs = performance.now();
  await delay(seconds * 1000);
  const elapsed = (performance.now() - startMs) / 1000;
  const usage = processUsage(broker.child.pid ?? 0);
  isOver = true;
  const sum = (of: 'answers' | 'bytes'): number =>
    open_.reduce((total, connection, i) => total + connection[of] - (before[i]?.[of] ?? 0), 0);
  const [answers, bytes] = [sum('answers'), sum('bytes')];
  for (const { socket } of open_) socket.destroy();
  return { answers, bytes, elapsed, cpuSeconds: (usage?.cpuSeconds ?? 0) - cpuBefore, usage };
}

function produceFrame(topic: string, records: Uint8Array, acks: number): Buffer {
  const partitionData = [{ index: 0, records }];
  return frame(Apis.produce, 9, {
    acks,
    timeoutMs: 30_000,
    topicData: [{ name: topic, topicId: ZERO_UUID, partitionData }],
  });
}

const MB = 1e6;
const round = (value: number): number => Math.round(value * 100) / 100;

async function produceScenario(
  name: string,
  records: number,
  recordBytes: number,
  acks: number,
  connections: number,
  inFlight: number,
): Promise<void> {
  const broker = await startBroker();
  try {
    await makeTopic(broker);
    const made = batch(records, recordBytes);
    const load = await run(broker, { connections, inFlight, request: produceFrame('bench', made, acks) });
    const bytes = load.answers * made.byteLength;
    const row = {
      scenario: name,
      'requests/s': Math.round(load.answers / load.elapsed),
      'records/s': Math.round((load.answers * records) / load.elapsed),
      'MB/s': round(bytes / MB / load.elapsed),
      cores: round(load.cpuSeconds / load.elapsed),
      'MB/s per core': round(bytes / MB / load.cpuSeconds),
      'requests/s per core': Math.round(load.answers / load.cpuSeconds),
      'RSS MB': Math.round((load.usage?.residentBytes ?? 0) / MB),
    };
    console.log(JSON.stringify(row));
  } finally {
    await broker.stop();
  }
}

async function fetchScenario(): Promise<void> {
  const broker = await startBroker();
  try {
    await makeTopic(broker);
    const made = batch(64, 1024);
    const producing = await run(broker, {
      connections: 1,
      inFlight: 8,
      request: produceFrame('bench', made, 1),
      seconds: 1,
    });
    const at = Math.max(0, producing.answers - 400) * 64;
    const partitions = [{ partition: 0, fetchOffset: at, partitionMaxBytes: 1024 * 1024 }];
    const request = frame(Apis.fetch, 11, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: 50 * 1024 * 1024,
      topics: [{ topic: 'bench', topicId: ZERO_UUID, partitions }],
    });
    const load = await run(broker, { connections: 1, inFlight: 1, request });
    console.log(
      JSON.stringify({
        scenario: 'fetch 1 MiB from the tail, 1 KiB records',
        'requests/s': Math.round(load.answers / load.elapsed),
        'MB/s': round(load.bytes / MB / load.elapsed),
        cores: round(load.cpuSeconds / load.elapsed),
        'MB/s per core': round(load.bytes / MB / load.cpuSeconds),
      }),
    );
  } finally {
    await broker.stop();
  }
}

async function latencyScenario(): Promise<void> {
  const broker = await startBroker();
  try {
    await makeTopic(broker);
    const cpuBefore = processUsage(broker.child.pid ?? 0)?.cpuSeconds ?? 0;
    const startMs = performance.now();
    const latencies = await measureLatency({
      port: broker.port,
      topic: 'bench',
      messagesPerSecond: 10_000,
      messageBytes: 1024,
      warmUpSeconds: 8,
      seconds: SECONDS,
    });
    const cpuSeconds = (processUsage(broker.child.pid ?? 0)?.cpuSeconds ?? 0) - cpuBefore;
    const scenario = 'end to end, 10,000 messages/s of 1 KiB, acks=1';
    const cores = round(cpuSeconds / ((performance.now() - startMs) / 1000));
    console.log(JSON.stringify({ scenario, ...latencies, cores }));
  } finally {
    await broker.stop();
  }
}

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  '1k': () => produceScenario('produce 1 KiB records, 64 a batch, acks=1', 64, 1024, 1, 2, 8),
  '1k-large': () => produceScenario('produce 1 KiB records, 900 a batch, acks=1', 900, 1024, 1, 2, 4),
  '100b': () => produceScenario('produce 100 B records, 1000 a batch, acks=1', 1000, 100, 1, 2, 8),
  single: () =>
    produceScenario(
      'produce 1 record of 100 B, acks=all, 64 connections, one request at a time',
      1,
      100,
      -1,
      64,
      1,
    ),
  single5: () =>
    produceScenario(
      'produce 1 record of 100 B, acks=all, 64 connections, five requests on the way',
      1,
      100,
      -1,
      64,
      5,
    ),
  fetch: fetchScenario,
  latency: latencyScenario,
};
for (const [name, scenario] of Object.entries(scenarios)) {
  if (values.only === '' || values.only === name) await scenario();
}
