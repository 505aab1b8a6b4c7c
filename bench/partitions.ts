/**
 * Partitions over a journal of files: single records gathered into batches, ready batches, reading back, and a start.
 * Appends are committed at `os` and waited for at the end of each turn's work; a start replays what is behind its pages.
 *
 *   node --import tsx bench/partitions.ts --records 1000000 --partitions 8 --bytes 256 --turn 2000 --dir .bench
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/kernel/clock.ts';
import { createPartitions, type Partition, type Partitions } from '../src/kernel/log/partitions.ts';
import { openStateLog } from '../src/kernel/state/open.ts';
import type { OpenStateLog } from '../src/kernel/state/state-log.ts';
import { nodeDisk } from '../src/storage/disk/node-disk.ts';
import { frameCheck } from '../src/storage/journal/frame.ts';
import { openJournal } from '../src/storage/journal/journal.ts';
import { NO_HEADERS } from '../src/storage/records/record.ts';
import { createFileWal } from '../src/storage/wal/file-wal.ts';
import { createLogKernel } from '../src/wasm/create-log.ts';

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    partitions: { type: 'string', default: '8' },
    bytes: { type: 'string', default: '256' },
    turn: { type: 'string', default: '2000' },
    dir: { type: 'string', default: '.bench' },
  },
});
const RECORDS = Number(values.records);
const PARTITIONS = Number(values.partitions);
const RECORD_BYTES = Number(values.bytes);
/** Records of one turn, of which those of a partition are a batch. */
const TURN = Number(values.turn);
/** Less than the journal keeps in memory. */
const TAIL_BYTES = 8 << 20;
const TAIL_ROUNDS = 200;

interface Opened {
  readonly log: OpenStateLog;
  readonly partitions: Partitions;
}

async function open(directory: string): Promise<Opened> {
  const kernel = createLogKernel({ maxBatchBytes: 1 << 20, memoryLimitBytes: 64 << 20 });
  const wal = createFileWal({ disk: nodeDisk, directory, check: frameCheck });
  const journal = await openJournal({ wal, walId: 'bench' });
  const options = { journals: { journal }, kernel, clock: systemClock, leaderEpoch: 1 };
  const partitions = createPartitions(options);
  const log = await openStateLog({ journal, tables: [partitions.table], clock: systemClock });
  partitions.attach(log);
  return { log, partitions };
}

async function seconds(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

const committed = (log: OpenStateLog): Promise<void> =>
  new Promise((done, reject) => {
    log.commit('os', (error) => (error === undefined ? done() : reject(error)));
  });

async function append({ log, partitions }: Opened, all: readonly Partition[]): Promise<void> {
  const value = Buffer.alloc(RECORD_BYTES, 'v');
  const key = Buffer.from('sensors/kitchen/temperature');
  for (let done = 0; done < RECORDS; ) {
    for (const end = Math.min(RECORDS, done + TURN); done < end; done++) {
      const record = { timestampMs: done, key, value, headers: NO_HEADERS };
      const offset = partitions.append(all[done % PARTITIONS] as Partition, record);
      if (typeof offset === 'string') throw new Error(offset);
    }
    await committed(log);
  }
}

async function readBack({ partitions }: Opened): Promise<void> {
  let seen = 0;
  for (const partition of partitions.list()) {
    for (let from = partition.startOffset; from < partition.endOffset; ) {
      const { batches, next } = await partitions.read(partition, from, 1 << 20);
      for (const { baseOffset, lastOffset } of batches) seen += lastOffset - baseOffset + 1;
      from = next;
    }
  }
  if (seen !== RECORDS) throw new Error(`${seen} records of ${RECORDS} were read back`);
}

/** The newest records, from memory, as those read who keep up. Resolves with the processor's seconds and the bytes of batches. */
async function readTail({ partitions }: Opened): Promise<{ cpuSeconds: number; bytes: number }> {
  const share = Math.floor(TAIL_BYTES / RECORD_BYTES / PARTITIONS);
  let bytes = 0;
  const before = process.cpuUsage();
  for (let round = 0; round < TAIL_ROUNDS; round++) {
    for (const partition of partitions.list()) {
      const start = Math.max(partition.startOffset, partition.endOffset - share);
      for (let from = start; from < partition.endOffset; ) {
        const { batches, next } = await partitions.read(partition, from, 1 << 20);
        for (const batch of batches) bytes += batch.bytes.byteLength;
        from = next;
      }
    }
  }
  const { user, system } = process.cpuUsage(before);
  return { cpuSeconds: (user + system) / 1e6, bytes };
}

const base = resolve(values.dir);
await mkdir(base, { recursive: true });
const directory = await mkdtemp(join(base, 'partitions-'));
try {
  let opened = await open(directory);
  const all: Partition[] = [];
  for (let number = 0; number < PARTITIONS; number++) {
    const partition = await opened.partitions.create('bench', number, 0, 'journal');
    if (typeof partition === 'string') throw new Error(partition);
    all.push(partition);
  }
  const appending = await seconds(() => append(opened, all));
  const tail = await readTail(opened);
  await opened.log.snapshot();
  await opened.log.close();
  const starting = await seconds(async () => {
    opened = await open(directory);
  });
  const reading = await seconds(() => readBack(opened));
  const pages = [...opened.partitions.table.pageKeys()].map((key) => opened.partitions.table.page(key));
  const pageBytes = pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0);
  await opened.log.close();
  const mib = (RECORDS * RECORD_BYTES) / 2 ** 20;
  const perSecond = (took: number): string =>
    `${Math.round(RECORDS / took)} records/s, ${(mib / took).toFixed(0)} MB/s of values`;
  process.stdout.write(`| work, ${RECORDS} records of ${RECORD_BYTES} B in ${PARTITIONS} partitions | |
|---|---|
| append, os | ${perSecond(appending)} |
| read back, partition by partition | ${perSecond(reading)} |
| read what is in memory, pieces of 1 MiB | ${(tail.cpuSeconds / (tail.bytes / 1e9)).toFixed(3)} s of a processor per GB |
| start behind a snapshot | ${(starting * 1000).toFixed(0)} ms |
| pages | ${pageBytes} bytes |
`);
} finally {
  rmSync(directory, { recursive: true });
}
