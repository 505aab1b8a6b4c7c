import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { createLoan } from '../../../src/storage/journal/group-memory.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { type JournalReading, openJournalForReading } from '../../../src/storage/journal/reading.ts';
import { planRepair } from '../../../src/storage/journal/repair-plan.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import type { WalStore } from '../../../src/storage/wal/wal-store.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const walOn = (disk: FaultyDisk): WalStore => createFileWal({ disk, directory: '/d', check: frameCheck });
const writable = (wal: WalStore): Promise<Journal> =>
  openJournal({ wal, walId: 'w', limits: { segmentBytes: 2000, tailBytes: 500, cacheBytes: 1000 } });
const readOnly = (wal: WalStore) => openJournalForReading({ wal, walId: 'w' });
const plan = (wal: WalStore) => planRepair({ wal, walId: 'w' });

async function fill(journal: Journal, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await journal.append([{ logId: 1 + (i % 2), stripe: 0, payload: Buffer.from(`${i}`) }], 'sync');
  }
}

async function all(journal: JournalReading): Promise<number[]> {
  const seen: number[] = [];
  for await (const records of journal.replay(0)) {
    for (const { payload } of records) seen.push(Number(Buffer.from(payload).toString()));
  }
  return seen;
}

const numbers = (to: number): number[] => Array.from({ length: to }, (_, i) => i);

/** Names and sizes: what a reader must not change. */
const shape = (disk: FaultyDisk): string =>
  disk
    .paths()
    .sort()
    .map((path) => `${path} ${disk.sizeOf(path)}`)
    .join('\n');

const newestFile = (disk: FaultyDisk): string =>
  disk
    .paths()
    .filter((path) => path.endsWith('.wal'))
    .sort()
    .at(-1) ?? '';

it('reads a journal that is being written to, and one that was killed, without a trace', async () => {
  const disk = faultyDisk(1);
  const journal = await writable(walOn(disk));
  await fill(journal, 0, 100);
  const before = shape(disk);
  const reading = await readOnly(walOn(disk));
  expect(await all(reading)).toEqual(numbers(100));
  expect(await reading.verify()).toEqual([]);
  expect(reading.segments()).toEqual(journal.segments());
  const { records } = await reading.read(2, 0, 1e6);
  expect(records.map(({ payload }) => Number(Buffer.from(payload).toString()))).toEqual(
    numbers(100).filter((i) => i % 2 === 1),
  );
  expect(shape(disk)).toBe(before);
  await fill(journal, 100, 150);
  expect(await all(await readOnly(walOn(disk.kill())))).toEqual(numbers(150));
});

it('reads objects, and what is empty, without becoming an owner', async () => {
  const objects = createMemoryObjects();
  const wal = (): WalStore => createSealedWal({ objects, check: frameCheck });
  expect(await all(await readOnly(wal()))).toEqual([]);
  expect(await plan(wal())).toEqual({ steps: [], cut: [], damage: [], lost: [], canStart: true });
  const journal = await writable(wal());
  await fill(journal, 0, 80);
  const keys = (await objects.list('')).length;
  expect(await all(await readOnly(wal()))).toEqual(numbers(80));
  expect((await plan(wal())).damage).toEqual([]);
  expect((await objects.list('')).length).toBe(keys);
  await fill(journal, 80, 90);
  expect(journal.state().failure).toBeUndefined();
});

it('says what a start would do: what it cuts, seals, closes and frees', async () => {
  const disk = faultyDisk(2);
  const journal = await writable(walOn(disk));
  await fill(journal, 0, 60);
  const file = await disk.open(newestFile(disk), 'update');
  await file.writev([Buffer.alloc(77, 'torn')], await file.size());
  const before = shape(disk);
  const { steps, damage, canStart } = await plan(walOn(disk.kill()));
  expect(canStart).toBe(true);
  expect(damage).toEqual([]);
  expect(steps.join('\n')).toMatch(
    /seal epoch 1 at \d+ bytes\ncut 77 bytes .*\nclose the segment at \d+.*\ngo on in epoch 2/,
  );
  expect(shape(disk)).toBe(before);
});

it('tells damage that a start survives from damage that it refuses', async () => {
  const disk = faultyDisk(3);
  const journal = await writable(walOn(disk));
  await fill(journal, 0, 60);
  const oldest =
    disk
      .paths()
      .filter((path) => path.endsWith('.wal'))
      .sort()[0] ?? '';
  disk.flipBit(oldest, 700, 2);
  const old = await plan(walOn(disk));
  expect(old.canStart).toBe(true);
  expect(old.damage).toHaveLength(1);
  expect(old.damage[0]).toContain(oldest);
  disk.flipBit(newestFile(disk), 100, 2);
  const young = await plan(walOn(disk));
  expect(young.canStart).toBe(false);
  expect(young.damage[0]).toContain(newestFile(disk));
  await expect(writable(walOn(disk.kill()))).rejects.toThrow(/corrupt/);
});

it('lends what lies in memory for as long as it is asked to, and copies for those that do not say how long', async () => {
  const journal = await openJournal({
    wal: walOn(faultyDisk(77)),
    walId: 'w',
    limits: { tailBytes: 64 * 1024 },
  });
  const payload = (i: number): Buffer => Buffer.alloc(30_000, `${i}`);
  const request = payload(0);
  const [first = -1] = await journal.append(
    [{ logId: 1, stripe: 0, payload: request, isBorrowed: true }],
    'os',
  );
  request.fill(0xee);
  const loan = createLoan();
  const lent = (await journal.read(1, first, 1, loan)).records[0]?.payload;
  const own = (await journal.read(1, first, 1)).records[0]?.payload;
  expect(lent?.buffer).not.toBe(own?.buffer);
  for (let i = 1; i < 200; i++) {
    await journal.append([{ logId: 1, stripe: 0, payload: payload(i), isBorrowed: true }], 'os');
  }
  expect(Buffer.compare(lent ?? Buffer.alloc(0), payload(0))).toBe(0);
  expect(Buffer.compare(own ?? Buffer.alloc(0), payload(0))).toBe(0);
  loan.release();
  for (let i = 0; i < 200; i++) {
    await journal.append([{ logId: 1, stripe: 0, payload: payload(i), isBorrowed: true }], 'os');
  }
  expect(Buffer.compare(own ?? Buffer.alloc(0), payload(0))).toBe(0);
  expect(Buffer.compare(lent ?? Buffer.alloc(0), payload(0))).not.toBe(0);
  const again = (await journal.read(1, first, 1)).records[0]?.payload;
  expect(Buffer.compare(again ?? Buffer.alloc(0), payload(0))).toBe(0);
  await journal.close();
});
