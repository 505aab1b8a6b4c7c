/** What a backup of a running broker has of groups, producers and transactions, as clients see it on the node that is made of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Producer } from 'kafkajs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { run } from '../../../src/cli/program.ts';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { testIo } from '../../cli/support.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchFrom, produceRequest, recordsIn } from './batches.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

const SETTINGS = { 'storage.engine': 'files', 'kafka.groups.initialRebalanceDelay': 0 };
let folder = '';
const nodes: KafkaNode[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-kafka-backup-'));
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  rmSync(folder, { recursive: true, force: true });
});

async function start(settings: Readonly<Record<string, string | number>> = {}): Promise<KafkaNode> {
  const node = await startKafkaNode({ ...SETTINGS, ...settings });
  nodes.push(node);
  return node;
}

async function verb(...args: string[]): Promise<void> {
  const io = testIo();
  expect([await run(args, io), io.errText()]).toMatchObject([0, expect.anything()]);
}

const backup = (node: KafkaNode): Promise<void> =>
  verb('backup', join(folder, 'backup'), '--data-dir', node.dataDir);

async function restored(): Promise<KafkaNode> {
  const dataDir = join(folder, 'restored');
  await verb('restore', join(folder, 'backup'), '--data-dir', dataDir, '--new-identity');
  return start({ dataDir });
}

const committed = async (node: KafkaNode, groupId: string, topic: string): Promise<string | undefined> => {
  const admin = node.client().admin();
  await admin.connect();
  const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] });
  await admin.disconnect();
  return offsets?.partitions[0]?.offset;
};

async function transactional(node: KafkaNode, transactionalId: string): Promise<Producer> {
  const producer = node
    .client()
    .producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 60_000 });
  await producer.connect();
  return producer;
}

/** What a reader sees of the first partition of topics, by their names. */
async function read(node: KafkaNode, topics: readonly string[], isolationLevel: 0 | 1) {
  const client = await openKafkaClient(node.port);
  const { responses } = await client.call(Apis.fetch, 12, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    isolationLevel,
    topics: topics.map((topic) => ({
      topic,
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }],
    })),
    forgottenTopicsData: [],
  } as never);
  client.close();
  return responses.map(({ partitions: [partition] }) => ({
    values: recordsIn(partition?.records ?? null)
      .map(({ value }) => value)
      .filter((value) => value.startsWith('v')),
    aborted: partition?.abortedTransactions?.length ?? 0,
    isOpen: (partition?.lastStableOffset ?? 0) < (partition?.highWatermark ?? 0),
  }));
}

test('offsets of a group and the windows of an idempotent producer go on where the backup was', async () => {
  const old = await start();
  const sent = (client: KafkaClient, id: number, epoch: number, baseSequence: number, ...values: string[]) =>
    client
      .call(Apis.produce, 9, {
        ...produceRequest(
          'orders',
          batchFrom(
            values.map((value) => ({ value })),
            { producer: { id, epoch, baseSequence } },
          ),
          { acks: -1 },
        ),
        transactionalId: null,
      } as never)
      .then(({ responses }) => responses[0]?.partitionResponses[0]);
  const admin = old.client().admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }] });
  const client = await openKafkaClient(old.port);
  const { producerId, producerEpoch } = await client.call(Apis.initProducerId, 4, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
    producerId: -1,
    producerEpoch: -1,
  } as never);
  const id = producerId;
  for (let i = 0; i < 4; i++) {
    expect(await sent(client, id, producerEpoch, i, `v${i}`)).toMatchObject({ baseOffset: i });
  }
  await admin.setOffsets({
    groupId: 'readers',
    topic: 'orders',
    partitions: [{ partition: 0, offset: '2' }],
  });
  await backup(old);
  await sent(client, id, producerEpoch, 4, 'v4');
  await admin.setOffsets({
    groupId: 'readers',
    topic: 'orders',
    partitions: [{ partition: 0, offset: '5' }],
  });
  await admin.disconnect();
  client.close();

  const node = await restored();
  expect(await committed(node, 'readers', 'orders')).toBe('2');
  const again = await openKafkaClient(node.port);
  // What was lost with the old node is sent again by a client that still has it; what was not is known.
  expect(await sent(again, id, producerEpoch, 3, 'v3')).toMatchObject({ errorCode: 0, baseOffset: 3 });
  expect(await sent(again, id, producerEpoch, 5, 'v5')).toMatchObject({
    errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  });
  expect(await sent(again, id, producerEpoch, 4, 'v4')).toMatchObject({ errorCode: 0, baseOffset: 4 });
  // Nobody else is given the identifier of a producer that the backup does not know of.
  const fresh = await again.call(Apis.initProducerId, 4, {
    transactionalId: null,
    transactionTimeoutMs: 60_000,
    producerId: -1,
    producerEpoch: -1,
  } as never);
  expect(fresh.producerId).toBeGreaterThan(id);
  again.close();
  expect(await read(node, ['orders'], 0)).toEqual([
    { values: ['v0', 'v1', 'v2', 'v3', 'v4'], aborted: 0, isOpen: false },
  ]);
});

test('a transaction that was open is open on the new node as a whole, and aborted as a whole by its next producer', async () => {
  const old = await start();
  const topics = ['left', 'right'];
  const admin = old.client().admin();
  await admin.connect();
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })) });
  await admin.disconnect();
  const producer = await transactional(old, 'mover');
  const both = async (value: string) => {
    const transaction = await producer.transaction();
    for (const topic of topics) await transaction.send({ topic, messages: [{ value }] });
    await transaction.sendOffsets({
      consumerGroupId: 'movers',
      topics: [{ topic: 'left', partitions: [{ partition: 0, offset: value.slice(1) }] }],
    });
    return transaction;
  };
  await (await both('v1')).commit();
  await (await both('v2')).abort();
  const open = await both('v3');
  await backup(old);
  // What happens to it on the old node later is nothing to the new one.
  await open.commit();
  await producer.disconnect();
  expect(await committed(old, 'movers', 'left')).toBe('3');

  const node = await restored();
  const hidden = { values: expect.arrayContaining(['v1']), aborted: 1, isOpen: true };
  const before = await read(node, topics, 1);
  expect(before).toEqual([hidden, hidden]);
  expect(before.flatMap(({ values }) => values)).not.toContain('v3');
  expect(await committed(node, 'movers', 'left')).toBe('1');
  expect((await read(node, topics, 0)).map(({ values }) => values)).toEqual(
    topics.map(() => ['v1', 'v2', 'v3']),
  );

  const next = await transactional(node, 'mover');
  const transaction = await next.transaction();
  await vi.waitFor(
    async () => {
      const after = await read(node, topics, 1);
      expect(after).toEqual(topics.map(() => ({ values: ['v1', 'v2', 'v3'], aborted: 2, isOpen: false })));
    },
    { timeout: 10_000 },
  );
  expect(await committed(node, 'movers', 'left')).toBe('1');
  await transaction.send({ topic: 'left', messages: [{ value: 'v4' }] });
  await transaction.commit();
  expect((await read(node, ['left'], 1))[0]).toMatchObject({ aborted: 2, isOpen: false });
  await next.disconnect();
});

test('a transaction that was open and whose producer never comes back is aborted when its time is over', async () => {
  const old = await start();
  const producer = old.client().producer({
    transactionalId: 'gone',
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: 1000,
  });
  await producer.connect();
  const open = await producer.transaction();
  await open.send({ topic: 'left', messages: [{ value: 'v1' }] });
  await backup(old);
  await open.abort();
  await producer.disconnect();
  const node = await restored();
  await vi.waitFor(async () => expect((await read(node, ['left'], 1))[0]?.isOpen).toBe(false), {
    timeout: 8000,
    interval: 100,
  });
  expect((await read(node, ['left'], 1))[0]?.aborted).toBe(1);
});
