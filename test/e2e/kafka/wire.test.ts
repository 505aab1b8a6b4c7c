/** What clients rely on and their libraries hide: order, errors, long polls, sessions, epochs. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchFrom, batchOf, produceRequest, recordsIn, ZERO } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

let broker: KafkaNode;
let client: KafkaClient;
let topic: string;
let count = 0;
beforeAll(async () => {
  broker = await startKafkaNode();
  client = await openKafkaClient(broker.port);
});
afterAll(async () => {
  client.close();
  await broker.stop();
});
beforeEach(async () => {
  topic = await make();
});

async function make(numPartitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<string> {
  const name = `topic-${++count}`;
  const { topics } = await client.call(Apis.createTopics, 7, {
    topics: [
      {
        name,
        numPartitions,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  });
  expect(topics[0]?.errorMessage).toBeNull();
  return name;
}

const idOf = async (name: string): Promise<string> =>
  (await client.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name }] })).topics[0]?.topicId ?? '';

async function produce(records: Uint8Array | null, { name = topic, version = 9, acks = 1, index = 0 } = {}) {
  const request = produceRequest(name, records, { acks, index });
  const { responses } = await client.call(Apis.produce, version, request);
  return responses[0]?.partitionResponses[0];
}

interface FetchOptions {
  readonly name?: string;
  readonly offset?: number;
  readonly partition?: number;
  readonly version?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly epoch?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
}

const fetchRequest = (options: FetchOptions = {}) => ({
  maxWaitMs: options.maxWaitMs ?? 0,
  minBytes: options.minBytes ?? 1,
  maxBytes: options.maxBytes ?? 1_000_000,
  sessionId: options.sessionId ?? 0,
  sessionEpoch: options.sessionEpoch ?? -1,
  topics: [
    {
      topic: options.name ?? topic,
      topicId: ZERO,
      partitions: [
        {
          partition: options.partition ?? 0,
          currentLeaderEpoch: options.epoch ?? -1,
          fetchOffset: options.offset ?? 0,
          partitionMaxBytes: options.partitionMaxBytes ?? 1_000_000,
        },
      ],
    },
  ],
});

async function fetchOne(options: FetchOptions = {}) {
  const answer = await client.call(Apis.fetch, options.version ?? 12, fetchRequest(options));
  return answer.responses[0]?.partitions[0];
}

describe('Produce', () => {
  test('gives offsets in the order of the requests, also to those that were sent ahead', async () => {
    const frames: Buffer[] = [];
    for (let i = 0; i < 100; i++)
      frames.push(client.frame(Apis.produce, 9, produceRequest(topic, batchOf(`v${i}`)), i));
    frames.push(client.frame(Apis.metadata, 12, { topics: [] }, 100));
    client.send(Buffer.concat(frames));
    for (let i = 0; i < 100; i++) {
      const frame = await client.receive();
      expect(frame.readInt32BE(0)).toBe(i);
      const { responses } = client.read(Apis.produce, 9, frame);
      expect(responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: i });
    }
    expect((await client.receive()).readInt32BE(0)).toBe(100);
    const fetched = recordsIn((await fetchOne())?.records ?? null);
    expect(fetched.map(({ value }) => value)).toEqual(Array.from({ length: 100 }, (_, i) => `v${i}`));
  });

  test('without acknowledgement is not answered, and keeps its place among others', async () => {
    const frames = [0, 1, 0, 0, 1].map((acks, i) =>
      client.frame(Apis.produce, 9, produceRequest(topic, batchOf(`v${i}`), { acks }), i),
    );
    client.send(Buffer.concat(frames));
    const answers = [await client.receive(), await client.receive()];
    expect(answers.map((frame) => frame.readInt32BE(0))).toEqual([1, 4]);
    const [first, second] = answers.map((frame) => client.read(Apis.produce, 9, frame).responses[0]);
    expect(first?.partitionResponses[0]?.baseOffset).toBe(1);
    expect(second?.partitionResponses[0]?.baseOffset).toBe(4);
  });

  test('without acknowledgement that is refused closes the connection', async () => {
    const other = await openKafkaClient(broker.port);
    other.send(other.frame(Apis.produce, 9, produceRequest('no-such-topic', batchOf('v'), { acks: 0 })));
    expect(await other.closed()).toHaveLength(0);
    other.close();
  });

  test.each([
    ['a wrong checksum', () => flipped(batchOf('v')), ErrorCode.CORRUPT_MESSAGE],
    ['no batch', () => null, ErrorCode.INVALID_RECORD],
    ['two batches', () => Buffer.concat([batchOf('a'), batchOf('b')]), ErrorCode.INVALID_RECORD],
    ['a control batch', () => batchFrom([{ value: 'v' }], { isControl: true }), ErrorCode.INVALID_RECORD],
    [
      'a time far ahead',
      () => batchFrom([{ value: 'v', timestampMs: Date.now() + 7_200_000 }]),
      ErrorCode.INVALID_TIMESTAMP,
    ],
    ['a batch above the limit', () => batchOf('x'.repeat(1_100_000)), ErrorCode.MESSAGE_TOO_LARGE],
  ])('refuses %s, and stores nothing (item 10)', async (_, records, errorCode) => {
    expect(await produce(records())).toMatchObject({ errorCode, baseOffset: -1 });
    expect(await fetchOne()).toMatchObject({ highWatermark: 0 });
  });

  test('refuses what it cannot do', async () => {
    expect(await produce(batchOf('v'), { name: 'unknown' })).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
    expect(await produce(batchOf('v'), { index: 7 })).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
    expect(await produce(batchOf('v'), { index: -1 })).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
    expect(await produce(batchOf('v'), { acks: 2 })).toMatchObject({
      errorCode: ErrorCode.INVALID_REQUIRED_ACKS,
    });
    expect(await produce(batchOf('v'), { version: 2 })).toMatchObject({
      errorCode: ErrorCode.UNSUPPORTED_VERSION,
    });
  });

  test('knows topics by id, and the id of a topic that was made again is another', async () => {
    const byId = async (topicId: string) => {
      const request = {
        acks: 1,
        timeoutMs: 1000,
        topicData: [{ name: '', topicId, partitionData: [{ index: 0, records: batchOf('v') }] }],
      };
      return (await client.call(Apis.produce, 13, request)).responses[0]?.partitionResponses[0];
    };
    const before = await idOf(topic);
    expect(await byId(before)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    await client.call(Apis.deleteTopics, 6, { topics: [{ name: topic, topicId: ZERO }], timeoutMs: 1000 });
    await client.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name: topic }] });
    const after = await idOf(topic);
    expect(after).not.toBe(before);
    expect(await byId(before)).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_ID });
    expect(await byId(after)).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  test('stamps records with the time of the append where the topic says so', async () => {
    const name = await make(1, { 'message.timestamp.type': 'LogAppendTime' });
    const before = Date.now();
    const answer = await produce(batchFrom([{ value: 'v', timestampMs: 1000 }]), { name });
    expect(answer?.logAppendTimeMs).toBeGreaterThanOrEqual(before);
    const [record] = recordsIn((await fetchOne({ name }))?.records ?? null);
    expect(record?.timestampMs).toBe(answer?.logAppendTimeMs);
  });

  test('asks for keys in a compacted topic, and says which records have none (KIP-467)', async () => {
    const name = await make(1, { 'cleanup.policy': 'compact' });
    const records = [{ key: 'a', value: '1' }, { value: '2' }, { key: 'b', value: '3' }, { value: '4' }];
    expect(await produce(batchFrom(records), { name })).toMatchObject({
      errorCode: ErrorCode.INVALID_RECORD,
      recordErrors: [{ batchIndex: 1 }, { batchIndex: 3 }],
    });
    expect(await produce(batchFrom(records.slice(0, 1)), { name })).toMatchObject({ errorCode: 0 });
  });

  test('with acks=all needs no more replicas than there can be (effective min.insync.replicas, Kafka 4)', async () => {
    const name = await make(1, { 'min.insync.replicas': '2' });
    expect(await produce(batchOf('v'), { name, acks: -1 })).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await produce(batchOf('v'), { name, acks: 1 })).toMatchObject({ errorCode: 0, baseOffset: 1 });
  });
});

function flipped(batch: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(batch);
  copy[copy.length - 1] = (copy[copy.length - 1] as number) ^ 1;
  return copy;
}

describe('Fetch', () => {
  test('waits until there is something, and no longer', async () => {
    const other = await openKafkaClient(broker.port);
    other.send(other.frame(Apis.fetch, 12, fetchRequest({ maxWaitMs: 60_000 })));
    await produce(batchOf('late'));
    const { responses } = other.read(Apis.fetch, 12, await other.receive());
    expect(recordsIn(responses[0]?.partitions[0]?.records ?? null)).toMatchObject([
      { offset: 0, value: 'late' },
    ]);
    other.close();
  });

  test('gives up when its time is over, with no records and the limits', async () => {
    await produce(batchOf('v'));
    const startMs = performance.now();
    const answer = await fetchOne({ offset: 1, maxWaitMs: 120 });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(115);
    expect(answer).toMatchObject({ errorCode: 0, highWatermark: 1, logStartOffset: 0 });
    expect(answer?.records).toHaveLength(0);
  });

  test('waits for as many bytes as it was asked to', async () => {
    const other = await openKafkaClient(broker.port);
    other.send(other.frame(Apis.fetch, 12, fetchRequest({ maxWaitMs: 60_000, minBytes: 3000 })));
    for (let i = 0; i < 3; i++) await produce(batchOf('x'.repeat(1000)));
    const { responses } = other.read(Apis.fetch, 12, await other.receive());
    expect(recordsIn(responses[0]?.partitions[0]?.records ?? null)).toHaveLength(3);
    other.close();
  });

  test('brings the first batch whatever its size, and whole batches up to the limit (item 26)', async () => {
    for (let i = 0; i < 5; i++) await produce(batchOf('x'.repeat(1000)));
    const first = await fetchOne({ partitionMaxBytes: 10 });
    expect(recordsIn(first?.records ?? null)).toHaveLength(1);
    const some = await fetchOne({ partitionMaxBytes: 2500 });
    expect(recordsIn(some?.records ?? null)).toHaveLength(2);
    const all = await fetchOne({ maxBytes: 3500 });
    expect(recordsIn(all?.records ?? null)).toHaveLength(3);
  });

  test('brings the whole batch that has the offset in its middle', async () => {
    await produce(batchOf('a', 'b', 'c'));
    const records = recordsIn((await fetchOne({ offset: 2 }))?.records ?? null);
    expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2]);
  });

  test('says what is outside, unknown or of another epoch', async () => {
    await produce(batchOf('v'));
    expect(await fetchOne({ offset: 2 })).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
    expect(await fetchOne({ offset: -1 })).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
    expect(await fetchOne({ partition: 3, maxWaitMs: 60_000 })).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    });
    expect(await fetchOne({ epoch: 0 })).toMatchObject({ errorCode: ErrorCode.FENCED_LEADER_EPOCH });
    expect(await fetchOne({ epoch: 999 })).toMatchObject({ errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH });
  });

  test('tells who waits for a topic that it was deleted', async () => {
    const other = await openKafkaClient(broker.port);
    other.send(other.frame(Apis.fetch, 12, fetchRequest({ maxWaitMs: 60_000 })));
    await fetchOne();
    await client.call(Apis.deleteTopics, 6, { topics: [{ name: topic, topicId: ZERO }], timeoutMs: 1000 });
    const { responses } = other.read(Apis.fetch, 12, await other.receive());
    expect(responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    other.close();
  });

  test('ends with its connection', async () => {
    const other = await openKafkaClient(broker.port);
    other.send(other.frame(Apis.fetch, 12, fetchRequest({ maxWaitMs: 60_000 })));
    await fetchOne();
    other.close();
    while ((broker.node.kafka?.state.connections ?? 0) > 1)
      await new Promise((resolve) => setImmediate(resolve));
    expect(broker.node.kafka?.state.requestBytes).toBe(0);
  });

  test('refuses a topic id that there is not at once', async () => {
    const request = fetchRequest({ maxWaitMs: 60_000 });
    const topics = request.topics.map((each) => ({ ...each, topicId: 'BBBBBBBBBBBBBBBBBBBBBA' }));
    const { responses } = await client.call(Apis.fetch, 13, { ...request, topics });
    expect(responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });
});

describe('a fetch session', () => {
  test('tells what has changed and nothing else', async () => {
    const name = await make(3);
    const partitions = [0, 1, 2].map((partition) => ({
      partition,
      fetchOffset: 0,
      partitionMaxBytes: 1_000_000,
    }));
    const base = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 };
    const full = await client.call(Apis.fetch, 12, {
      ...base,
      sessionId: 0,
      sessionEpoch: 0,
      topics: [{ topic: name, topicId: ZERO, partitions }],
    });
    const { sessionId } = full;
    expect(sessionId).toBeGreaterThan(0);
    expect(full.responses[0]?.partitions).toHaveLength(3);
    const go = (sessionEpoch: number, more: object = {}) =>
      client.call(Apis.fetch, 12, { ...base, sessionId, sessionEpoch, topics: [], ...more });
    expect((await go(1)).responses).toEqual([]);
    await produce(batchOf('v'), { name, index: 1 });
    const changed = await go(2);
    expect(changed.sessionId).toBe(sessionId);
    expect(changed.responses[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([1]);
    // Read again as long as the client does not go on.
    expect((await go(3)).responses[0]?.partitions).toHaveLength(1);
    const advanced = {
      topics: [
        {
          topic: name,
          topicId: ZERO,
          partitions: [{ partition: 1, fetchOffset: 1, partitionMaxBytes: 1000 }],
        },
      ],
    };
    expect((await go(4, advanced)).responses).toEqual([]);
    const forgotten = { forgottenTopicsData: [{ topic: name, topicId: ZERO, partitions: [1] }] };
    await produce(batchOf('w'), { name, index: 1 });
    expect((await go(5, forgotten)).responses).toEqual([]);
    expect((await go(9)).errorCode).toBe(ErrorCode.INVALID_FETCH_SESSION_EPOCH);
    expect(
      (await client.call(Apis.fetch, 12, { ...base, sessionId: 12_345, sessionEpoch: 3, topics: [] }))
        .errorCode,
    ).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
    const ids = await client.call(Apis.fetch, 13, { ...base, sessionId, sessionEpoch: 6, topics: [] });
    expect(ids.errorCode).toBe(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR);
    expect(await go(-1)).toMatchObject({ errorCode: 0, sessionId: 0 });
    expect((await go(6)).errorCode).toBe(ErrorCode.FETCH_SESSION_ID_NOT_FOUND);
  });
});

describe('ListOffsets', () => {
  const list = async (timestamp: number, version = 11, currentLeaderEpoch = -1) => {
    const partitions = [{ partitionIndex: 0, timestamp, currentLeaderEpoch }];
    const answer = await client.call(Apis.listOffsets, version, {
      replicaId: -1,
      topics: [{ name: topic, partitions }],
    });
    return answer.topics[0]?.partitions[0];
  };

  test('answers each kind of question', async () => {
    const nowMs = Date.now();
    await produce(batchFrom([3, 9, 5].map((s) => ({ value: 'v', timestampMs: nowMs - 60_000 + s * 1000 }))));
    expect(await list(-1)).toMatchObject({ errorCode: 0, offset: 3 });
    expect(await list(-2)).toMatchObject({ errorCode: 0, offset: 0 });
    expect(await list(-3)).toMatchObject({ errorCode: 0, offset: 1, timestamp: nowMs - 51_000 });
    expect(await list(-4)).toMatchObject({ errorCode: 0, offset: 0 });
    expect(await list(-5)).toMatchObject({ errorCode: 0, offset: -1, leaderEpoch: -1 });
    expect(await list(nowMs - 56_000)).toMatchObject({ errorCode: 0, offset: 1 });
    expect(await list(nowMs)).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1 });
    expect(await list(-3, 6)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
    expect(await list(-99)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
    expect(await list(-1, 11, 999)).toMatchObject({ errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH });
    expect((await list(-1, 0))?.oldStyleOffsets).toEqual([3]);
  });
});

describe('DeleteRecords and the epochs of leaders', () => {
  test('move the start, and tell where an epoch ends', async () => {
    await produce(batchOf('a', 'b', 'c', 'd'));
    const cut = async (offset: number) => {
      const partitions = [{ partitionIndex: 0, offset }];
      const answer = await client.call(Apis.deleteRecords, 2, {
        topics: [{ name: topic, partitions }],
        timeoutMs: 1000,
      });
      return answer.topics[0]?.partitions[0];
    };
    expect(await cut(2)).toMatchObject({ errorCode: 0, lowWatermark: 2 });
    expect(await fetchOne({ offset: 1 })).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
    expect(await cut(9)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE });
    expect(await cut(-1)).toMatchObject({ errorCode: 0, lowWatermark: 4 });

    const { topics } = await client.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name: topic }] });
    const leaderEpoch = topics[0]?.partitions[0]?.leaderEpoch ?? -1;
    const ask = async (epoch: number) => {
      const partitions = [{ partition: 0, leaderEpoch: epoch }];
      const answer = await client.call(Apis.offsetForLeaderEpoch, 4, { topics: [{ topic, partitions }] });
      return answer.topics[0]?.partitions[0];
    };
    expect(await ask(leaderEpoch)).toMatchObject({ errorCode: 0, leaderEpoch, endOffset: 4 });
    expect(await ask(leaderEpoch + 5)).toMatchObject({ errorCode: 0, leaderEpoch: -1, endOffset: -1 });
  });
});

describe('topics', () => {
  test('are made as they were asked for, or refused with the reason', async () => {
    const ask = async (more: object) => {
      const wanted = {
        name: `t${++count}`,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [],
        ...more,
      };
      return (await client.call(Apis.createTopics, 7, { topics: [wanted] })).topics[0];
    };
    expect(await ask({ numPartitions: -1, replicationFactor: -1 })).toMatchObject({
      errorCode: 0,
      numPartitions: 1,
    });
    expect(await ask({ numPartitions: 0 })).toMatchObject({ errorCode: ErrorCode.INVALID_PARTITIONS });
    expect(await ask({ replicationFactor: 3 })).toMatchObject({
      errorCode: ErrorCode.INVALID_REPLICATION_FACTOR,
    });
    expect(await ask({ name: 'a b' })).toMatchObject({ errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION });
    expect(await ask({ name: '..' })).toMatchObject({ errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION });
    expect(await ask({ name: topic })).toMatchObject({ errorCode: ErrorCode.TOPIC_ALREADY_EXISTS });
    expect(await ask({ name: topic.replace('-', '.') })).toMatchObject({ errorCode: 0 });
    expect(await ask({ name: topic.replace('-', '_') })).toMatchObject({
      errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION,
    });
    expect(await ask({ configs: [{ name: 'retention.ms', value: 'soon' }] })).toMatchObject({
      errorCode: ErrorCode.INVALID_CONFIG,
    });
    const placed = [0, 1].map((partitionIndex) => ({ partitionIndex, brokerIds: [1] }));
    expect(await ask({ numPartitions: -1, replicationFactor: -1, assignments: placed })).toMatchObject({
      errorCode: 0,
      numPartitions: 2,
    });
    expect(await ask({ assignments: placed })).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
  });

  test('grow, and do not shrink', async () => {
    const grow = async (count: number) => {
      const topics = [{ name: topic, count, assignments: null }];
      const { results } = await client.call(Apis.createPartitions, 3, {
        topics,
        timeoutMs: 1000,
        validateOnly: false,
      });
      return results[0]?.errorCode;
    };
    expect(await grow(3)).toBe(0);
    expect(await produce(batchOf('v'), { index: 2 })).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await grow(3)).toBe(ErrorCode.INVALID_PARTITIONS);
    expect(await grow(1)).toBe(ErrorCode.INVALID_PARTITIONS);
  });

  test('are described in pages', async () => {
    const name = await make(5);
    const ask = async (partitionIndex: number) =>
      client.call(Apis.describeTopicPartitions, 0, {
        topics: [{ name }],
        responsePartitionLimit: 2,
        cursor: partitionIndex < 0 ? null : { topicName: name, partitionIndex },
      });
    const first = await ask(-1);
    expect(first.topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([0, 1]);
    expect(first.nextCursor).toEqual({ topicName: name, partitionIndex: 2 });
    const last = await ask(4);
    expect(last.topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([4]);
    expect(last.nextCursor).toBeNull();
  });

  test('are not made by who does not want that', async () => {
    const ask = (allowAutoTopicCreation: boolean) =>
      client.call(Apis.metadata, 12, {
        topics: [{ topicId: ZERO, name: 'perhaps' }],
        allowAutoTopicCreation,
      });
    expect((await ask(false)).topics[0]).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
    const made = (await ask(true)).topics[0];
    expect(made).toMatchObject({ errorCode: 0, partitions: [{ errorCode: 0, leaderId: 1, isrNodes: [1] }] });
  });
});
