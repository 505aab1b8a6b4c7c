/** What a share group keeps over the end of the process, and over copies of the disk as a crash leaves it. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { verify } from '../../../../src/cli/offline.ts';
import { Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import { testIo } from '../../../cli/support.ts';
import { type KafkaNode, startKafkaNode } from '../../../e2e/kafka/node.ts';
import { createRandom } from '../../../support/random.ts';
import {
  Ack,
  type Bench,
  benchOf,
  type Got,
  idOf,
  type Member,
  makeTopic,
  put,
  setGroup,
} from './support.ts';

const FILES = { 'storage.engine': 'files' } as const;
const TOPIC = 't';
const GROUP = 'g';
const SEED = Number(process.env.ROBUSTMQ_CRASH_SEED ?? 1);
const ROUNDS = Number(process.env.ROBUSTMQ_CRASH_ROUNDS ?? 12);

async function setUp(broker: KafkaNode): Promise<Bench> {
  const bench = await benchOf(broker);
  await makeTopic(bench.client, TOPIC);
  await setGroup(bench.client, GROUP, { 'share.auto.offset.reset': 'earliest' });
  return bench;
}

/** All that a new member gets. */
async function drain(member: Member): Promise<readonly Got[]> {
  const all: Got[] = [];
  for (;;) {
    const got = await member.take({ maxRecords: 500 });
    if (got.length === 0) return all;
    all.push(...got);
  }
}

test('what was acknowledged does not come again after a restart, and what was not comes back with its count', async () => {
  const broker = await startKafkaNode(FILES);
  let bench = await setUp(broker);
  await put(bench.client, TOPIC, ['a', 'b', 'c', 'd', 'e']);
  const member = await bench.member(GROUP, TOPIC, 'm');
  await member.take();
  await member.ack(0, 2, Ack.accept, Ack.release, Ack.reject);
  await member.take({ maxRecords: 1, mode: 1 });
  bench.close();
  await broker.restart();
  bench = await benchOf(broker);
  const again = await bench.member(GROUP, TOPIC, 'm');
  expect(await drain(again)).toEqual([
    { offset: 1, value: 'b', count: 3 },
    { offset: 3, value: 'd', count: 2 },
    { offset: 4, value: 'e', count: 2 },
  ]);
  expect(await again.ack(1, 1, Ack.accept)).toBe(ErrorCode.NONE);
  expect(await again.ack(3, 4, Ack.accept)).toBe(ErrorCode.NONE);
  bench.close();
  await broker.restart();
  bench = await benchOf(broker);
  const { groups } = await bench.client.call(Apis.describeShareGroupOffsets, 1, {
    groups: [{ groupId: GROUP, topics: null }],
  });
  expect(groups[0]?.topics[0]?.partitions[0]).toMatchObject({ startOffset: 5, lag: 0 });
  bench.close();
  await broker.stop();
});

test('a topic that forgets what all groups have passed keeps what a share group has not acknowledged', async () => {
  const broker = await startKafkaNode();
  const bench = await benchOf(broker);
  await makeTopic(bench.client, TOPIC, 1, { 'robustmq.retention.settled': 'true' });
  await setGroup(bench.client, GROUP, { 'share.auto.offset.reset': 'earliest' });
  for (let i = 0; i < 30; i++) await put(bench.client, TOPIC, ['x'.repeat(20_000)]);
  const start = async (): Promise<number> => {
    await broker.node.kafka?.context.partitions.clean();
    return broker.node.kafka?.context.topics.partition(TOPIC, 0)?.startOffset ?? -1;
  };
  const member = await bench.member(GROUP, TOPIC);
  expect(await member.take()).toHaveLength(30);
  expect(await start()).toBe(0);
  expect(await member.ack(0, 9, Ack.accept)).toBe(ErrorCode.NONE);
  expect(await member.ack(11, 29, Ack.accept)).toBe(ErrorCode.NONE);
  const held = await start();
  expect(held).toBeGreaterThan(5);
  expect(held).toBeLessThanOrEqual(10);
  expect(await member.ack(10, 10, Ack.accept)).toBe(ErrorCode.NONE);
  expect(await start()).toBe(30);
  bench.close();
  await broker.stop();
});

test('where a group starts in a partition does not change before it has read anything', async () => {
  const broker = await startKafkaNode(FILES);
  let bench = await benchOf(broker);
  await makeTopic(bench.client, TOPIC);
  await put(bench.client, TOPIC, ['old']);
  const member = await bench.member(GROUP, TOPIC);
  await put(bench.client, TOPIC, ['new']);
  bench.close();
  await broker.restart();
  bench = await benchOf(broker);
  await put(bench.client, TOPIC, ['newer']);
  const next = await bench.member(GROUP, TOPIC, member.id);
  expect((await drain(next)).map(({ value }) => value)).toEqual(['new', 'newer']);
  // A partition that the topic gets later is read from its start, although the group starts at the end elsewhere.
  await bench.client.call(Apis.createPartitions, 3, {
    topics: [{ name: TOPIC, count: 2, assignments: null }],
    timeoutMs: 1000,
    validateOnly: false,
  });
  await put(bench.client, TOPIC, ['first of another'], 1);
  expect(await next.take({ partitions: [1], of: 1 })).toMatchObject([{ offset: 0, count: 1 }]);
  bench.close();
  await broker.stop();
});

test('copies of the disk have all that was acknowledged until then, and each of the others once', {
  timeout: 60_000,
}, async () => {
  const { below } = createRandom(SEED);
  const broker = await startKafkaNode(FILES);
  const bench = await setUp(broker);
  const members = [await bench.member(GROUP, TOPIC, 'a'), await bench.member(GROUP, TOPIC, 'b')];
  const held = members.map((): Got[] => []);
  const settled = new Set<number>();
  const copies: { readonly folder: string; readonly settled: ReadonlySet<number>; readonly end: number }[] =
    [];
  let end = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const count = 1 + below(6);
    await put(
      bench.client,
      TOPIC,
      Array.from({ length: count }, (_, i) => `v${end + i}`),
    );
    end += count;
    const who = below(2);
    const [member, mine] = [members[who] as Member, held[who] as Got[]];
    mine.push(...(await member.take({ maxRecords: 1 + below(8), mode: below(2) })));
    while (mine.length > 0 && below(4) > 0) {
      const [{ offset, count: deliveries }] = mine.splice(below(mine.length), 1) as [Got];
      // The limit would settle what is released as often.
      const type = deliveries < 3 && below(3) === 0 ? Ack.release : below(4) === 0 ? Ack.reject : Ack.accept;
      expect(await member.ack(offset, offset, type)).toBe(ErrorCode.NONE);
      if (type !== Ack.release) settled.add(offset);
    }
    if (round % 4 !== 3) continue;
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-share-'));
    cpSync(broker.dataDir, folder, {
      recursive: true,
      filter: (path) => !/^(?:lock|control\.sock)$/.test(basename(path)),
    });
    copies.push({ folder, settled: new Set(settled), end });
  }
  bench.close();
  await broker.stop();
  for (const copy of copies) {
    const again = await startKafkaNode({ ...FILES, dataDir: copy.folder });
    const other = await benchOf(again);
    expect(await idOf(other.client, TOPIC)).not.toBe('');
    const got = (await drain(await other.member(GROUP, TOPIC, 'c'))).map(({ offset }) => offset);
    const expected = Array.from({ length: copy.end }, (_, offset) => offset).filter(
      (offset) => !copy.settled.has(offset),
    );
    expect(got.toSorted((a, b) => a - b)).toEqual(expected);
    other.close();
    await again.stop();
    // What a start read from the copy and what it left are the same queues.
    const io = testIo();
    expect(await verify({ dataDir: copy.folder, set: [] }, io), io.outText()).toBe(0);
    expect(io.outText()).toContain('agree with the journal');
    rmSync(copy.folder, { recursive: true, force: true });
  }
});
