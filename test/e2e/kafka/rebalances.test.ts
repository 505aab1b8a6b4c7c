/**
 * Members come and go, three, then one, then four, while messages flow, with offsets committed for every batch: everything is read, and
 * who goes on after somebody else goes on where that one had committed, without a gap. By kafkajs, by librdkafka's kcat where there is
 * one, and by both protocols in one group.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, Kafka } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

const KCAT = process.env.ROBUSTMQ_TEST_KCAT ?? 'kcat';
const isMissing = spawnSync(KCAT, ['-V']).status !== 0;
if (isMissing) console.warn('kcat is not there: rebalances of librdkafka are not tested');

const TOPIC = 'flow';
const PARTITIONS = 6;

let broker: KafkaNode | undefined;
const readers: Reader[] = [];
const clients: KafkaClient[] = [];
afterEach(async () => {
  await Promise.allSettled(readers.splice(0).map((each) => each.stop()));
  for (const client of clients.splice(0)) client.close();
  await broker?.stop();
  broker = undefined;
});

interface Reader {
  /** Offsets in the order in which they were read, by partition. */
  readonly seen: Map<number, number[]>;
  stop(): Promise<void>;
}

function note({ seen }: Reader, partition: number, offset: number): void {
  const offsets = seen.get(partition) ?? [];
  seen.set(partition, offsets);
  offsets.push(offset);
}

async function readWithKafkaJs(client: Kafka): Promise<Reader> {
  const consumer: Consumer = client.consumer({
    groupId: 'g',
    sessionTimeout: 6000,
    rebalanceTimeout: 6000,
    heartbeatInterval: 50,
    maxWaitTimeInMs: 50,
  });
  const reader: Reader = { seen: new Map(), stop: () => consumer.disconnect() };
  readers.push(reader);
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    // Each batch is committed when it has been read.
    eachBatchAutoResolve: true,
    autoCommitThreshold: 1,
    eachBatch: async ({ batch, commitOffsetsIfNecessary, resolveOffset, heartbeat }) => {
      for (const { offset } of batch.messages) {
        note(reader, batch.partition, Number(offset));
        resolveOffset(offset);
      }
      await commitOffsetsIfNecessary();
      await heartbeat();
    },
  });
  return reader;
}

function readWithKcat(port: number): Reader {
  const settings = [
    'auto.offset.reset=earliest',
    'partition.assignment.strategy=cooperative-sticky',
    'session.timeout.ms=6000',
    'heartbeat.interval.ms=50',
    'fetch.wait.max.ms=50',
    'auto.commit.interval.ms=50',
  ].flatMap((each) => ['-X', each]);
  const format = ['-f', '%p %o\n', '-u', '-q'];
  const child: ChildProcess = spawn(KCAT, [
    '-b',
    `127.0.0.1:${port}`,
    ...settings,
    ...format,
    '-G',
    'g',
    TOPIC,
  ]);
  const reader: Reader = {
    seen: new Map(),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
  readers.push(reader);
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [partition, offset] = line.split(' ');
      note(reader, Number(partition), Number(offset));
    }
  });
  return reader;
}

/** Writes until it is stopped; how many each partition has got. */
function startWriting(client: Kafka): { readonly counts: number[]; stop(): Promise<void> } {
  const counts = new Array<number>(PARTITIONS).fill(0);
  let isOver = false;
  const run = async (): Promise<void> => {
    const producer = client.producer();
    await producer.connect();
    while (!isOver) {
      const messages = Array.from({ length: 10 * PARTITIONS }, (_, i) => ({
        partition: i % PARTITIONS,
        value: 'x',
      }));
      await producer.send({ topic: TOPIC, messages });
      for (const { partition } of messages) counts[partition]++;
      await delay(10);
    }
    await producer.disconnect();
  };
  const running = run();
  return {
    counts,
    async stop() {
      isOver = true;
      await running;
    },
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await delay(10);
}

const countOf = ({ seen }: Reader): number => [...seen.values()].reduce((sum, { length }) => sum + length, 0);

/** All of them read more than they have now. */
async function readOn(some: readonly Reader[]): Promise<void> {
  const before = some.map(countOf);
  await until(() => some.every((each, i) => countOf(each) > (before[i] ?? 0)));
}

function isAllRead(counts: readonly number[]): boolean {
  return counts.every((count, partition) => {
    const offsets = new Set(readers.flatMap(({ seen }) => seen.get(partition) ?? []));
    for (let offset = 0; offset < count; offset++) if (!offsets.has(offset)) return false;
    return true;
  });
}

/** What somebody skipped nobody reads later: members only go on from what was committed. */
function expectNoGaps(): void {
  const known = new Map<number, Set<number>>();
  for (const { seen } of readers) {
    for (const [partition, offsets] of seen) {
      const all = known.get(partition) ?? new Set();
      known.set(partition, all);
      for (const offset of offsets) all.add(offset);
    }
  }
  for (const [partition, offsets] of known) {
    const most = Math.max(...offsets);
    expect(offsets.size, `offsets of partition ${partition}`).toBe(most + 1);
  }
}

async function startNode(): Promise<{ node: KafkaNode; client: Kafka }> {
  const node = await startKafkaNode({
    'kafka.groups.minSessionTimeout': '1s',
    'kafka.groups.heartbeatInterval': '100ms',
  });
  broker = node;
  const client = node.client({ retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 50 } });
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  await admin.disconnect();
  return { node, client };
}

async function committedOf(client: Kafka): Promise<number[]> {
  const admin = client.admin();
  await admin.connect();
  const [found] = await admin.fetchOffsets({ groupId: 'g', topics: [TOPIC] });
  await admin.disconnect();
  const partitions = [...(found?.partitions ?? [])].sort((a, b) => a.partition - b.partition);
  return partitions.map(({ offset }) => Number(offset));
}

const kinds = [
  { name: 'kafkajs', start: (_: KafkaNode, client: Kafka) => readWithKafkaJs(client) },
  ...(isMissing ? [] : [{ name: 'kcat', start: async (node: KafkaNode) => readWithKcat(node.port) }]),
];

describe.each(kinds)('members of $name', ({ start }) => {
  test('are three, one and four while messages flow: none is lost', async () => {
    const { node, client } = await startNode();
    const writing = startWriting(client);
    const more = (count: number): Promise<Reader[]> =>
      Promise.all(Array.from({ length: count }, () => start(node, client)));
    const three = await more(3);
    await readOn(three);
    await Promise.all(three.slice(1).map((each) => each.stop()));
    await readOn(three.slice(0, 1));
    const four = [...three.slice(0, 1), ...(await more(3))];
    await readOn(four);
    await writing.stop();
    await until(() => isAllRead(writing.counts));
    expectNoGaps();
    await Promise.all(four.map((each) => each.stop()));
    expect(await committedOf(client)).toEqual(writing.counts);
  });
});

describe('members of kafkajs', () => {
  test('and one for which the broker assigns are in one group, and go on when it has gone', async () => {
    const { node, client } = await startNode();
    const writing = startWriting(client);
    const old = [await readWithKafkaJs(client), await readWithKafkaJs(client)];
    await readOn(old);

    const wire = await openKafkaClient(node.port);
    clients.push(wire);
    let epoch = 0;
    let assignment: readonly { readonly topicId: string; readonly partitions: readonly number[] }[] = [];
    const beat = async (memberEpoch = epoch): Promise<void> => {
      const answer = await wire.call(Apis.consumerGroupHeartbeat, 1, {
        groupId: 'g',
        memberId: 'new-member',
        memberEpoch,
        rebalanceTimeoutMs: 10_000,
        subscribedTopicNames: [TOPIC],
        topicPartitions: assignment,
      });
      expect(answer.errorCode).toBe(0);
      epoch = answer.memberEpoch;
      assignment = answer.assignment?.topicPartitions ?? assignment;
    };
    const owned = (): readonly number[] => assignment.flatMap(({ partitions }) => partitions);
    while (owned().length < PARTITIONS / 3) {
      await beat();
      await delay(20);
    }
    const { groups } = await wire.call(Apis.consumerGroupDescribe, 1, {
      groupIds: ['g'],
      includeAuthorizedOperations: false,
    });
    expect(groups[0]?.members.map(({ memberType }) => memberType).sort()).toEqual([0, 0, 1]);
    await readOn(old);
    const others = owned();
    await beat(-1);
    // They get what it had, and it had committed nothing.
    const counts = [...writing.counts];
    const isBack = (partition: number): boolean =>
      old.some(({ seen }) => (seen.get(partition)?.at(-1) ?? 0) >= (counts[partition] ?? 0));
    await until(() => others.every(isBack));
    await writing.stop();
    await until(() => isAllRead(writing.counts));
    expectNoGaps();
    const described = await wire.call(Apis.describeGroups, 5, {
      groups: ['g'],
      includeAuthorizedOperations: false,
    });
    expect(described.groups[0]).toMatchObject({ groupState: 'Stable', protocolType: 'consumer' });
  });
});
