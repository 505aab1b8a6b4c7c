/** Transactions of version 2 (KIP-890) as they are on the wire, which the libraries here do not speak. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchFrom, produceRequest, ZERO } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

const id = 'v2';
const { NONE } = ErrorCode;
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

interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

const init = () => client.call(Apis.initProducerId, 5, { transactionalId: id, transactionTimeoutMs: 60_000 });

async function send(topic: string, producer: Producer, sequence: number, value: string) {
  const { producerId, producerEpoch: epoch } = producer;
  const batch = batchFrom([{ value }], {
    producer: { id: producerId, epoch, baseSequence: sequence },
    isTransactional: true,
  });
  const request = { ...produceRequest(topic, batch, { acks: -1 }), transactionalId: id };
  const { responses } = await client.call(Apis.produce, 12, request);
  return responses[0]?.partitionResponses[0];
}

const end = ({ producerId, producerEpoch }: Producer, committed: boolean) =>
  client.call(Apis.endTxn, 5, { transactionalId: id, producerId, producerEpoch, committed });

const create = (topic: string) =>
  client.call(Apis.metadata, 9, { topics: [{ topicId: ZERO, name: topic }], allowAutoTopicCreation: true });

async function fetch(topic: string, fetchOffset: number, maxWaitMs = 0) {
  const { responses } = await client.call(Apis.fetch, 12, {
    maxWaitMs,
    minBytes: 1,
    isolationLevel: 1,
    topics: [
      { topic, topicId: ZERO, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }] },
    ],
    forgottenTopicsData: [],
  });
  return responses[0]?.partitions[0];
}

describe('transactions of version 2', () => {
  test('are announced', async () => {
    const { finalizedFeatures } = await client.call(Apis.apiVersions, 3, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    expect(finalizedFeatures).toContainEqual(
      expect.objectContaining({ name: 'transaction.version', maxVersionLevel: 2 }),
    );
  });

  test('need no partitions added, and give the next epoch with each end', async () => {
    await create('implicit');
    const first = await init();
    expect(first).toMatchObject({ errorCode: NONE, producerEpoch: 0 });
    expect(await send('implicit', first, 0, 'a')).toMatchObject({ errorCode: NONE, baseOffset: 0 });
    expect(await send('implicit', first, 0, 'a')).toMatchObject({ errorCode: NONE, baseOffset: 0 });
    expect(await fetch('implicit', 0)).toMatchObject({ highWatermark: 1, lastStableOffset: 0 });
    const second = await end(first, false);
    expect(second).toMatchObject({ errorCode: NONE, producerId: first.producerId, producerEpoch: 1 });
    expect(await end(first, false)).toMatchObject({ errorCode: NONE, producerEpoch: 1 });
    expect(await send('implicit', first, 1, 'late')).toMatchObject({
      errorCode: ErrorCode.INVALID_PRODUCER_EPOCH,
    });
    expect(await send('implicit', second, 0, 'b')).toMatchObject({ errorCode: NONE, baseOffset: 2 });
    expect(await end(second, true)).toMatchObject({ errorCode: NONE, producerEpoch: 2 });
    expect(await fetch('implicit', 0)).toMatchObject({
      lastStableOffset: 4,
      abortedTransactions: [{ producerId: first.producerId, firstOffset: 0 }],
    });
    expect((await fetch('implicit', 2))?.abortedTransactions ?? []).toEqual([]);
  });

  test('wake readers of committed records when they end', async () => {
    await create('woken');
    const producer = await init();
    await send('woken', producer, 0, 'a');
    const reader = await openKafkaClient(broker.port);
    const waiting = reader.call(Apis.fetch, 12, {
      maxWaitMs: 600_000,
      minBytes: 1,
      isolationLevel: 1,
      topics: [
        {
          topic: 'woken',
          topicId: ZERO,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }],
        },
      ],
      forgottenTopicsData: [],
    });
    await end(producer, true);
    const { responses } = await waiting;
    expect(responses[0]?.partitions[0]?.records?.length).toBeGreaterThan(0);
    reader.close();
  });
});
