/**
 * Members come and go, three, then one, then four, while messages flow, with offsets committed for every batch: everything is read, and
 * who goes on after somebody else goes on where that one had committed, without a gap. By kafkajs, by librdkafka's kcat where there is
 * one, and by both protocols in one group.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, Kafka } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { withDeadline } from '../../support/deadline.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { isKcatMissing, startKcat } from '../../support/kcat.ts';
import { type KafkaNode, startKafkaNode } from './node.ts';

if (isKcatMissing) console.warn('kcat is not there: rebalances of librdkafka are not tested');

const TOPIC = 'flow';
const PARTITIONS = 6;
/** Below the limit of a test, so that there is time to say what has not happened; far above what clients with timers of their own take. */
const DEADLINE_MS = 60_000;
const STOP_MS = 30_000;

vi.setConfig({ testTimeout: DEADLINE_MS + 10_000 });

let broker: KafkaNode | undefined;
const readers: Reader[] = [];
const clients: KafkaClient[] = [];
/** What the test has come to, with the time of each. */
const phases: string[] = [];
let isOver = false;
/** How many messages each partition has got. */
let written: readonly number[] = [];
/** How many messages who was stopped may have committed and not shown. */
let dropped = 0;
beforeEach(() => {
  phases.length = 0;
  isOver = false;
  written = [];
  dropped = 0;
});
afterEach(async () => {
  isOver = true;
  await Promise.allSettled(readers.splice(0).map((each) => each.stop()));
  for (const client of clients.splice(0)) client.close();
  await broker?.stop();
  broker = undefined;
});

interface Reader {
  /** Offsets in the order in which they were read, by partition. */
  readonly seen: Map<number, number[]>;
  readonly describe?: () => string;
  stop(): Promise<void>;
}

/** By partition what was read without a gap, in its order. */
function rangesOf({ seen }: Reader): string {
  const ofPartition = (offsets: readonly number[]): string => {
    const ranges: [number, number][] = [];
    for (const offset of offsets) {
      const last = ranges.at(-1);
      if (last !== undefined && last[1] + 1 === offset) last[1] = offset;
      else ranges.push([offset, offset]);
    }
    return ranges.map(([first, last]) => `${first}-${last}`).join(' ');
  };
  return [...seen].map(([partition, offsets]) => `${partition}: ${ofPartition(offsets)}`).join(', ');
}

function enter(phase: string): void {
  phases.push(`${Math.round(performance.now())} ms: ${phase}, read ${readers.map(countOf).join(' ')}`);
}

function describeState(): string {
  return [
    ...phases,
    `written ${written.join(' ')}, read by nobody ${missing().join(' ')}, at most dropped ${dropped}`,
    ...readers.map((each, i) => `reader ${i} has read ${rangesOf(each)}; ${each.describe?.() ?? ''}`),
  ].join('\n');
}

async function askGroup(): Promise<string> {
  if (broker === undefined) return 'there is no broker';
  const wire = await openKafkaClient(broker.port);
  clients.push(wire);
  const request = { groups: ['g'], includeAuthorizedOperations: false };
  const { groups } = await wire.call(Apis.describeGroups, 5, request);
  const members = groups[0]?.members.map(
    ({ memberId, memberAssignment }) => `${memberId} ${Buffer.from(memberAssignment).toString('hex')}`,
  );
  return `the group is ${groups[0]?.groupState}: ${members?.join(', ')}`;
}

const toldAtDeadline = (body: () => Promise<void>): Promise<void> =>
  withDeadline(DEADLINE_MS, { describe: describeState, ask: askGroup }, body);

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
  const args = ['-b', `127.0.0.1:${port}`, ...settings, '-f', '%p %o\n', '-u', '-G', 'g', TOPIC];
  const seen = new Map<number, number[]>();
  const kcat = startKcat(args, (line) => {
    const [partition, offset] = line.split(' ');
    note(reader, Number(partition), Number(offset));
  });
  const reader: Reader = {
    seen,
    describe: kcat.describe,
    async stop() {
      // A message which it has taken, and so commits, when the signal comes is not printed any more.
      dropped++;
      if (!(await kcat.stop(STOP_MS))) throw new Error(`kcat does not end by SIGTERM: ${kcat.describe()}`);
    },
  };
  readers.push(reader);
  return reader;
}

/** Writes until it is stopped; how many each partition has got. */
function startWriting(client: Kafka): { readonly counts: number[]; stop(): Promise<void> } {
  const counts = new Array<number>(PARTITIONS).fill(0);
  written = counts;
  let isStopped = false;
  const run = async (): Promise<void> => {
    const producer = client.producer();
    await producer.connect();
    while (!isStopped && !isOver) {
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
      isStopped = true;
      await running;
    },
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    if (isOver) throw new Error('the test is over');
    await delay(10);
  }
}

const countOf = ({ seen }: Reader): number => [...seen.values()].reduce((sum, { length }) => sum + length, 0);

/** All of them read more than they have now. */
async function readOn(some: readonly Reader[]): Promise<void> {
  const before = some.map(countOf);
  await until(() => some.every((each, i) => countOf(each) > (before[i] ?? 0)));
}

/** As partition:offset, what nobody has read. Members only go on from what was committed, so what was skipped nobody reads later. */
function missing(): string[] {
  return written.flatMap((count, partition) => {
    const offsets = new Set(readers.flatMap(({ seen }) => seen.get(partition) ?? []));
    const all = Array.from({ length: count }, (_, offset) => offset);
    return all.filter((offset) => !offsets.has(offset)).map((offset) => `${partition}:${offset}`);
  });
}

/** The last of each partition. */
const isAtEnd = (): boolean =>
  written.every((count, partition) =>
    readers.some(({ seen }) => (seen.get(partition)?.lastIndexOf(count - 1) ?? -1) >= 0),
  );

/** The end has been read, and what somebody else still had in its hands then: what nobody reads any more is told at the deadline. */
async function expectAllRead(): Promise<void> {
  await until(isAtEnd);
  await until(() => missing().length <= dropped);
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
  ...(isKcatMissing ? [] : [{ name: 'kcat', start: async (node: KafkaNode) => readWithKcat(node.port) }]),
];

describe.each(kinds)('members of $name', ({ start }) => {
  test('are three, one and four while messages flow: none is lost', () =>
    toldAtDeadline(async () => {
      const { node, client } = await startNode();
      const writing = startWriting(client);
      const more = (count: number): Promise<Reader[]> =>
        Promise.all(Array.from({ length: count }, () => start(node, client)));
      enter('three start');
      const three = await more(3);
      await readOn(three);
      enter('two go');
      await Promise.all(three.slice(1).map((each) => each.stop()));
      enter('one goes on');
      await readOn(three.slice(0, 1));
      enter('three come');
      const four = [...three.slice(0, 1), ...(await more(3))];
      await readOn(four);
      enter('four read the rest');
      await writing.stop();
      await expectAllRead();
      enter('four go');
      await Promise.all(four.map((each) => each.stop()));
      enter('what they have committed');
      expect(await committedOf(client)).toEqual(writing.counts);
    }));
});

describe('members of kafkajs', () => {
  test('and one for which the broker assigns are in one group, and go on when it has gone', () =>
    toldAtDeadline(async () => {
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
      await expectAllRead();
      const described = await wire.call(Apis.describeGroups, 5, {
        groups: ['g'],
        includeAuthorizedOperations: false,
      });
      expect(described.groups[0]).toMatchObject({ groupState: 'Stable', protocolType: 'consumer' });
    }));
});
