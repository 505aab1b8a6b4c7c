import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PartitionDamaged } from '../../../src/kernel/log/partitions.ts';
import { openMemoryStore } from '../../../src/storage/kv/memory.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { batchOf, committed, found, made, openOn, readAll, record, type World } from './support.ts';

const fresh = (seed: number, more: Partial<World> = {}): World => ({
  disk: faultyDisk(seed),
  freed: [],
  ...more,
});

describe('a partition', () => {
  it('gives offsets at once, and shows records when they are committed', async () => {
    const opened = await openOn(fresh(1));
    const { partitions, log } = opened;
    const partition = await made(opened);
    expect(partitions.append(partition, record('a'))).toBe(0);
    expect(partitions.append(partition, record('b'))).toBe(1);
    expect(partition).toMatchObject({ nextOffset: 2, endOffset: 0 });
    let ends: number[] = [];
    const stop = partitions.onAppend(partition, () => ends.push(partition.endOffset));
    await committed(log);
    expect(ends).toEqual([2]);
    expect(await readAll(opened, partition)).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
    ends = [];
    stop();
    partitions.append(partition, record('c'));
    await committed(log);
    expect(ends).toEqual([]);
    expect(partition.endOffset).toBe(3);
  });

  it('puts a ready batch behind the records of the turn, with its offsets set in place', async () => {
    const opened = await openOn(fresh(2));
    const { partitions, log } = opened;
    const partition = await made(opened);
    partitions.append(partition, record('a'));
    expect(partitions.appendBatch(partition, batchOf([record('b'), record('c')]))).toBe(1);
    expect(partitions.append(partition, record('d'))).toBe(3);
    expect(partitions.appendBatch(partition, Buffer.from('nonsense'))).toBe('invalid');
    await committed(log);
    expect((await readAll(opened, partition)).map(([, value]) => value)).toEqual(['a', 'b', 'c', 'd']);
    const { batches, next } = await partitions.read(partition, 2, 1);
    expect(batches.map(({ baseOffset, lastOffset }) => [baseOffset, lastOffset])).toEqual([[1, 2]]);
    expect(next).toBe(3);
    expect((await partitions.read(partition, 4, 1)).batches).toEqual([]);
    await expect(partitions.read(partition, 5, 1)).rejects.toThrow(RangeError);
  });

  it('finds the first record that is not older than a time', async () => {
    const opened = await openOn(fresh(3));
    const { partitions, log } = opened;
    const partition = await made(opened);
    const times = Array.from({ length: 60 }, (_, i) => 1000 + i * 10 + (i % 3) * 25);
    for (const [i, timeMs] of times.entries()) {
      partitions.append(partition, record(`${i}`.padEnd(40), null, timeMs));
      if (i % 4 === 3) await committed(log);
    }
    for (let wanted = 990; wanted < 1700; wanted += 7) {
      const offset = times.findIndex((timeMs) => timeMs >= wanted);
      const expected = offset < 0 ? undefined : { offset, timestampMs: times[offset] };
      expect(await partitions.offsetForTime(partition, wanted)).toEqual(expected);
    }
    await partitions.truncate(partition, 30);
    expect(await partitions.offsetForTime(partition, 0)).toEqual({ offset: 30, timestampMs: times[30] });
  });

  it('is gone when it is deleted, and its log id is never given again', async () => {
    const world = fresh(4);
    let opened = await openOn(world);
    const partition = await made(opened);
    opened.partitions.append(partition, record('a'));
    const reading = opened.partitions.read(partition, 0, 1);
    await opened.partitions.delete(partition);
    expect((await reading).batches).toEqual([]);
    expect(opened.partitions.append(partition, record('b'))).toBe('deleted');
    await expect(opened.partitions.read(partition, 0, 1)).rejects.toThrow(RangeError);
    await opened.log.snapshot();
    world.disk = world.disk.crash();
    opened = await openOn(world);
    expect(opened.partitions.list()).toEqual([]);
    const again = await made(opened);
    expect(again.logId).toBeGreaterThan(partition.logId);
    expect(again).toMatchObject({ startOffset: 0, endOffset: 0, isDeleted: false });
  });

  it('in memory is empty after a restart, and its offsets go on', async () => {
    const world = fresh(5);
    let opened = await openOn(world);
    const partition = await made(opened, 'm', 0, 'memory');
    for (let i = 0; i < 10; i++) opened.partitions.append(partition, record(`${i}`));
    await committed(opened.log, 'sync');
    expect(await readAll(opened, partition)).toHaveLength(10);
    world.disk = world.disk.crash();
    opened = await openOn(world);
    const again = found(opened, 'm');
    expect(again.startOffset).toBe(again.endOffset);
    expect(again.startOffset).toBeGreaterThanOrEqual(10);
    const first = opened.partitions.append(again, record('x'));
    expect(first).toBe(again.startOffset);
    await committed(opened.log, 'sync');
    expect(await readAll(opened, again)).toEqual([[first, 'x']]);
  });

  it('refuses what it cannot take, with the reason', async () => {
    const opened = await openOn(fresh(6, { limits: { maxPartitions: 2 } }));
    const { partitions } = opened;
    const partition = await made(opened);
    expect(await partitions.create('p', 0, 1, 'journal')).toBe('exists');
    expect(await partitions.create('p', 1, 1, 'object')).toBe('no-storage');
    const racing = await Promise.all([
      partitions.create('q', 0, 1, 'journal'),
      partitions.create('q', 0, 1, 'journal'),
      partitions.create('q', 1, 1, 'journal'),
    ]);
    expect(racing.slice(1)).toEqual(['exists', 'full']);
    expect(partitions.append(partition, record('x'.repeat(70_000)))).toBe('too-large');
    expect(partitions.appendBatch(partition, new Uint8Array(70_000))).toBe('too-large');
    expect(partition.nextOffset).toBe(0);
  });

  it('says which offsets are missing, and goes on behind them', async () => {
    const world = fresh(7);
    let opened = await openOn(world);
    const partition = await made(opened);
    for (let i = 0; i < 100; i++) {
      opened.partitions.append(partition, record(`${i}`.padEnd(100, '.')));
      await committed(opened.log, 'sync');
    }
    // As if a cleaner had freed what is needed.
    const { batches } = await opened.partitions.read(partition, 50, 1);
    const lost = batches[0]?.position ?? 0;
    world.freed.push({ start: lost, end: lost + 1 });
    await expect(opened.partitions.read(partition, 50, 1)).rejects.toThrow('p/0: offsets 50 to');
    world.disk = world.disk.kill();
    opened = await openOn(world);
    expect(opened.problems).toEqual(['p/0: offsets 50 to 50 are missing from the journal']);
    const again = found(opened);
    const error = await opened.partitions.read(again, 50, 1).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(PartitionDamaged);
    const { resumeAt } = error as PartitionDamaged;
    expect(resumeAt).toBe(51);
    expect((await opened.partitions.read(again, 40, 100_000)).next).toBe(50);
    expect(await readAll(opened, again, 500, resumeAt)).toHaveLength(49);
  });

  it('comes back from views, which hold what changed since the last ones', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'partitions-'));
    const kv = await openMemoryStore({ folder, maxBytes: 1 << 24 });
    const world = fresh(8, { kv });
    let opened = await openOn(world);
    let partition = await made(opened);
    await made(opened, 'idle');
    for (let round = 0; round < 8; round++) {
      const count = partition.endOffset;
      for (let i = 0; i < 12; i++) {
        opened.partitions.append(partition, record(`${count + i}`.padEnd(80, '.')));
        await committed(opened.log, 'sync');
      }
      const { end } = opened.journal.state();
      if (round % 3 === 1) await opened.partitions.truncate(partition, count - 5);
      if (round % 3 === 2) await opened.partitions.source('journal').evacuate(0, end - 8000);
      if (round % 2 === 0) await opened.log.checkpoint();
      world.disk = world.disk.kill();
      const start = partition.startOffset;
      opened = await openOn(world);
      expect(opened.log.recovered.from).toBe('views');
      expect(opened.problems).toEqual([]);
      partition = found(opened);
      expect(partition).toMatchObject({ startOffset: start, endOffset: count + 12 });
      const values = (await readAll(opened, partition)).map(([, value]) => Number.parseInt(value ?? '', 10));
      expect(values).toEqual(Array.from({ length: count + 12 - start }, (_, i) => start + i));
    }
    expect(found(opened, 'idle').endOffset).toBe(0);
    await kv.close();
    await rm(folder, { recursive: true });
  });
});
