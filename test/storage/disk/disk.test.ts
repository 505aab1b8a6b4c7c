import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Disk, diskErrorCode, readWhole } from '../../../src/storage/disk/disk.ts';
import { nodeDisk } from '../../../src/storage/disk/node-disk.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { faultyDisk } from './faulty-disk.ts';

const root = mkdtempSync(join(tmpdir(), 'disk-test-'));
afterAll(() => rmSync(root, { recursive: true }));

const disks: readonly (readonly [string, Disk, string])[] = [
  ['the operating system', nodeDisk, root],
  ['the faulty disk without faults', faultyDisk(1), '/d'],
];
const code = (promise: Promise<unknown>): Promise<string> => promise.then(() => '', diskErrorCode);

describe.each(disks)('a disk: %s', (_name, disk, directory) => {
  it('writes many views at a position and reads them back, short only at the end', async () => {
    const path = `${directory}/views`;
    const file = await disk.open(path, 'create');
    const views = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`));
    await file.writev(views, 5);
    await file.datasync();
    const wanted = Buffer.concat([Buffer.alloc(5), ...views]);
    expect(await file.size()).toBe(wanted.length);
    const into = Buffer.alloc(wanted.length + 10);
    expect(await file.read(into, 0)).toBe(wanted.length);
    expect(into.subarray(0, wanted.length).equals(wanted)).toBe(true);
    expect(await file.read(into, wanted.length)).toBe(0);
    await file.truncate(7);
    expect(await file.size()).toBe(7);
    await file.close();
    expect(Buffer.from(await readWhole(disk, path, 7))).toEqual(wanted.subarray(0, 7));
    await expect(readWhole(disk, path, 6)).rejects.toThrow(/7 bytes; 6 at most/);
  });

  it('creates and links only what is not there, and names what is wrong', async () => {
    const [a, b] = [`${directory}/a`, `${directory}/b`];
    await (await disk.open(a, 'create')).close();
    expect(await code(disk.open(a, 'create'))).toBe('EEXIST');
    expect(await code(disk.open(b, 'read'))).toBe('ENOENT');
    expect(await code(disk.open(b, 'update'))).toBe('ENOENT');
    await disk.link(a, b);
    expect(await code(disk.link(a, b))).toBe('EEXIST');
    await disk.remove(a);
    expect([await disk.exists(a), await disk.exists(b)]).toEqual([false, true]);
    await disk.rename(b, a);
    expect((await disk.list(directory)).includes('a')).toBe(true);
    await disk.syncDirectory(directory);
    expect(await disk.list(`${directory}/nothing`)).toEqual([]);
    expect(await disk.freeBytes(directory)).toBeGreaterThan(0);
  });

  it('carries a journal', async () => {
    const wal = createFileWal({ disk, directory: `${directory}/j`, check: frameCheck });
    await wal.probe();
    const payload = (i: number): Buffer => Buffer.alloc(200 + i, i);
    const open = (): Promise<Journal> =>
      openJournal({ wal, walId: 'w', limits: { segmentBytes: 8192, tailBytes: 0, cacheBytes: 0 } });
    const journal = await open();
    for (let i = 0; i < 60; i++) await journal.append([{ logId: 1, stripe: 0, payload: payload(i) }], 'sync');
    await journal.close();
    const again = await open();
    const { records } = await again.read(1, 0, 1e6);
    expect(records.map((record) => Buffer.compare(record.payload, payload(records.indexOf(record))))).toEqual(
      Array.from({ length: 60 }, () => 0),
    );
    expect(await again.verify()).toEqual([]);
    await again.close();
    await wal.close();
  });
});

describe('the faulty disk', () => {
  it('keeps through a loss of power what was synced, and of the rest anything', async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 100; seed++) {
      const disk = faultyDisk(seed);
      const file = await disk.open('/d/f', 'create');
      await file.writev([Buffer.from('safe')], 0);
      await file.datasync();
      await disk.syncDirectory('/d');
      await file.writev([Buffer.alloc(1500, 'x')], 4);
      const after = disk.crash();
      const bytes = Buffer.from(await readWhole(after, '/d/f', 1e6));
      expect(bytes.subarray(0, 4).toString()).toBe('safe');
      outcomes.add(
        bytes.subarray(4).every((byte) => byte === 120)
          ? `${bytes.length > 4 && bytes.length < 1504}`
          : 'holes',
      );
    }
    expect(outcomes).toEqual(new Set(['true', 'false', 'holes']));
  });
});
