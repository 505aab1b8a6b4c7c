/** A crowd of callers: its appends become two groups, of which one is made ready while the other is synced. */
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Disk } from '../../../src/storage/disk/disk.ts';
import { JournalReadOnly } from '../../../src/storage/journal/errors.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { WalFenced } from '../../../src/storage/wal/wal-store.ts';
import { type FaultyDisk, faultyDisk } from '../disk/faulty-disk.ts';

const CROWD = 200;
const walOn = (disk: Disk) => createFileWal({ disk, directory: '/d', check: frameCheck });

interface Held {
  readonly disk: Disk;
  /** From now on whatever makes bytes durable waits. */
  hold(): void;
  waiting(): number;
  /** The oldest that waits goes on, or fails. */
  release(error?: Error): void;
}

function heldDisk(real: FaultyDisk): Held {
  const waiting: ((error?: Error) => void)[] = [];
  let isHolding = false;
  const gate = (): Promise<void> =>
    isHolding
      ? new Promise((resolve, reject) => {
          waiting.push((error) => (error === undefined ? resolve() : reject(error)));
        })
      : Promise.resolve();
  return {
    disk: {
      ...real,
      async open(path, mode) {
        const file = await real.open(path, mode);
        return {
          ...file,
          async writev(views, position, isSynced) {
            await file.writev(views, position, isSynced);
            if (isSynced === true) await gate();
          },
          async datasync() {
            await file.datasync();
            await gate();
          },
        };
      },
    },
    hold() {
      isHolding = true;
    },
    waiting: () => waiting.length,
    release(error) {
      isHolding = waiting.length > 1;
      waiting.shift()?.(error);
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await immediate();
}

/** Some turns of the loop, in which what could happen has. */
async function aWhile(): Promise<void> {
  for (let i = 0; i < 50; i++) await immediate();
}

function crowd(journal: Journal, payloadBytes: number) {
  const acknowledged: number[] = [];
  const refused: unknown[] = [];
  const all = Array.from({ length: CROWD }, (_, i) =>
    journal.append([{ logId: 1 + i, stripe: 0, payload: Buffer.alloc(payloadBytes, i) }], 'sync').then(
      () => void acknowledged.push(i),
      (error: unknown) => void refused.push(error),
    ),
  );
  return { acknowledged, refused, all: Promise.all(all) };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('a crowd that comes in one turn', () => {
  it('becomes two groups and is acknowledged in order; fewer are one group', async () => {
    const disk = faultyDisk(1);
    const journal = await openJournal({ wal: walOn(disk), walId: 'w' });
    // The first block behind the beginning of an epoch is synced with it or not: no matter here.
    await journal.append([{ logId: 1, stripe: 0, payload: Buffer.from('first') }], 'sync');
    for (const [count, groups] of [
      [CROWD - 1, 1],
      [CROWD, 2],
      [3 * CROWD, 2],
    ] as const) {
      const before = disk.syncs.count;
      const order: number[] = [];
      await Promise.all(
        numbers(count).map(async (i) => {
          await journal.append([{ logId: 1, stripe: 0, payload: Buffer.from(`${i}`) }], 'sync');
          order.push(i);
        }),
      );
      expect(order).toEqual(numbers(count));
      expect(disk.syncs.count - before).toBe(groups);
    }
    await journal.close();
  });

  // Large blocks are written while the one before is synced, small ones follow it.
  describe.each([
    ['small', 100],
    ['large', 2000],
  ])('with %s blocks', (_, payloadBytes) => {
    async function opened() {
      const disk = faultyDisk(2);
      const held = heldDisk(disk);
      const journal = await openJournal({ wal: walOn(held.disk), walId: 'w' });
      await journal.append([{ logId: 1, stripe: 0, payload: Buffer.from('first') }], 'sync');
      held.hold();
      return { disk, held, journal };
    }

    it('makes the second group ready, and acknowledges none of it before all of the first', async () => {
      const { held, journal } = await opened();
      const { acknowledged, all } = crowd(journal, payloadBytes);
      await until(() => held.waiting() > 0);
      await aWhile();
      expect(journal.state().pendingBytes).toBe(0);
      expect(acknowledged).toEqual([]);
      held.release();
      await until(() => acknowledged.length > 0);
      await aWhile();
      expect(acknowledged).toEqual(numbers(held.waiting() > 0 ? CROWD / 2 : CROWD));
      held.release();
      await all;
      expect(acknowledged).toEqual(numbers(CROWD));
      await journal.close();
    });

    it('acknowledges nothing of either when the first fails', async () => {
      const { held, journal } = await opened();
      const { acknowledged, refused, all } = crowd(journal, payloadBytes);
      await until(() => held.waiting() > 0);
      await aWhile();
      held.release(Object.assign(new Error('EIO: no'), { code: 'EIO' }));
      while (held.waiting() > 0) held.release();
      await all;
      expect(acknowledged).toEqual([]);
      expect(refused).toHaveLength(CROWD);
      for (const error of refused) expect(error).toBeInstanceOf(JournalReadOnly);
      await journal.close();
    });

    it('is closed after both, with all of them acknowledged', async () => {
      const { disk, held, journal } = await opened();
      const { acknowledged, all } = crowd(journal, payloadBytes);
      await until(() => held.waiting() > 0);
      let isClosed = false;
      const closing = journal.close().then(() => {
        isClosed = true;
      });
      await aWhile();
      expect(isClosed).toBe(false);
      while (!isClosed) {
        held.release();
        await immediate();
      }
      await Promise.all([all, closing]);
      expect(acknowledged).toEqual(numbers(CROWD));
      const again = await openJournal({ wal: walOn(disk), walId: 'w' });
      for (const i of [1, CROWD - 1]) expect((await again.read(1 + i, 0, 1e6)).records).toHaveLength(1);
      await again.close();
    });

    it('is fenced with both under way: what is acknowledged lies below the length that another has sealed', async () => {
      const { disk, held, journal } = await opened();
      const { acknowledged, refused, all } = crowd(journal, payloadBytes);
      await until(() => held.waiting() > 0);
      const young = await openJournal({ wal: walOn(disk), walId: 'w' });
      while (held.waiting() > 0) {
        held.release();
        await aWhile();
      }
      await all;
      for (const i of acknowledged) {
        const { records } = await young.read(1 + i, 0, 1e6);
        expect(Buffer.alloc(payloadBytes, i).equals(records.at(-1)?.payload ?? Buffer.alloc(0))).toBe(true);
      }
      expect(acknowledged.length + refused.length).toBe(CROWD);
      for (const error of refused) expect((error as Error).cause).toBeInstanceOf(WalFenced);
      const late = journal.append([{ logId: 1, stripe: 0, payload: Buffer.from('late') }], 'sync');
      await expect(late).rejects.toThrow(JournalReadOnly);
      await young.append([{ logId: 1, stripe: 0, payload: Buffer.from('young') }], 'sync');
      await young.close();
    });
  });
});
