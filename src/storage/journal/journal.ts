/**
 * The journal: all logs of a worker in one sequence of bytes. Here entries become groups, groups become blocks of a
 * write-ahead log, and blocks are found again by log and position. What a log, a queue or a record is, is decided in
 * the kernel; which bytes survive what, in the write-ahead log.
 *
 * Guaranteed: the entries of one append are all there or none is; each log keeps the order of its appends; what was
 * acknowledged is there after whatever its level names, once; a failed write or sync is final, and nothing that it
 * concerns is ever acknowledged; a damaged byte is an error that says where, never a wrong record. A position is a
 * byte address that grows for ever; it is all a reader has to remember. Removed segments leave holes: readers pass them.
 */
import type { WalStore } from '../wal/wal-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { type CommitTimes, createCommitter } from './committer.ts';
import type { Gathering } from './gathering.ts';
import type { Entry } from './group.ts';
import { DEFAULT_LIMITS, type JournalLimits, type Level } from './limits.ts';
import { createReader, type SegmentReader } from './reader.ts';
import { createReading, type JournalReading } from './reading.ts';
import { type Recovered, recover } from './recovery.ts';
import { freeRemoved, removeSegments } from './removal.ts';
import { segmentsForWriting } from './segments.ts';
import type { SpaceGuard } from './space-guard.ts';
import { createTail } from './tail.ts';

export { DEFAULT_LIMITS, type JournalLimits, type Level } from './limits.ts';

export interface JournalOptions {
  /** Created with `frameCheck`. */
  readonly wal: WalStore;
  readonly walId: string;
  /** Won by the caller; one above the newest that there is where nobody else takes epochs. */
  readonly epoch?: number;
  readonly limits?: Partial<JournalLimits>;
  readonly space?: SpaceGuard;
  /** Without it each group begins as soon as it can. */
  readonly gathering?: Gathering;
  readonly times?: CommitTimes;
  /** Called once, when the journal becomes read-only. */
  readonly onFailure?: (error: Error) => void;
}

export interface JournalState {
  readonly epoch: number;
  readonly start: number;
  /** Behind the last acknowledged entry; nothing from here on is ever read. */
  readonly end: number;
  readonly segments: number;
  readonly pendingBytes: number;
  readonly failure: Error | undefined;
  readonly isFull: boolean;
}

/** A segment where the write-ahead log keeps it. */
export interface SegmentPlace {
  readonly epoch: number;
  /** Position in the epoch. */
  readonly position: number;
  readonly bytes: number;
  /** Still written to; `bytes` is what was acknowledged. */
  readonly isOpen: boolean;
}

export interface Journal extends JournalReading {
  /**
   * Appends the entries as one and resolves with their positions. Payloads must stay untouched, also afterwards unless
   * they are borrowed.
   * Rejects with `JournalReadOnly`, `JournalFull` (never for a settlement that the reserve has room for),
   * `JournalBusy` or `JournalRefused`.
   */
  append(entries: readonly Entry[], level: Level, isSettlement?: boolean): Promise<number[]>;
  /**
   * Removes the closed segments that begin there, wherever they lie; resolves with their number. All that was appended
   * before is synced first: what was copied out of a segment is safe before the segment goes.
   */
  remove(starts: readonly number[]): Promise<number>;
  /** Closes the open segment, full or not, as soon as what is under way is written. False where it has nothing. */
  closeSegment(): boolean;
  /** Where all that was acknowledged lies, oldest first. */
  places(): SegmentPlace[];
  state(): JournalState;
  /**
   * Writes what is pending, syncs, and seals the epoch: from now on its length is known, and a start refuses a journal
   * that has lost some of it. Where it cannot be sealed, the next start does that, as after a crash.
   */
  close(): Promise<void>;
}

/** Takes the epoch, seals those before it, and continues after the last whole block. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { wal, walId, space } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const epoch = options.epoch ?? ((await wal.epochs(walId)).at(-1) ?? 0) + 1;
  // First the epoch, then the past: who loses the race for it has sealed nobody.
  const writer = await wal.open(walId, epoch);
  let recovered: Recovered;
  try {
    recovered = await recover(wal, walId, epoch);
  } catch (error) {
    await writer.close();
    throw error;
  }
  const segments = segmentsForWriting(epoch, recovered);
  // What cannot be freed now is no reason not to start: it stays listed.
  await freeRemoved(wal, walId, segments).catch(() => {});
  const tail = createTail(recovered.end, limits.tailBytes);
  const newReader = (pool?: BufferPool): SegmentReader => createReader(wal, walId, limits.cacheBytes, pool);
  const reader = newReader();
  const committer = createCommitter({
    writer,
    segments,
    limits,
    space,
    gathering: options.gathering,
    onFailure: options.onFailure,
    times: options.times,
    maxBlockBytes: wal.maxBlockBytes,
    onGroup: tail.push,
    onFooter: reader.keepFooter,
  });
  try {
    await committer.begin(recovered.last);
  } catch (error) {
    await writer.close();
    throw error;
  }
  let removing: Promise<unknown> = Promise.resolve();

  return {
    ...createReading({ segments, reader, newReader, tail }),
    append: committer.append,
    closeSegment: committer.closeSegment,
    remove(starts) {
      const mine = removing.then(() => removeSegments(starts, { wal, walId, segments, reader, committer }));
      removing = mine.catch(() => {});
      return mine;
    },
    places() {
      const closed = segments.closed().map((segment) => ({
        epoch: segment.epoch,
        position: segment.start - segment.epochOffset,
        bytes: segment.end - segment.start,
        isOpen: false,
      }));
      const [start, end] = [segments.openStart(), segments.end()];
      const position = start - segments.epochOffset;
      return [...closed, { epoch, position, bytes: end - start, isOpen: true }];
    },
    state: () => ({
      epoch,
      start: segments.start(),
      end: segments.end(),
      segments: segments.closed().length + 1,
      pendingBytes: committer.pendingBytes(),
      failure: committer.failure(),
      isFull: space?.isFull ?? false,
    }),
    async close() {
      await removing;
      await committer.close();
      // Without a seal the end looks like that of a crash: torn bytes would be cut off, and a lost file not be missed.
      if (committer.failure() === undefined) await wal.seal(walId, epoch).catch(() => {});
    },
  };
}
