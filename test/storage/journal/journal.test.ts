import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { JournalBusy, JournalReadOnly, JournalRefused } from '../../../src/storage/journal/errors.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import type { JournalRecord } from '../../../src/storage/journal/group.ts';
import { type Journal, type JournalLimits, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createMemoryChunks } from '../../../src/storage/wal/memory-chunks.ts';
import { createMemoryWal } from '../../../src/storage/wal/memory-wal.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { WalCorrupt, WalFenced, type WalStore } from '../../../src/storage/wal/wal-store.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const SMALL: Partial<JournalLimits> = { segmentBytes: 4096, tailBytes: 1024, cacheBytes: 8192 };
const entry = (logId: number, text: string) => ({ logId, stripe: 7, payload: Buffer.from(text) });
const texts = (records: readonly JournalRecord[]) =>
  records.map(({ logId, payload }) => `${logId}:${Buffer.from(payload).toString()}`);

const closed = (journal: Journal) =>
  journal.segments().flatMap(({ start, isOpen }) => (isOpen ? [] : [start]));

function openOn(disk: FaultyDisk, limits: Partial<JournalLimits> = SMALL): Promise<Journal> {
  return openJournal({
    wal: createFileWal({ disk, directory: '/d', check: frameCheck }),
    walId: 'w',
    limits,
  });
}

function sealedObjects(): () => WalStore {
  const objects = createMemoryObjects();
  return () => createSealedWal({ objects, check: frameCheck });
}

function memory(): () => WalStore {
  const wal = createMemoryWal({ check: frameCheck, chunks: createMemoryChunks(4096) });
  return () => wal;
}

async function readLog(journal: Journal, logId: number, maxBytes = 300): Promise<string[]> {
  const all: string[] = [];
  for (let from = 0; ; ) {
    const { records, next } = await journal.read(logId, from, maxBytes);
    if (records.length === 0) return all;
    all.push(...texts(records));
    from = next;
  }
}

async function replayed(journal: Journal): Promise<string[]> {
  const all: string[] = [];
  for await (const records of journal.replay(0)) all.push(...texts(records));
  return all;
}

async function fill(journal: Journal, count: number): Promise<string[]> {
  const wanted: string[] = [];
  for (let i = 0; i < count; i++) {
    const text = `${i}-${'x'.repeat(i % 90)}`;
    wanted.push(`${1 + (i % 3)}:${text}`);
    await journal.append([entry(1 + (i % 3), text)], i % 2 === 0 ? 'sync' : 'os');
  }
  return wanted;
}

describe('the journal', () => {
  it('gives back what was appended: from memory, from disk, by log, in order, and after a restart', async () => {
    const disk = faultyDisk(1);
    const journal = await openOn(disk);
    const wanted = await fill(journal, 200);
    const check = async (reader: Journal) => {
      expect(await replayed(reader)).toEqual(wanted);
      for (const logId of [1, 2, 3, 4]) {
        expect(await readLog(reader, logId)).toEqual(wanted.filter((each) => each.startsWith(`${logId}:`)));
      }
      expect(await reader.verify()).toEqual([]);
    };
    await check(journal);
    expect(journal.state().segments).toBeGreaterThan(3);
    await journal.close();
    const again = await openOn(disk);
    await check(again);
    expect(again.state().epoch).toBe(2);
  });

  it.each([
    ['objects that are created only if absent', sealedObjects],
    ['memory', memory],
  ])('works the same over %s', async (_, engine) => {
    const wal = engine();
    const open = () => openJournal({ wal: wal(), walId: 'w', limits: SMALL });
    const first = await open();
    const wanted = await fill(first, 120);
    expect(await replayed(first)).toEqual(wanted);
    const second = await open();
    expect(await replayed(second)).toEqual(wanted);
    await expect(first.append([entry(1, 'late')], 'os')).rejects.toThrow(JournalReadOnly);
    expect(await second.remove(closed(second))).toBeGreaterThan(2);
    expect(await replayed(await open())).toEqual([]);
  });

  it('makes one group and one sync of all that a turn appends, and acknowledges in order', async () => {
    const disk = faultyDisk(2);
    const journal = await openOn(disk, {});
    const before = disk.syncs.count;
    const order: number[] = [];
    const appends = Array.from({ length: 100 }, (_, i) =>
      journal.append([entry(1, `${i}`)], 'sync').then((positions) => {
        order.push(i);
        return positions[0] ?? -1;
      }),
    );
    const positions = await Promise.all(appends);
    expect(disk.syncs.count - before).toBe(1);
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    expect(new Set(positions).size).toBe(100);
  });

  it('acknowledges each level at what it names', async () => {
    const disk = faultyDisk(3);
    const journal = await openOn(disk, {});
    const before = disk.syncs.count;
    await journal.append([entry(1, 'os')], 'os');
    expect(disk.syncs.count).toBe(before);
    await journal.append([entry(1, 'sync')], 'sync');
    expect(disk.syncs.count).toBe(before + 1);
    disk.faults = { ...disk.faults, failingWriteOneIn: 1 };
    await journal.append([entry(1, 'memory')], 'memory');
    await expect(journal.append([entry(1, 'os')], 'os')).rejects.toThrow(JournalReadOnly);
  });

  it('is read-only at once when a sync fails: nothing concerned is acknowledged, reading goes on (item 27)', async () => {
    const disk = faultyDisk(4);
    let told: Error | undefined;
    const journal = await openJournal({
      wal: createFileWal({ disk, directory: '/d', check: frameCheck }),
      walId: 'w',
      onFailure: (error) => {
        told = error;
      },
    });
    await journal.append([entry(1, 'good')], 'sync');
    disk.faults = { ...disk.faults, failingSyncOneIn: 1 };
    const doomed = [journal.append([entry(1, 'a')], 'sync'), journal.append([entry(1, 'b')], 'os')];
    for (const each of await Promise.allSettled(doomed)) expect(each.status).toBe('rejected');
    disk.faults = { ...disk.faults, failingSyncOneIn: 0 };
    await expect(journal.append([entry(1, 'c')], 'memory')).rejects.toThrow(/EIO/);
    expect(told).toBe(journal.state().failure);
    expect(await readLog(journal, 1)).toEqual(['1:good']);
    await journal.close();
  });

  it('fences the owner before: it acknowledges nothing more once another has opened the journal', async () => {
    const disk = faultyDisk(5);
    const old = await openOn(disk);
    await old.append([entry(1, 'old')], 'sync');
    const young = await openOn(disk);
    const late = await old.append([entry(1, 'late')], 'sync').catch((error: Error) => error);
    expect(late).toBeInstanceOf(JournalReadOnly);
    expect((late as Error).cause).toBeInstanceOf(WalFenced);
    await young.append([entry(1, 'young')], 'sync');
    expect(await replayed(young)).toEqual(['1:old', '1:young']);
  });

  it('refuses what no limit allows, and takes no more than it may hold', async () => {
    const journal = await openOn(faultyDisk(6), { maxPendingBytes: 300, maxAppendBytes: 200 });
    await expect(journal.append([], 'os')).rejects.toThrow(JournalRefused);
    await expect(journal.append([entry(0, 'x')], 'os')).rejects.toThrow(JournalRefused);
    await expect(journal.append([entry(1, 'x'.repeat(300))], 'os')).rejects.toThrow(JournalRefused);
    const first = journal.append([entry(1, 'x'.repeat(150))], 'os');
    await expect(journal.append([entry(1, 'x'.repeat(150))], 'os')).rejects.toThrow(JournalBusy);
    await first;
    await journal.append([entry(1, 'x'.repeat(150))], 'os');
    await journal.close();
    await expect(journal.append([entry(1, 'x')], 'os')).rejects.toThrow(JournalRefused);
  });

  it('removes closed segments wherever they lie, also for the next start; readers pass the holes', async () => {
    const disk = faultyDisk(7);
    const journal = await openOn(disk);
    const wanted = await fill(journal, 300);
    const all = closed(journal);
    const gone = all.filter((_, i) => i % 3 !== 1);
    const bytes = disk.paths().reduce((sum, path) => sum + disk.sizeOf(path), 0);
    const kept: string[] = [];
    for (const segment of journal.segments().filter(({ start }) => !gone.includes(start))) {
      for await (const records of journal.replay(segment.start)) {
        kept.push(...texts(records.filter(({ position }) => position < segment.end)));
        if ((records.at(-1)?.position ?? 0) >= segment.end) break;
      }
    }
    expect(await journal.remove([...gone, 12345678])).toBe(gone.length);
    expect(await journal.remove(gone)).toBe(0);
    expect(disk.paths().reduce((sum, path) => sum + disk.sizeOf(path), 0)).toBeLessThan(bytes / 2);
    const check = async (reader: Journal) => {
      expect(await replayed(reader)).toEqual(kept);
      expect(await reader.verify()).toEqual([]);
      for (const logId of [1, 2, 3]) {
        const mine = kept.filter((each) => each.startsWith(`${logId}:`));
        expect(await readLog(reader, logId)).toEqual(expect.arrayContaining(mine));
      }
    };
    expect(kept.length).toBeLessThan(wanted.length);
    await check(journal);
    const again = await openOn(disk.kill());
    await check(again);
    await again.remove(closed(again));
    expect(await replayed(again)).toEqual([]);
    expect(await again.verify()).toEqual([]);
  });

  it('moves the footer of an epoch’s last segment when the segment that has it goes', async () => {
    const disk = faultyDisk(12);
    const first = await openOn(disk);
    const wanted = await fill(first, 20);
    await first.close();
    let journal = await openOn(disk);
    await fill(journal, 100);
    for (let move = 0; move < 3; move++) {
      const [last, ...others] = closed(journal);
      await journal.remove(others);
      expect(closed(journal)).toEqual([last]);
      expect(await readLog(journal, 1, 50)).toEqual(
        expect.arrayContaining(wanted.filter((each) => each.startsWith('1:'))),
      );
      expect(await journal.verify()).toEqual([]);
      if (move !== 1) journal = await openOn(disk);
      expect(await journal.verify()).toEqual([]);
      await fill(journal, 100);
    }
    expect((await replayed(journal)).slice(0, 20)).toEqual(wanted);
  });

  it('keeps what could not be freed listed, and frees it at the next start', async () => {
    const disk = faultyDisk(13);
    let isBroken = true;
    const stubborn = {
      ...disk,
      remove: (path: string) =>
        isBroken && path.endsWith('.wal') ? Promise.reject(new Error('EIO')) : disk.remove(path),
    } as FaultyDisk;
    const journal = await openOn(stubborn);
    await fill(journal, 100);
    const gone = closed(journal);
    await expect(journal.remove(gone)).rejects.toThrow('EIO');
    expect(closed(journal)).toEqual([]);
    await fill(journal, 100);
    const again = await openOn(stubborn);
    const files = () => disk.paths().filter((path) => path.endsWith('.wal')).length;
    expect(files()).toBeGreaterThan(again.segments().length);
    isBroken = false;
    const third = await openOn(stubborn);
    expect(files()).toBe(third.segments().length);
  });

  it('lets readers go on when what they read is removed', async () => {
    const journal = await openOn(faultyDisk(14));
    await fill(journal, 300);
    const reading = Promise.all([replayed(journal), readLog(journal, 1), readLog(journal, 2)]);
    for (const start of closed(journal)) {
      await immediate();
      await journal.remove([start]);
    }
    for (const seen of await reading) expect(seen.at(-1)).toMatch(/^\d:29\d-/);
  });

  it('names file and position of a damaged block, and never serves what was in it (item 51)', async () => {
    const disk = faultyDisk(8);
    const journal = await openOn(disk);
    await fill(journal, 200);
    await journal.close();
    const oldest =
      disk
        .paths()
        .filter((path) => path.endsWith('.wal'))
        .sort()[0] ?? '';
    disk.flipBit(oldest, 2000, 3);
    const again = await openOn(disk);
    const error = await replayed(again).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WalCorrupt);
    expect((error as WalCorrupt).file).toBe(oldest);
    expect((error as WalCorrupt).position).toBeLessThanOrEqual(2000);
    expect(await again.verify()).toHaveLength(1);
  });

  it('takes a bad block before synced ones for damage and refuses to start (item 51)', async () => {
    const disk = faultyDisk(9);
    const journal = await openOn(disk, {});
    for (let i = 0; i < 20; i++) await journal.append([entry(1, `${i}`)], 'sync');
    const path = disk.paths().find((each) => each.endsWith('.wal')) ?? '';
    disk.flipBit(path, 400, 0);
    await expect(openOn(disk.kill())).rejects.toThrow(WalCorrupt);
  });

  it('refuses files of another version with a sentence', async () => {
    const disk = faultyDisk(10);
    const journal = await openOn(disk);
    await journal.append([entry(1, 'x')], 'sync');
    await journal.close();
    const path = disk.paths().find((each) => each.endsWith('.wal')) ?? '';
    const { crc32 } = await import('node:zlib');
    const file = await disk.open(path, 'update');
    const head = new Uint8Array(32);
    await file.read(head, 0);
    const view = new DataView(head.buffer);
    view.setUint32(8, 9);
    view.setUint32(28, crc32(head.subarray(0, 28)));
    await file.writev([head], 0);
    await expect(openOn(disk)).rejects.toThrow(/format version 9.*knows 2 to 3/);
  });

  it('reads on while others append', async () => {
    const journal = await openOn(faultyDisk(11));
    const wanted: string[] = [];
    let isDone = false;
    const follow = (async () => {
      const seen: string[] = [];
      for (let from = 0; !isDone || seen.length < wanted.length; ) {
        const { records, next } = await journal.read(5, from, 100);
        seen.push(...texts(records));
        from = next;
        await immediate();
      }
      return seen;
    })();
    for (let i = 0; i < 300; i++) {
      wanted.push(`5:${i}`);
      await journal.append([entry(5, `${i}`), entry(6, 'y'.repeat(i % 200))], 'os');
    }
    isDone = true;
    expect(await follow).toEqual(wanted);
  });
});
