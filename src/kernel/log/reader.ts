/**
 * Reads batches of a partition by offset. The index says between which positions the next batch lies; what lies there
 * is taken when it has the offset that comes next and passed over when it has not (it was moved, or is older than a
 * compacted copy). Offsets that cannot be found are an error, never another record.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { JournalRecord } from '../../storage/journal/group.ts';
import type { Loan } from '../../storage/journal/group-memory.ts';
import type { Journal } from '../../storage/journal/journal.ts';
import { batchSpan } from '../../storage/records/batch-header.ts';
import { Hole } from './offset-index.ts';
import { PartitionDamaged, type PartitionState } from './partition.ts';
import { ReadHints } from './read-hints.ts';

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
class Scan {
  readonly #journal: Journal;
  readonly #logId: number;
  readonly #pieceBytes: number;
  readonly #loan: Loan | undefined;
  #records: readonly JournalRecord[] = [];
  #at = 0;
  #start = Number.POSITIVE_INFINITY;
  #next = -1;

  constructor(journal: Journal, logId: number, maxBytes: number, loan: Loan | undefined) {
    this.#journal = journal;
    this.#loan = loan;
    this.#logId = logId;
    this.#pieceBytes = Math.min(MAX_READ_BYTES, Math.max(MIN_READ_BYTES, maxBytes));
  }

  /** The first one at or behind `from`, if it has been fetched already. */
  held(from: number): JournalRecord | undefined {
    if (from < this.#start) return undefined;
    const records = this.#records;
    while (this.#at < records.length && (records[this.#at] as JournalRecord).position < from) this.#at++;
    const found = records[this.#at];
    if (found !== undefined) this.#start = found.position;
    return found;
  }

  /** The one that `held` has not; undefined when there is none. */
  async fetch(from: number): Promise<JournalRecord | undefined> {
    this.#start = from < this.#start ? from : Math.max(from, this.#next);
    const { records, next } = await this.#journal.read(
      this.#logId,
      this.#start,
      this.#pieceBytes,
      this.#loan,
    );
    this.#records = records;
    this.#next = next;
    this.#at = 0;
    const found = records[0];
    if (found !== undefined) this.#start = found.position;
    return found;
  }
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
  loan?: Loan,
): Promise<PartitionRead> {
  const { index, logId } = partition;
  const scan = new Scan(journal, logId, maxBytes, loan);
  const batches: StoredBatch[] = [];
  const known = partition.hints?.at(from);
  const hint = known?.version === index.version ? known : undefined;
  const first = index.find(from);
  let { version } = index;
  let row = first < 0 ? undefined : index.row(first);
  let expected = hint === undefined && row !== undefined ? row.offset : from;
  // The position counts in its row only: the next one may lie further in front.
  let cursorRow = hint?.row ?? -1;
  let cursor = hint?.position ?? 0;
  let bytes = 0;

  const fail = (end: number, reason: string): void => {
    if (batches.length === 0) throw new PartitionDamaged(partition, Math.max(from, expected), end, reason);
  };

  while (expected < index.end && (batches.length === 0 || bytes < maxBytes)) {
    if (row === undefined || version !== index.version || expected >= row.end) {
      if (version !== index.version) cursorRow = -1;
      version = index.version;
      const i = index.find(expected);
      if (i < 0) break;
      row = index.row(i);
    }
    if (row.position === Hole.Removed) {
      expected = row.end;
      continue;
    }
    if (row.position < 0) {
      fail(row.end, 'are missing from the journal');
      break;
    }
    const wanted = cursorRow === row.offset ? cursor : row.position;
    let record = scan.held(wanted);
    let end = 0;
    if (record === undefined) {
      // Before it is looked for: what is acknowledged meanwhile was not there then.
      end = journal.state().end;
      record = await scan.fetch(wanted);
    }
    if (version !== index.version) continue;
    if (record === undefined || record.position > row.last) {
      // It may have grown meanwhile.
      row = index.row(index.find(row.offset));
      if (record === undefined || record.position > row.last) {
        if (record === undefined && end <= row.last) {
          // Acknowledged in memory only, and being written: it can be read in a moment.
          if (batches.length > 0 || journal.state().failure !== undefined) break;
          await turn();
          continue;
        }
        fail(row.end, 'are not where the index has them');
        break;
      }
    }
    const { payload, position } = record;
    cursorRow = row.offset;
    cursor = position + 1;
    const span = batchSpan(payload);
    if (span === undefined) {
      fail(row.end, `have something else than a batch among them, at ${position}`);
      break;
    }
    const { baseOffset, lastOffset, maxTimestampMs } = span;
    if (baseOffset > expected || lastOffset < expected) continue;
    expected = lastOffset + 1;
    if (expected <= from) continue;
    batches.push({ baseOffset, lastOffset, maxTimestampMs, position, bytes: payload });
    bytes += payload.byteLength;
  }
  const next = Math.max(from, expected);
  if (next === expected && version === index.version) {
    partition.hints ??= new ReadHints();
    partition.hints.moved(from, next, { version, row: cursorRow, position: cursor });
  }
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
