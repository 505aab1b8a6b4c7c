/** What a restart is to readers: a new epoch, in which the past is where it was; and connections that are left lying. */
import { describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchOf, produceRequest, recordsIn, ZERO } from './batches.ts';
import { startKafkaNode } from './node.ts';

async function epochOf(client: KafkaClient, name: string) {
  const { topics } = await client.call(Apis.metadata, 12, { topics: [{ topicId: ZERO, name }] });
  return { id: topics[0]?.topicId ?? '', epoch: topics[0]?.partitions[0]?.leaderEpoch ?? -1 };
}

describe('a restart', () => {
  test('begins an epoch, keeps ids, and knows where the one before has ended', async () => {
    const broker = await startKafkaNode({ 'storage.engine': 'files' });
    try {
      let client = await openKafkaClient(broker.port);
      const before = await epochOf(client, 'kept');
      await client.call(Apis.produce, 9, produceRequest('kept', batchOf('a', 'b', 'c')));
      client.close();
      await broker.restart();

      client = await openKafkaClient(broker.port);
      const after = await epochOf(client, 'kept');
      expect(after.id).toBe(before.id);
      expect(after.epoch).toBeGreaterThan(before.epoch);
      await client.call(Apis.produce, 9, produceRequest('kept', batchOf('d')));
      const endOf = async (leaderEpoch: number) => {
        const partitions = [{ partition: 0, leaderEpoch, currentLeaderEpoch: after.epoch }];
        const answer = await client.call(Apis.offsetForLeaderEpoch, 4, {
          topics: [{ topic: 'kept', partitions }],
        });
        return answer.topics[0]?.partitions[0];
      };
      expect(await endOf(before.epoch)).toMatchObject({
        errorCode: 0,
        leaderEpoch: before.epoch,
        endOffset: 3,
      });
      expect(await endOf(after.epoch)).toMatchObject({
        errorCode: 0,
        leaderEpoch: after.epoch,
        endOffset: 4,
      });

      const fetch = async (fetchOffset: number, currentLeaderEpoch: number, lastFetchedEpoch: number) => {
        const position = {
          partition: 0,
          fetchOffset,
          currentLeaderEpoch,
          lastFetchedEpoch,
          partitionMaxBytes: 10_000,
        };
        const topics = [{ topic: 'kept', topicId: ZERO, partitions: [position] }];
        const answer = await client.call(Apis.fetch, 12, { maxWaitMs: 0, minBytes: 1, topics });
        return answer.responses[0]?.partitions[0];
      };
      expect(await fetch(0, before.epoch, -1)).toMatchObject({ errorCode: ErrorCode.FENCED_LEADER_EPOCH });
      const all = await fetch(3, after.epoch, before.epoch);
      expect(recordsIn(all?.records ?? null).map(({ value }) => value)).toEqual(['d']);
      // A reader that has more of the old epoch than there is has read what was lost.
      expect(await fetch(4, after.epoch, before.epoch)).toMatchObject({
        errorCode: 0,
        divergingEpoch: { epoch: before.epoch, endOffset: 3 },
      });
      client.close();
    } finally {
      await broker.stop();
    }
  }, 20_000);

  test('finds a topic whose partitions were not all made, and makes them', async () => {
    const broker = await startKafkaNode({ 'storage.engine': 'files' });
    try {
      await broker
        .client()
        .admin()
        .createTopics({ topics: [{ topic: 'half', numPartitions: 4 }] });
      const kafka = broker.node.kafka?.context;
      const lost = kafka?.topics.partition('half', 2);
      if (kafka === undefined || lost === undefined) throw new Error('no partition');
      await kafka.partitions.delete(lost);
      await broker.restart();
      const [topic] = (
        await broker
          .client()
          .admin()
          .fetchTopicMetadata({ topics: ['half'] })
      ).topics;
      expect(topic?.partitions).toHaveLength(4);
    } finally {
      await broker.stop();
    }
  }, 20_000);
});

describe('a connection', () => {
  test('on which nothing happens is closed, and one that waits for records is not', async () => {
    const broker = await startKafkaNode({ 'kafka.maxIdle': '1s' });
    try {
      const [idle, waiting] = await Promise.all([openKafkaClient(broker.port), openKafkaClient(broker.port)]);
      await epochOf(waiting, 'quiet');
      const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }];
      const topics = [{ topic: 'quiet', topicId: ZERO, partitions }];
      waiting.send(waiting.frame(Apis.fetch, 12, { maxWaitMs: 60_000, minBytes: 1, topics }));
      expect(await idle.closed()).toHaveLength(0);
      while (broker.node.kafka?.state.connections === 2)
        await new Promise((resolve) => setImmediate(resolve));
      expect(waiting.socket.readyState).toBe('open');
      expect(broker.node.kafka?.state.connections).toBe(1);
      waiting.close();
    } finally {
      await broker.stop();
    }
  });
});
