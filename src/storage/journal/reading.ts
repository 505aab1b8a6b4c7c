import { copyOf } from '../../wasm/copy-bytes.ts';
import type { WalStore } from '../wal/wal-store.ts';
import { type BufferPool, createBufferPool } from './buffer-pool.ts';
import { type Body, collectListed, collectRecords, type JournalRecord } from './group.ts';
import type { Loan } from './group-memory.ts';
import { createReader, type ReadableSegment, type SegmentReader } from './reader.ts';
import { recoverForReading } from './recovery.ts';
import { type Segments, segmentsForReading } from './segments.ts';
import { createTail, type Tail } from './tail.ts';
import { verifySegments } from './verify.ts';

export interface ReadResult {
  readonly records: readonly JournalRecord[];
  /** Where to go on reading. */
  readonly next: number;
}

export interface SegmentInfo {
  /** Names the segment. */
  readonly start: number;
  readonly end: number;
  /** On disk. */
  readonly bytes: number;
  /** Still written to, and never removed. */
  readonly isOpen: boolean;
}

/** A journal as readers see it. */
export interface JournalReading {
  /**
   * Records of a log from a position on, at least one if there is one, and some `maxBytes` of payload. With a loan they
   * are good until it is released, and nothing is copied; without one they are the caller's.
   */
  read(logId: number, from: number, maxBytes: number, loan?: Loan): Promise<ReadResult>;
  /**
   * Records of all logs from a position on, in the order of the journal, up to what is acknowledged now. They are good
   * until the next step.
   */
  replay(from: number): AsyncIterable<readonly JournalRecord[]>;
  /** Oldest first, with holes between them where others were removed. */
  segments(): SegmentInfo[];
  /** Reads every frame and compares every index; resolves with what is wrong, in sentences. Tells how many bytes are done. */
  verify(onBytes?: (bytes: number) => void): Promise<string[]>;
}

/** A journal that nobody writes through. */
export interface OfflineJournal extends JournalReading {
  readonly start: number;
  readonly end: number;
}

const OFFLINE_CACHE_BYTES = 16 * 1024 * 1024;

/**
 * Opens a journal as it lies there: no epoch is taken, nothing is sealed, nothing is written. Of one that is being
 * written to, what was whole at this moment is seen, until its owner removes it.
 */
export async function openJournalForReading(options: {
  readonly wal: WalStore;
  readonly walId: string;
}): Promise<OfflineJournal> {
  const { wal, walId } = options;
  const segments = segmentsForReading(await recoverForReading(wal, walId));
  const end = segments.end();
  const newReader = (pool?: BufferPool): SegmentReader => createReader(wal, walId, OFFLINE_CACHE_BYTES, pool);
  const reading = createReading({ segments, reader: newReader(), newReader, tail: createTail(end, 0) });
  return { ...reading, start: segments.start(), end };
}

export interface ReadingOptions {
  readonly segments: Segments;
  readonly reader: SegmentReader;
  /** One that has nothing in memory yet. */
  readonly newReader: (recycled: BufferPool) => SegmentReader;
  readonly tail: Tail;
}

/** Records from `first` on lie in memory that is used again: they are borrowed, or else copied. */
function lend({ bytes, lender }: Body, found: JournalRecord[], first: number, loan: Loan | undefined): void {
  if (lender === undefined || first === found.length) return;
  if (loan !== undefined) {
    loan.add(lender);
    return;
  }
  for (let i = first; i < found.length; i++) {
    const record = found[i] as JournalRecord;
    if (record.payload.buffer === bytes.buffer) found[i] = { ...record, payload: copyOf(record.payload) };
  }
}

export function createReading({ segments, reader, newReader, tail }: ReadingOptions): JournalReading {
  /**
   * Does something with a segment that may be removed, or have its footer moved, meanwhile. Undefined when it is gone:
   * then whatever reading it came to is of no interest.
   */
  async function within<T>(
    segment: ReadableSegment,
    work: (segment: ReadableSegment) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await work(segment);
    } catch (error) {
      const now = segments.at(segment.start);
      if (now?.start !== segment.start) return undefined;
      if (now.footer === segment.footer || segment.index !== undefined) throw error;
      return within(now, work);
    }
  }

  async function readSegment(
    segment: ReadableSegment,
    logId: number,
    from: number,
    maxBytes: number,
    loan: Loan | undefined,
  ): Promise<{ found: JournalRecord[]; bytes: number }> {
    const index = await reader.index(segment, segments.at(segment.footer) ?? segment);
    const found: JournalRecord[] = [];
    let bytes = 0;
    let next = from;
    for (let stride = index.find(logId, next); stride !== undefined; stride = index.find(logId, next)) {
      // The index of the open segment grows meanwhile; what it had at first is what is read.
      if (stride.start >= segment.end) break;
      const behind = Math.min(stride.last + 1, segment.end);
      for (let at = stride.start; at < behind && bytes < maxBytes; ) {
        if (at >= tail.start) {
          const held = tail.at(Math.max(at, next));
          if (held === undefined || held.start >= behind) break;
          const { body, frames } = held;
          const left = maxBytes - bytes;
          const first = found.length;
          bytes +=
            frames === undefined
              ? collectRecords(body, logId, next, left, found)
              : collectListed(body, frames.get(logId) ?? [], logId, next, left, found);
          lend(body, found, first, loan);
          at = held.end;
        } else {
          const block = await reader.block(segment, at);
          at = block.end + segment.epochOffset;
          if (at <= next) continue;
          bytes += collectRecords(reader.body(segment, block), logId, next, maxBytes - bytes, found);
        }
      }
      if (bytes >= maxBytes) break;
      next = Math.max(next, stride.last + 1);
    }
    return { found, bytes };
  }

  async function* replaySegment(
    own: SegmentReader,
    segment: ReadableSegment,
    from: number,
    end: number,
  ): AsyncIterable<JournalRecord[]> {
    for (let at = segment.start; at < Math.min(segment.end, end); ) {
      const block = await within(segment, () => own.block(segment, at));
      if (block === undefined) return;
      at = block.end + segment.epochOffset;
      if (at <= from) continue;
      const records = own.records(segment, block).filter(({ position }) => position >= from);
      if (records.length > 0) yield records;
    }
  }

  return {
    async read(logId, from, maxBytes, loan) {
      const records: JournalRecord[] = [];
      let next = from;
      let left = maxBytes;
      // What was acknowledged when the read began: the end moves on while it waits for the disk.
      const end = segments.end();
      while (next < end && left > 0) {
        const segment = segments.at(next);
        if (segment === undefined) break;
        const start = Math.max(next, segment.start);
        const result = await within(segment, (now) => readSegment(now, logId, start, left, loan));
        for (const record of result?.found ?? []) records.push(record);
        left -= result?.bytes ?? 0;
        next = left > 0 ? segment.end : (records.at(-1)?.position ?? next) + 1;
      }
      return { records, next: Math.max(from, next) };
    },
    async *replay(from) {
      const own = newReader(createBufferPool());
      const end = segments.end();
      for (let at = from; at < end; ) {
        const segment = segments.at(at);
        if (segment === undefined) return;
        yield* replaySegment(own, segment, from, end);
        at = segment.end;
      }
    },
    segments() {
      const list = segments
        .closed()
        .map(({ start, end }) => ({ start, end, bytes: end - start, isOpen: false }));
      const [start, end] = [segments.openStart(), segments.end()];
      return [...list, { start, end, bytes: end - start, isOpen: true }];
    },
    verify: (onBytes) => verifySegments(segments, newReader(createBufferPool()), onBytes),
  };
}
