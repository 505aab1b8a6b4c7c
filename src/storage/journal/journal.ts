/**
 * The journal: all logs of a worker in one sequence of bytes. Here entries become groups, groups become blocks of a
 * write-ahead log, and blocks are found again by log and position. What a log, a queue or a record is, is decided in
 * the kernel; which bytes survive what, in the write-ahead log.
 *
 * Guaranteed: the entries of one append are all there or none is; each log keeps the order of its appends; what was
 * acknowledged is there after whatever its level names, once; a failed write or sync is final, and nothing that it
 * concerns is ever acknowledged; a damaged byte is an error that says where, never a wrong record. A position is a
 * byte address that grows for ever; it is all a reader has to remember.
 */
import type { WalStore } from '../wal/wal-store.ts';
import { createCommitter } from './committer.ts';
import type { Entry, JournalRecord } from './group.ts';
import { createReader, type ReadableSegment } from './reader.ts';
import { type Recovered, recover } from './recovery.ts';
import { removeDeadSegments, trimSegments } from './removal.ts';
import { createSegments } from './segments.ts';
import type { SpaceGuard } from './space-guard.ts';
import { createTail } from './tail.ts';
import { verifySegments } from './verify.ts';

/**
 * When an append is acknowledged: `memory` once it has its position, `os` once the operating system has it, `sync`
 * once it survives a loss of power. A group goes by the highest level in it.
 */
export type Level = 'memory' | 'os' | 'sync';

export interface JournalLimits {
  /** A segment is closed when it has grown to this. */
  readonly segmentBytes: number;
  /** A group takes no further append once it has this many bytes. */
  readonly maxGroupBytes: number;
  /** All entries of one append. */
  readonly maxAppendBytes: number;
  /** Waiting to be written; above it appends are refused with `JournalBusy`. */
  readonly maxPendingBytes: number;
  /** Newest records kept in memory. */
  readonly tailBytes: number;
  /** Old blocks kept in memory. */
  readonly cacheBytes: number;
  /** Entries of one segment's index; a segment is closed early at it. */
  readonly maxIndexEntries: number;
  /** At this many the journal refuses writers until some are removed. */
  readonly maxSegments: number;
}

export const DEFAULT_LIMITS: JournalLimits = {
  segmentBytes: 64 * 1024 * 1024,
  maxGroupBytes: 1024 * 1024,
  maxAppendBytes: 16 * 1024 * 1024,
  maxPendingBytes: 32 * 1024 * 1024,
  tailBytes: 16 * 1024 * 1024,
  cacheBytes: 16 * 1024 * 1024,
  maxIndexEntries: 256 * 1024,
  maxSegments: 64 * 1024,
};

export interface JournalOptions {
  /** Created with `frameCheck`. */
  readonly wal: WalStore;
  readonly walId: string;
  /** Won by the caller; one above the newest that there is where nobody else takes epochs. */
  readonly epoch?: number;
  readonly limits?: Partial<JournalLimits>;
  readonly space?: SpaceGuard;
  /** Called once, when the journal becomes read-only. */
  readonly onFailure?: (error: Error) => void;
}

export interface ReadResult {
  readonly records: readonly JournalRecord[];
  /** Where to go on reading. */
  readonly next: number;
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

export interface Journal {
  /**
   * Appends the entries as one and resolves with their positions. Payloads must stay untouched, also afterwards.
   * Rejects with `JournalReadOnly`, `JournalFull` (never for a settlement that the reserve has room for),
   * `JournalBusy` or `JournalRefused`.
   */
  append(entries: readonly Entry[], level: Level, isSettlement?: boolean): Promise<number[]>;
  /** Records of a log from a position on, at least one if there is one, and some `maxBytes` of payload. */
  read(logId: number, from: number, maxBytes: number): Promise<ReadResult>;
  /** Records of all logs from a position on, in the order of the journal, up to what is acknowledged now. */
  replay(from: number): AsyncIterable<readonly JournalRecord[]>;
  /** Records of a log below `floor` are dead. Floors are not kept over a restart: their owners state them again. */
  retain(logId: number, floor: number): void;
  /** Removes the oldest segments in which nothing is live; resolves with their number. */
  removeDead(): Promise<number>;
  /** Reads every frame and compares every index; resolves with what is wrong, in sentences. */
  verify(): Promise<string[]>;
  state(): JournalState;
  /** Writes what is pending, syncs, and closes the log. */
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
    await trimSegments(wal, walId, recovered.removed);
  } catch (error) {
    await writer.close();
    throw error;
  }
  const segments = createSegments(epoch, recovered);
  const tail = createTail(recovered.end, limits.tailBytes);
  const reader = createReader(wal, walId, limits.cacheBytes);
  const committer = createCommitter({
    writer,
    segments,
    limits,
    space,
    onFailure: options.onFailure,
    maxBlockBytes: wal.maxBlockBytes,
    onGroup(group, start, bytes) {
      tail.push(group.records, start, bytes);
    },
  });
  try {
    await committer.begin(recovered.last);
  } catch (error) {
    await writer.close();
    throw error;
  }
  const floors = new Map<number, number>();

  async function readSegment(
    segment: ReadableSegment,
    logId: number,
    from: number,
    maxBytes: number,
    found: JournalRecord[],
  ): Promise<number> {
    const index = await reader.index(segment, segments.at(segment.footer) ?? segment);
    let bytes = 0;
    let next = from;
    for (let stride = index.find(logId, next); stride !== undefined; stride = index.find(logId, next)) {
      for (let at = stride.start; at <= stride.last && at < segment.end; ) {
        const block = await reader.block(segment, at);
        at = block.end + segment.epochOffset;
        if (at <= next) continue;
        for (const record of reader.records(segment, block)) {
          if (record.logId !== logId || record.position < next) continue;
          found.push(record);
          bytes += record.payload.byteLength;
          next = record.position + 1;
          if (bytes >= maxBytes) return bytes;
        }
      }
      next = Math.max(next, stride.last + 1);
    }
    return bytes;
  }

  return {
    append: committer.append,
    async read(logId, from, maxBytes) {
      const records: JournalRecord[] = [];
      let next = Math.max(from, segments.start());
      let left = maxBytes;
      // What was acknowledged when the read began: the end moves on while it waits for the disk.
      while (next < tail.start && left > 0) {
        const segment = segments.at(next);
        if (segment === undefined) break;
        left -= await readSegment(segment, logId, next, left, records);
        next = left > 0 ? segment.end : (records.at(-1)?.position ?? next) + 1;
      }
      if (left > 0 && next >= tail.start) {
        records.push(...tail.read(logId, next, left));
        next = Math.max(next, (records.at(-1)?.position ?? -1) + 1);
      }
      return { records, next: Math.max(from, next) };
    },
    async *replay(from) {
      const end = segments.end();
      for (let at = Math.max(from, segments.start()); at < end; ) {
        const segment = segments.at(at);
        if (segment === undefined) return;
        for (let block = segment.start; block < Math.min(segment.end, end); ) {
          const whole = await reader.block(segment, block);
          const behind = whole.end + segment.epochOffset;
          const records =
            behind <= at ? [] : reader.records(segment, whole).filter(({ position }) => position >= from);
          if (records.length > 0) yield records;
          block = behind;
        }
        at = segment.end;
      }
    },
    retain(logId, floor) {
      floors.set(logId, Math.max(floor, floors.get(logId) ?? 0));
    },
    removeDead: () => removeDeadSegments({ wal, walId, segments, reader, committer, floors }),
    verify: () => verifySegments(segments, reader),
    state: () => ({
      epoch,
      start: segments.start(),
      end: segments.end(),
      segments: segments.closed().length + 1,
      pendingBytes: committer.pendingBytes(),
      failure: committer.failure(),
      isFull: space?.isFull ?? false,
    }),
    close: () => committer.close(),
  };
}
