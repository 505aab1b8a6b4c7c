import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BackupRefused, LEASE_MS } from '../../../src/storage/backup/backup.ts';
import { BackupUnusable } from '../../../src/storage/backup/manifest.ts';
import { checkBackup, EPOCHS_AHEAD } from '../../../src/storage/backup/restore.ts';
import { readWhole } from '../../../src/storage/disk/disk.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';
import {
  append,
  NODE_ID,
  numbersIn,
  openOn,
  RESTORED,
  restoreOn,
  startOn,
  TARGET,
  take,
  WATCH,
} from './support.ts';

const range = (from: number, until: number): number[] =>
  Array.from({ length: until - from }, (_, i) => from + i);

describe('a backup of a journal that is written to', () => {
  it('has exactly what was acknowledged when it began, whatever is written, closed or given up meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(60),
        fc.nat(60),
        fc.nat(2),
        fc.integer({ min: 20, max: 600 }),
        fc.boolean(),
        async (before, meanwhile, restarts, bytes, mayLink) => {
          const disk = faultyDisk(1);
          let node = await startOn(disk);
          let next = 0;
          for (let i = 0; i < restarts; i++) {
            for (const number of range(next, next + 10)) await append(node.journal, number, bytes);
            next += 10;
            node.backups.close();
            await node.journal.close();
            node = await startOn(disk);
          }
          for (const number of range(next, next + before)) await append(node.journal, number, bytes);
          next += before;
          const { manifest } = await take(
            disk,
            node,
            async () => {
              for (const number of range(next, next + meanwhile)) await append(node.journal, number, bytes);
              await node.clean();
            },
            mayLink,
          );
          // Once it has ended, segments go; the copy stays what it is.
          await node.clean();
          await node.journal.close();
          await checkBackup(disk, TARGET, WATCH);
          expect(manifest.files.map(({ path }) => path).slice(0, 3)).toEqual([
            'format.json',
            'node.json',
            'audit/audit-00000001.jsonl',
          ]);
          await restoreOn(disk);
          const restored = await openOn(disk, RESTORED);
          expect(await numbersIn(restored)).toEqual(range(0, next));
          expect(restored.state().epoch).toBeGreaterThan(manifest.epoch + EPOCHS_AHEAD);
          await append(restored, next);
          expect(await numbersIn(restored)).toEqual(range(0, next + 1));
          expect(await restored.verify()).toEqual([]);
          await restored.close();
        },
      ),
      { numRuns: Number(process.env.ROBUSTMQ_BACKUP_RUNS ?? 25) },
    );
  });

  it('gives files that are finished a second name, and copies the one that is written to', async () => {
    const disk = faultyDisk(1);
    const node = await startOn(disk);
    for (const number of range(0, 90)) await append(node.journal, number);
    const closed = node.journal.places().filter(({ isOpen }) => !isOpen).length;
    const { linkedFiles } = await take(disk, node);
    expect(closed).toBeGreaterThan(1);
    expect(linkedFiles).toBe(closed);
  });

  it('survives a loss of power once it is there', async () => {
    for (let seed = 1; seed < 30; seed++) {
      const disk = faultyDisk(seed);
      const node = await startOn(disk);
      for (const number of range(0, 30)) await append(node.journal, number);
      await take(disk, node);
      const after = disk.crash();
      await restoreOn(after);
      expect(await numbersIn(await openOn(after, RESTORED))).toEqual(range(0, 30));
    }
  });

  it('is incomplete and says so when the disk is full or the process ends, at any moment', async () => {
    let failures = 0;
    for (let more = 0; more < 12_000; more += 397) {
      const disk = faultyDisk(1);
      const node = await startOn(disk);
      for (const number of range(0, 30)) await append(node.journal, number);
      const used = disk.paths().reduce((sum, path) => sum + disk.sizeOf(path), 0);
      disk.faults = { ...disk.faults, capacityBytes: used + more };
      const written = await take(disk, node, undefined, false).catch((error: unknown) => error);
      const after = disk.kill();
      after.faults = { ...after.faults, capacityBytes: Number.POSITIVE_INFINITY };
      const checked = await checkBackup(after, TARGET, WATCH).catch((error: unknown) => error);
      if (written instanceof Error) {
        failures++;
        expect(checked).toBeInstanceOf(BackupUnusable);
        expect((checked as Error).message).toMatch(/incomplete|is no backup/);
      } else expect(checked).toMatchObject({ nodeId: NODE_ID });
    }
    expect(failures).toBeGreaterThan(3);
  });
});

describe('what keeps segments in place', () => {
  it('is one backup at a time', async () => {
    const { backups } = await startOn(faultyDisk(1));
    const { id } = await backups.begin();
    await expect(backups.begin()).rejects.toThrow(BackupRefused);
    expect(backups.end('another')).toBe(false);
    expect(backups.end(id)).toBe(true);
    expect(backups.end(id)).toBe(false);
    expect(backups.renew(id)).toBe('the backup has ended');
    await expect(backups.begin()).resolves.toBeDefined();
  });

  it('ends when nothing is heard of it, and not while something is', async () => {
    const { backups, clock, journal, clean } = await startOn(faultyDisk(1));
    for (const number of range(0, 90)) await append(journal, number);
    const { id } = await backups.begin();
    await clock.advance(LEASE_MS - 2000);
    expect(backups.renew(id)).toBeUndefined();
    await clock.advance(LEASE_MS - 2000);
    expect(backups.renew(id)).toBeUndefined();
    await clean();
    expect(journal.places().length).toBeGreaterThan(1);
    await clock.advance(LEASE_MS + 2000);
    expect(backups.renew(id)).toBe('nothing was heard of the backup for too long');
    await clean();
    expect(journal.places().length).toBe(1);
  });

  it('gives way when the disk is nearly full, and does not begin then', async () => {
    let isFull = false;
    const { backups, clock } = await startOn(faultyDisk(1), { isFull: () => isFull });
    const { id } = await backups.begin();
    isFull = true;
    await clock.advance(2000);
    expect(backups.renew(id)).toMatch(/nearly full/);
    await expect(backups.begin()).rejects.toThrow(/nearly full/);
  });

  it('ends with the broker', async () => {
    const { backups } = await startOn(faultyDisk(1));
    const { id } = await backups.begin();
    backups.close();
    expect(backups.renew(id)).toBe('the broker stops');
    await expect(backups.begin()).rejects.toThrow('the broker stops');
  });

  it('lets go when what belongs to it cannot be told', async () => {
    let released = 0;
    const disk = faultyDisk(1);
    const { backups } = await startOn(disk, {
      hold: async () => () => {
        released++;
      },
      drained: () => Promise.reject(new Error('read-only')),
    });
    await expect(backups.begin()).rejects.toThrow('read-only');
    expect(released).toBe(1);
    await expect(backups.begin()).rejects.toThrow('read-only');
  });

  it('names the segments that only an object store has', async () => {
    const disk = faultyDisk(1);
    const node = await startOn(disk, {
      coldSegments: async () => [{ epoch: 1, position: 0, key: 'tier/main/one', bytes: 2100 }],
    });
    for (const number of range(0, 90)) await append(node.journal, number);
    await disk.remove('/data/journal/main/0000000001-0000000000000000.wal');
    const { objects, files } = await node.backups.begin();
    expect(objects).toEqual([{ key: 'tier/main/one', bytes: 2100 }]);
    expect(files.some(({ path }) => path.endsWith('-0000000000000000.wal'))).toBe(false);
  });

  it('refuses to begin when bytes are missing that nobody else has', async () => {
    const disk = faultyDisk(1);
    const node = await startOn(disk);
    for (const number of range(0, 90)) await append(node.journal, number);
    await disk.remove('/data/journal/main/0000000001-0000000000000000.wal');
    await expect(node.backups.begin()).rejects.toThrow(/shorter than what was acknowledged/);
  });
});

describe('a restore', () => {
  async function backedUp() {
    const disk = faultyDisk(1);
    const node = await startOn(disk);
    for (const number of range(0, 40)) await append(node.journal, number);
    await take(disk, node, undefined, false);
    return disk;
  }

  it('refuses a bit that is another, in whichever file', async () => {
    const paths = (await backedUp()).paths().filter((path) => path.startsWith(`${TARGET}/`));
    for (const path of paths) {
      const disk = await backedUp();
      const size = disk.sizeOf(path);
      if (size === 0) continue;
      disk.flipBit(path, Math.floor(size / 2), 3);
      await expect(checkBackup(disk, TARGET, WATCH), path).rejects.toThrow(BackupUnusable);
      await expect(restoreOn(disk), path).rejects.toThrow(BackupUnusable);
      expect(await disk.exists(`${RESTORED}/format.json`)).toBe(false);
    }
  });

  it('refuses files that are missing or torn', async () => {
    const disk = await backedUp();
    const path = disk
      .paths()
      .find((each) => each.startsWith(`${TARGET}/journal/main/`) && each.endsWith('.wal'));
    const file = await disk.open(path ?? '', 'update');
    await file.truncate(disk.sizeOf(path ?? '') - 1);
    await file.close();
    await expect(restoreOn(disk)).rejects.toThrow(/ends at/);
    await disk.remove(path ?? '');
    await expect(checkBackup(disk, TARGET, WATCH)).rejects.toThrow(/missing from the backup/);
  });

  it('refuses a folder with something in it', async () => {
    const disk = await backedUp();
    await (await disk.open(`${RESTORED}/mine`, 'create')).close();
    await expect(restoreOn(disk)).rejects.toThrow(/not empty/);
  });

  it('keeps the identity, or takes the one that it is given', async () => {
    const disk = await backedUp();
    await restoreOn(disk);
    const textOf = async () => Buffer.from(await readWhole(disk, `${RESTORED}/node.json`, 1000)).toString();
    expect(await textOf()).toContain(NODE_ID);
    for (const path of disk.paths().filter((each) => each.startsWith(RESTORED))) await disk.remove(path);
    await restoreOn(disk, '11111111-2222-3333-4444-555555555555');
    expect(await textOf()).toContain('11111111-2222-3333-4444-555555555555');
  });

  it('that was interrupted leaves no data directory', async () => {
    const disk = await backedUp();
    const used = disk.paths().reduce((sum, path) => sum + disk.sizeOf(path), 0);
    disk.faults = { ...disk.faults, capacityBytes: used + 1500 };
    await expect(restoreOn(disk)).rejects.toThrow(/ENOSPC/);
    expect(await disk.exists(`${RESTORED}/format.json`)).toBe(false);
  });
});
