/** What a start and a reader make of an end that is missing: after an orderly end it is missed, after a crash it is not. */
import { describe, expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { openJournalForReading } from '../../../src/storage/journal/reading.ts';
import { planRepair } from '../../../src/storage/journal/repair-plan.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { WalCorrupt, type WalStore } from '../../../src/storage/wal/wal-store.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const walOn = (disk: FaultyDisk): WalStore => createFileWal({ disk, directory: '/d', check: frameCheck });
const opened = (wal: WalStore): Promise<Journal> =>
  openJournal({ wal, walId: 'w', limits: { segmentBytes: 2000 } });

async function fill(journal: Journal): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await journal.append([{ logId: 1, stripe: 0, payload: Buffer.alloc(30, i) }], 'sync');
  }
}

const files = (disk: FaultyDisk): string[] =>
  disk
    .paths()
    .filter((path) => path.endsWith('.wal'))
    .sort();

async function cut(disk: FaultyDisk, path: string, bytes: number): Promise<void> {
  const file = await disk.open(path, 'update');
  await file.truncate((await file.size()) - bytes);
  await file.close();
}

const losses: Readonly<Record<string, (disk: FaultyDisk) => Promise<void>>> = {
  'its last file': (disk) => disk.remove(files(disk).at(-1) ?? ''),
  'its last bytes': (disk) => cut(disk, files(disk).at(-1) ?? '', 10),
  'its last blocks': (disk) => cut(disk, files(disk).at(-1) ?? '', 300),
  'all files': async (disk) => {
    for (const path of files(disk)) await disk.remove(path);
  },
};

describe.each(Object.entries(losses))('a journal that has lost %s', (_, lose) => {
  it('is refused when it was closed: what is missing was acknowledged', async () => {
    const disk = faultyDisk(1);
    const journal = await opened(walOn(disk));
    await fill(journal);
    await journal.close();
    await lose(disk);
    await expect(opened(walOn(disk))).rejects.toThrow(WalCorrupt);
    // Asking again does not help, and changes nothing.
    await expect(opened(walOn(disk))).rejects.toThrow(WalCorrupt);
    await expect(openJournalForReading({ wal: walOn(disk), walId: 'w' })).rejects.toThrow(WalCorrupt);
    expect(await planRepair({ wal: walOn(disk), walId: 'w' })).toMatchObject({ canStart: false });
  });
});

it('says how much is missing', async () => {
  const disk = faultyDisk(1);
  const journal = await opened(walOn(disk));
  await fill(journal);
  const { end } = journal.state();
  await journal.close();
  await cut(disk, files(disk).at(-1) ?? '', 10);
  const { damage } = await planRepair({ wal: walOn(disk), walId: 'w' });
  // The block that says that the journal was closed is the one that is cut.
  expect(damage[0]).toMatch(
    new RegExp(
      `epoch 1 is whole up to ${end} and was sealed at ${end + 60}: what is missing was acknowledged`,
    ),
  );
});

it('goes on with what is left once somebody has removed the seal', async () => {
  const disk = faultyDisk(1);
  const journal = await opened(walOn(disk));
  await fill(journal);
  await journal.close();
  await cut(disk, files(disk).at(-1) ?? '', 300);
  await expect(opened(walOn(disk))).rejects.toThrow(WalCorrupt);
  await disk.remove('/d/w/0000000001.seal');
  const again = await opened(walOn(disk));
  const { records } = await again.read(1, 0, 1e6);
  expect(records.length).toBeGreaterThan(50);
  expect(records.length).toBeLessThan(100);
  expect(await again.verify()).toEqual([]);
  await again.close();
});

it('cuts off the torn end of a journal that was killed, and starts', async () => {
  const disk = faultyDisk(1);
  const journal = await opened(walOn(disk));
  await fill(journal);
  const killed = disk.kill();
  await cut(killed, files(killed).at(-1) ?? '', 10);
  const again = await opened(walOn(killed));
  const { records } = await again.read(1, 0, 1e6);
  expect(records).toHaveLength(99);
  await again.close();
});

it('seals an epoch of objects, too', async () => {
  const wal = createSealedWal({ objects: createMemoryObjects(), check: frameCheck });
  const journal = await opened(wal);
  await fill(journal);
  await journal.close();
  expect(await wal.inspect('w', 1)).toMatchObject({ isSealed: true });
  const again = await opened(wal);
  expect((await again.read(1, 0, 1e6)).records).toHaveLength(100);
});

it('leaves a journal that failed to the next start', async () => {
  const disk = faultyDisk(1);
  const journal = await opened(walOn(disk));
  await fill(journal);
  disk.faults = { ...disk.faults, failingSyncOneIn: 1 };
  await expect(journal.append([{ logId: 1, stripe: 0, payload: Buffer.alloc(9) }], 'sync')).rejects.toThrow();
  await journal.close();
  disk.faults = { ...disk.faults, failingSyncOneIn: 0 };
  expect(await walOn(disk).inspect('w', 1)).toMatchObject({ isSealed: false });
  const again = await opened(walOn(disk));
  expect((await again.read(1, 0, 1e6)).records.length).toBeGreaterThanOrEqual(100);
});
