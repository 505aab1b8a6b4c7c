/** Producers over a real journal on a disk that can fail, with what Produce and a reader of committed records do. */
import type { Crossing } from '../../../../src/kernel/crossing/crossing.ts';
import { createCursors } from '../../../../src/kernel/crossing/cursors.ts';
import { createFollower, type Follower } from '../../../../src/kernel/crossing/follower.ts';
import { createDelayed, type Delayed } from '../../../../src/kernel/delayed/delayed.ts';
import { createPartitions, type Partition, type Partitions } from '../../../../src/kernel/log/partitions.ts';
import { openStateLog } from '../../../../src/kernel/state/open.ts';
import type { OpenStateLog, Storage } from '../../../../src/kernel/state/state-log.ts';
import { type Table, TableId } from '../../../../src/kernel/state/table.ts';
import { verifyViews } from '../../../../src/kernel/state/verify-views.ts';
import type { GroupChange } from '../../../../src/protocols/kafka/groups/changes.ts';
import { createGroupsTable, type GroupsTable } from '../../../../src/protocols/kafka/groups/groups-table.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import type { Verdict } from '../../../../src/protocols/kafka/produce/gate.ts';
import {
  createProducerStore,
  openProducers,
  type ProducerLimits,
  type Producers,
} from '../../../../src/protocols/kafka/producers/producers.ts';
import { buildBatch } from '../../../../src/protocols/kafka/records/build.ts';
import { readMarker } from '../../../../src/protocols/kafka/records/marker.ts';
import { createBatchOpener } from '../../../../src/protocols/kafka/records/opener.ts';
import { frameCheck } from '../../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../../src/storage/journal/journal.ts';
import type { SpaceGuard } from '../../../../src/storage/journal/space-guard.ts';
import type { KvStore } from '../../../../src/storage/kv/kv-store.ts';
import { NO_HEADERS } from '../../../../src/storage/records/record.ts';
import { readRecordBatch } from '../../../../src/storage/records/record-batch.ts';
import { createFileWal } from '../../../../src/storage/wal/file-wal.ts';
import { createMemoryChunks } from '../../../../src/storage/wal/memory-chunks.ts';
import { createMemoryWal } from '../../../../src/storage/wal/memory-wal.ts';
import { createSealedWal } from '../../../../src/storage/wal/sealed-wal.ts';
import { createLogKernel } from '../../../../src/wasm/create-log.ts';
import type { FaultyDisk } from '../../../storage/disk/faulty-disk.ts';
import { createManualClock, type ManualClock } from '../../../support/manual-clock.ts';
import type { createMemoryObjects } from '../../../support/memory-objects.ts';

export const kernel = createLogKernel({ maxBatchBytes: 64 * 1024, memoryLimitBytes: 8 * 1024 * 1024 });

export interface World {
  disk: FaultyDisk;
  readonly clock: ManualClock;
  kv?: KvStore | undefined;
  readonly objects?: ReturnType<typeof createMemoryObjects>;
  readonly limits?: Partial<ProducerLimits>;
  /** Of the journal's disk. */
  readonly space?: SpaceGuard;
  /** For who gets what crosses. */
  readonly hasRoom?: () => boolean;
}

/** A disk that has room for settlements only while `isFull()` says so. */
export const spaceOf = (isFull: () => boolean): SpaceGuard => ({
  get isFull() {
    return isFull();
  },
  freeBytes: 1_000_000,
  hasReserve: true,
  allows: (_, isSettlement) => isSettlement || !isFull(),
  wrote() {},
  check: async () => {},
  close: async () => {},
});

/** A subscriber of another protocol that keeps what it gets. */
export interface Inbox {
  readonly table: Table;
  values(): readonly string[];
  /** Each is another one, so that what comes twice is seen twice. */
  take(delivery: string): void;
}

const INBOX = 200;
let deliveryCount = 0;

function createInbox(): Inbox {
  const deliveries: string[] = [];
  const key = Uint8Array.of(0);
  let isDirty = false;
  const take = (delivery: string): void => {
    isDirty = true;
    // A page that was loaded may have it.
    if (!deliveries.includes(delivery)) deliveries.push(delivery);
  };
  return {
    values: () => deliveries.map((each) => each.split('/')[0] ?? ''),
    take,
    table: {
      id: INBOX,
      name: 'inbox',
      apply: (entry) => take(Buffer.from(entry).toString()),
      load: (_, page) =>
        void deliveries.splice(0, deliveries.length, ...Buffer.from(page).toString().split(' ')),
      *pageKeys() {
        if (deliveries.length > 0) yield key;
      },
      page: () => (deliveries.length === 0 ? undefined : Buffer.from(deliveries.join(' '))),
      takeDirty() {
        const dirty = isDirty ? [key] : [];
        isDirty = false;
        return dirty;
      },
    },
  };
}

export interface Opened {
  readonly delayed: Delayed;
  readonly inbox: Inbox;
  readonly follower: Follower;
  readonly crossing: Pick<Crossing, 'isWanted' | 'hasRoom' | 'publishWith' | 'isOwnMessage'>;
  readonly log: OpenStateLog;
  readonly journal: Journal;
  readonly partitions: Partitions;
  readonly producers: Producers;
  readonly groups: GroupsTable;
}

const LIMITS = { segmentBytes: 16 * 1024, tailBytes: 4096, cacheBytes: 8192 };

export const newWorld = (disk: FaultyDisk, more: Partial<World> = {}): World => ({
  disk,
  clock: createManualClock(),
  ...more,
});

async function openJournals(world: World) {
  const wal = createFileWal({ disk: world.disk, directory: '/d', check: frameCheck });
  const { space } = world;
  const journal = await openJournal({ wal, walId: 'w', limits: LIMITS, ...(space && { space }) });
  const memoryWal = createMemoryWal({ check: frameCheck, chunks: createMemoryChunks(4096) });
  const memory = await openJournal({ wal: memoryWal, walId: 'm', limits: LIMITS });
  const objectWal =
    world.objects && createSealedWal({ objects: world.objects, check: frameCheck, maxInFlight: 4 });
  const object = objectWal && (await openJournal({ wal: objectWal, walId: 'o', limits: LIMITS }));
  return { journal, memory, ...(object && { object }) };
}

function newTables({ clock }: World, journals: Awaited<ReturnType<typeof openJournals>>) {
  const opener = createBatchOpener(kernel);
  const partitions = createPartitions({ journals, kernel, clock, leaderEpoch: 1, opener });
  const store = createProducerStore({ partitions, kernel, wallMs: () => clock.wallMs() });
  const groups = createGroupsTable();
  const [inbox, cursors] = [createInbox(), createCursors()];
  const limits = { maxMessages: 1000, maxBytes: 1_000_000 };
  const delayed = createDelayed(limits, { id: TableId.KafkaDelayed, name: 'kafka delayed' });
  const tables = [partitions.table, groups.table, store.table, cursors.table, delayed.table, inbox.table];
  return { partitions, store, groups, inbox, cursors, delayed, all: tables };
}

/** All that may cross has crossed, and is kept. */
export async function crossed({ follower, log }: Opened): Promise<void> {
  await log.drained();
  await follower.idle();
  await log.drained();
}

/** What journal and views tell differently, of producers. */
export async function audit(world: World): Promise<string[]> {
  const journals = await openJournals(world);
  const { start, end } = journals.journal.state();
  const problems = await verifyViews({
    journal: Object.assign(journals.journal, { start, end }),
    ...(journals.object && { object: journals.object }),
    kv: world.kv,
    makeTables: () => newTables(world, journals).all,
  });
  for (const each of Object.values(journals)) await each.close();
  return problems.filter((problem) => problem.includes('kafka-producers'));
}

export async function openWorld(world: World): Promise<Opened> {
  const { clock, kv, limits, space } = world;
  const journals = await openJournals(world);
  const { partitions, store, groups, inbox, cursors, delayed, all } = newTables(world, journals);
  const { journal, ...others } = journals;
  const state = { journal, journals: others, tables: all, clock };
  const log = await openStateLog({ ...state, ...(kv && { kv }), ...(space && { space }) });
  partitions.attach(log);
  const offsets = {
    endTransaction: (producerId: number, isCommit: boolean) =>
      stage(
        { log, groups },
        { kind: 'end', producerId, order: groups.nextOrder(), isCommit, atMs: clock.wallMs() },
      ),
  };
  const crossing: Opened['crossing'] = {
    isWanted: () => true,
    hasRoom: () => world.hasRoom?.() ?? true,
    isOwnMessage: () => false,
    publishWith(_, { value }, change) {
      const delivery = `${Buffer.from(value ?? [])}/${deliveryCount++}`;
      log.add(INBOX, Buffer.from(delivery));
      change.also();
      const done = (error: Error | undefined): void => {
        if (error === undefined) inbox.take(delivery);
        change.done(error);
      };
      log.commit('sync', done);
      return undefined;
    },
  };
  const opener = createBatchOpener(kernel);
  const follower = createFollower({ cursors, partitions, crossing, opener, log, clock });
  const parts = { store, partitions, kernel, log, offsets, clock, crossing: follower };
  const options = { ...parts, level: 'sync' } as const;
  const producers = await openProducers({ ...options, ...(limits && { limits }) });
  return { log, journal, partitions, producers, groups, inbox, delayed, follower, crossing };
}

function stage({ log, groups }: Pick<Opened, 'log' | 'groups'>, change: GroupChange): () => void {
  const staged = groups.stage(change);
  log.add(TableId.KafkaGroups, staged.entry);
  return () => staged.settle();
}

export const committed = (
  log: OpenStateLog,
  onDone: () => void = () => {},
  storage: Storage = 'journal',
): Promise<boolean> =>
  new Promise((resolve) => {
    const done = (error: Error | undefined): void => {
      if (error === undefined) onDone();
      resolve(error === undefined);
    };
    log.commit('sync', done, false, storage);
  });

export async function made(
  { partitions }: Opened,
  number = 0,
  storage: Storage = 'journal',
): Promise<Partition> {
  const partition = await partitions.create('t', number, 7, storage);
  if (typeof partition === 'string') throw new Error(partition);
  return partition;
}

export function found({ partitions }: Opened, number = 0): Partition {
  const partition = partitions.get('t', number);
  if (partition === undefined) throw new Error(`no partition ${number}`);
  return partition;
}

export interface Written {
  /** -1: of nobody, as are epoch and sequence then. */
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly values: readonly string[];
  /** Undefined: not of a transaction. */
  readonly id?: string;
  readonly apiVersion?: number;
}

export function batchOf({ producerId, epoch, sequence, values, id }: Written): Uint8Array {
  const records = values.map((value) => ({
    timestampMs: 1000,
    key: null,
    value: new Uint8Array(Buffer.from(value)),
    headers: NO_HEADERS,
  }));
  const producer = { id: producerId, epoch, baseSequence: sequence };
  return buildBatch(kernel, records, { producer, isTransactional: id !== undefined });
}

export interface Outcome {
  readonly error: ErrorCode;
  readonly baseOffset: number;
  readonly isDuplicate: boolean;
}

export function check(opened: Opened, partition: Partition, written: Written): Verdict {
  kernel.scan(batchOf(written));
  const origin = { apiVersion: written.apiVersion ?? 12, transactionalId: written.id ?? null };
  return opened.producers.check(partition, kernel.header(), origin);
}

/** As Produce with acks=all does it; resolves when it is answered. */
export async function produce(opened: Opened, partition: Partition, written: Written): Promise<Outcome> {
  const { producers, partitions, log } = opened;
  const batch = batchOf(written);
  kernel.scan(batch);
  const header = kernel.header();
  const origin = { apiVersion: written.apiVersion ?? 12, transactionalId: written.id ?? null };
  const verdict = producers.check(partition, header, origin);
  if (verdict.kind === 'error') return { error: verdict.error, baseOffset: -1, isDuplicate: false };
  let baseOffset = verdict.kind === 'duplicate' ? verdict.baseOffset : -1;
  if (verdict.kind === 'accept') {
    const appended = partitions.appendBatch(partition, batch);
    if (typeof appended === 'string') throw new Error(appended);
    baseOffset = appended;
    producers.appended(partition, header, baseOffset, -1, origin);
    if (written.id === undefined && !opened.follower.isHeld(partition)) crossAtOnce(opened, written);
  }
  const isStored = await committed(log, () => {}, partition.storage);
  const error = isStored ? ErrorCode.NONE : ErrorCode.KAFKA_STORAGE_ERROR;
  return { error, baseOffset, isDuplicate: verdict.kind === 'duplicate' };
}

function crossAtOnce({ crossing }: Opened, { values }: Written): void {
  for (const value of values) {
    const record = { timestampMs: 0, key: null, value: Buffer.from(value), headers: NO_HEADERS };
    crossing.publishWith('t', record, { also() {}, done() {} });
  }
}

/** As TxnOffsetCommit does it. */
export async function commitOffset(
  opened: Opened,
  id: string,
  producer: { readonly producerId: number; readonly epoch: number },
  offset: number,
  isV2: boolean,
): Promise<ErrorCode> {
  const error = opened.producers.coordinator.joinGroup(id, producer, 'g', isV2);
  if (error !== ErrorCode.NONE) return error;
  const each = {
    offset,
    leaderEpoch: -1,
    metadata: '',
    committedAtMs: 0,
    expiresAtMs: -1,
    order: opened.groups.nextOrder(),
  };
  const offsets = new Map([['in', new Map([[0, each]])]]);
  const settle = stage(opened, { kind: 'offsets', group: 'g', producerId: producer.producerId, offsets });
  return (await committed(opened.log, settle)) ? ErrorCode.NONE : ErrorCode.COORDINATOR_NOT_AVAILABLE;
}

export const committedOffset = ({ groups }: Opened): number =>
  groups.records.get('g')?.offsets.get('in')?.get(0)?.offset ?? -1;

/** Values that a reader of committed records sees, who asks for `maxBytes` at a time and reads each answer as clients do. */
export async function readCommitted(
  { partitions, producers }: Opened,
  partition: Partition,
  maxBytes = 400,
): Promise<string[]> {
  const values: string[] = [];
  const end = producers.lastStableOffset(partition);
  for (let from = partition.startOffset; from < end; ) {
    const { batches, next } = await partitions.read(partition, from, maxBytes);
    const stop = Math.min(next, end);
    const waiting = [...producers.aborted(partition, from, stop)];
    const aborting = new Set<number>();
    for (const { bytes, baseOffset, lastOffset } of batches) {
      if (baseOffset >= end) break;
      const { batch } = readRecordBatch(kernel, bytes);
      if (batch === undefined) throw new Error('a stored batch is damaged');
      const { producerId } = batch.header;
      while (waiting[0] !== undefined && waiting[0].firstOffset <= lastOffset) {
        aborting.add(waiting.shift()?.producerId ?? -1);
      }
      if (batch.isControl) {
        if (readMarker(batch)?.type === 'abort') aborting.delete(producerId);
      } else if (!batch.isTransactional || !aborting.has(producerId)) {
        for (let i = 0; i < batch.length; i++) {
          if (batch.offset(i) < partition.startOffset) continue;
          values.push(Buffer.from(batch.value(i) ?? []).toString());
        }
      }
    }
    if (next <= from) break;
    from = next;
  }
  return values;
}
