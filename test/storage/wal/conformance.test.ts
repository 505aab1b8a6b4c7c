import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { createTieredWal } from '../../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createMemoryChunks } from '../../../src/storage/wal/memory-chunks.ts';
import { createMemoryWal } from '../../../src/storage/wal/memory-wal.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import {
  type WalBlock,
  WalBusy,
  WalCorrupt,
  WalFenced,
  type WalStore,
} from '../../../src/storage/wal/wal-store.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';
import { objectEngines } from '../../support/object-engines.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

/** Each call of what `make` returns gives one more process with a view of the same store. */
const engines: Readonly<Record<string, () => () => WalStore>> = {
  files() {
    const disk = faultyDisk(1);
    return () => createFileWal({ disk, directory: '/wal', maxBlockBytes: 1000, maxInFlight: 4 });
  },
  memory() {
    const wal = createMemoryWal({ maxBlockBytes: 1000, maxInFlight: 4, chunks: createMemoryChunks(1500) });
    return () => wal;
  },
  'sealed objects in memory'() {
    const objects = createMemoryObjects();
    return () => createSealedWal({ objects, maxBlockBytes: 1000, maxInFlight: 4 });
  },
  'files with tiering'() {
    const disk = faultyDisk(1);
    const segments = createMemorySegments();
    const options = {
      disk,
      directory: '/wal',
      segments,
      clock: systemClock,
      localBytes: 0,
      cacheBytes: 4096,
    };
    return () =>
      createTieredWal({
        ...options,
        wal: createFileWal({ disk, directory: '/wal', maxBlockBytes: 1000, maxInFlight: 4 }),
      });
  },
  ...objectEngines(),
};

const text = (value: string): Uint8Array[] => [Buffer.from(value.slice(0, 2)), Buffer.from(value.slice(2))];
const texts = (blocks: readonly WalBlock[]): string[] =>
  blocks.map(({ body }) => Buffer.from(body).toString());

async function readAll(wal: WalStore, epoch: number, length: number, from = 0): Promise<WalBlock[]> {
  const blocks: WalBlock[] = [];
  for (let at = from; at < length; at = blocks.at(-1)?.end ?? length) {
    blocks.push(...(await wal.read('w', epoch, at, length, 200)));
  }
  return blocks;
}

describe.each(Object.entries(engines))('the write-ahead log of %s', { timeout: 60_000 }, (name, make) => {
  // Real disks and servers take their time.
  const isSlow = name.startsWith('objects');

  it('passes its own self-test', async () => {
    await make()().probe();
  });

  it('gives back the blocks of an epoch, in order, from any of them', async () => {
    const wal = make()();
    const writer = await wal.open('w', 1);
    const positions: number[] = [];
    const wanted = Array.from({ length: 30 }, (_, i) => `block ${i} ${'.'.repeat(i * 5)}`);
    for (const [i, each] of wanted.entries()) {
      const next = writer.next;
      positions.push(
        await writer.append(text(each), { level: i % 2 ? 'os' : 'sync', isAnchor: i % 7 === 0 }),
      );
      expect(positions.at(-1)).toBe(next);
    }
    await writer.close();
    const length = await wal.seal('w', 1);
    expect(length).toBe(writer.next);
    const blocks = await readAll(wal, 1, length);
    expect(texts(blocks)).toEqual(wanted);
    expect(blocks.map(({ position }) => position)).toEqual(positions);
    expect(blocks.flatMap(({ isAnchor }, i) => (isAnchor ? [i] : []))).toEqual([0, 7, 14, 21, 28]);
    expect(await wal.lastAnchor('w', 1, length)).toBe(positions[28]);
    for (const [i, from] of positions.entries()) {
      if (isSlow && i % 9 !== 4) continue;
      expect(texts(await readAll(wal, 1, length, from))).toEqual(wanted.slice(i));
    }
    expect(texts(await wal.read('w', 1, 0, positions[2] ?? 0, 1e6))).toEqual(wanted.slice(0, 2));
  });

  it('acknowledges in order, and refuses more in flight than it allows', async () => {
    const writer = await make()().open('w', 1);
    const order: number[] = [];
    const appends = [0, 1, 2, 3].map((i) =>
      writer.append(text(`${i}`), { level: 'sync' }).then(() => order.push(i)),
    );
    expect(writer.inFlight).toBe(4);
    await expect(writer.append(text('five'), { level: 'os' })).rejects.toThrow(WalBusy);
    await Promise.all(appends);
    expect(order).toEqual([0, 1, 2, 3]);
    expect(writer.inFlight).toBe(0);
    await expect(writer.append([new Uint8Array(1001)], { level: 'os' })).rejects.toThrow(/1000 at most/);
    await writer.append(text('again'), { level: 'os' });
  });

  it('opens an epoch once, and never after it was sealed', async () => {
    const process = make();
    await process().open('w', 1);
    await expect(process().open('w', 1)).rejects.toThrow(WalFenced);
    await process().seal('w', 2);
    const late = await process()
      .open('w', 2)
      .then((writer) => writer.append(text('late'), { level: 'os' }))
      .catch((error: unknown) => error);
    expect(late).toBeInstanceOf(WalFenced);
  });

  it('seals to one length for every caller, for ever, and fences the writer', async () => {
    const process = make();
    const writer = await process().open('w', 3);
    await writer.append(text('one'), { level: 'os' });
    await writer.append(text('two'), { level: 'sync' });
    const acknowledged = writer.next;
    const lengths = await Promise.all([
      process().seal('w', 3),
      process().seal('w', 3),
      process().seal('w', 3),
    ]);
    expect(new Set(lengths)).toEqual(new Set([acknowledged]));
    await expect(writer.append(text('zombie'), { level: 'sync' })).rejects.toThrow(WalFenced);
    await expect(writer.append(text('zombie'), { level: 'os' })).rejects.toThrow(WalFenced);
    expect(await process().seal('w', 3)).toBe(acknowledged);
    expect(texts(await readAll(process(), 3, acknowledged))).toEqual(['one', 'two']);
    expect(await process().epochs('w')).toEqual([3]);
    expect(await process().epochs('another')).toEqual([]);
  });

  it('keeps every acknowledged block below the length when a sealer races a writer', async () => {
    const runs = isSlow ? 2 : 30;
    for (let run = 0; run < runs; run++) {
      const process = make();
      const writer = await process().open('w', 1);
      let acknowledged = 0;
      const writing = (async () => {
        for (let i = 0; ; i++) {
          const position = await writer.append(text(`block ${i}`), { level: i % 2 ? 'os' : 'sync' });
          acknowledged = position + 1;
        }
      })().catch((error: unknown) => error);
      for (let wait = 0; wait < run * 5; wait++) await undefined;
      const lengths = await Promise.all([process().seal('w', 1), process().seal('w', 1)]);
      expect(await writing).toBeInstanceOf(WalFenced);
      expect(lengths[0]).toBe(lengths[1]);
      expect(lengths[0]).toBeGreaterThanOrEqual(acknowledged);
      expect((await readAll(process(), 1, lengths[0] ?? 0)).at(-1)?.end ?? 0).toBe(lengths[0]);
    }
  });

  it('frees any stretch between anchors, serves what is around it, and keeps the length', async () => {
    const process = make();
    const wal = process();
    const writer = await wal.open('w', 1);
    const positions: number[] = [];
    for (let i = 0; i < 18; i++) {
      positions.push(await writer.append(text(`block ${i}`), { level: 'os', isAnchor: i % 3 === 0 }));
    }
    const at = (i: number): number => positions[i] ?? writer.next;
    const block = async (from: WalStore, i: number): Promise<string[]> =>
      texts(await from.read('w', 1, at(i), at(i + 1), 1));
    await wal.remove('w', 1, at(6), at(9));
    await wal.remove('w', 1, at(0), at(3));
    const check = async (gone: (i: number) => boolean): Promise<void> => {
      for (const from of [wal, process()]) {
        for (let i = 0; i < 18; i++) {
          if (gone(i)) await expect(block(from, i)).rejects.toThrow(WalCorrupt);
          else expect(await block(from, i)).toEqual([`block ${i}`]);
        }
      }
    };
    await check((i) => i < 3 || (i >= 6 && i < 9));
    // Again, and with what lies between two holes.
    await process().remove('w', 1, at(0), at(3));
    await process().remove('w', 1, at(3), at(6));
    expect(await process().inspect('w', 1)).toMatchObject({ length: writer.next, isSealed: false });
    const length = await process().seal('w', 1);
    expect(length).toBe(writer.next);
    expect(await process().inspect('w', 1)).toEqual({ length, isSealed: true, tornBytes: 0 });
    expect(await process().lastAnchor('w', 1, length)).toBe(at(15));
    expect(await process().lastAnchor('w', 1, at(12))).toBe(at(9));
    expect(texts(await readAll(process(), 1, length, at(9)))).toHaveLength(9);
    await process().remove('w', 1, at(15), length);
    expect(await process().seal('w', 1)).toBe(length);
    expect(texts(await readAll(process(), 1, at(15), at(9)))).toHaveLength(6);
    await process().remove('w', 1, 0, length);
    expect(await process().seal('w', 1)).toBe(length);
    expect(await process().epochs('w')).toEqual([1]);
    await expect(process().open('w', 1)).rejects.toThrow(WalFenced);
  });

  it('tells what a sealer would find without becoming one', async () => {
    const process = make();
    const writer = await process().open('w', 1);
    expect(await process().inspect('w', 1)).toEqual({ length: 0, isSealed: false, tornBytes: 0 });
    await writer.append(text('one'), { level: 'os' });
    expect((await process().inspect('w', 1)).length).toBe(writer.next);
    await writer.append(text('two'), { level: 'os' });
    expect((await process().inspect('w', 1)).length).toBe(writer.next);
    expect(await process().seal('w', 1)).toBe(writer.next);
  });

  it('refuses names that would mean something to a file system', async () => {
    for (const name of ['', '..', 'a/b', 'A', '-a', 'a'.repeat(65)]) {
      await expect(make()().open(name, 1)).rejects.toThrow(/cannot name/);
    }
  });
});
