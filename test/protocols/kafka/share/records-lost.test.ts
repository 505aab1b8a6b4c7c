/** Records that a share group does not get, or gives up: of transactions, removed by retention and compaction, dead letters. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { decodeHeaders } from '../../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../../src/storage/records/record-batch.ts';
import { createLogKernel } from '../../../../src/wasm/create-log.ts';
import { batchFrom, ZERO } from '../../../e2e/kafka/batches.ts';
import { type KafkaNode, startKafkaNode } from '../../../e2e/kafka/node.ts';
import type { KafkaClient } from '../../../support/kafka-client.ts';
import { Ack, type Bench, benchOf, type Got, type Member, makeTopic, put, setGroup } from './support.ts';

const kernel = createLogKernel({ maxBatchBytes: 1024 * 1024, memoryLimitBytes: 16 * 1024 * 1024 });
let broker: KafkaNode;
let bench: Bench;
let client: KafkaClient;
let topic: string;
let group: string;
let count = 0;
beforeAll(async () => {
  broker = await startKafkaNode();
  bench = await benchOf(broker);
  client = bench.client;
});
afterAll(async () => {
  bench.close();
  await broker.stop();
});
beforeEach(async () => {
  topic = `topic-${++count}`;
  group = `group-${count}`;
  await makeTopic(client, topic);
  await setGroup(client, group, { 'share.auto.offset.reset': 'earliest' });
});

const values = (got: readonly Got[]): string[] => got.map(({ value }) => value);
const join = (id?: string): Promise<Member> => bench.member(group, topic, id);

/** A transaction that has written to the topic. */
async function transaction(id: string, ...written: string[]) {
  const { producerId, producerEpoch } = await client.call(Apis.initProducerId, 4, {
    transactionalId: id,
    transactionTimeoutMs: 30_000,
  });
  await client.call(Apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: id,
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions: [0] }],
  });
  const records = batchFrom(
    written.map((value) => ({ value })),
    { producer: { id: producerId, epoch: producerEpoch, baseSequence: 0 }, isTransactional: true },
  );
  const { responses } = await client.call(Apis.produce, 9, {
    transactionalId: id,
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: topic, topicId: ZERO, partitionData: [{ index: 0, records }] }],
  });
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.NONE);
  return async (committed: boolean) => {
    const answer = await client.call(Apis.endTxn, 3, {
      transactionalId: id,
      producerId,
      producerEpoch,
      committed,
    });
    expect(answer.errorCode).toBe(ErrorCode.NONE);
  };
}

describe('records of transactions', () => {
  test('are handed out at once to a group that does not wait for their end', async () => {
    const end = await transaction(`${topic}-x`, 'a', 'b');
    const member = await join();
    expect(values(await member.take())).toEqual(['a', 'b']);
    await end(false);
  });

  test('are handed out to a group that reads what is committed when they are, and never when they are aborted', async () => {
    await setGroup(client, group, { 'share.isolation.level': 'read_committed' });
    await put(client, topic, ['before']);
    const endFirst = await transaction(`${topic}-x`, 'x1', 'x2');
    const endSecond = await transaction(`${topic}-y`, 'y1');
    await put(client, topic, ['behind']);
    const member = await join();
    expect(values(await member.take())).toEqual(['before']);
    const waiting = member.take({ maxWaitMs: 5000 });
    await endFirst(false);
    await endSecond(true);
    const got = [...values(await waiting)];
    while (got.length < 2) got.push(...values(await member.take({ maxWaitMs: 1000 })));
    expect(got).toEqual(['y1', 'behind']);
    expect(await member.ack(0, 0, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await member.ack(3, 4, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await member.take()).toEqual([]);
    // Marks, and what was aborted, are behind the group.
    const { groups } = await client.call(Apis.describeShareGroupOffsets, 1, {
      groups: [{ groupId: group, topics: null }],
    });
    expect(groups[0]?.topics[0]?.partitions[0]).toMatchObject({ startOffset: 7, lag: 0 });
  });
});

describe('records that are removed', () => {
  test("below the start of the partition are nobody's any more", async () => {
    await put(client, topic, ['a', 'b', 'c', 'd']);
    const member = await join();
    await member.take({ maxRecords: 2, mode: 1 });
    await client.call(Apis.deleteRecords, 2, {
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: 3 }] }],
      timeoutMs: 1000,
    });
    expect(values(await member.take())).toEqual(['d']);
    // What was acquired and is gone counts as acknowledged.
    expect(await member.ack(0, 1, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await member.ack(3, 3, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await member.take()).toEqual([]);
  });

  test('by compaction leave gaps that a member says it has found', async () => {
    await put(client, topic, ['a', 'b', 'c']);
    const member = await join();
    await member.take();
    expect(await member.ack(0, 2, Ack.accept, Ack.gap, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await member.take()).toEqual([]);
  });

  test('with their topic end with it', async () => {
    await put(client, topic, ['a']);
    const member = await join();
    await member.take();
    const waiting = member.fetch({ maxWaitMs: 5000 });
    await client.call(Apis.deleteTopics, 5, { topicNames: [topic], timeoutMs: 1000 });
    expect((await waiting).responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    expect(await member.ack(0, 0, Ack.accept)).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    const { groups } = await client.call(Apis.describeShareGroupOffsets, 1, {
      groups: [{ groupId: group, topics: null }],
    });
    expect(groups[0]?.topics).toEqual([]);
  });
});

describe('dead letters', () => {
  async function lettersIn(name: string): Promise<{ value: string; headers: Record<string, string> }[]> {
    const answer = await client.call(Apis.fetch, 12, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000_000,
      sessionEpoch: -1,
      topics: [
        {
          topic: name,
          topicId: ZERO,
          partitions: [
            { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0, partitionMaxBytes: 1_000_000 },
          ],
        },
      ],
    });
    const bytes = answer.responses[0]?.partitions[0]?.records ?? new Uint8Array(0);
    const found = [];
    for (let at = 0; at < bytes.length; ) {
      const { batch } = readRecordBatch(kernel, bytes.slice(at));
      if (batch === undefined) throw new Error('no batch');
      for (let i = 0; i < batch.length; i++) {
        const record = batch.record(i);
        const headers = Object.fromEntries(
          decodeHeaders(record.headers).map((each) => [
            Buffer.from(each.name).toString(),
            Buffer.from(each.value ?? []).toString(),
          ]),
        );
        found.push({ value: Buffer.from(record.value ?? []).toString(), headers });
      }
      at += batch.header.byteLength;
    }
    return found;
  }

  const deadOf = async (): Promise<string> => {
    const name = `${topic}-dead`;
    await makeTopic(client, name);
    return name;
  };

  test('are what is rejected, with what happened in their headers', async () => {
    const dead = await deadOf();
    expect(await setGroup(client, group, { 'errors.deadletterqueue.topic.name': dead })).toBe(0);
    await put(client, topic, ['a', 'b', 'c']);
    const member = await join();
    await member.take();
    expect(await member.ack(0, 2, Ack.accept, Ack.reject, Ack.reject)).toBe(ErrorCode.NONE);
    const letters = await lettersIn(dead);
    expect(letters.map(({ value }) => value)).toEqual(['b', 'c']);
    expect(letters[0]?.headers).toMatchObject({
      'dead-letter-reason': 'rejected',
      'dead-letter-topic': topic,
      'dead-letter-partition': '0',
      'dead-letter-offset': '1',
      'dead-letter-group': group,
      'dead-letter-deliveries': '1',
      'dead-letter-count': '1',
    });
    expect(await member.take()).toEqual([]);
  });

  test('are what was delivered as often as may be, whether released or with a lock that ran out', async () => {
    const dead = await deadOf();
    await setGroup(client, group, {
      'errors.deadletterqueue.topic.name': dead,
      'share.delivery.count.limit': '1',
      'share.record.lock.duration.ms': '30000',
    });
    await put(client, topic, ['a', 'b']);
    const member = await join();
    await member.take();
    expect(await member.ack(0, 0, Ack.release)).toBe(ErrorCode.NONE);
    broker.pass(30_000);
    await expect.poll(() => lettersIn(dead)).toHaveLength(2);
    const letters = await lettersIn(dead);
    expect(letters.map(({ headers }) => headers['dead-letter-reason'])).toEqual([
      'delivery-limit',
      'delivery-limit',
    ]);
    expect(await member.take()).toEqual([]);
  });

  test('go where the topic says when the group says nothing, and do not go round', async () => {
    const dead = await deadOf();
    const other = `${topic}-dead-too`;
    await makeTopic(client, other, 1, { 'robustmq.dead.letter.topic': dead });
    await put(client, other, ['a']);
    const otherGroup = `${group}-other`;
    await setGroup(client, otherGroup, { 'share.auto.offset.reset': 'earliest' });
    const member = await bench.member(otherGroup, other);
    await member.take();
    await member.ack(0, 0, Ack.reject);
    expect(await lettersIn(dead)).toHaveLength(1);
    const deadGroup = `${group}-dead`;
    await setGroup(client, deadGroup, {
      'share.auto.offset.reset': 'earliest',
      'errors.deadletterqueue.topic.name': other,
    });
    const undertaker = await bench.member(deadGroup, dead);
    await undertaker.take();
    expect(await undertaker.ack(0, 0, Ack.reject)).toBe(ErrorCode.NONE);
    expect(await lettersIn(other)).toHaveLength(1);
    expect(await undertaker.take()).toEqual([]);
  });

  test('go to a topic that there is', async () => {
    const codes = [
      await setGroup(client, group, { 'errors.deadletterqueue.topic.name': 'there-is-none' }),
      await setGroup(client, group, { 'errors.deadletterqueue.topic.name': '' }),
    ];
    expect(codes).toEqual([ErrorCode.INVALID_CONFIG, ErrorCode.NONE]);
  });
});
