import { expect, it } from 'vitest';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createMemoryWal } from '../../../src/storage/wal/memory-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { slowCopies } from '../../support/shared-memory.ts';
import { committed } from './support.ts';
import { bodyTable } from './toy-tables.ts';

it('reads bodies out of the memory engine in memory of their own, and not byte by byte', async () => {
  const bodies = bodyTable(3);
  const journal = await openJournal({ wal: createMemoryWal({ check: frameCheck }), walId: 'w' });
  const log = await openStateLog({ journal, tables: [bodies], clock: createManualClock() });
  const body = Buffer.alloc(9000, 'body');
  const placed = bodies.add(log, 1, body);
  placed(await committed(log));
  const place = bodies.places.get(1) ?? { position: 0, offset: 0, length: 0 };
  let read: Uint8Array = new Uint8Array(0);
  const copies = await slowCopies(async () => {
    read = await log.read(place.position, place.offset, place.length);
  });
  expect(copies).toBe(0);
  expect(body.equals(read)).toBe(true);
  expect(read.buffer).toBeInstanceOf(ArrayBuffer);
  // Who keeps it keeps nothing else.
  expect(read.buffer.byteLength).toBe(body.length);
});
