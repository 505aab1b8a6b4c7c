import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { closeOldSegments } from '../../../src/storage/journal/segment-age.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

const AGE_MS = 600_000;

function open(disk = faultyDisk(1)) {
  return openJournal({
    wal: createFileWal({ disk, directory: '/d', check: frameCheck }),
    walId: 'w',
  });
}
const entry = { logId: 5, stripe: 0, payload: Buffer.from('little') };

it('closes a segment at its age though it is nearly empty, and none that is quite', async () => {
  const journal = await open();
  const clock = createManualClock();
  const stop = closeOldSegments(journal, clock, AGE_MS);
  const closed = () => journal.segments().filter(({ isOpen }) => !isOpen).length;
  await journal.append([entry], 'sync');
  await clock.advance(AGE_MS - 1);
  expect(closed()).toBe(0);
  await clock.advance(AGE_MS / 2);
  await expect.poll(closed).toBe(1);
  await clock.advance(3 * AGE_MS);
  expect(closed()).toBe(1);
  await journal.append([entry], 'sync');
  stop();
  await clock.advance(3 * AGE_MS);
  expect(closed()).toBe(1);
  expect((await journal.read(5, 0, 1e6)).records).toHaveLength(2);
  await journal.close();
});

it('closes it behind what is under way, whose place and order stay as they are', async () => {
  const disk = faultyDisk(1);
  const journal = await open(disk);
  expect(journal.closeSegment()).toBe(false);
  await journal.append([entry], 'os');
  const numbered = (i: number) => ({ ...entry, stripe: i });
  const under = Array.from({ length: 20 }, (_, i) => journal.append([numbered(i)], i % 2 ? 'os' : 'sync'));
  expect(journal.closeSegment()).toBe(true);
  await Promise.all(under);
  await journal.append([numbered(20)], 'sync');
  expect(journal.segments()).toHaveLength(2);
  await journal.close();
  expect(journal.closeSegment()).toBe(false);
  const again = await open(disk.kill());
  const { records } = await again.read(5, 0, 1e6);
  expect(records.map(({ stripe }) => stripe)).toEqual([0, ...Array.from({ length: 21 }, (_, i) => i)]);
  expect(await again.verify()).toEqual([]);
  await again.close();
});
