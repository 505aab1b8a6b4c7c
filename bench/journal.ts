/**
 * The journal against the disk it lies on: appends of 1 KiB records in batches of 64 KiB and their reading back, beside
 * a plain loop of writes and reads of the same size; and single records of 256 bytes from 256 concurrent callers, each
 * synced, beside a plain loop of a write and an fdatasync. Writing ends when all is on the disk, as with
 * `dd conv=fdatasync`: the journal syncs each segment before the next, the loop once. It is read back twice: from the
 * page cache, and after the page cache was told to forget the files (by `dd iflag=nocache`), from the disk. Repeats
 * are interleaved, medians are shown.
 *
 *   node --import tsx bench/journal.ts --mb 512 --secs 3 --repeats 3 --dir .bench
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fdatasync, openSync, read, readdirSync, rmSync, write } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Disk, DiskFile } from '../src/storage/disk/disk.ts';
import { nodeDisk } from '../src/storage/disk/node-disk.ts';
import { frameCheck } from '../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../src/storage/journal/journal.ts';
import { createFileWal } from '../src/storage/wal/file-wal.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '256' },
    secs: { type: 'string', default: '2' },
    repeats: { type: 'string', default: '3' },
    dir: { type: 'string', default: '.bench' },
  },
});
const MIB = 1024 * 1024;
const BATCH_BYTES = 64 * 1024;
const RECORD_BYTES = 1024;
const SMALL_BYTES = 256;
const CALLERS = 256;
const WAL_ID = 'bench';
/** Batches that a writer has under way. */
const WINDOW = 32;
const totalBytes = Number(values.mb) * MIB;
const seconds = Number(values.secs);

let syncs = 0;
/** The real disk, with its syncs counted; a synced write is one. */
const countingDisk: Disk = {
  ...nodeDisk,
  async open(path, mode) {
    const file = await nodeDisk.open(path, mode);
    return {
      ...file,
      writev(views, position, isSynced = false) {
        if (isSynced) syncs++;
        return file.writev(views, position, isSynced);
      },
      datasync() {
        syncs++;
        return file.datasync();
      },
    } satisfies DiskFile;
  },
};

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;
const openOn = (directory: string): Promise<Journal> =>
  openJournal({ wal: createFileWal({ disk: countingDisk, directory, check: frameCheck }), walId: WAL_ID });

async function inFresh<T>(run: (directory: string) => Promise<T>): Promise<T> {
  const base = resolve(values.dir);
  await mkdir(base, { recursive: true });
  const directory = await mkdtemp(join(base, 'journal-'));
  try {
    return await run(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function timed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

type Callback = (error: Error | null) => void;
const done = (start: (callback: Callback) => void): Promise<void> =>
  new Promise((settle, reject) => start((error) => (error === null ? settle() : reject(error))));

/** The page cache lets go of what it has of these files; all of it must have been synced. */
function forget(paths: readonly string[]): void {
  for (const path of paths) {
    const { status } = spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
    if (status !== 0) throw new Error('there is no dd with iflag=nocache: nothing can be read from the disk');
  }
}

/** MB/s. */
interface Stream {
  readonly write: number;
  readonly cached: number;
  readonly cold: number;
}

const speed = (took: number): number => totalBytes / MIB / took;

/** The plain loop: written to the file, and read from it. */
function rawStream(): Promise<Stream> {
  return inFresh(async (directory) => {
    const fd = openSync(join(directory, 'raw'), 'wx+');
    const block = Buffer.alloc(BATCH_BYTES, 'r');
    const wrote = await timed(async () => {
      for (let at = 0; at < totalBytes; at += BATCH_BYTES) {
        await done((callback) => write(fd, block, 0, BATCH_BYTES, at, callback));
      }
      await done((callback) => fdatasync(fd, callback));
    });
    const readAll = (): Promise<number> =>
      timed(async () => {
        for (let at = 0; at < totalBytes; at += BATCH_BYTES) {
          await done((callback) => read(fd, block, 0, BATCH_BYTES, at, callback));
        }
      });
    const cached = await readAll();
    forget([join(directory, 'raw')]);
    const cold = await readAll();
    closeSync(fd);
    return { write: speed(wrote), cached: speed(cached), cold: speed(cold) };
  });
}

/** The journal: batches of 64 records as one payload, as record batches are. */
function journalStream(): Promise<Stream> {
  return inFresh(async (directory) => {
    const journal = await openOn(directory);
    const batch = Buffer.alloc((BATCH_BYTES / RECORD_BYTES) * RECORD_BYTES, 'j');
    const batches = totalBytes / BATCH_BYTES;
    const wrote = await timed(async () => {
      let left = batches;
      await Promise.all(
        Array.from({ length: WINDOW }, async () => {
          while (left-- > 0) await journal.append([{ logId: 1, stripe: 0, payload: batch }], 'os');
        }),
      );
      await journal.close();
    });
    const readAll = async (before: () => void): Promise<number> => {
      const again = await openOn(directory);
      before();
      let seen = 0;
      const took = await timed(async () => {
        for (let from = 0; ; ) {
          const { records, next } = await again.read(1, from, MIB);
          if (records.length === 0) break;
          seen += records.length;
          from = next;
        }
      });
      if (seen !== batches) throw new Error(`${seen} batches of ${batches} were read back`);
      await again.close();
      return took;
    };
    const cached = await readAll(() => {});
    const files = join(directory, WAL_ID);
    const cold = await readAll(() => forget(readdirSync(files).map((name) => join(files, name))));
    return { write: speed(wrote), cached: speed(cached), cold: speed(cold) };
  });
}

/** Writes with fdatasync per second, one after the other. */
function rawSync(): Promise<number> {
  return inFresh(async (directory) => {
    const fd = openSync(join(directory, 'raw'), 'wx');
    const block = Buffer.alloc(SMALL_BYTES, 'r');
    let count = 0;
    const took = await timed(async () => {
      for (const end = performance.now() + seconds * 1000; performance.now() < end; count++) {
        await done((callback) => write(fd, block, 0, SMALL_BYTES, count * SMALL_BYTES, callback));
        await done((callback) => fdatasync(fd, callback));
      }
    });
    closeSync(fd);
    return count / took;
  });
}

function journalSync(): Promise<{ records: number; perSync: number }> {
  return inFresh(async (directory) => {
    const journal = await openOn(directory);
    const payload = Buffer.alloc(SMALL_BYTES, 'j');
    let count = 0;
    syncs = 0;
    const took = await timed(async () => {
      const end = performance.now() + seconds * 1000;
      await Promise.all(
        Array.from({ length: CALLERS }, async (_, caller) => {
          while (performance.now() < end) {
            await journal.append([{ logId: 1 + caller, stripe: caller, payload }], 'sync');
            count++;
          }
        }),
      );
    });
    const perSync = count / syncs;
    await journal.close();
    return { records: count / took, perSync };
  });
}

interface Run {
  readonly raw: Stream;
  readonly ours: Stream;
  readonly fsyncs: number;
  readonly synced: { readonly records: number; readonly perSync: number };
}

const runs: Run[] = [];
for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
  runs.push({
    raw: await rawStream(),
    ours: await journalStream(),
    fsyncs: await rawSync(),
    synced: await journalSync(),
  });
}
const fsyncs = median(runs.map((run) => run.fsyncs));
const records = median(runs.map((run) => run.synced.records));
const perSync = median(runs.map((run) => run.synced.perSync));

function streamRow(work: string, what: keyof Stream): string {
  const ours = median(runs.map((run) => run.ours[what]));
  const raw = median(runs.map((run) => run.raw[what]));
  return `| ${work} | ${ours.toFixed(0)} MB/s | ${raw.toFixed(0)} MB/s | ${((100 * ours) / raw).toFixed(0)} % |`;
}

process.stdout.write(`| work | journal | disk | ratio |
|---|--:|--:|--:|
${streamRow('append 64 KiB batches, os', 'write')}
${streamRow('read them back in order, from the disk', 'cold')}
${streamRow('read them back in order, from the page cache', 'cached')}
| 256 B records of ${CALLERS} callers, sync | ${records.toFixed(0)} records/s, ${perSync.toFixed(0)} per fdatasync | ${fsyncs.toFixed(0)} fdatasync/s | ${(records / fsyncs).toFixed(0)} x |
`);
