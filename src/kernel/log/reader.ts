/**
 * Reads batches of a partition by offset. The index says between which positions the next batch lies; what lies there
 * is taken when it has the offset that comes next and passed over when it has not (it was moved, or is older than a
 * compacted copy). Offsets that cannot be found are an error, never another record.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { JournalRecord } from '../../storage/journal/group.ts';
import type { Journal } from '../../storage/journal/journal.ts';
import { batchSpan } from '../../storage/records/batch-header.ts';
import { Hole } from './offset-index.ts';
import { PartitionDamaged, type PartitionState } from './partition.ts';

export interface StoredBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestampMs: number;
  readonly position: number;
  /** As stored; borrowed: it must not be changed. */
  readonly bytes: Uint8Array;
}

export interface PartitionRead {
  readonly batches: readonly StoredBatch[];
  /** Where to go on. */
  readonly next: number;
}

const MIN_READ_BYTES = 64 * 1024;
const MAX_READ_BYTES = 1024 * 1024;

/** Records of one log from a position on, fetched in pieces; going back fetches again. */
function createScan(
  journal: Journal,
  logId: number,
  maxBytes: number,
): (from: number) => Promise<JournalRecord | undefined> {
  const bytes = Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, maxBytes));
  let records: readonly JournalRecord[] = [];
  let start = Number.POSITIVE_INFINITY;
  let next = -1;
  let at = 0;
  return async (from) => {
    if (from < start) at = records.length;
    else while (at < records.length && (records[at] as JournalRecord).position < from) at++;
    if (at === records.length) {
      start = from < start ? from : Math.max(from, next);
      ({ records, next } = await journal.read(logId, start, bytes));
      at = 0;
    }
    const found = records[at];
    if (found !== undefined) start = found.position;
    return found;
  };
}

/**
 * Batches from the one with `from` on, at least one if there is one and some `maxBytes`. Waits for
 * what is acknowledged in memory only until it can be read. Precondition: the index has `from`, or ends there.
 */
export async function readBatches(
  journal: Journal,
  partition: PartitionState,
  from: number,
  maxBytes: number,
): Promise<PartitionRead> {
  const { index, logId, hint } = partition;
  const scan = createScan(journal, logId, maxBytes);
  const batches: StoredBatch[] = [];
  const isHinted = hint?.offset === from && hint.version === index.version;
  const first = index.find(from);
  let expected = isHinted || first < 0 ? from : index.row(first).offset;
  // The position counts in its row only: the next one may lie further in front.
  let cursor = isHinted ? hint : { row: -1, position: 0 };
  let version = index.version;
  let bytes = 0;

  const fail = (end: number, reason: string): boolean => {
    if (batches.length === 0) throw new PartitionDamaged(partition, Math.max(from, expected), end, reason);
    return true;
  };

  while (expected < index.end && (batches.length === 0 || bytes < maxBytes)) {
    const i = index.find(expected);
    if (i < 0) break;
    const row = index.row(i);
    if (row.position === Hole.Removed) {
      expected = row.end;
      continue;
    }
    if (row.position < 0 && fail(row.end, 'are missing from the journal')) break;
    if (version !== index.version) cursor = { row: -1, position: 0 };
    version = index.version;
    const record = await scan(cursor.row === row.offset ? cursor.position : row.position);
    if (version !== index.version) continue;
    // The row may have grown meanwhile.
    if (record === undefined || record.position > index.row(index.find(row.offset)).last) {
      const { end, failure } = journal.state();
      if (record === undefined && end <= row.last) {
        // Acknowledged in memory only, and being written: it can be read in a moment.
        if (batches.length > 0 || failure !== undefined) break;
        await turn();
        continue;
      }
      if (fail(row.end, 'are not where the index has them')) break;
      continue;
    }
    cursor = { row: row.offset, position: record.position + 1 };
    const span = batchSpan(record.payload);
    if (span === undefined) {
      if (fail(row.end, `have something else than a batch among them, at ${record.position}`)) break;
      continue;
    }
    if (span.baseOffset > expected || span.lastOffset < expected) continue;
    expected = span.lastOffset + 1;
    if (expected <= from) continue;
    batches.push({ ...span, position: record.position, bytes: record.payload });
    bytes += record.payload.byteLength;
  }
  const next = Math.max(from, expected);
  if (next === expected && version === index.version) partition.hint = { offset: next, version, ...cursor };
  return { batches, next };
}

const WALK_BYTES = 1024 * 1024;

/** Batches from the one with `from` on. What is damaged is passed over: who walks over all of them wants the rest. */
export async function* allBatches(
  journal: Journal,
  partition: PartitionState,
  from: number,
): AsyncGenerator<StoredBatch> {
  for (let at = Math.max(from, partition.startOffset); at < partition.endOffset && !partition.isDeleted; ) {
    try {
      const { batches, next } = await readBatches(journal, partition, at, WALK_BYTES);
      yield* batches;
      if (next <= at) return;
      at = Math.max(next, partition.startOffset);
    } catch (error) {
      if (!(error instanceof PartitionDamaged)) throw error;
      at = error.resumeAt;
    }
  }
}
