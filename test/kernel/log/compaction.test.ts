import { describe, expect, it } from 'vitest';
import type { Partition, RetentionPolicy } from '../../../src/kernel/log/partitions.ts';
import { type CodecName, loadCodec } from '../../../src/protocols/kafka/compression/compression.ts';
import { readHeader } from '../../../src/protocols/kafka/records/header.ts';
import { codecOf } from '../../../src/protocols/kafka/records/open.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { committed, found, kernel, made, type Opened, openOn, type World } from './support.ts';
import {
  append,
  type Batch,
  createModel,
  end,
  readCommitted,
  type TransactionalModel,
  viewOf,
} from './transactional-model.ts';

const HOUR = 3_600_000;

interface Setting {
  opened: Opened;
  partition: Partition;
  readonly world: World;
  readonly model: TransactionalModel;
  add(values: Record<string, string | null>, more?: Partial<Batch>): Promise<void>;
  finish(producerId: number, type: 'commit' | 'abort'): Promise<void>;
  clean(): Promise<void>;
  /** Offsets of records that are there. */
  present(): Promise<number[]>;
  headers(): Promise<NonNullable<ReturnType<typeof readHeader>>[]>;
}

async function setUp(policy: Partial<RetentionPolicy> = {}): Promise<Setting> {
  const model = createModel();
  const world: World = {
    disk: faultyDisk(1),
    freed: [],
    clock: createManualClock(),
    producers: viewOf(model),
  };
  const opened = await openOn(world);
  const partition = await made(opened);
  opened.partitions.setPolicy(partition, {
    cleanup: 'compact',
    minDirtyRatio: 0,
    tombstoneMs: HOUR,
    ...policy,
  });
  const it: Setting = {
    opened,
    partition,
    world,
    model,
    async add(values, more = {}) {
      const timestampMs = it.opened.clock.wallMs();
      const records = Object.entries(values).map(([key, value]) => ({ key, value, timestampMs }));
      append(it.opened, it.partition, model, { records, ...more });
      await committed(it.opened.log, 'sync');
    },
    async finish(producerId, type) {
      const open = model.transactions.find(
        (each) => each.producerId === producerId && each.outcome === 'open',
      );
      if (open === undefined) throw new Error('no transaction');
      end(it.opened, it.partition, model, open, type, it.opened.clock.wallMs());
      await committed(it.opened.log, 'sync');
    },
    clean: () => it.opened.partitions.clean(),
    async present() {
      const { present, marks } = await readCommitted(it.opened, it.partition, model);
      return [...present, ...marks].sort((a, b) => a - b);
    },
    async headers() {
      const all = [];
      for await (const { bytes } of it.opened.partitions.batches(it.partition, it.partition.startOffset)) {
        const header = readHeader(bytes);
        if (header === undefined) throw new Error('no batch');
        all.push(header);
      }
      return all;
    },
  };
  return it;
}

describe('compaction', () => {
  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'opens %s batches, takes records out, and compresses the rest again',
    async (codec: CodecName) => {
      await loadCodec(codec);
      const it = await setUp();
      const large = 'x'.repeat(400);
      await it.add({ a: large, b: large, c: large }, { codec });
      await it.add({ a: 'new' }, { codec });
      await it.clean();
      expect(await it.present()).toEqual([1, 2, 3]);
      const [first, second] = await it.headers();
      expect(codecOf(first?.attributes ?? 0)).toBe(codec);
      expect(first).toMatchObject({ baseOffset: 0, lastOffset: 2, recordCount: 2 });
      expect(first?.byteLength).toBeLessThan(300);
      expect(second).toMatchObject({ baseOffset: 3, lastOffset: 3 });
    },
  );

  it('keeps a tombstone for its time, counted from the pass that met it first, over a restart', async () => {
    const it = await setUp();
    await it.add({ a: '1', b: '1' });
    await it.add({ a: null });
    await it.opened.clock.advance(5 * HOUR);
    await it.clean();
    expect(await it.present()).toEqual([1, 2]);
    await it.opened.clock.advance(HOUR - 1);
    await it.add({ c: '1' });
    await it.clean();
    expect(await it.present()).toEqual([1, 2, 3]);
    it.world.disk = it.world.disk.crash();
    it.opened = await openOn(it.world);
    it.partition = found(it.opened);
    it.opened.partitions.setPolicy(it.partition, { cleanup: 'compact', minDirtyRatio: 0, tombstoneMs: HOUR });
    await it.opened.clock.advance(1);
    // The first pass of a process may not know what those before it have seen; the second does.
    for (const value of ['2', '3']) {
      await it.add({ c: value });
      await it.clean();
    }
    expect(await it.present()).toEqual([1, 5]);
    expect(it.partition.endOffset).toBe(6);
  });

  it('removes what was aborted, and the marks of transactions once nothing is left of them', async () => {
    const it = await setUp();
    await it.add({ a: '1' });
    await it.add({ a: 'never', b: 'never' }, { producerId: 5, isTransactional: true });
    await it.finish(5, 'abort');
    await it.add({ c: '1' }, { producerId: 6, isTransactional: true });
    await it.finish(6, 'commit');
    // Their newest batches are elsewhere.
    await it.add({ d: '1' }, { producerId: 5 });
    await it.add({ c: '2' }, { producerId: 6 });
    await it.clean();
    expect(await it.present()).toEqual([0, 3, 5, 6, 7]);
    await it.add({ x: '1' });
    await it.clean();
    expect((await it.headers()).map(({ attributes }) => attributes & 64)).toEqual([0, 64, 64, 0, 0, 0]);
    await it.opened.clock.advance(HOUR);
    await it.add({ x: '2' });
    await it.clean();
    expect(await it.present()).toEqual([0, 6, 7, 9]);
    expect(it.opened.partitions.isRemoved(it.partition, 3)).toBe(true);
    expect(it.opened.partitions.isRemoved(it.partition, 6)).toBe(false);
  });

  it('does not look at what is not decided yet, nor at what is behind it', async () => {
    const it = await setUp();
    await it.add({ a: '1' });
    await it.add({ a: '2' });
    await it.add({ a: '3' }, { producerId: 5, isTransactional: true });
    await it.add({ a: '4' });
    await it.clean();
    expect(await it.present()).toEqual([1, 2, 3]);
    await it.finish(5, 'commit');
    await it.clean();
    expect(await it.present()).toEqual([3, 4]);
    const emptied = (await it.headers()).find(({ recordCount }) => recordCount === 0);
    expect(emptied).toMatchObject({ baseOffset: 2, lastOffset: 2, producerId: 5, baseSequence: 0 });
  });

  it('leaves the newest batch of a producer without records, with its sequence, while the producer is known', async () => {
    const it = await setUp();
    await it.add({ a: '1', b: '1' }, { producerId: 5, codec: 'gzip' });
    await it.add({ a: '2', b: '2', c: '2' }, { producerId: 5, codec: 'gzip' });
    await it.add({ a: '3', b: '3', c: '3' });
    await it.clean();
    const [emptied, last] = await it.headers();
    expect(emptied).toMatchObject({
      ...{ baseOffset: 2, lastOffset: 4, recordCount: 0, byteLength: 61 },
      ...{ producerId: 5, producerEpoch: 0, baseSequence: 2, attributes: 0 },
    });
    expect(last).toMatchObject({ baseOffset: 5, recordCount: 3 });
    it.model.newest.delete(5);
    await it.add({ d: '1' });
    await it.clean();
    expect((await it.headers()).map(({ baseOffset }) => baseOffset)).toEqual([5, 8]);
  });

  it('keeps the times of records when it writes into their batch from when on tombstones may go', async () => {
    const it = await setUp();
    const records = [
      { key: 'a', value: 'v', timestampMs: 1000 },
      { key: 'b', value: null, timestampMs: 5000 },
      { key: 'c', value: 'v', timestampMs: 3000 },
      { key: 'd', value: 'v', timestampMs: -1 },
    ];
    append(it.opened, it.partition, it.model, { records });
    await it.add({ c: 'new' });
    await it.clean();
    const { batches } = await it.opened.partitions.read(it.partition, 0, 1);
    const { batch } = readRecordBatch(kernel, batches[0]?.bytes ?? new Uint8Array());
    expect(batch?.hasDeleteHorizon).toBe(true);
    expect(batch?.header).toMatchObject({
      baseTimestampMs: it.opened.clock.wallMs() + HOUR,
      maxTimestampMs: 5000,
    });
    expect([0, 1, 2].map((i) => [batch?.offset(i), batch?.timestampMs(i)])).toEqual([
      [0, 1000],
      [1, 5000],
      [3, -1],
    ]);
    expect(await it.opened.partitions.offsetForTime(it.partition, 2000)).toEqual({
      offset: 1,
      timestampMs: 5000,
    });
  });

  it('waits until records are old enough, and then does not wait for more of them', async () => {
    const it = await setUp({ minCompactionLagMs: HOUR, maxCompactionLagMs: 3 * HOUR, minDirtyRatio: 0.9 });
    const large = 'x'.repeat(600);
    // Enough that what comes next is a small part.
    for (let i = 0; i < 5; i++) await it.add({ [`k${i}`]: large });
    await it.opened.clock.advance(HOUR + 1);
    await it.clean();
    await it.add({ k0: '1' });
    await it.add({ k0: '2' });
    await it.clean();
    await it.opened.clock.advance(2 * HOUR);
    await it.clean();
    expect(await it.present()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    await it.opened.clock.advance(HOUR + 1);
    await it.clean();
    expect(await it.present()).toEqual([1, 2, 3, 4, 6]);
  });

  it('runs when the part that it has not seen is as large as the policy says', async () => {
    const it = await setUp({ minDirtyRatio: 0.5 });
    for (let i = 0; i < 10; i++) await it.add({ [`k${i}`]: 'x'.repeat(300) });
    await it.clean();
    for (let i = 0; i < 5; i++) await it.add({ k0: 'x'.repeat(300) });
    await it.clean();
    expect(await it.present()).toHaveLength(15);
    for (let i = 0; i < 6; i++) await it.add({ k0: 'x'.repeat(300) });
    await it.clean();
    expect(await it.present()).toHaveLength(10);
  });

  it('goes together with retention: what is too old goes, be it the newest of its key', async () => {
    const it = await setUp({ cleanup: 'both', ageMs: HOUR });
    await it.add({ a: 'x'.repeat(300), b: 'x'.repeat(300) });
    await it.opened.clock.advance(HOUR);
    await it.add({ b: 'x'.repeat(300) });
    await it.clean();
    expect(await it.present()).toEqual([0, 2]);
    await it.opened.clock.advance(1);
    await it.clean();
    expect(await it.present()).toEqual([2]);
    expect(it.partition.startOffset).toBeGreaterThan(0);
  });
});

describe('retention', () => {
  it.each([
    ['delete', true],
    ['both', true],
    ['compact', false],
  ] as const)('with the policy %s lets those go that lie below a position: %s', async (cleanup, goes) => {
    const it = await setUp({ cleanup });
    const value = 'x'.repeat(300);
    for (let i = 0; i < 40; i++) await it.add({ [`k${i}`]: value });
    const { partitions, journal } = it.opened;
    const { end } = journal.segments()[0] ?? { end: 0 };
    await partitions.clean({ memory: end });
    expect(it.partition.startOffset).toBe(0);
    await partitions.clean({ journal: end });
    expect(it.partition.startOffset > 0).toBe(goes);
    expect(it.partition.startOffset).toBeLessThan(it.partition.endOffset);
    if (goes) expect(partitions.source('journal').liveBytes(0, end / 2)).toBe(0);
  });

  it('takes records without a time for as old as what was appended behind them', async () => {
    const it = await setUp({ cleanup: 'delete', ageMs: HOUR });
    const value = 'x'.repeat(300);
    append(it.opened, it.partition, it.model, { records: [{ key: 'a', value, timestampMs: -1 }] });
    await it.add({ b: value });
    await it.clean();
    expect(it.partition.startOffset).toBe(0);
    await it.opened.clock.advance(HOUR + 1);
    await it.clean();
    expect(it.partition.startOffset).toBe(2);
    append(it.opened, it.partition, it.model, { records: [{ key: 'a', value, timestampMs: -1 }] });
    await committed(it.opened.log, 'sync');
    await it.opened.clock.advance(HOUR + 1);
    await it.clean();
    expect(it.partition.startOffset).toBe(2);
  });
});
