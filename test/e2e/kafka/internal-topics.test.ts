/** Kafka's own topics: tools and clients that leave them out have to see them, and nobody may write to them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchOf, produceRequest, ZERO } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

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

const listed = async () => (await client.call(Apis.metadata, 12, { topics: null })).topics;

async function appears(name: string) {
  for (;;) {
    const found = (await listed()).find((topic) => topic.name === name);
    if (found !== undefined) return found;
  }
}

test.each([
  [0, '__consumer_offsets'],
  [1, '__transaction_state'],
])(
  'coordinators of type %i come with the topic %s, which is internal and cannot be written',
  async (keyType, name) => {
    const before = await client.call(Apis.metadata, 12, { topics: [{ name, topicId: ZERO }] });
    expect(before.topics[0]?.errorCode).not.toBe(0);
    const coordinatorKeys = ['a', 'b'];
    const { coordinators } = await client.call(Apis.findCoordinator, 4, { keyType, coordinatorKeys });
    expect(coordinators.map(({ errorCode }) => errorCode)).toEqual([0, 0]);
    expect(await appears(name)).toMatchObject({
      errorCode: 0,
      isInternal: true,
      partitions: [{ errorCode: 0 }],
    });
    const { responses } = await client.call(Apis.produce, 9, produceRequest(name, batchOf('v')));
    expect([ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.TOPIC_AUTHORIZATION_FAILED]).toContain(
      responses[0]?.partitionResponses[0]?.errorCode,
    );
  },
);

test('a pattern that the broker resolves matches them, too, as in Kafka (KIP-848)', async () => {
  await client.call(Apis.findCoordinator, 4, { keyType: 0, coordinatorKeys: ['a'] });
  const { topicId } = await appears('__consumer_offsets');
  const joined = await client.call(Apis.consumerGroupHeartbeat, 1, {
    groupId: 'patterns',
    memberId: 'm',
    memberEpoch: 0,
    rebalanceTimeoutMs: 10_000,
    subscribedTopicRegex: '__consumer_.*',
    topicPartitions: [],
  });
  expect(joined).toMatchObject({
    errorCode: 0,
    assignment: { topicPartitions: [{ topicId, partitions: [0] }] },
  });
});
