/**
 * Partitions: logs with dense offsets over record batches in a journal. Here are their appending, reading, retention,
 * compaction and moving, and the table that survives a restart: which partitions there are, where each starts and ends,
 * and the index of its offsets. Not here: what a record means, who reads how far (cursors), when segments are freed.
 *
 * Guaranteed: offsets are given in the order of the appends and never again; a reader sees what is committed, each batch
 * with its own offsets or an error that names them; a start costs what the pages of the index cost. At `maxPartitions`
 * a new one is refused; appends are refused as the state log says, and their memory is what it has not written yet.
 */
import type { Loan } from '../../storage/journal/group-memory.ts';
import type { Journal } from '../../storage/journal/journal.ts';
import { RecordBatchBuilder } from '../../storage/records/batch-builder.ts';
import { type BatchSpan, batchSpan } from '../../storage/records/batch-header.ts';
import type { LogRecord } from '../../storage/records/record.ts';
import { Listeners } from '../listeners.ts';
import type { StateLog, Storage } from '../state/state-log.ts';
import { type Table, TableId } from '../state/table.ts';
import { withoutCodecs } from './batch-opener.ts';
import { type Catalogue, createCatalogue } from './catalogue.ts';
import { createCompaction } from './compaction.ts';
import { partitionDifferences } from './differences.ts';
import { encodeEntry, type PartitionEntry } from './entries.ts';
import { type EpochEnd, type EpochStart, endOfEpoch, noteEpoch } from './epochs.ts';
import { DEFAULT_PARTITION_LIMITS } from './limits.ts';
import type { AppendHow, PartitionsOptions } from './options.ts';
import {
  type AppendRefusal,
  type CreateRefusal,
  KEEP_ALL,
  type Partition,
  type PartitionState,
  type RetentionPolicy,
} from './partition.ts';
import { createPartitionTable } from './partition-table.ts';
import { NO_PRODUCERS, type ProducerView } from './producer-view.ts';
import { allBatches, type PartitionRead, readBatches, type StoredBatch } from './reader.ts';
import { isCompacted, isCompactionDue, retainedFrom } from './retention.ts';
import { createRewriter } from './rewrite.ts';
import { type FoundTime, findNewest, findTime } from './times.ts';
import { TouchedPartitions } from './touched-partitions.ts';

export { createLoan, type Loan } from '../../storage/journal/group-memory.ts';
export type { BatchOpener } from './batch-opener.ts';
export type { EpochEnd, EpochStart } from './epochs.ts';
export { DEFAULT_PARTITION_LIMITS, type PartitionLimits } from './limits.ts';
export type { AppendHow, PartitionsOptions } from './options.ts';
export type { AppendRefusal, CreateRefusal, Partition, RetentionPolicy } from './partition.ts';
export { KEEP_ALL, PartitionDamaged } from './partition.ts';
export type { AbortedRange, AbortedTransaction, ProducerView } from './producer-view.ts';
export type { PartitionRead, StoredBatch } from './reader.ts';
export type { FoundTime } from './times.ts';

export interface Partitions {
  readonly table: Table;
  /** The state log that has rebuilt the table; before it nothing can be changed. */
  attach(stateLog: StateLog): void;
  /** Where there is an object storage. */
  readonly catalogue: Catalogue | undefined;
  /** What a cleaner asks about the journal of a storage. */
  source(storage: Storage): Required<Pick<Table, 'liveBytes' | 'evacuate'>>;

  /** Durable when the promise resolves. */
  create(name: string, number: number, stripe: number, storage: Storage): Promise<Partition | CreateRefusal>;
  /** Durable when the promise resolves; nothing can be appended or read from now on. */
  delete(partition: Partition): Promise<void>;
  get(name: string, number: number): Partition | undefined;
  /** In the order of their numbers, or of their creation without a name. */
  list(name?: string): readonly Partition[];
  /** Of all partitions, each once. */
  names(): Iterable<string>;

  /**
   * Gives the record its offset. It is in the frame of the caller's next commit, or in one before it, and stays there
   * when that commit is refused: who must not append then asks for the refusal first.
   */
  append(partition: Partition, record: LogRecord): number | AppendRefusal;
  /**
   * A whole valid batch, with a checksum that is right: its offsets are set in place. Gives the first. It is the partition's
   * from now on, or `isBorrowed`: then its memory is the caller's again after the commit.
   */
  appendBatch(partition: Partition, batch: Uint8Array, how?: AppendHow): number | AppendRefusal;
  /**
   * Whole batches: the first may begin below `from`. Rejects with RangeError below the start and behind the end. With a
   * loan they are good until it is released.
   */
  read(partition: Partition, from: number, maxBytes: number, loan?: Loan): Promise<PartitionRead>;
  /** All batches from an offset on, up to the end as it is when reading comes there. Lost ones are passed over. */
  batches(partition: Partition, from: number): AsyncIterable<StoredBatch>;
  /** The first record that is not older; undefined when all are. */
  offsetForTime(partition: Partition, timestampMs: number): Promise<FoundTime | undefined>;
  /** The first of those with the largest time; undefined when none has a time. */
  offsetOfNewest(partition: Partition): Promise<FoundTime | undefined>;
  /**
   * Whether compaction has left nothing of the offset. An aborted transaction whose mark was removed is not told to readers:
   * they would wait for the mark, and leave out what its producer committed later.
   */
  isRemoved(partition: Partition, offset: number): boolean;
  /** Of what is left, in order; the current epoch is there once it has appended something. */
  epochs(partition: Partition): readonly EpochStart[];
  /**
   * Where what an epoch wrote ends, with the newest known epoch that is not above it: the answer to a reader who has to
   * know whether what it has was cut off. Undefined for epochs that have not been.
   */
  endOffsetForEpoch(partition: Partition, epoch: number): EpochEnd | undefined;
  /** `callback` runs when the end has moved, until the returned function is called. */
  onAppend(partition: Partition, callback: () => void): () => void;

  /** Not kept over a restart: the owner states it again. */
  setPolicy(partition: Partition, policy: Partial<RetentionPolicy>): void;
  /** Records below the offset are gone; at most the end counts. Resolves with the start when that is durable. */
  truncate(partition: Partition, below: number): Promise<number>;
  /** Who keeps the state of producers; before it is told there are none. */
  follow(producers: ProducerView): void;
  /**
   * Applies the policies to all partitions: retention, then compaction where it is due. Records that lie below a position
   * of their journal go besides, unless the policy only compacts.
   */
  clean(oldestKept?: Readonly<Partial<Record<Storage, number>>>): Promise<void>;
}

/** Offsets that a partition in memory may give before it says so again. */
const RESERVED_OFFSETS = 65_536;

const call = (watcher: () => void): void => watcher();

export function createPartitions(options: PartitionsOptions): Partitions {
  const { journals, kernel, clock, leaderEpoch } = options;
  const limits = { ...DEFAULT_PARTITION_LIMITS, ...options.limits };
  const state = createPartitionTable(limits, options.onProblem ?? (() => {}));
  /** With records of this turn in their builders. */
  const touched = new TouchedPartitions();
  /** Batches of this turn, in order. Only a flush hands them over: a change that is refused would take them along. */
  let finished: (() => void)[] = [];
  let finishedBytes = 0;
  const creating = new Set<string>();
  let attached: StateLog | undefined;
  let rewriting: Promise<void> = Promise.resolve();
  let producers = NO_PRODUCERS;
  const opener = options.opener ?? withoutCodecs(kernel);

  const own = (partition: Partition): PartitionState => partition as PartitionState;
  const journalOf = ({ storage }: Partition): Journal => {
    const journal = journals[storage];
    if (journal === undefined) throw new Error(`there is no storage "${storage}" here`);
    return journal;
  };
  const stateLog = (): StateLog => {
    if (attached === undefined) throw new Error('partitions without a state log');
    return attached;
  };
  const addEntry = (entry: PartitionEntry): void => {
    stateLog().add(TableId.Partitions, encodeEntry(entry));
  };
  /** Applied once it is durable: what the cleaner frees is never needed again. */
  const commitEntry = (entry: PartitionEntry): Promise<void> =>
    new Promise((resolve, reject) => {
      addEntry(entry);
      const done = (error: Error | undefined): void => {
        if (error === undefined) {
          state.apply(entry);
          resolve();
        } else reject(error);
      };
      stateLog().commit('sync', done, true);
    });

  const pace = options.pace ?? (async () => {});
  const { changed } = state;
  const rewriter = createRewriter({ stateLog, journalOf, pace, changed });
  const compact = createCompaction({
    kernel,
    journalOf,
    rewriter,
    opener,
    producers: () => producers,
    maxKeys: limits.maxKeys,
    maxKeyBytes: limits.maxKeyBytes,
    pace,
    changed,
    addRemoved(partition, from, end) {
      const entry = { kind: 'removed', logId: partition.logId, from, end } as const;
      addEntry(entry);
      return () => state.apply(entry);
    },
  });

  const catalogue = journals.object && createCatalogue({ journal: journals.object, stateLog, state });

  /** One after the other, whatever became of the one before. */
  function exclusively(run: () => Promise<void>): Promise<void> {
    const result = rewriting.then(run);
    rewriting = result.catch(() => {});
    return result;
  }

  function finish(partition: PartitionState, payload: Uint8Array, span: BatchSpan, isBorrowed = false): void {
    const { logId, stripe, storage } = partition;
    const { baseOffset, lastOffset, maxTimestampMs } = span;
    const committed = (position: number): void => {
      if (partition.isDeleted) return;
      partition.index.append(baseOffset, lastOffset + 1, position, maxTimestampMs, payload.byteLength);
      noteEpoch(partition.epochs, leaderEpoch, baseOffset);
      partition.dirtySinceMs ??= maxTimestampMs < 0 ? clock.wallMs() : maxTimestampMs;
      state.changed(partition);
      partition.watchers?.each(call);
    };
    const entry = { logId, stripe, payload, isBorrowed, hasOwnSum: true };
    finished.push(() => stateLog().addRecord(storage, entry, committed));
    finishedBytes += payload.byteLength;
  }

  function finishBuilder(partition: PartitionState): void {
    const { builder, nextOffset } = partition;
    const batch = builder?.finish(nextOffset - builder.recordCount, leaderEpoch);
    const span = batch && batchSpan(batch);
    if (batch !== undefined && span !== undefined) finish(partition, batch, span);
  }

  function finishAll(): void {
    for (const partition of touched.all) finishBuilder(partition);
  }

  function flush(): void {
    finishAll();
    for (const partition of touched.all) {
      if (partition.storage !== 'memory' || partition.nextOffset <= partition.reserved) continue;
      partition.reserved = partition.nextOffset + RESERVED_OFFSETS;
      addEntry({ kind: 'reserve', logId: partition.logId, offset: partition.reserved });
      state.changed(partition);
    }
    touched.clear();
    const batches = finished;
    finished = [];
    finishedBytes = 0;
    for (const hand of batches) hand();
  }

  function refusal(partition: PartitionState): AppendRefusal | undefined {
    if (partition.isDeleted) return 'deleted';
    return stateLog().refusal(partition.storage);
  }

  async function cleanPartition(partition: PartitionState, oldestKept: number | undefined): Promise<void> {
    const nowMs = clock.wallMs();
    const start = retainedFrom(partition, nowMs, oldestKept);
    if (start > partition.startOffset) await truncate(partition, start);
    if (!isCompacted(partition) || partition.isDeleted) return;
    const stableEnd = Math.min(producers.lastStableOffset(partition), partition.endOffset);
    if (isCompactionDue(partition, stableEnd, nowMs, limits.intervalBytes)) {
      await exclusively(() => compact(partition, nowMs));
    }
  }

  async function truncate(partition: PartitionState, below: number): Promise<number> {
    const offset = Math.min(below, partition.endOffset);
    if (offset > partition.startOffset) {
      await commitEntry({ kind: 'start', logId: partition.logId, offset });
    }
    return partition.startOffset;
  }

  const source = (storage: Storage): Required<Pick<Table, 'liveBytes' | 'evacuate'>> => ({
    liveBytes(start, end) {
      let bytes = storage === 'object' ? (catalogue?.liveBytes(start, end) ?? 0) : 0;
      for (const partition of state.all()) {
        if (partition.storage === storage) bytes += partition.index.liveBytes(start, end);
      }
      return bytes;
    },
    evacuate: (start, end) =>
      exclusively(async () => {
        if (storage === 'object') await catalogue?.evacuate(start, end);
        for (const partition of [...state.all()]) {
          if (partition.storage === storage) await rewriter.evacuate(partition, start, end);
        }
      }),
  });
  const journalSource = source('journal');

  return {
    table: {
      id: TableId.Partitions,
      name: 'partitions',
      ...journalSource,
      apply: state.applyBytes,
      observe: state.observe,
      load: state.load,
      recovered: state.recovered,
      pageKeys: state.pageKeys,
      page: state.page,
      takeDirty: state.takeDirty,
      differences: (other) => partitionDifferences(state, other, limits),
    },
    attach(stateLog) {
      attached = stateLog;
      stateLog.onFlush(flush, () => finishedBytes);
    },
    source,
    catalogue,

    async create(name, number, stripe, storage) {
      if (journals[storage] === undefined) return 'no-storage';
      const key = `${number} ${name}`;
      if (state.get(name, number) !== undefined || creating.has(key)) return 'exists';
      if (state.count() + creating.size >= limits.maxPartitions) return 'full';
      creating.add(key);
      try {
        await commitEntry({ kind: 'create', logId: state.takeLog(), stripe, name, number, storage });
        if (storage === 'object') await catalogue?.write();
      } finally {
        creating.delete(key);
      }
      return state.get(name, number) ?? 'exists';
    },
    async delete(partition) {
      const it = own(partition);
      if (it.isDeleted) return;
      it.isDeleted = true;
      it.builder?.discard();
      touched.remove(it);
      state.hide(it);
      await commitEntry({ kind: 'delete', logId: it.logId });
      if (it.storage === 'object') await catalogue?.write();
    },
    get: state.get,
    list: state.list,
    names: state.names,

    append(partition, record) {
      const it = own(partition);
      // Once in a turn is enough, and what was asked before an append is asked again at the commit.
      const refused = it.isTouched ? undefined : refusal(it);
      if (refused !== undefined) return refused;
      it.builder ??= new RecordBatchBuilder(kernel);
      let outcome = it.builder.append(record);
      if (outcome === 'full' || outcome === 'no-memory') {
        finishAll();
        outcome = it.builder.append(record);
      }
      if (outcome !== 'appended') return outcome === 'too-large' ? 'too-large' : 'no-memory';
      touched.add(it);
      return it.nextOffset++;
    },
    appendBatch(partition, batch, { isSettlement = false, isBorrowed = false } = {}) {
      const it = own(partition);
      const refused = refusal(it);
      if (refused !== undefined && !(isSettlement && refused === 'full')) return refused;
      if (batch.byteLength > kernel.maxBatchBytes) return 'too-large';
      const span = batchSpan(batch);
      if (span === undefined) return 'invalid';
      // Records of this turn are before it.
      finishBuilder(it);
      touched.add(it);
      const baseOffset = it.nextOffset;
      const lastOffset = baseOffset + span.lastOffset - span.baseOffset;
      it.nextOffset = lastOffset + 1;
      kernel.patchOffset(batch, baseOffset, leaderEpoch);
      finish(it, batch, { ...span, baseOffset, lastOffset }, isBorrowed);
      return baseOffset;
    },
    async read(partition, from, maxBytes, loan) {
      const it = own(partition);
      if (it.isDeleted || from < it.startOffset || from > it.endOffset) {
        throw new RangeError(`offset ${from} of ${it.startOffset} to ${it.endOffset}`);
      }
      return readBatches(journalOf(it), it, from, maxBytes, loan);
    },
    batches: (partition, from) => allBatches(journalOf(partition), own(partition), from),
    offsetForTime: (partition, timestampMs) =>
      findTime(journalOf(partition), opener, own(partition), timestampMs),
    offsetOfNewest: (partition) => findNewest(journalOf(partition), opener, own(partition)),
    isRemoved: (partition, offset) => own(partition).index.isRemoved(offset),
    epochs: (partition) => own(partition).epochs,
    endOffsetForEpoch: (partition, epoch) =>
      endOfEpoch(own(partition).epochs, epoch, leaderEpoch, partition.endOffset),
    onAppend(partition, callback) {
      const it = own(partition);
      it.watchers ??= new Listeners();
      return it.watchers.add(callback);
    },

    setPolicy(partition, policy) {
      own(partition).policy = { ...KEEP_ALL, ...policy };
    },
    truncate: (partition, below) => truncate(own(partition), below),
    follow(view) {
      producers = view;
    },
    async clean(oldestKept = {}) {
      let failure: unknown;
      for (const partition of [...state.all()]) {
        // A damaged one is no reason to keep what the others need not.
        await cleanPartition(partition, oldestKept[partition.storage]).catch((error: unknown) => {
          failure ??= error;
        });
      }
      if (failure !== undefined) throw failure;
    },
  };
}
