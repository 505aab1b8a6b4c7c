import { setImmediate as immediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import { createCleaner } from '../../../src/storage/cleaner/cleaner.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createMemoryWal } from '../../../src/storage/wal/memory-wal.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { committed, journalOn } from './support.ts';

const RECORD = Buffer.alloc(1000, 'x');
const RECORDS = 40;

it.each(['memory', 'object'] as const)(
  'what is written to another storage (%s) stays while its frame waits for the disk, until its owner knows',
  async (storage) => {
    const clock = createManualClock();
    const disk = await journalOn(faultyDisk(1));
    let isStuck = true;
    const waiting: (() => void)[] = [];
    const journal = {
      ...disk,
      append: async (...request: Parameters<typeof disk.append>) => {
        if (isStuck) await new Promise<void>((resolve) => waiting.push(resolve));
        return disk.append(...request);
      },
    };
    const other = await openJournal({
      wal: createMemoryWal({ check: frameCheck }),
      walId: 'm',
      limits: { segmentBytes: 4000, tailBytes: 500, cacheBytes: 4000 },
    });
    const log = await openStateLog({ journal, journals: { [storage]: other }, tables: [], clock });
    const known: number[] = [];
    const cleaner = createCleaner({
      journal: other,
      sources: [
        log.underWay(storage),
        {
          name: 'owner',
          liveBytes: (start, end) =>
            known.filter((position) => position >= start && position < end).length * RECORD.length,
          evacuate: async () => {},
        },
      ],
      clock,
      bytesPerSecond: 1e9,
      minDeadFraction: 0.5,
      slackBytes: 0,
    });
    const commits: Promise<number>[] = [];
    for (let i = 0; i < RECORDS; i++) {
      log.addRecord(storage, { logId: 7, stripe: i, payload: RECORD }, (position) => known.push(position));
      commits.push(committed(log, 'memory', false, storage));
      await immediate();
    }
    const closed = (): number => other.segments().filter(({ isOpen }) => !isOpen).length;
    for (let turn = 0; closed() < 5 && turn < 1000; turn++) await immediate();
    expect(closed()).toBeGreaterThanOrEqual(5);
    expect(known).toEqual([]);
    const before = closed();
    await cleaner.run();
    expect(closed()).toBe(before);

    isStuck = false;
    for (const go of waiting) go();
    await Promise.all(commits);
    expect(known).toHaveLength(RECORDS);
    await cleaner.run();
    for (const position of known) {
      const { records } = await other.read(7, position, 1);
      expect(records[0]?.position).toBe(position);
    }
    known.length = 0;
    await cleaner.run();
    // What a pass notes of what it has removed may have closed one more.
    await cleaner.run();
    expect(closed()).toBe(0);
    expect(cleaner.counters().errors).toBe(0);
    await cleaner.close();
    await log.close();
  },
);
