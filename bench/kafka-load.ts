/** Requests that were made beforehand, kept under way on some connections: what of the work is the broker's. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Api, Apis } from '../src/protocols/kafka/messages/apis.ts';
import { encodeRequest, responseBodyAt } from '../src/protocols/kafka/messages/frame.ts';
import { buildBatch } from '../src/protocols/kafka/records/build.ts';
import { ZERO_UUID } from '../src/protocols/kafka/schema/fields.ts';
import type { In, Out } from '../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../src/protocols/kafka/schema/writer.ts';
import { NO_HEADERS } from '../src/storage/records/record.ts';
import { createLogKernel } from '../src/wasm/create-log.ts';
import type { KafkaBroker } from './peers/apache-kafka.ts';
import { processUsage } from './process-stats.ts';

const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const writer = new WireWriter();
const PRODUCE_VERSION = 9;
const TOPIC = 'bench';

export interface Load {
  readonly connections: number;
  readonly inFlight: number;
  readonly request: Buffer;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface Measured {
  readonly answers: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export function batchOf(records: number, bytes: number): Uint8Array {
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

export function produceFrame(records: Uint8Array, acks: number): Buffer {
  const partitionData = [{ index: 0, records }];
  return frame(Apis.produce, PRODUCE_VERSION, {
    acks,
    timeoutMs: 30_000,
    topicData: [{ name: TOPIC, topicId: ZERO_UUID, partitionData }],
  });
}

export function fetchFrame(fetchOffset: number, maxBytes: number): Buffer {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: maxBytes }];
  return frame(Apis.fetch, 11, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 50 * 1024 * 1024,
    topics: [{ topic: TOPIC, topicId: ZERO_UUID, partitions }],
  });
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

async function call<A extends Api>(
  port: number,
  api: A,
  version: number,
  request: Buffer,
): Promise<Out<A['response']>> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(request);
  let got = Buffer.alloc(0);
  while (got.length < 4 || got.length < 4 + got.readInt32BE(0)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    got = Buffer.concat([got, chunk]);
  }
  socket.destroy();
  const answer = got.subarray(4);
  const { value, fault } = api.response.decode(version, answer, responseBodyAt(api, version, answer));
  if (fault !== undefined) throw new Error(`${api.name}: ${fault.reason} at ${fault.path}`);
  return value as never;
}

const READY_MS = 20_000;

/** Once it resolves, the topic takes records. */
export async function makeTopic(port: number, configs: Readonly<Record<string, string>>): Promise<void> {
  const topic = {
    name: TOPIC,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  };
  const create = frame(Apis.createTopics, 5, { topics: [topic], timeoutMs: 10_000 });
  const probe = produceFrame(batchOf(1, 1), 1);
  const untilMs = performance.now() + READY_MS;
  for (let error = -1; error !== 0; ) {
    if (performance.now() > untilMs) throw new Error(`the topic takes no records: error ${error}`);
    await call(port, Apis.createTopics, 5, create);
    const { responses } = await call(port, Apis.produce, PRODUCE_VERSION, probe);
    error = responses[0]?.partitionResponses[0]?.errorCode ?? -1;
    if (error !== 0) await delay(100);
  }
}

export async function runLoad({ pid, port }: KafkaBroker, load: Load): Promise<Measured> {
  const { connections, inFlight, request, warmUpSeconds, seconds } = load;
  const opened = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let isOver = false;
  for (const connection of opened) {
    connection.onAnswer = () => {
      if (!isOver) connection.socket.write(request);
    };
    for (let i = 0; i < inFlight; i++) connection.socket.write(request);
  }
  await delay(warmUpSeconds * 1000);
  const before = opened.map(({ answers, bytes }) => ({ answers, bytes }));
  const cpuBefore = processUsage(pid)?.cpuSeconds ?? 0;
  const startMs = performance.now();
  await delay(seconds * 1000);
  const elapsed = (performance.now() - startMs) / 1000;
  const usage = processUsage(pid);
  isOver = true;
  const sum = (of: 'answers' | 'bytes'): number =>
    opened.reduce((total, connection, i) => total + connection[of] - (before[i]?.[of] ?? 0), 0);
  const [answers, bytes] = [sum('answers'), sum('bytes')];
  for (const { socket } of opened) socket.destroy();
  const cpuSeconds = (usage?.cpuSeconds ?? 0) - cpuBefore;
  return { answers, bytes, seconds: elapsed, cpuSeconds, residentBytes: usage?.residentBytes ?? 0 };
}
