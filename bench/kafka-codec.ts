/**
 * The Kafka wire layer in process: Produce requests decoded and their batches checked, Fetch answers encoded, requests and answers with
 * many partitions, compressions.
 *
 *   node --import tsx bench/kafka-codec.ts [seconds per figure]
 *
 * Figures are per CPU second and the best of three.
 */
import { CODECS, loadCodec } from '../src/protocols/kafka/compression/compression.ts';
import { Apis } from '../src/protocols/kafka/messages/apis.ts';
import { decodeRequestHeader, encodeRequest, encodeResponse } from '../src/protocols/kafka/messages/frame.ts';
import { buildBatch } from '../src/protocols/kafka/records/build.ts';
import { checkProduced } from '../src/protocols/kafka/records/produced.ts';
import { WireWriter } from '../src/protocols/kafka/schema/writer.ts';
import { NO_HEADERS } from '../src/storage/records/record.ts';
import { createLogKernel } from '../src/wasm/create-log.ts';
import { processorRate } from './processor-rate.ts';

const secondsPerFigure = Number(process.argv[2] ?? 0.2);
const kernel = createLogKernel({ maxBatchBytes: 4 << 20, memoryLimitBytes: 64 << 20 });
const writer = new WireWriter();
const CLIENT = { correlationId: 1, clientId: 'bench' };

const rate = (work: () => void): number => processorRate(secondsPerFigure, work);

const say = (name: string, ...figures: string[]): void => console.log(name.padEnd(44), ...figures);
const perSecond = (name: string, work: () => void): void => {
  const calls = rate(work);
  say(
    name,
    `${(1e6 / calls).toFixed(2).padStart(9)} µs`,
    `${(calls / 1000).toFixed(0).padStart(7)} thousand/s`,
  );
};

function batchOf(count: number, size: number, name?: (typeof CODECS)[number]): Promise<Uint8Array> {
  const text = JSON.stringify({ id: 12_345, temperature: 21.5, unit: 'C', text: 'x'.repeat(20) });
  const value = Buffer.from(text.repeat(Math.ceil(size / text.length))).subarray(0, size);
  const records = Array.from({ length: count }, (_, i) => ({
    timestampMs: 1_700_000_000_000 + i,
    key: null,
    value,
    headers: NO_HEADERS,
  }));
  const build = (codec?: Awaited<ReturnType<typeof loadCodec>>): Uint8Array =>
    buildBatch(kernel, records, name && codec ? { compression: { name, codec } } : {});
  return name === undefined ? Promise.resolve(build()) : loadCodec(name).then(build);
}

function produceFrame(records: Uint8Array, version: number): Buffer {
  const topicData = [{ name: 'orders', partitionData: [{ index: 0, records }] }];
  const value = { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData };
  return Buffer.concat(encodeRequest(writer, Apis.produce, version, CLIENT, value)).subarray(4);
}

function readProduce(frame: Buffer, check: boolean): void {
  const { header } = decodeRequestHeader(frame);
  if (header === undefined) throw new Error('header');
  const { value, fault } = Apis.produce.request.decode(header.apiVersion, frame, header.end);
  if (fault !== undefined) throw new Error(fault.path);
  for (const { partitionData } of value.topicData) {
    for (const { records } of partitionData) {
      if (!check) continue;
      const { error, message } = checkProduced(kernel, records, { apiVersion: 9, maxBatchBytes: 4 << 20 });
      if (error !== undefined) throw new Error(message);
    }
  }
}

console.log(
  'Produce requests of one batch: decoded; decoded and checked (CRC-32C, every record that is open)',
);
for (const [count, size, codec] of [
  [1, 100],
  [100, 100],
  [10_000, 100],
  [1, 1024],
  [1000, 1024],
  [1000, 1024, 'lz4'],
] as const) {
  const batch = await batchOf(count, size, codec);
  const frame = produceFrame(batch, 9);
  const decoded = rate(() => readProduce(frame, false));
  const checked = rate(() => readProduce(frame, true));
  say(
    `  ${count} × ${size} bytes${codec === undefined ? '' : `, ${codec}`} (${batch.byteLength})`,
    `${(1e6 / decoded).toFixed(2).padStart(9)} µs`,
    `${(1e6 / checked).toFixed(2).padStart(9)} µs`,
    `${((checked * batch.byteLength) / 1e9).toFixed(2).padStart(7)} GB/s`,
    `${((checked * count) / 1e6).toFixed(2).padStart(7)} M records/s`,
  );
}

console.log('Fetch');
const batch = await batchOf(60, 1024);
for (const [partitions, records] of [
  [1, [batch]],
  [1, Array(16).fill(batch)],
  [16, [batch]],
  [1000, []],
] as const) {
  const list = Array.from({ length: partitions }, (_, partitionIndex) => ({
    partitionIndex,
    errorCode: 0,
    highWatermark: 1e9,
    lastStableOffset: 1e9,
    logStartOffset: 0,
    abortedTransactions: null,
    records,
  }));
  const value = { throttleTimeMs: 0, sessionId: 7, responses: [{ topic: 'orders', partitions: list }] };
  perSecond(`  answer, ${partitions} partitions, ${records.length} batches each`, () => {
    encodeResponse(writer, Apis.fetch, 12, 1, value);
  });
}
for (const partitions of [1, 1000]) {
  const list = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    currentLeaderEpoch: 5,
    fetchOffset: 1e9,
    lastFetchedEpoch: 5,
    logStartOffset: -1,
    partitionMaxBytes: 1 << 20,
  }));
  const value = {
    maxWaitMs: 500,
    isolationLevel: 0,
    minBytes: 1,
    topics: [{ topic: 'orders', partitions: list }],
    forgottenTopicsData: [],
  };
  const frame = Buffer.concat(encodeRequest(writer, Apis.fetch, 12, CLIENT, value)).subarray(4);
  perSecond(`  request, ${partitions} partitions`, () => {
    const { header } = decodeRequestHeader(frame);
    if (Apis.fetch.request.decode(12, frame, header?.end).fault !== undefined) throw new Error('fault');
  });
}

console.log('Metadata');
const partition = {
  errorCode: 0,
  leaderId: 1,
  leaderEpoch: 5,
  replicaNodes: [1],
  isrNodes: [1],
  offlineReplicas: [],
};
const topics = Array.from({ length: 100 }, (_, index) => ({
  errorCode: 0,
  name: `topic-${index}`,
  partitions: Array.from({ length: 10 }, (_, partitionIndex) => ({ ...partition, partitionIndex })),
}));
const metadata = { brokers: [{ nodeId: 1, host: 'localhost', port: 9092 }], controllerId: 1, topics };
perSecond('  answer, 100 topics of 10 partitions', () => {
  encodeResponse(writer, Apis.metadata, 12, 1, metadata);
});

console.log('Compression of 64 KiB JSON: in, out, ratio');
const text = Array.from({ length: 800 }, (_, id) =>
  JSON.stringify({
    id,
    at: 1_700_000_000 + id * 37,
    temperature: ((id * 7919) % 400) / 10,
    room: `r${id % 17}`,
  }),
);
const plain = new Uint8Array(Buffer.from(text.join('\n')).subarray(0, 65_536));
for (const name of CODECS) {
  const codec = await loadCodec(name);
  const compressed = codec.compress(plain);
  const speed = (work: () => void): string =>
    `${((rate(work) * plain.length) / 1e6).toFixed(0).padStart(6)} MB/s`;
  say(
    `  ${name}`,
    speed(() => codec.compress(plain)),
    speed(() => codec.decompress(compressed, 1 << 20)),
    (plain.length / compressed.length).toFixed(1),
  );
}
