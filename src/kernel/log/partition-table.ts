/** The partitions that there are, as a table of the state log sees them: entries, records found by replay, and pages. */
import type { JournalRecord } from '../../storage/journal/group.ts';
import { batchSpan } from '../../storage/records/batch-header.ts';
import type { Table } from '../state/table.ts';
import {
  decodeEntry,
  decodeNextLog,
  decodePage,
  encodeNextLog,
  encodePage,
  logOfKey,
  type PartitionEntry,
  PartitionPageUnknown,
  pageKey,
} from './entries.ts';
import { epochOf, noteEpoch, trimEpochs } from './epochs.ts';
import { Hole, type IndexLimits, OffsetIndex } from './offset-index.ts';
import { createPartitionState, PartitionDamaged, type PartitionState } from './partition.ts';
import { moved } from './rewrite.ts';

type TableSide = Required<Pick<Table, 'observe' | 'load' | 'recovered' | 'pageKeys' | 'page' | 'takeDirty'>>;

export interface PartitionTable extends TableSide {
  apply(entry: PartitionEntry): void;
  applyBytes(entry: Uint8Array): void;
  /** A new log id. */
  takeLog(): number;
  /** Its name is free; what it has in the journal stays until it is deleted there. */
  hide(partition: PartitionState): void;
  get(name: string, number: number): PartitionState | undefined;
  list(name?: string): readonly PartitionState[];
  /** Of all partitions, each once. */
  names(): Iterable<string>;
  all(): Iterable<PartitionState>;
  count(): number;
  changed(partition: PartitionState): void;
}

/** Logs of partitions; those of the broker itself have ids below. */
const FIRST_LOG = 1024;
const IDS_PAGE = 0;

export function createPartitionTable(
  limits: IndexLimits,
  onProblem: (problem: PartitionDamaged) => void,
): PartitionTable {
  const byLog = new Map<number, PartitionState>();
  const byName = new Map<string, Map<number, PartitionState>>();
  /** Ids of logs whose pages changed. */
  const dirty = new Set<number>();
  let nextLog = FIRST_LOG;

  function hide(partition: PartitionState): void {
    const numbers = byName.get(partition.name);
    if (numbers?.get(partition.number) !== partition) return;
    numbers.delete(partition.number);
    if (numbers.size === 0) byName.delete(partition.name);
  }

  function add(partition: PartitionState): void {
    const { logId, name, number } = partition;
    const known = byLog.get(logId);
    if (known !== undefined) hide(known);
    byLog.set(logId, partition);
    const numbers = byName.get(name);
    if (numbers === undefined) byName.set(name, new Map([[number, partition]]));
    else numbers.set(number, partition);
    nextLog = Math.max(nextLog, logId + 1);
    dirty.add(logId).add(IDS_PAGE);
  }

  function apply(entry: PartitionEntry): void {
    const partition = byLog.get(entry.logId);
    if (entry.kind === 'create') {
      const { logId, stripe, name, number, storage } = entry;
      // One that is there may have more than the entry knows.
      if (partition !== undefined) return;
      add(createPartitionState({ logId, stripe, name, number, storage }, new OffsetIndex(limits)));
      return;
    }
    if (partition === undefined) return;
    const { index } = partition;
    dirty.add(entry.logId);
    switch (entry.kind) {
      case 'delete':
        partition.isDeleted = true;
        hide(partition);
        byLog.delete(entry.logId);
        return;
      case 'start':
        if (entry.offset <= partition.startOffset) return;
        partition.startOffset = entry.offset;
        index.trim(entry.offset);
        trimEpochs(partition.epochs, entry.offset);
        break;
      case 'removed': {
        const from = Math.max(entry.from, index.count === 0 ? index.end : index.row(0).offset);
        const end = Math.min(entry.end, index.end);
        if (from < end) index.remove(from, end, Hole.Removed);
        // Records before it may still come: those of the object storage are replayed last.
        index.extend(entry.from, Hole.Missing);
        index.extend(entry.end, Hole.Removed);
        break;
      }
      case 'reserve':
        partition.reserved = Math.max(partition.reserved, entry.offset);
    }
    partition.nextOffset = Math.max(partition.nextOffset, index.end);
  }

  return {
    apply,
    applyBytes(bytes) {
      const entry = decodeEntry(bytes);
      if (entry === undefined) throw new PartitionPageUnknown('an entry about a partition is not readable');
      apply(entry);
    },
    takeLog() {
      dirty.add(IDS_PAGE);
      return nextLog++;
    },
    hide,
    get: (name, number) => byName.get(name)?.get(number),
    list(name) {
      if (name === undefined) return [...byLog.values()].filter(({ isDeleted }) => !isDeleted);
      return [...(byName.get(name)?.values() ?? [])].sort((a, b) => a.number - b.number);
    },
    names: () => byName.keys(),
    all: () => byLog.values(),
    count: () => byLog.size,
    changed({ logId }) {
      if (byLog.has(logId)) dirty.add(logId);
    },

    observe({ logId, payload, position }: JournalRecord) {
      const partition = byLog.get(logId);
      if (partition === undefined) return;
      const { index, startOffset } = partition;
      const span = batchSpan(payload);
      if (span === undefined) {
        onProblem(new PartitionDamaged(partition, index.end, index.end + 1, `have no batch at ${position}`));
        return;
      }
      const { baseOffset, lastOffset, maxTimestampMs } = span;
      const end = lastOffset + 1;
      noteEpoch(partition.epochs, epochOf(payload), Math.max(baseOffset, startOffset));
      // Entries of the journal come before all records of the object storage.
      if (baseOffset < startOffset) trimEpochs(partition.epochs, startOffset);
      const bytes = payload.byteLength;
      // Of a run that begins below the start all batches count: a reader passes over them.
      if (end <= index.end) {
        if (moved(partition, baseOffset, end, position, maxTimestampMs, bytes)) dirty.add(logId);
        return;
      }
      // Where the start was put inside a batch, the index begins inside it.
      index.append(Math.max(baseOffset, index.end), end, position, maxTimestampMs, bytes);
      partition.nextOffset = index.end;
      dirty.add(logId);
    },
    load(key, page) {
      const logId = logOfKey(key);
      if (logId === IDS_PAGE) nextLog = Math.max(nextLog, decodeNextLog(page));
      else add(decodePage(page, limits));
      dirty.delete(logId);
    },
    recovered() {
      for (const partition of byLog.values()) {
        const { index } = partition;
        if (partition.storage === 'memory') {
          // What it had is gone; its offsets go on behind all that it may have given.
          partition.index = new OffsetIndex(limits, partition.reserved);
          partition.startOffset = partition.nextOffset = partition.reserved;
          continue;
        }
        // What came behind the entry of the start may have cut a run that began below it.
        index.trim(partition.startOffset);
        for (let i = 0; i < index.count; i++) {
          const { position, offset, end } = index.row(i);
          if (position !== Hole.Missing) continue;
          onProblem(new PartitionDamaged(partition, offset, end, 'are missing from the journal'));
        }
      }
    },

    *pageKeys() {
      if (nextLog > FIRST_LOG) yield pageKey(IDS_PAGE);
      for (const logId of byLog.keys()) yield pageKey(logId);
    },
    page(key) {
      const logId = logOfKey(key);
      if (logId === IDS_PAGE) return encodeNextLog(nextLog);
      const partition = byLog.get(logId);
      return partition === undefined ? undefined : encodePage(partition);
    },
    takeDirty(max) {
      const keys: Uint8Array[] = [];
      for (const logId of dirty) {
        if (keys.length >= max) break;
        dirty.delete(logId);
        keys.push(pageKey(logId));
      }
      return keys;
    },
  };
}
