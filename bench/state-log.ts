/**
 * The state log alone: entries appended per second, at `memory` and at `sync`, and how fast a start replays them.
 *
 *   node --import tsx bench/state-log.ts --mb 64 --entry 20 --dir .bench
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/kernel/clock.ts';
import { openStateLog } from '../src/kernel/state/open.ts';
import type { OpenStateLog } from '../src/kernel/state/state-log.ts';
import type { Table } from '../src/kernel/state/table.ts';
import { nodeDisk } from '../src/storage/disk/node-disk.ts';
import { frameCheck } from '../src/storage/journal/frame.ts';
import { openJournal } from '../src/storage/journal/journal.ts';
import { createFileWal } from '../src/storage/wal/file-wal.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '64' },
    entry: { type: 'string', default: '20' },
    dir: { type: 'string', default: '.bench' },
  },
});
const MIB = 1024 * 1024;
const ENTRY_HEAD_BYTES = 2;
/** Changes of one turn of the event loop, as a busy broker has them. */
const CHANGES_PER_TURN = 500;
const entryBytes = Number(values.entry);
const changes = Math.floor((Number(values.mb) * MIB) / (entryBytes + ENTRY_HEAD_BYTES));

/** Counts what it is given, and does with an entry no more than read its first bytes. */
function countingTable(): Table & { readonly seen: { entries: number; sum: number } } {
  const seen = { entries: 0, sum: 0 };
  return {
    id: 1,
    name: 'counted',
    seen,
    apply(entry) {
      seen.entries++;
      seen.sum += entry[0] ?? 0;
    },
    load() {},
    pageKeys: () => [],
    page: () => undefined,
    takeDirty: () => [],
  };
}

async function openOn(directory: string, table: Table): Promise<OpenStateLog> {
  const wal = createFileWal({ disk: nodeDisk, directory, check: frameCheck });
  return openStateLog({
    journal: await openJournal({ wal, walId: 'bench' }),
    tables: [table],
    clock: systemClock,
  });
}

const base = resolve(values.dir);
await mkdir(base, { recursive: true });
const lines: string[] = [];
for (const level of ['memory', 'sync'] as const) {
  const directory = await mkdtemp(join(base, 'state-'));
  try {
    const log = await openOn(directory, countingTable());
    const entry = new Uint8Array(entryBytes).fill(7);
    let acknowledged = 0;
    const done = (): void => {
      acknowledged++;
    };
    let appendingMs = 0;
    const started = performance.now();
    for (let left = changes; left > 0; ) {
      const turn = performance.now();
      for (let i = Math.min(left, CHANGES_PER_TURN); i > 0; i--, left--) {
        log.add(1, entry);
        log.commit(level, done);
      }
      appendingMs += performance.now() - turn;
      if (log.isBusy()) {
        await new Promise<void>((ready) => {
          log.onReady = ready;
        });
      } else await new Promise(setImmediate);
    }
    await log.drained();
    const seconds = (performance.now() - started) / 1000;
    if (acknowledged !== changes) throw new Error(`${acknowledged} of ${changes} were acknowledged`);
    await log.close();
    const table = countingTable();
    const replaying = performance.now();
    const again = await openOn(directory, table);
    const replaySeconds = (performance.now() - replaying) / 1000;
    if (table.seen.entries !== changes) throw new Error(`${table.seen.entries} of ${changes} came back`);
    await again.close();
    lines.push(
      `| ${level} | ${Math.round(changes / seconds).toLocaleString('en')} | ${((appendingMs * 1e6) / changes).toFixed(0)} | ${Math.round(changes / replaySeconds).toLocaleString('en')} | ${(Number(values.mb) / replaySeconds).toFixed(0)} |`,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}
process.stdout.write(`${changes.toLocaleString('en')} changes of one entry of ${entryBytes} bytes, ${CHANGES_PER_TURN} in a turn

| level | acknowledged/s | ns of the caller's turn per change | replayed entries/s | MiB/s |
|---|---|---|---|---|
${lines.join('\n')}
`);
