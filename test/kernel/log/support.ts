import { expect } from 'vitest';
import {
  createPartitions,
  type Partition,
  type PartitionLimits,
  type Partitions,
  type ProducerView,
} from '../../../src/kernel/log/partitions.ts';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import type { OpenStateLog } from '../../../src/kernel/state/state-log.ts';
import type { Table } from '../../../src/kernel/state/table.ts';
import { createBatchOpener } from '../../../src/protocols/kafka/records/opener.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import type { JournalRecord } from '../../../src/storage/journal/group.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import type { KvStore } from '../../../src/storage/kv/kv-store.ts';
import { RecordBatchBuilder } from '../../../src/storage/records/batch-builder.ts';
import { type LogRecord, NO_HEADERS } from '../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../src/storage/records/record-batch.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createMemoryChunks } from '../../../src/storage/wal/memory-chunks.ts';
import { createMemoryWal } from '../../../src/storage/wal/memory-wal.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { createLogKernel } from '../../../src/wasm/create-log.ts';
import type { FaultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import type { createMemoryObjects } from '../../support/memory-objects.ts';
import type { Random } from '../../support/random.ts';

export const kernel = createLogKernel({ maxBatchBytes: 64 * 1024, memoryLimitBytes: 8 * 1024 * 1024 });

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Small rows and pieces, so that a few records are many. */
export const SMALL: Partial<PartitionLimits> = { intervalBytes: 300, maxSpanBytes: 4000, maxEvenRows: 64 };

export interface Opened {
  readonly log: OpenStateLog;
  readonly partitions: Partitions;
  readonly journal: Journal;
  readonly object: Journal | undefined;
  readonly clock: ManualClock;
  readonly problems: string[];
}

export interface World {
  disk: FaultyDisk;
  /** Stretches of the journal that a cleaner has freed: no record of a partition is found there any more. */
  readonly freed: Stretch[];
  readonly kv?: KvStore;
  readonly clock?: ManualClock;
  readonly limits?: Partial<PartitionLimits>;
  readonly objects?: ReturnType<typeof createMemoryObjects>;
  readonly leaderEpoch?: number;
  readonly producers?: ProducerView;
  /** Besides the partitions. */
  readonly tables?: readonly Table[];
}

function withFreed(journal: Journal, freed: readonly Stretch[]): Journal {
  const isThere = ({ logId, position }: JournalRecord): boolean =>
    logId < 1024 || !freed.some(({ start, end }) => position >= start && position < end);
  return {
    ...journal,
    async read(logId, from, maxBytes) {
      for (let at = from; ; ) {
        const { records, next } = await journal.read(logId, at, maxBytes);
        const left = records.filter(isThere);
        if (left.length > 0 || records.length === 0) return { records: left, next };
        at = next;
      }
    },
    async *replay(from) {
      for await (const records of journal.replay(from)) {
        const left = records.filter(isThere);
        if (left.length > 0) yield left;
      }
    },
  };
}

const LIMITS = { segmentBytes: 8192, tailBytes: 2048, cacheBytes: 8192 };

export async function openOn(world: World): Promise<Opened> {
  const clock = world.clock ?? createManualClock();
  const wal = createFileWal({ disk: world.disk, directory: '/d', check: frameCheck });
  const journal = withFreed(await openJournal({ wal, walId: 'w', limits: LIMITS }), world.freed);
  const memoryWal = createMemoryWal({ check: frameCheck, chunks: createMemoryChunks(4096) });
  const objectWal =
    world.objects && createSealedWal({ objects: world.objects, check: frameCheck, maxInFlight: 4 });
  const object = objectWal && (await openJournal({ wal: objectWal, walId: 'o', limits: LIMITS }));
  const memory = await openJournal({ wal: memoryWal, walId: 'm', limits: LIMITS });
  const journals = { memory, ...(object && { object }) };
  const problems: string[] = [];
  const partitions = createPartitions({
    journals: { journal, ...journals },
    kernel,
    clock,
    leaderEpoch: world.leaderEpoch ?? 1,
    opener: createBatchOpener(kernel),
    limits: { ...SMALL, ...world.limits },
    onProblem: (problem) => problems.push(problem.message),
  });
  const { kv } = world;
  const log = await openStateLog({
    journal,
    journals,
    tables: [partitions.table, ...(world.tables ?? [])],
    clock,
    ...(kv !== undefined && { kv }),
  });
  partitions.attach(log);
  if (world.producers !== undefined) partitions.follow(world.producers);
  return { log, partitions, journal, object, clock, problems };
}

export const committed = (log: OpenStateLog, level: 'memory' | 'os' | 'sync' = 'os'): Promise<void> =>
  new Promise((resolve, reject) => {
    log.commit(level, (error) => (error === undefined ? resolve() : reject(error)));
  });

export function record(value: string | null, key: string | null = null, timestampMs = 1000): LogRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  return { timestampMs, key: bytes(key), value: bytes(value), headers: NO_HEADERS };
}

/** A batch as a producer sends it, with offsets from 0. */
export function batchOf(records: readonly LogRecord[]): Uint8Array {
  const builder = new RecordBatchBuilder(kernel);
  for (const each of records) builder.append(each);
  const batch = builder.finish(0, -1);
  if (batch === undefined) throw new Error('no records');
  return batch;
}

export async function made(
  { partitions }: Opened,
  name = 'p',
  number = 0,
  storage: 'memory' | 'journal' | 'object' = 'journal',
): Promise<Partition> {
  const partition = await partitions.create(name, number, 7, storage);
  if (typeof partition === 'string') throw new Error(partition);
  return partition;
}

export function found({ partitions }: Opened, name = 'p', number = 0): Partition {
  const partition = partitions.get(name, number);
  if (partition === undefined) throw new Error(`no ${name}/${number}`);
  return partition;
}

/** Everything that is there, as `[offset, value]`, in reads of at most `maxBytes`. */
export async function readAll(
  { partitions }: Opened,
  partition: Partition,
  maxBytes = 500,
  start = partition.startOffset,
): Promise<[number, string | null][]> {
  const all: [number, string | null][] = [];
  for (let from = start; from < partition.endOffset; ) {
    const { batches, next } = await partitions.read(partition, from, maxBytes);
    for (const { bytes, baseOffset, lastOffset } of batches) {
      const { batch, fault } = readRecordBatch(kernel, bytes);
      if (batch === undefined) throw new Error(`fault ${fault}`);
      if (batch.header.baseOffset !== baseOffset || batch.header.lastOffset !== lastOffset) {
        throw new Error(`a batch of other offsets than ${baseOffset} to ${lastOffset}`);
      }
      for (let i = 0; i < batch.length; i++) {
        const value = batch.value(i);
        if (batch.offset(i) < from) continue;
        all.push([batch.offset(i), value && Buffer.from(value).toString()]);
      }
    }
    if (next <= from) throw new Error(`reading stands still at ${from}`);
    from = next;
  }
  return all;
}

const SEGMENT = 4096;

/** Frees some stretch of the journal as a cleaner does. */
export async function evacuate({ partitions, journal }: Opened, world: World, random: Random): Promise<void> {
  const { end } = journal.state();
  const start = random.below(Math.max(1, Math.floor(end / SEGMENT))) * SEGMENT;
  // The open segment is never evacuated.
  if (start + SEGMENT > end - SEGMENT) return;
  const source = partitions.source('journal');
  await source.evacuate(start, start + SEGMENT);
  expect(source.liveBytes(start, start + SEGMENT)).toBe(0);
  world.freed.push({ start, end: start + SEGMENT });
}
