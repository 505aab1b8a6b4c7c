/** A tiered journal at rest: read from wherever its segments are, without a trace here or in the store. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { openJournalForReading } from '../../../src/storage/journal/reading.ts';
import { SegmentStoreError } from '../../../src/storage/segments/segment-store.ts';
import { hasMoved } from '../../../src/storage/tier/local-files.ts';
import { openTieredWalForReading } from '../../../src/storage/tier/reading.ts';
import { createTieredWal } from '../../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemorySegments, type MemorySegments } from '../../support/memory-segments.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const RECORDS = 200;
const ALL_LOCAL = 1e9;
const where = { directory: '/d', check: frameCheck };

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !isTrue(); i++) await turn();
  expect(isTrue()).toBe(true);
}

/** Two epochs, each of several segments; closed in order. */
async function written(localBytes: number): Promise<{ disk: FaultyDisk; store: MemorySegments }> {
  const disk = faultyDisk(1);
  const store = createMemorySegments();
  for (let epoch = 0; epoch < 2; epoch++) {
    const wal = createFileWal({ disk, ...where });
    const options = { wal, disk, ...where, segments: store, clock: createManualClock() };
    const tiered = createTieredWal({ ...options, localBytes, cacheBytes: 4096 });
    const journal = await openJournal({ wal: tiered, walId: 'w', limits: { segmentBytes: 2000 } });
    for (let i = 0; i < RECORDS / 2; i++) {
      const payload = Buffer.from(`${epoch * (RECORDS / 2) + i}`);
      await journal.append([{ logId: 1, stripe: 0, payload }], 'sync');
    }
    await until(() => {
      const { waitingSegments, coldSegments } = tiered.state();
      return waitingSegments === 0 && (localBytes > 0 || coldSegments > 2);
    });
    await journal.close();
    await tiered.close();
  }
  return { disk, store };
}

const reading = (disk: FaultyDisk, store: MemorySegments) =>
  openTieredWalForReading({
    wal: createFileWal({ disk, ...where }),
    walId: 'w',
    disk,
    ...where,
    segments: store,
    cacheBytes: 4096,
  });

const walFiles = (disk: FaultyDisk): string[] =>
  disk
    .paths()
    .filter((path) => path.endsWith('.wal'))
    .sort();

it('reads all of it, and writes nothing', async () => {
  const { disk, store } = await written(0);
  const files = disk.paths().map((path) => `${path} ${disk.sizeOf(path)}`);
  const { create, remove } = store.requests;
  const { wal, problems } = await reading(disk, store);
  const journal = await openJournalForReading({ wal, walId: 'w' });
  expect(await journal.verify()).toEqual([]);
  const { records } = await journal.read(1, 0, 1e6);
  expect(records.map(({ payload }) => Number(payload.toString()))).toEqual(
    Array.from({ length: RECORDS }, (_, i) => i),
  );
  expect(problems()).toEqual([]);
  await expect(wal.open('w', 9)).rejects.toThrow('reading only');
  await expect(wal.seal('w', 2)).rejects.toThrow('reading only');
  await expect(wal.remove('w', 1, 0, 1e6)).rejects.toThrow('reading only');
  expect(disk.paths().map((path) => `${path} ${disk.sizeOf(path)}`)).toEqual(files);
  expect(store.requests).toMatchObject({ create, remove });
});

it('tells of damage of a file that the store has undamaged', async () => {
  const { disk, store } = await written(ALL_LOCAL);
  const [file = ''] = walFiles(disk);
  disk.flipBit(file, 100, 3);
  const { wal, problems } = await reading(disk, store);
  const journal = await openJournalForReading({ wal, walId: 'w' });
  expect(await journal.verify()).toEqual([]);
  expect(problems()).toEqual([
    expect.stringMatching(`corrupt: ${file} at .*the object store has it undamaged`),
  ]);
});

it('misses an object that is gone, and one that is not what it was', async () => {
  const { disk, store } = await written(0);
  const [first = '', second = ''] = [...store.objects.keys()].sort();
  store.objects.delete(first);
  const bytes = store.objects.get(second)?.slice() ?? new Uint8Array(0);
  bytes[200] = (bytes[200] ?? 0) ^ 1;
  store.objects.set(second, bytes);
  const { wal } = await reading(disk, store);
  const found = await (await openJournalForReading({ wal, walId: 'w' })).verify();
  expect(found).toHaveLength(2);
  expect(found[1]).toContain(second);
});

it('rejects while the store gives no answer, instead of calling it damage', async () => {
  const { disk, store } = await written(0);
  store.fault = () => 'before';
  await expect(reading(disk, store)).rejects.toThrow(SegmentStoreError);
  store.fault = () => undefined;
  const { wal } = await reading(disk, store);
  const journal = await openJournalForReading({ wal, walId: 'w' });
  store.fault = (operation) => (operation === 'get' ? 'before' : undefined);
  await expect(journal.verify()).rejects.toThrow(SegmentStoreError);
});

it('knows by a mark in the folder that there is more than what lies there', async () => {
  const moved = await written(0);
  expect(await hasMoved(moved.disk, where.directory, 'w')).toBe(true);
  const local = await written(ALL_LOCAL);
  expect(await hasMoved(local.disk, where.directory, 'w')).toBe(false);
});
