/** KIP-932: what happens to records, one statement a test. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaNode, startKafkaNode } from '../../../e2e/kafka/node.ts';
import {
  Ack,
  type Bench,
  benchOf,
  type Got,
  type Member,
  makeTopic,
  put,
  rangesOf,
  setGroup,
} from './support.ts';

let broker: KafkaNode;
let bench: Bench;
let topic: string;
let group: string;
let count = 0;
beforeAll(async () => {
  broker = await startKafkaNode();
  bench = await benchOf(broker);
});
afterAll(async () => {
  bench.close();
  await broker.stop();
});
beforeEach(async () => {
  topic = `topic-${++count}`;
  group = `group-${count}`;
  await makeTopic(bench.client, topic);
  await setGroup(bench.client, group, { 'share.auto.offset.reset': 'earliest' });
});

const values = (got: readonly Got[]): string[] => got.map(({ value }) => value);
const join = (id?: string): Promise<Member> => bench.member(group, topic, id);

describe('records of a share group', () => {
  test('go to one member at a time, and not again once they are accepted', async () => {
    await put(bench.client, topic, ['a', 'b', 'c']);
    const [one, two] = [await join(), await join()];
    expect(values(await one.take())).toEqual(['a', 'b', 'c']);
    expect(await two.take()).toEqual([]);
    expect(await one.ack(0, 2, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await one.take()).toEqual([]);
    expect(await two.take()).toEqual([]);
  });

  test('come back when they are released, counted as delivered', async () => {
    await put(bench.client, topic, ['a', 'b', 'c']);
    const [one, two] = [await join(), await join()];
    expect((await one.take()).map((each) => each.count)).toEqual([1, 1, 1]);
    expect(await one.ack(0, 2, Ack.accept, Ack.release, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await two.take()).toEqual([{ offset: 1, value: 'b', count: 2 }]);
  });

  test('are not delivered again when they are rejected', async () => {
    await put(bench.client, topic, ['a', 'b']);
    const one = await join();
    await one.take();
    expect(await one.ack(0, 1, Ack.reject, Ack.release)).toBe(ErrorCode.NONE);
    expect(values(await one.take())).toEqual(['b']);
  });

  test('are given up with the delivery that reaches the limit', async () => {
    await setGroup(bench.client, group, { 'share.delivery.count.limit': '2' });
    await put(bench.client, topic, ['a', 'b']);
    const one = await join();
    expect((await one.take()).map((each) => each.count)).toEqual([1, 1]);
    await one.ack(0, 1, Ack.release);
    expect((await one.take()).map((each) => each.count)).toEqual([2, 2]);
    await one.ack(0, 1, Ack.release, Ack.accept);
    expect(await one.take()).toEqual([]);
  });

  test('come back when the lock of their member ends', async () => {
    await setGroup(bench.client, group, { 'share.record.lock.duration.ms': '30000' });
    await put(bench.client, topic, ['a']);
    const [one, two] = [await join(), await join()];
    const first = await one.fetch();
    expect(first.acquisitionLockTimeoutMs).toBe(30_000);
    const waiting = two.take({ maxWaitMs: 600_000 });
    broker.pass(30_000);
    const again = await waiting;
    expect(again).toEqual([{ offset: 0, value: 'a', count: 2 }]);
    expect(await one.ack(0, 0, Ack.accept)).toBe(ErrorCode.INVALID_RECORD_STATE);
    expect(await two.ack(0, 0, Ack.accept)).toBe(ErrorCode.NONE);
  });

  test('stay longer with a member that renews', async () => {
    await setGroup(bench.client, group, {
      'share.record.lock.duration.ms': '30000',
      'share.session.timeout.ms': '60000',
    });
    await put(bench.client, topic, ['a']);
    const [one, two] = [await join(), await join()];
    await one.take();
    for (let renewals = 0; renewals < 2; renewals++) {
      broker.pass(20_000);
      const answer = await one.acknowledge([{ first: 0, types: [Ack.renew] }], { isRenewAck: true });
      expect(answer.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.NONE);
      expect(answer.acquisitionLockTimeoutMs).toBe(30_000);
      expect(await two.take({ maxWaitMs: 100 })).toEqual([]);
    }
    expect(await one.ack(0, 0, Ack.accept)).toBe(ErrorCode.NONE);
  });

  test('come back when their member closes its session, or its connection', async () => {
    await put(bench.client, topic, ['a', 'b']);
    const [one, two, three] = [await join(), await join(), await join()];
    await one.take();
    await one.acknowledge([{ first: 0, types: [Ack.accept] }], { epoch: -1 });
    expect(await two.take()).toEqual([{ offset: 1, value: 'b', count: 2 }]);
    two.client.close();
    expect(await three.take({ maxWaitMs: 5000 })).toEqual([{ offset: 1, value: 'b', count: 3 }]);
  });

  test('come back when their member leaves', async () => {
    await put(bench.client, topic, ['a']);
    const [one, two] = [await join(), await join()];
    await one.take();
    await one.heartbeat(null, -1);
    expect(values(await two.take())).toEqual(['a']);
  });

  test('are acknowledged all or none in a partition', async () => {
    await put(bench.client, topic, ['a', 'b', 'c']);
    const [one, two] = [await join(), await join()];
    await one.take({ maxRecords: 1, mode: 1 });
    await two.take({ maxRecords: 1, mode: 1 });
    expect(await one.ack(0, 1, Ack.accept)).toBe(ErrorCode.INVALID_RECORD_STATE);
    expect(await one.ack(0, 0, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await one.ack(0, 0, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await two.ack(1, 1, Ack.accept)).toBe(ErrorCode.NONE);
    expect(await two.ack(2, 2, Ack.accept)).toBe(ErrorCode.INVALID_RECORD_STATE);
    expect(await two.ack(7, 7, Ack.accept)).toBe(ErrorCode.INVALID_REQUEST);
  });

  test('are acknowledged with what asks for more', async () => {
    await put(bench.client, topic, ['a', 'b']);
    const one = await join();
    await one.take({ maxRecords: 1, mode: 1 });
    const answer = await one.fetch({ acks: [{ first: 0, types: [Ack.accept] }] });
    const [partition] = answer.responses[0]?.partitions ?? [];
    expect(partition).toMatchObject({ acknowledgeErrorCode: 0, errorCode: 0 });
    expect(rangesOf(answer)).toEqual([[1, 1, 1]]);
    const last = await one.fetch({ epoch: -1, acks: [{ first: 1, types: [Ack.accept] }] });
    expect(last.responses[0]?.partitions[0]).toMatchObject({ acknowledgeErrorCode: 0 });
    expect(rangesOf(last)).toEqual([]);
  });

  test('are handed out in whole batches, or exactly as many as were asked for', async () => {
    for (let i = 0; i < 3; i++) await put(bench.client, topic, ['a', 'b', 'c', 'd']);
    const [one, two] = [await join(), await join()];
    expect(rangesOf(await one.fetch({ maxRecords: 5 }))).toEqual([[0, 7, 1]]);
    const exact = await two.fetch({ maxRecords: 2, mode: 1 });
    expect(rangesOf(exact)).toEqual([[8, 9, 1]]);
    expect(rangesOf(await two.fetch({ maxRecords: 500 }))).toEqual([[10, 11, 1]]);
  });

  test('are parted into ranges of about the size that was asked for, between batches', async () => {
    for (let i = 0; i < 4; i++) await put(bench.client, topic, ['a', 'b', 'c', 'd']);
    const one = await join();
    expect(rangesOf(await one.fetch({ batchSize: 6 }))).toEqual([
      [0, 7, 1],
      [8, 15, 1],
    ]);
  });

  test('are never more at members than the group may have', async () => {
    await setGroup(bench.client, group, { 'share.partition.max.record.locks': '3' });
    await put(bench.client, topic, ['a', 'b', 'c', 'd', 'e']);
    const [one, two] = [await join(), await join()];
    expect(values(await one.take())).toEqual(['a', 'b', 'c']);
    expect(await two.take()).toEqual([]);
    const waiting = two.take({ maxWaitMs: 5000 });
    expect(await one.ack(0, 1, Ack.accept)).toBe(ErrorCode.NONE);
    expect(values(await waiting)).toEqual(['d', 'e']);
  });

  test('are waited for', async () => {
    const one = await join();
    await one.take();
    const waiting = one.take({ maxWaitMs: 600_000 });
    await put(bench.client, topic, ['a']);
    expect(values(await waiting)).toEqual(['a']);
    expect(await one.take({ maxWaitMs: 50 })).toEqual([]);
  });

  test('are waited for until there are as many bytes as were asked for, and all that there are when the time is up', async () => {
    await put(bench.client, topic, ['a']);
    const one = await join();
    await one.take({ maxRecords: 1 });
    await put(bench.client, topic, ['b']);
    const waiting = one.take({ maxWaitMs: 10_000, minBytes: 3000 });
    await put(bench.client, topic, ['c'.repeat(4000)]);
    expect((await waiting).map(({ offset }) => offset)).toEqual([1, 2]);
    await put(bench.client, topic, ['d']);
    expect(values(await one.take({ maxWaitMs: 50, minBytes: 3000 }))).toEqual(['d']);
  });

  test('that were handed to nobody before start where the group says', async () => {
    await put(bench.client, topic, ['old']);
    const latest = await bench.member(`${group}-latest`, topic);
    await setGroup(bench.client, `${group}-aged`, { 'share.auto.offset.reset': 'by_duration:PT1H' });
    await put(bench.client, topic, [
      { value: 'past', timestampMs: Date.now() - 7_200_000 },
      { value: 'new' },
    ]);
    const aged = await bench.member(`${group}-aged`, topic);
    expect(values(await latest.take())).toEqual(['past', 'new']);
    expect(values(await aged.take())).toEqual(['old', 'past', 'new']);
  });
});
