import { describe, expect, it } from 'vitest';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { batchOf, committed, made, openOn, readAll, record, type World } from './support.ts';

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
});
