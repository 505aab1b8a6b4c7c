import { expect, it } from 'vitest';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

it('goes on when the list of its segments is larger than a segment', async () => {
  const journal = await openJournal({
    wal: createFileWal({ disk: faultyDisk(1), directory: '/d', check: frameCheck }),
    walId: 'w',
    limits: { segmentBytes: 1000 },
  });
  for (let i = 0; i < 60; i++) {
    await journal.append([{ logId: 5, stripe: i, payload: Buffer.alloc(900) }], 'os');
  }
  const starts = journal.segments().map(({ start }) => start);
  expect(starts.length).toBeGreaterThan(50);
  const { records } = await journal.read(5, 0, 1e6);
  expect(records.map(({ stripe }) => stripe)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  expect(await journal.remove(starts.slice(0, -1))).toBe(starts.length - 1);
  await journal.close();
});
