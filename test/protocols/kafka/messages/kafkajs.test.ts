/** Whole frames against kafkajs, a client written apart from Apache Kafka: its requests are read, our answers are read by it. */
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { loadCodec } from '../../../../src/protocols/kafka/compression/compression.ts';
import { type Api, Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { decodeRequestHeader, encodeResponse } from '../../../../src/protocols/kafka/messages/frame.ts';
import { buildBatch } from '../../../../src/protocols/kafka/records/build.ts';
import { openBatch } from '../../../../src/protocols/kafka/records/open.ts';
import { checkProduced } from '../../../../src/protocols/kafka/records/produced.ts';
import type { In, Out } from '../../../../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../../../../src/protocols/kafka/schema/writer.ts';
import { goldenRecords, kernel, plain } from '../records/support.ts';

interface Exchange {
  readonly request: unknown;
  readonly response: { decode(body: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
}
interface Definitions {
  protocol(version: { version: number }): (options: unknown) => Exchange;
}
const require = createRequire(import.meta.url);
const requests: Readonly<Record<string, Definitions>> = require('kafkajs/src/protocol/requests').requests;
const encodeFrame: (frame: unknown) => Promise<{ buffer: Buffer }> = require('kafkajs/src/protocol/request');

function exchange(name: string, version: number, options: unknown = {}): Exchange {
  const definitions = requests[name];
  if (definitions === undefined) throw new Error(name);
  return definitions.protocol({ version })(options);
}

/** What we read of a request that kafkajs makes. */
async function asked<A extends Api>(
  api: A,
  version: number,
  options: unknown,
  name = api.name,
): Promise<Out<A['request']>> {
  const { request } = exchange(name, version, options);
  const { buffer } = await encodeFrame({ correlationId: 77, clientId: 'tester', request });
  const frame = buffer.subarray(4);
  expect(buffer.readInt32BE(0)).toBe(frame.length);
  const { header } = decodeRequestHeader(frame);
  expect(header).toMatchObject({
    apiKey: api.key,
    apiVersion: version,
    correlationId: 77,
    clientId: 'tester',
  });
  const decoded = api.request.decode(version, frame, header?.end);
  expect(decoded).toMatchObject({ end: frame.length });
  return decoded.value as Out<A['request']>;
}

const writer = new WireWriter();

/** What kafkajs reads of our answer. */
async function answered<A extends Api>(
  api: A,
  version: number,
  value: In<A['response']>,
  options: unknown = {},
  name = api.name,
): Promise<unknown> {
  const frame = Buffer.concat(encodeResponse(writer, api, version, 77, value));
  expect(frame.readInt32BE(0)).toBe(frame.length - 4);
  expect(frame.readInt32BE(4)).toBe(77);
  const { response } = exchange(name, version, options);
  return response.parse(await response.decode(frame.subarray(8)));
}

const messagesSent = [
  { key: 'k', value: 'v', timestamp: 1_700_000_000_000, headers: { a: 'b' } },
  { key: null, value: 'w', timestamp: 1_700_000_000_007, headers: {} },
];
const produce = (compression: number) => ({
  acks: -1,
  timeout: 30_000,
  transactionalId: null,
  compression,
  topicData: [{ topic: 'orders', partitions: [{ partition: 3, messages: messagesSent }] }],
});

describe('requests of kafkajs', () => {
  it('produce records, plain and compressed', async () => {
    for (const version of [3, 4, 5, 6, 7]) {
      for (const compression of [0, 1]) {
        const read = await asked(Apis.produce, version, produce(compression));
        expect(read).toMatchObject({ acks: -1, timeoutMs: 30_000, transactionalId: null });
        const partition = read.topicData[0]?.partitionData[0];
        expect(read.topicData[0]?.name).toBe('orders');
        expect(partition?.index).toBe(3);
        const records = partition?.records ?? new Uint8Array(0);
        const limits = { apiVersion: version, maxBatchBytes: 1 << 20 };
        expect(checkProduced(kernel, records, limits)).toMatchObject({ header: { recordCount: 2 } });
        const { batch } = openBatch(kernel, records, await loadCodec('gzip'));
        expect(batch && [plain(batch.record(0)), plain(batch.record(1))]).toEqual([
          { timestampMs: 1_700_000_000_000, key: 'k', value: 'v', headers: '1 02610262' },
          { timestampMs: 1_700_000_000_007, key: null, value: 'w', headers: '0 ' },
        ]);
      }
    }
  });

  it('fetch', async () => {
    const options = {
      replicaId: -1,
      isolationLevel: 1,
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 1000,
      rackId: 'r1',
      sessionId: 0,
      sessionEpoch: -1,
      forgottenTopics: [],
      topics: [
        {
          topic: 't',
          partitions: [
            { partition: 1, currentLeaderEpoch: -1, fetchOffset: 5, logStartOffset: -1, maxBytes: 99 },
          ],
        },
      ],
    };
    for (const version of [4, 7, 9, 11]) {
      const read = await asked(Apis.fetch, version, options);
      expect(read).toMatchObject({ maxWaitMs: 500, minBytes: 1, maxBytes: 1000, isolationLevel: 1 });
      expect(read.topics[0]).toMatchObject({
        topic: 't',
        partitions: [{ partition: 1, fetchOffset: 5, partitionMaxBytes: 99 }],
      });
    }
  });

  it('join, synchronize, commit', async () => {
    const member = { groupId: 'g', memberId: 'm', groupInstanceId: 'i' };
    const join = {
      ...member,
      sessionTimeout: 1,
      rebalanceTimeout: 2,
      protocolType: 'consumer',
      groupProtocols: [{ name: 'range', metadata: Buffer.from('x') }],
    };
    for (const version of [0, 2, 5]) {
      const read = await asked(Apis.joinGroup, version, join);
      expect(read).toMatchObject({ groupId: 'g', sessionTimeoutMs: 1, protocolType: 'consumer' });
      expect(read.protocols.map(({ name }) => name)).toEqual(['range']);
      expect(read.groupInstanceId).toBe(version < 5 ? null : 'i');
    }
    const sync = {
      ...member,
      generationId: 4,
      groupAssignment: [{ memberId: 'm', memberAssignment: Buffer.from('y') }],
    };
    expect(await asked(Apis.syncGroup, 3, sync)).toMatchObject({
      generationId: 4,
      assignments: [{ memberId: 'm' }],
    });
    const commit = {
      ...member,
      groupGenerationId: 4,
      topics: [{ topic: 't', partitions: [{ partition: 0, offset: '9', metadata: 'x' }] }],
    };
    expect(await asked(Apis.offsetCommit, 5, commit)).toMatchObject({
      generationIdOrMemberEpoch: 4,
      topics: [
        { name: 't', partitions: [{ partitionIndex: 0, committedOffset: 9, committedMetadata: 'x' }] },
      ],
    });
    const coordinator = { groupId: 'g', coordinatorType: 0 };
    expect(await asked(Apis.findCoordinator, 1, coordinator, 'GroupCoordinator')).toMatchObject({
      key: 'g',
      keyType: 0,
    });
  });

  it('create topics', async () => {
    const topic = {
      topic: 't',
      numPartitions: 2,
      replicationFactor: 1,
      replicaAssignment: [],
      configEntries: [{ name: 'a', value: 'b' }],
    };
    expect(
      await asked(Apis.createTopics, 3, { topics: [topic], validateOnly: true, timeout: 5 }),
    ).toMatchObject({
      topics: [{ name: 't', numPartitions: 2, replicationFactor: 1, configs: [{ name: 'a', value: 'b' }] }],
      timeoutMs: 5,
      validateOnly: true,
    });
  });
});

describe('answers to kafkajs', () => {
  it('say what there is', async () => {
    const versions = { errorCode: ErrorCode.NONE, apiKeys: [{ apiKey: 3, minVersion: 0, maxVersion: 13 }] };
    for (const version of [0, 1, 2]) {
      expect(await answered(Apis.apiVersions, version, versions)).toMatchObject({
        apiVersions: [{ apiKey: 3, minVersion: 0, maxVersion: 13 }],
      });
    }
    const partition = { errorCode: 0, partitionIndex: 1, leaderId: 1, replicaNodes: [1], isrNodes: [1] };
    const metadata = {
      brokers: [{ nodeId: 1, host: 'here', port: 9092 }],
      controllerId: 1,
      topics: [{ errorCode: 0, name: 't', partitions: [partition] }],
    };
    for (const version of [0, 3, 6]) {
      expect(await answered(Apis.metadata, version, metadata)).toMatchObject({
        brokers: [{ nodeId: 1, host: 'here', port: 9092 }],
        topicMetadata: [
          { topic: 't', partitionMetadata: [{ partitionId: 1, leader: 1, replicas: [1], isr: [1] }] },
        ],
      });
    }
  });

  it('carry records', async () => {
    const codec = await loadCodec('gzip');
    const batches = [
      buildBatch(kernel, goldenRecords, { baseOffset: 10 }),
      buildBatch(kernel, goldenRecords, { baseOffset: 40, compression: { name: 'gzip', codec } }),
    ];
    const partition = {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 63,
      abortedTransactions: null,
      records: batches,
    };
    for (const version of [4, 7, 11]) {
      const responses = [{ topic: 't', partitions: [partition] }];
      const read = await answered(Apis.fetch, version, { throttleTimeMs: 0, responses });
      const messages = (read as { responses: { partitions: { messages: { offset: string }[] }[] }[] })
        .responses[0]?.partitions[0]?.messages;
      expect(messages?.map(({ offset }) => Number(offset))).toEqual(
        [10, 40].flatMap((base) => goldenRecords.map((_, index) => base + index)),
      );
      expect(messages?.[0]).toMatchObject({ key: Buffer.from('key'), value: Buffer.from('value') });
    }
  });

  it('tell a group what it is', async () => {
    const join = {
      errorCode: 0,
      generationId: 3,
      protocolName: 'range',
      leader: 'm',
      memberId: 'm',
      members: [{ memberId: 'm', metadata: Uint8Array.of(1) }],
    };
    expect(await answered(Apis.joinGroup, 5, join)).toMatchObject({
      generationId: 3,
      leaderId: 'm',
      members: [{ memberId: 'm' }],
    });
    const fetched = {
      errorCode: 0,
      topics: [
        { name: 't', partitions: [{ partitionIndex: 0, committedOffset: 12, metadata: 'x', errorCode: 0 }] },
      ],
    };
    expect(await answered(Apis.offsetFetch, 4, fetched)).toMatchObject({
      responses: [{ topic: 't', partitions: [{ offset: '12', metadata: 'x' }] }],
    });
    const produced = {
      responses: [{ name: 't', partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 7 }] }],
    };
    expect(await answered(Apis.produce, 7, produced, produce(0))).toMatchObject({
      topics: [{ topicName: 't', partitions: [{ baseOffset: '7' }] }],
    });
  });
});
