/**
 * Writes batches again: those that lie in a stretch of the journal that is to be freed, and those that compaction makes
 * smaller. They keep their offsets, and until a copy is durable the index knows the old one. One rewrite runs at a time.
 */
import type { Journal } from '../../storage/journal/journal.ts';
import { withoutRecords } from '../../storage/records/batch-header.ts';
import { type RecordBatch, readRecordBatch } from '../../storage/records/record-batch.ts';
import type { LogKernel } from '../../wasm/log.ts';
import type { StateLog } from '../state/state-log.ts';
import { Hole, type Row } from './offset-index.ts';
import { PartitionDamaged, type PartitionState } from './partition.ts';
import { readBatches, type StoredBatch } from './reader.ts';

const PIECE_BYTES = 1024 * 1024;

export interface RewriteOptions {
  readonly stateLog: () => StateLog;
  readonly kernel: LogKernel;
  readonly journalOf: (partition: PartitionState) => Journal;
  /** Of one pass of compaction: all keys with what a map costs. Above it the pass covers less. */
  readonly maxKeys: number;
  readonly maxKeyBytes: number;
  /** Resolves when so many bytes more may be read or written. */
  readonly pace: (bytes: number) => Promise<void>;
  /** Adds an entry: compaction left nothing of these offsets. What it returns applies the entry. */
  readonly addRemoved: (partition: PartitionState, from: number, end: number) => () => void;
  readonly changed: (partition: PartitionState) => void;
}

export interface Rewriter {
  /** After it no batch of the partition lies in `[start, end)`, but for those that go from there by retention. */
  evacuate(partition: PartitionState, start: number, end: number): Promise<void>;
  compact(partition: PartitionState, nowMs: number): Promise<void>;
}

/** What is known of the batch at that position; nothing happens when a newer copy or a hole is there by now. */
export function moved(
  partition: PartitionState,
  baseOffset: number,
  end: number,
  position: number,
  timeMs: number,
  bytes: number,
): boolean {
  const { index } = partition;
  if (index.count === 0) return false;
  const from = Math.max(baseOffset, index.row(0).offset);
  if (from >= end || end > index.end) return false;
  const known = index.row(index.find(from));
  const isNewer = known.position >= 0 ? position > known.last : known.position === Hole.Missing;
  if (isNewer) index.move(from, end, position, timeMs, bytes);
  return isNewer;
}

export function createRewriter(options: RewriteOptions): Rewriter {
  const { stateLog, kernel, journalOf, pace } = options;

  /** Durable: what lies there may be freed after that. */
  const commit = ({ storage }: PartitionState, apply: () => void = () => {}): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error: Error | undefined): void => {
        if (error === undefined) {
          apply();
          resolve();
        } else reject(error);
      };
      stateLog().commit('sync', done, true, storage);
    });

  function copy(partition: PartitionState, batch: StoredBatch, bytes: Uint8Array): void {
    const { logId, stripe, storage } = partition;
    stateLog().addRecord(storage, { logId, stripe, payload: bytes }, (position) => {
      if (partition.isDeleted) return;
      const { baseOffset, lastOffset, maxTimestampMs } = batch;
      moved(partition, baseOffset, lastOffset + 1, position, maxTimestampMs, bytes.byteLength);
      options.changed(partition);
    });
  }

  /** Says of the run at `offset` exactly where its batches lie, as far as they were read. */
  function refine(
    partition: PartitionState,
    offset: number,
    batches: readonly StoredBatch[],
    cuts: Cuts,
  ): void {
    const { index } = partition;
    const row = index.row(index.find(offset));
    const rows: Row[] = [];
    let side = -1;
    for (const { baseOffset, lastOffset, position, maxTimestampMs, bytes } of batches) {
      if (lastOffset < row.offset || baseOffset >= row.end) continue;
      const before = rows.at(-1);
      if (before === undefined || side !== cuts.sideOf(position)) {
        side = cuts.sideOf(position);
        const from = Math.max(baseOffset, row.offset);
        rows.push({
          offset: from,
          position,
          last: position,
          timeMs: maxTimestampMs,
          bytes: bytes.byteLength,
        });
      } else {
        const timeMs = Math.max(before.timeMs, maxTimestampMs);
        rows[rows.length - 1] = { ...before, last: position, timeMs, bytes: before.bytes + bytes.byteLength };
      }
    }
    const last = batches.filter(({ baseOffset }) => baseOffset < row.end).at(-1);
    if (last !== undefined && last.lastOffset + 1 < row.end) {
      const known = rows.reduce((sum, each) => sum + each.bytes, 0);
      const rest = { position: last.position + 1, last: row.last, bytes: Math.max(0, row.bytes - known) };
      rows.push({ offset: last.lastOffset + 1, timeMs: row.timeMs, ...rest });
    }
    if (rows.length > 0) index.replace(row.offset, row.end, rows);
  }

  async function evacuate(partition: PartitionState, start: number, end: number): Promise<void> {
    const { index } = partition;
    const cuts: Cuts = { sideOf: (position) => (position < start ? 0 : position < end ? 1 : 2) };
    for (let from = 0; ; ) {
      const offset = partition.isDeleted ? undefined : index.nextIn(from, start, end);
      if (offset === undefined) return;
      const { version } = index;
      const { batches, next } = await readBatches(journalOf(partition), partition, offset, PIECE_BYTES);
      await pace(batches.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
      if (version !== index.version) continue;
      if (next <= offset) throw new PartitionDamaged(partition, offset, index.end, 'cannot be read');
      refine(partition, offset, batches, cuts);
      const inside = batches.filter((batch) => cuts.sideOf(batch.position) === 1);
      for (const batch of inside) copy(partition, batch, batch.bytes);
      if (inside.length > 0) await commit(partition);
      from = offset + 1;
      // The run may go on behind the piece.
      if (inside.length > 0) from = offset;
    }
  }

  const isOpaque = (batch: RecordBatch): boolean =>
    batch.isCompressed || batch.isControl || batch.isTransactional;

  /** Each batch from `from` to below `end`, opened. */
  async function* opened(partition: PartitionState, from: number, end: number) {
    for (let at = from; at < end && !partition.isDeleted; ) {
      const { batches, next } = await readBatches(journalOf(partition), partition, at, PIECE_BYTES);
      if (next <= at) return;
      for (const stored of batches) {
        if (stored.baseOffset >= end) return;
        const { batch, fault } = readRecordBatch(kernel, stored.bytes);
        if (batch === undefined) {
          throw new PartitionDamaged(
            partition,
            stored.baseOffset,
            stored.lastOffset + 1,
            `are damaged: ${fault}`,
          );
        }
        yield { stored, batch };
      }
      await pace(batches.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
      at = Math.max(next, partition.startOffset);
    }
  }

  /** The newest offset of each key in what compaction has not seen; `end` is behind the last batch that fitted. */
  async function newestOf(partition: PartitionState, from: number) {
    const newest = new Map<string, number>();
    let keyBytes = 0;
    let end = from;
    for await (const { stored, batch } of opened(partition, from, partition.endOffset)) {
      for (let i = 0; i < batch.length && !isOpaque(batch); i++) {
        const key = batch.key(i);
        if (key === null) continue;
        const text = textOf(key);
        if (!newest.has(text)) keyBytes += text.length;
        newest.set(text, batch.offset(i));
      }
      end = stored.lastOffset + 1;
      // One batch more than fits, so that every pass gets on.
      if (newest.size >= options.maxKeys || keyBytes >= options.maxKeyBytes) break;
    }
    return { newest, end };
  }

  async function compact(partition: PartitionState, nowMs: number): Promise<void> {
    const { cleanedBelow, startOffset, policy } = partition;
    const { newest, end } = await newestOf(partition, Math.max(cleanedBelow, startOffset));
    const horizonMs = nowMs - policy.tombstoneMs;
    let mayDropTombstones = true;
    let copies: [StoredBatch, Uint8Array][] = [];
    let removals: StoredBatch[] = [];
    let bytes = 0;
    /** All in one change, which nobody else's may come between. */
    const write = async (): Promise<void> => {
      if (bytes === 0 || partition.isDeleted) return;
      for (const [stored, smaller] of copies) copy(partition, stored, smaller);
      const apply = removals.map((each) =>
        options.addRemoved(partition, each.baseOffset, each.lastOffset + 1),
      );
      copies = [];
      removals = [];
      bytes = 0;
      await commit(partition, () => {
        for (const each of apply) each();
      });
    };
    for await (const { stored, batch } of opened(partition, startOffset, end)) {
      if (isOpaque(batch)) {
        // It may hold an older value of any key, which a tombstone behind it keeps dead.
        mayDropTombstones = false;
        continue;
      }
      const keeps = (i: number): boolean => {
        const key = batch.key(i);
        if (key === null) return true;
        const offset = batch.offset(i);
        if (offset < (newest.get(textOf(key)) ?? 0)) return false;
        // Only a pass before this one has surely removed what the tombstone deletes.
        const isPast = offset < cleanedBelow && batch.timestampMs(i) < horizonMs;
        return batch.value(i) !== null || !isPast || !mayDropTombstones;
      };
      const kept = Array.from({ length: batch.length }, (_, i) => keeps(i));
      const count = kept.filter(Boolean).length;
      if (count === batch.length || partition.isDeleted) continue;
      if (count === 0) removals.push(stored);
      else copies.push([stored, withoutRecords(kernel, stored.bytes, (i) => kept[i] === true)]);
      bytes += stored.bytes.byteLength;
      if (bytes >= PIECE_BYTES) await write();
    }
    await write();
    partition.cleanedBelow = Math.max(partition.cleanedBelow, end);
    options.changed(partition);
  }

  return { evacuate, compact };
}

interface Cuts {
  readonly sideOf: (position: number) => number;
}

const textOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
