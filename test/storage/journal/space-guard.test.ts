import { describe, expect, it } from 'vitest';
import { JournalFull } from '../../../src/storage/journal/errors.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createSpaceGuard } from '../../../src/storage/journal/space-guard.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

const KIB = 1024;
const payload = new Uint8Array(KIB);

async function setUp(capacityBytes: number) {
  const disk = faultyDisk(1, { capacityBytes });
  const clock = createManualClock();
  const space = await createSpaceGuard({
    disk,
    directory: '/d',
    clock,
    watermarkBytes: 64 * KIB,
    reserveBytes: 32 * KIB,
  });
  const wal = createFileWal({ disk, directory: '/d', check: frameCheck });
  const journal = await openJournal({ wal, walId: 'w', space, limits: { segmentBytes: 16 * KIB } });
  const append = (isSettlement: boolean) =>
    journal.append([{ logId: 1, stripe: 0, payload }], 'os', isSettlement);
  /** Appends until it is refused. */
  const fill = async (isSettlement: boolean): Promise<number> => {
    for (let count = 0; ; count++) {
      try {
        await append(isSettlement);
      } catch (error) {
        expect(error).toBeInstanceOf(JournalFull);
        return count;
      }
    }
  };
  return { disk, clock, space, journal, append, fill };
}

describe('a disk that fills up', () => {
  it('refuses writers before it is full, lets settlements go on from the reserve, and recovers by itself (item 27)', async () => {
    const { disk, clock, space, journal, append, fill } = await setUp(256 * KIB);
    expect(space.hasReserve).toBe(true);
    expect(await fill(false)).toBeGreaterThan(100);
    await clock.advance(1000);
    expect(journal.state()).toMatchObject({ isFull: true, failure: undefined });

    // More than was left above the point at which the reserve is needed.
    let settled = 0;
    for (let tick = 0; tick < 10; tick++) {
      settled += await fill(true);
      await clock.advance(1000);
    }
    expect(settled).toBeGreaterThan(64);
    expect(space.hasReserve).toBe(false);
    await expect(append(false)).rejects.toThrow(JournalFull);
    expect(journal.state().failure).toBeUndefined();
    expect((await journal.read(1, 0, KIB)).records).toHaveLength(1);

    disk.faults = { ...disk.faults, capacityBytes: 512 * KIB };
    await clock.advance(1000);
    expect(space).toMatchObject({ isFull: false, hasReserve: true });
    await append(false);
    await space.close();
  });

  it('counts what is written between two looks at the disk', async () => {
    const { fill, journal, space } = await setUp(256 * KIB);
    // The clock stands still all the while.
    await fill(false);
    await fill(true);
    expect(journal.state().failure).toBeUndefined();
    await space.close();
  });

  it('takes no writers on a disk that has no room for the reserve', async () => {
    const { append, space } = await setUp(80 * KIB);
    expect(space).toMatchObject({ isFull: true, hasReserve: false });
    await expect(append(false)).rejects.toThrow(JournalFull);
    await append(true);
    await space.close();
  });

  it('finds its reserve again after a restart', async () => {
    const { disk, clock, space } = await setUp(256 * KIB);
    await space.close();
    const free = await disk.freeBytes('/d');
    const again = await createSpaceGuard({
      disk,
      directory: '/d',
      clock,
      watermarkBytes: 64 * KIB,
      reserveBytes: 32 * KIB,
    });
    expect(again.hasReserve).toBe(true);
    expect(await disk.freeBytes('/d')).toBe(free);
    await again.close();
  });
});
