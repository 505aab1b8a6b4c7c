import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePage, encodePage } from '../../../src/kernel/log/entries.ts';
import {
  type EpochStart,
  endOfEpoch,
  MAX_EPOCHS,
  noteEpoch,
  trimEpochs,
} from '../../../src/kernel/log/epochs.ts';
import { OffsetIndex } from '../../../src/kernel/log/offset-index.ts';
import { createPartitionState } from '../../../src/kernel/log/partition.ts';
import { openMemoryStore } from '../../../src/storage/kv/memory.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { committed, found, made, openOn, record, SMALL, type World } from './support.ts';

const LIMITS = { intervalBytes: 300, maxEvenRows: 64, maxSpanBytes: 4000, intervalMs: 1000, ...SMALL };

describe('the epochs of a partition', () => {
  it('are what its batches say, in whatever order these come, from the start of the partition on', () => {
    const batches = fc.array(fc.record({ length: fc.integer({ min: 1, max: 5 }), restarts: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(batches, fc.nat(120), fc.infiniteStream(fc.nat(1000)), (made, cut, order) => {
        /** The epoch of each offset. */
        const offsets: number[] = [];
        const all: EpochStart[] = [];
        let epoch = 1;
        for (const { length, restarts } of made) {
          if (restarts) epoch += 2;
          all.push({ epoch, startOffset: offsets.length });
          for (let i = 0; i < length; i++) offsets.push(epoch);
        }
        const current = epoch + 1;
        const start = Math.min(cut, offsets.length);
        const epochs: EpochStart[] = [];
        for (const each of all
          .map((batch) => [order.next().value ?? 0, batch] as const)
          .sort((a, b) => a[0] - b[0])) {
          noteEpoch(epochs, each[1].epoch, each[1].startOffset);
        }
        trimEpochs(epochs, start);
        for (let asked = -1; asked <= current + 1; asked++) {
          const end = endOfEpoch(epochs, asked, current, offsets.length);
          if (asked < 0 || asked > current) {
            expect(end).toBeUndefined();
            continue;
          }
          const next = offsets.findIndex((each, offset) => offset >= start && each > asked);
          expect(end?.endOffset).toBe(next < 0 || asked === current ? offsets.length : next);
          const isLeft = offsets.some((each, offset) => offset >= start && each <= asked);
          const largest = Math.max(...offsets.slice(start).filter((each) => each <= asked));
          if (asked === current) expect(end?.epoch).toBe(asked);
          else if (isLeft) expect(end?.epoch).toBe(largest);
          // What is gone counts as the one asked for, or as the last of those that are gone.
          else expect(end?.epoch).toBeLessThanOrEqual(asked);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are as many as a page has room for: the oldest are forgotten first', () => {
    const epochs: EpochStart[] = [];
    for (let epoch = 0; epoch < MAX_EPOCHS + 10; epoch++) noteEpoch(epochs, epoch, epoch * 2);
    expect(epochs).toHaveLength(MAX_EPOCHS);
    expect(endOfEpoch(epochs, 3, 1e6, 1e7)).toEqual({ epoch: 3, endOffset: 20 });
    expect(endOfEpoch(epochs, 10, 1e6, 1e7)).toEqual({ epoch: 10, endOffset: 22 });
  });

  it('come back from a page, and a page from before there were any has none', () => {
    const made = { logId: 1024, stripe: 1, name: 'a', number: 0, storage: 'journal' } as const;
    const state = createPartitionState(made, new OffsetIndex(LIMITS, 100));
    const older = encodePage(state);
    noteEpoch(state.epochs, 3, 0);
    noteEpoch(state.epochs, 300, 70);
    expect(decodePage(encodePage(state), LIMITS).epochs).toEqual([
      { epoch: 3, startOffset: 0 },
      { epoch: 300, startOffset: 70 },
    ]);
    const first = older.slice(0, -1);
    first[0] = 1;
    expect(decodePage(first, LIMITS).epochs).toEqual([]);
  });

  it.each(['journal', 'views', 'object'] as const)(
    'survive restarts, retention and moves (%s)',
    async (from) => {
      const folder = await mkdtemp(join(tmpdir(), 'epochs-'));
      const kv = from === 'views' ? await openMemoryStore({ folder, maxBytes: 1 << 24 }) : undefined;
      const world: World = {
        disk: faultyDisk(3),
        freed: [],
        ...(kv && { kv }),
        ...(from === 'object' && { objects: createMemoryObjects() }),
      };
      let leaderEpoch = 1;
      let opened = await openOn({ ...world, leaderEpoch });
      let partition = await made(opened, 'p', 0, from === 'object' ? 'object' : 'journal');
      const restart = async (): Promise<void> => {
        world.disk = world.disk.kill();
        opened = await openOn({ ...world, leaderEpoch: ++leaderEpoch });
        partition = found(opened);
      };
      const add = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          opened.partitions.append(partition, record(`${i}`.padEnd(100)));
          await committed(opened.log, 'sync');
        }
        await opened.log.drained();
      };
      const ends = (): unknown[] =>
        Array.from({ length: leaderEpoch + 2 }, (_, epoch) => {
          const end = opened.partitions.endOffsetForEpoch(partition, epoch);
          return end && [end.epoch, end.endOffset];
        });

      await add(20);
      await restart();
      // Epoch 2 has appended nothing: it is the end where it leads, and afterwards was never there.
      expect(ends()).toEqual([[0, 0], [1, 20], [2, 20], undefined]);
      await restart();
      await add(20);
      await restart();
      await add(20);
      expect(opened.partitions.epochs(partition)).toEqual([
        { epoch: 1, startOffset: 0 },
        { epoch: 3, startOffset: 20 },
        { epoch: 4, startOffset: 40 },
      ]);
      const before = [
        [0, 0],
        [1, 20],
        [1, 20],
        [3, 40],
        [4, 60],
      ];
      expect(ends()).toEqual([...before, undefined]);
      await opened.log.checkpoint();
      await opened.partitions.source('journal').evacuate(0, opened.journal.state().end);
      await restart();
      expect(ends()).toEqual([...before, [5, 60], undefined]);
      await opened.partitions.truncate(partition, 30);
      await restart();
      const cut = [
        [0, 30],
        [1, 30],
        [2, 30],
        [3, 40],
        [4, 60],
      ];
      expect(ends()).toEqual([...cut, [4, 60], [6, 60], undefined]);
      await opened.partitions.truncate(partition, 60);
      await restart();
      await add(1);
      expect(opened.partitions.epochs(partition)).toEqual([
        { epoch: 4, startOffset: 60 },
        { epoch: 7, startOffset: 60 },
      ]);
      await opened.log.close();
      await kv?.close();
      await rm(folder, { recursive: true });
    },
  );

  it('show what a crash has cut off', async () => {
    const world: World = { disk: faultyDisk(5), freed: [] };
    let opened = await openOn({ ...world, leaderEpoch: 1 });
    let partition = await made(opened);
    opened.partitions.append(partition, record('kept'));
    await committed(opened.log, 'sync');
    opened.partitions.append(partition, record('lost'));
    opened.partitions.append(partition, record('lost'));
    opened.log.commit('memory');
    expect(opened.partitions.endOffsetForEpoch(partition, 1)?.endOffset).toBeLessThanOrEqual(3);
    world.disk = world.disk.crash();
    opened = await openOn({ ...world, leaderEpoch: 2 });
    partition = found(opened);
    opened.partitions.append(partition, record('other'));
    await committed(opened.log, 'sync');
    const { endOffset } = partition;
    expect(opened.partitions.endOffsetForEpoch(partition, 1)).toEqual({ epoch: 1, endOffset: endOffset - 1 });
    await opened.log.close();
  });
});
