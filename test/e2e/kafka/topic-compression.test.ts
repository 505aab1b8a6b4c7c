/** `compression.type` of a topic: what is kept, fetched and deduplicated when the broker compresses anew. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CODECS, type CodecName, loadCodec } from '../../../src/protocols/kafka/compression/compression.ts';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import type { BatchOptions } from '../../../src/protocols/kafka/records/build.ts';
import { readHeader } from '../../../src/protocols/kafka/records/header.ts';
import { codecOf, openBatch } from '../../../src/protocols/kafka/records/open.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchFrom, produceRequest, ZERO } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

const kernel = createLogKernel({ maxBatchBytes: 8 * 1024 * 1024, memoryLimitBytes: 64 * 1024 * 1024 });
const VALUE = 'the same words again and again. '.repeat(50);

let broker: KafkaNode;
let client: KafkaClient;
beforeAll(async () => {
  broker = await startKafkaNode();
  client = await openKafkaClient(broker.port);
});
afterAll(async () => {
  client.close();
  await broker.stop();
});

async function make(name: string, configs: Readonly<Record<string, string>>): Promise<void> {
  const { topics } = await client.call(Apis.createTopics, 7, {
    topics: [
      {
        name,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  });
  expect(topics[0]?.errorMessage).toBeNull();
}

async function produce(name: string, records: Uint8Array) {
  const { responses } = await client.call(Apis.produce, 9, produceRequest(name, records));
  return responses[0]?.partitionResponses[0];
}

async function fetched(name: string): Promise<Uint8Array> {
  const partition = { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0, partitionMaxBytes: 1_000_000 };
  const answer = await client.call(Apis.fetch, 12, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic: name, topicId: ZERO, partitions: [partition] }],
  });
  return answer.responses[0]?.partitions[0]?.records ?? new Uint8Array();
}

const batchWith = async (codec: CodecName | 'none', options: BatchOptions = {}): Promise<Uint8Array> =>
  batchFrom([{ key: 'k', value: VALUE }, { value: 'b' }], {
    ...options,
    ...(codec === 'none' ? {} : { compression: { name: codec, codec: await loadCodec(codec) } }),
  });

async function valuesOf(batch: Uint8Array): Promise<string[]> {
  const name = codecOf(readHeader(batch)?.attributes ?? 0);
  const codec = name === 'none' || name === 'unknown' ? undefined : await loadCodec(name);
  const opened = openBatch(kernel, Uint8Array.from(batch), codec);
  if (opened.batch === undefined) throw new Error(opened.fault);
  const { batch: open } = opened;
  return Array.from({ length: open.length }, (_, i) => Buffer.from(open.value(i) ?? []).toString());
}

describe('a topic with a compression of its own', () => {
  for (const own of ['uncompressed', ...CODECS] as const) {
    test(`keeps batches in ${own}, whatever they come in`, async () => {
      const name = `in-${own}`;
      await make(name, { 'compression.type': own });
      for (const [at, codec] of (['none', ...CODECS] as const).entries()) {
        const answer = await produce(name, await batchWith(codec));
        expect(answer).toMatchObject({ errorCode: 0, baseOffset: at * 2 });
      }
      let bytes = await fetched(name);
      for (let at = 0; at <= CODECS.length; at++) {
        const header = readHeader(bytes);
        if (header === undefined) throw new Error('no batch');
        expect(codecOf(header.attributes)).toBe(own === 'uncompressed' ? 'none' : own);
        expect(header).toMatchObject({ baseOffset: at * 2, recordCount: 2 });
        expect(await valuesOf(bytes.subarray(0, header.byteLength))).toEqual([VALUE, 'b']);
        bytes = bytes.subarray(header.byteLength);
      }
      expect(bytes.byteLength).toBe(0);
    });
  }

  test('knows the sequence of a producer as before, and gives a repetition its first offset', async () => {
    await make('again', { 'compression.type': 'zstd', 'message.timestamp.type': 'LogAppendTime' });
    const of = (baseSequence: number) =>
      batchWith('gzip', { producer: { id: 4242, epoch: 0, baseSequence } });
    expect(await produce('again', await of(0))).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await produce('again', await of(2))).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect(await produce('again', await of(0))).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(readHeader(await fetched('again'))).toMatchObject({ producerId: 4242, baseSequence: 0 });
  });

  test('that is strict takes no records that nobody can open, nor other than it is said there are', async () => {
    await make('strict', { 'robustmq.validation': 'strict' });
    for (const codec of CODECS) {
      const batch = await batchWith(codec);
      expect((await produce('strict', batch))?.errorCode).toBe(0);
      const garbage = Uint8Array.from(batch).fill(0xa5, 61);
      const lying = Uint8Array.from(batch);
      new DataView(lying.buffer).setInt32(57, 3);
      new DataView(lying.buffer).setInt32(23, 2);
      for (const bad of [garbage, lying]) {
        new DataView(bad.buffer).setUint32(17, kernel.crc32c(bad.subarray(21)));
        expect((await produce('strict', bad))?.errorCode, codec).toBe(ErrorCode.CORRUPT_MESSAGE);
      }
    }
  });

  test('takes no batch that is too large in its own compression, nor damaged records', async () => {
    await make('small', { 'compression.type': 'uncompressed', 'max.message.bytes': '1000' });
    expect(await produce('small', await batchWith('gzip'))).toMatchObject({
      errorCode: ErrorCode.MESSAGE_TOO_LARGE,
    });
    const lying = await batchWith('none');
    new DataView(lying.buffer).setInt16(21, 2);
    new DataView(lying.buffer).setUint32(17, kernel.crc32c(lying.subarray(21)));
    await make('damaged', { 'compression.type': 'lz4' });
    expect(await produce('damaged', lying)).toMatchObject({ errorCode: ErrorCode.CORRUPT_MESSAGE });
    expect((await fetched('damaged')).byteLength).toBe(0);
  });
});
