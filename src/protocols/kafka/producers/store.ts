/**
 * What is durable of producers and transactions, as a table of the state log: producer ids set aside, transactional ids, what each
 * partition knows of its producers, and what was aborted. Partitions are followed by their batches, which replay brings again; the
 * rest by entries, of which the last one counts.
 */
import type { Partition, Partitions } from '../../../kernel/log/partitions.ts';
import { type Table, TableId } from '../../../kernel/state/table.ts';
import { readRecordBatch } from '../../../storage/records/record-batch.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import { Attribute, Field, HEADER_BYTES, type HeaderFields, readHeader } from '../records/header.ts';
import { readMarker } from '../records/marker.ts';
import { type AbortedRanges, createAbortedRanges } from './aborted-ranges.ts';
import { producerDifferences } from './differences.ts';
import {
  decodeEntry,
  decodeIds,
  decodePartition,
  decodeTransactions,
  type EndedPart,
  encodeEntry,
  encodeIds,
  encodePartition,
  encodeTransactions,
  type ProducerEntry,
} from './entries.ts';
import { bucketOf, createPageKeys, decodePageKey, Page } from './page-keys.ts';
import {
  applyBatch,
  applyMarker,
  createPartitionProducers,
  firstOpenOffset,
  forgetLost,
  type PartitionProducers,
} from './partition-producers.ts';
import { markedProducer, type Transaction } from './transaction.ts';

export interface ProducerStoreOptions {
  readonly partitions: Pick<Partitions, 'list'>;
  readonly kernel: LogKernel;
  readonly wallMs: () => number;
}

/** A marker without the end that it belongs to: that was in the next write, and the crash came before. */
export interface Evidence {
  readonly isCommit: boolean;
  readonly epoch: number;
}

export interface ProducerStore {
  readonly table: Table;
  readonly transactions: ReadonlyMap<string, Transaction>;
  readonly ongoing: ReadonlySet<Transaction>;
  readonly logs: ReadonlyMap<number, PartitionProducers>;
  readonly aborted: AbortedRanges;
  /** Of transactions that were found Ongoing, by their ids. */
  readonly evidence: ReadonlyMap<string, Evidence>;
  /** Partitions of which a page knew more than there is, with where they end. */
  readonly lost: ReadonlyMap<number, number>;
  readonly idsBelow: number;
  ofProducer(producerId: number): Transaction | undefined;
  partitionOf(logId: number): Partition | undefined;
  /** Made where there is none yet. */
  producersOf(partition: Partition): PartitionProducers;
  logChanged(logId: number): void;
  /** Applies the entry, whose bytes go into the journal. */
  change(entry: ProducerEntry): Uint8Array;
  /** The transaction was changed by its end. */
  touched(transaction: Transaction): void;
  /** Forgets partitions that are deleted, and what was aborted in what retention has removed. */
  sweep(): void;
}

type Observed = Parameters<NonNullable<Table['observe']>>[0];

const FIRST_PARTITION_LOG = 1024;

export function createProducerStore({ partitions, kernel, wallMs }: ProducerStoreOptions): ProducerStore {
  const transactions = new Map<string, Transaction>();
  const byProducer = new Map<number, Transaction>();
  const ongoing = new Set<Transaction>();
  const logs = new Map<number, PartitionProducers>();
  const partitionsByLog = new Map<number, Partition>();
  const evidence = new Map<string, Evidence>();
  const lost = new Map<number, number>();
  const keys = createPageKeys();
  const aborted = createAbortedRanges((logId, chunk) => keys.touch(Page.Aborted, logId, chunk));
  let idsBelow = 0;

  const touched = (transaction: Transaction): void => {
    if (transaction.state === 'Ongoing') ongoing.add(transaction);
    else ongoing.delete(transaction);
    const { producerId, lastProducerId } = transaction;
    byProducer.set(producerId, transaction);
    if (lastProducerId !== producerId && byProducer.get(lastProducerId) === transaction) {
      byProducer.delete(lastProducerId);
    }
    keys.touch(Page.Transactions, bucketOf(transaction.id));
  };
  const remove = (id: string): void => {
    const known = transactions.get(id);
    if (known === undefined) return;
    transactions.delete(id);
    keys.removeId(id);
    ongoing.delete(known);
    if (byProducer.get(known.producerId) === known) byProducer.delete(known.producerId);
    keys.touch(Page.Transactions, bucketOf(id));
  };
  const put = (transaction: Transaction): void => {
    const known = transactions.get(transaction.id);
    if (known !== transaction) {
      remove(transaction.id);
      transactions.set(transaction.id, transaction);
      keys.addId(transaction.id);
    }
    touched(transaction);
  };

  function abortParts(producerId: number, ended: readonly EndedPart[]): void {
    for (const { logId, firstOffset, markerOffset: lastOffset, stableOffset } of ended) {
      if (firstOffset >= 0) aborted.add(logId, { producerId, firstOffset, lastOffset, stableOffset });
    }
  }

  function apply(entry: ProducerEntry): void {
    switch (entry.kind) {
      case 'ids':
        idsBelow = Math.max(idsBelow, entry.below);
        keys.touch(Page.Ids);
        return;
      case 'forget':
        remove(entry.id);
        evidence.delete(entry.id);
        return;
      case 'state': {
        const { transaction, ended } = entry;
        put(transaction);
        evidence.delete(transaction.id);
        if (transaction.state === 'PrepareAbort') abortParts(markedProducer(transaction).producerId, ended);
        return;
      }
      case 'lost': {
        const state = logs.get(entry.logId);
        if (state !== undefined) forgetLost(state, entry.endOffset);
        keys.touch(Page.Partition, entry.logId);
        return;
      }
      case 'aborted':
        abortParts(entry.producerId, entry.ended);
        return;
      case 'join': {
        const { id, producerId, epoch, isV2, atMs, groups } = entry;
        const transaction = transactions.get(id);
        if (transaction?.producerId !== producerId || transaction.epoch !== epoch) return;
        if (transaction.state !== 'Ongoing') {
          transaction.state = 'Ongoing';
          transaction.isV2 = isV2;
          transaction.startMs = atMs;
          transaction.partitions.clear();
          transaction.groups.clear();
        }
        transaction.updatedMs = atMs;
        for (const [logId, from] of entry.partitions) {
          if (!transaction.partitions.has(logId)) transaction.partitions.set(logId, from);
        }
        for (const group of groups) transaction.groups.add(group);
        touched(transaction);
      }
    }
  }

  function producersOf(logId: number): PartitionProducers {
    let state = logs.get(logId);
    if (state === undefined) {
      state = createPartitionProducers();
      logs.set(logId, state);
    }
    return state;
  }

  function observeMarker(
    logId: number,
    state: PartitionProducers,
    header: HeaderFields,
    payload: Uint8Array,
  ) {
    const { batch } = readRecordBatch(kernel, payload);
    const marker = batch && readMarker(batch);
    if (marker === undefined) return;
    const { baseOffset: lastOffset, producerId, producerEpoch: epoch } = header;
    const firstOffset = applyMarker(state, marker, lastOffset, wallMs());
    const isCommit = marker.type === 'commit';
    if (!isCommit && firstOffset >= 0) {
      const stableOffset = Math.min(firstOpenOffset(state), lastOffset + 1);
      aborted.add(logId, { producerId, firstOffset, lastOffset, stableOffset });
    }
    const transaction = byProducer.get(producerId);
    const from = transaction?.partitions.get(logId);
    if (transaction?.state === 'Ongoing' && from !== undefined && from <= lastOffset) {
      evidence.set(transaction.id, { isCommit, epoch });
    }
  }

  function observe({ logId, payload }: Observed): void {
    // The sign of the producer id, where there is a whole header.
    if (logId < FIRST_PARTITION_LOG || payload.byteLength < HEADER_BYTES) return;
    if (((payload[Field.producerId] ?? 0) & 0x80) !== 0) return;
    const header = readHeader(payload);
    if (header === undefined) return;
    const state = producersOf(logId);
    // What is known already, or a copy that was made of it.
    if (header.baseOffset < state.appliedBelow) return;
    if ((header.attributes & Attribute.control) !== 0) observeMarker(logId, state, header, payload);
    else {
      const isAppendTime = (header.attributes & Attribute.appendTime) !== 0;
      const appendTimeMs = isAppendTime ? header.maxTimestampMs : -1;
      applyBatch(state, header, header.baseOffset, appendTimeMs, wallMs());
    }
    keys.touch(Page.Partition, logId);
  }

  function drop(logId: number): void {
    logs.delete(logId);
    partitionsByLog.delete(logId);
    aborted.drop(logId);
    keys.touch(Page.Partition, logId);
  }

  function recovered(): void {
    for (const partition of partitions.list()) {
      if (partition.storage !== 'memory') partitionsByLog.set(partition.logId, partition);
    }
    for (const logId of new Set([...logs.keys(), ...aborted.logs()])) {
      if (!partitionsByLog.has(logId)) drop(logId);
    }
    for (const partition of partitions.list()) partitionsByLog.set(partition.logId, partition);
    for (const [logId, state] of logs) {
      // All that is there is committed.
      state.ending = [];
      const endOffset = partitionsByLog.get(logId)?.endOffset ?? 0;
      if (forgetLost(state, endOffset)) lost.set(logId, endOffset);
    }
    sweep();
  }

  function sweep(): void {
    for (const [logId, { isDeleted, startOffset }] of partitionsByLog) {
      if (isDeleted) drop(logId);
      else aborted.trim(logId, startOffset);
    }
  }

  function page(key: Uint8Array): Uint8Array | undefined {
    const { kind, first, second } = decodePageKey(key);
    switch (kind) {
      case Page.Ids:
        return idsBelow === 0 ? undefined : encodeIds(idsBelow);
      case Page.Transactions: {
        const found = keys.idsOf(first).flatMap((id) => transactions.get(id) ?? []);
        return found.length === 0 ? undefined : encodeTransactions(found);
      }
      case Page.Partition: {
        const state = logs.get(first);
        return state && encodePartition(state);
      }
      default:
        return aborted.encodeChunk(first, second);
    }
  }

  return {
    table: {
      id: TableId.KafkaProducers,
      name: 'kafka-producers',
      apply: (bytes) => apply(decodeEntry(bytes)),
      observe,
      load(key, bytes) {
        const { kind, first } = decodePageKey(key);
        if (kind === Page.Ids) idsBelow = Math.max(idsBelow, decodeIds(bytes));
        else if (kind === Page.Partition) logs.set(first, decodePartition(bytes));
        else if (kind === Page.Aborted) aborted.loadChunk(first, bytes);
        else {
          for (const id of keys.idsOf(first)) remove(id);
          for (const transaction of decodeTransactions(bytes)) put(transaction);
        }
        keys.clean(key);
      },
      recovered,
      *pageKeys() {
        if (idsBelow > 0) yield keys.encode(Page.Ids);
        for (const bucket of keys.buckets()) yield keys.encode(Page.Transactions, bucket);
        for (const logId of logs.keys()) yield keys.encode(Page.Partition, logId);
        for (const logId of aborted.logs()) {
          for (const chunk of aborted.chunks(logId)) yield keys.encode(Page.Aborted, logId, chunk);
        }
      },
      page,
      takeDirty: keys.takeDirty,
      differences: (other) => producerDifferences({ idsBelow, transactions, logs, aborted }, other),
    },
    transactions,
    ongoing,
    logs,
    aborted,
    evidence,
    lost,
    get idsBelow() {
      return idsBelow;
    },
    ofProducer: (producerId) => byProducer.get(producerId),
    partitionOf: (logId) => partitionsByLog.get(logId),
    producersOf(partition) {
      partitionsByLog.set(partition.logId, partition);
      return producersOf(partition.logId);
    },
    logChanged: (logId) => keys.touch(Page.Partition, logId),
    change(entry) {
      apply(entry);
      return encodeEntry(entry);
    },
    touched,
    sweep,
  };
}
