/**
 * Writes batches again: those that lie in a stretch of the journal that is to be freed, and what compaction makes of others.
 * They keep their offsets, and until a copy is durable the index knows the old one. One rewrite runs at a time.
 */
import type { Journal } from '../../storage/journal/journal.ts';
import { batchSpan } from '../../storage/records/batch-header.ts';
import type { StateLog } from '../state/state-log.ts';
import { Hole, type Row } from './offset-index.ts';
import { PartitionDamaged, type PartitionState } from './partition.ts';
import { readBatches, type StoredBatch } from './reader.ts';

const PIECE_BYTES = 1024 * 1024;

export interface RewriteOptions {
  readonly stateLog: () => StateLog;
  readonly journalOf: (partition: PartitionState) => Journal;
  /** Resolves when so many bytes more may be read or written. */
  readonly pace: (bytes: number) => Promise<void>;
  readonly changed: (partition: PartitionState) => void;
}

export interface Rewriter {
  /** After it no batch of the partition lies in `[start, end)`, but for those that go from there by retention. */
  evacuate(partition: PartitionState, start: number, end: number): Promise<void>;
  /** Adds a copy of a batch, or what takes its place, to the current change. */
  copy(partition: PartitionState, batch: StoredBatch, bytes: Uint8Array): void;
  /** Ends the change. Durable when the promise resolves: what was copied may be freed. `apply` runs before that. */
  commit(partition: PartitionState, apply?: () => void): Promise<void>;
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
  const { stateLog, journalOf, pace } = options;

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
    const { baseOffset, lastOffset } = batch;
    // As replay reads it from the copy.
    const maxTimestampMs = batchSpan(bytes)?.maxTimestampMs ?? batch.maxTimestampMs;
    stateLog().addRecord(storage, { logId, stripe, payload: bytes }, (position) => {
      if (partition.isDeleted) return;
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

  return { evacuate, copy, commit };
}

interface Cuts {
  readonly sideOf: (position: number) => number;
}
