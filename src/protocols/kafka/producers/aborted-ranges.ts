/**
 * The ranges of partitions that were aborted, for readers of committed records: which producers' records they must leave out. Kept in
 * the order of the markers; a range is known by its marker, so that it may be added twice.
 */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';

export interface AbortedRange {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the marker. */
  readonly lastOffset: number;
  /** Below it everything was decided when this range was: no later one begins there. */
  readonly stableOffset: number;
}

export interface AbortedRanges {
  readonly count: number;
  add(logId: number, range: AbortedRange): void;
  /** Those with records in `[from, to)`, in the order of their first offsets. */
  find(logId: number, from: number, to: number): readonly AbortedRange[];
  /** The partition begins there now. */
  trim(logId: number, below: number): void;
  /** All of the partition. */
  drop(logId: number): void;
  logs(): Iterable<number>;

  /** Stretches of offsets: each is a page. */
  chunks(logId: number): Iterable<number>;
  encodeChunk(logId: number, chunk: number): Uint8Array | undefined;
  /** False where the bytes are none. */
  loadChunk(logId: number, page: Uint8Array): boolean;
}

const CHUNK_OFFSETS = 65_536;
const VERSION = 1;

export const chunkOf = (lastOffset: number): number => Math.floor(lastOffset / CHUNK_OFFSETS);

/** Index of the first range whose marker is not below. */
function placeOf(ranges: readonly AbortedRange[], lastOffset: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.lastOffset ?? 0) < lastOffset) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function createAbortedRanges(onChange: (logId: number, chunk: number) => void): AbortedRanges {
  const byLog = new Map<number, AbortedRange[]>();
  let count = 0;

  function put(logId: number, range: AbortedRange): void {
    let ranges = byLog.get(logId);
    if (ranges === undefined) {
      ranges = [];
      byLog.set(logId, ranges);
    }
    const place = placeOf(ranges, range.lastOffset);
    const isKnown = ranges[place]?.lastOffset === range.lastOffset;
    ranges.splice(place, isKnown ? 1 : 0, range);
    if (!isKnown) count++;
  }

  function cut(logId: number, ranges: AbortedRange[], end: number): void {
    const gone = ranges.splice(0, end);
    count -= gone.length;
    let last = -1;
    for (const { lastOffset } of gone) {
      if (chunkOf(lastOffset) === last) continue;
      last = chunkOf(lastOffset);
      onChange(logId, last);
    }
    if (ranges.length === 0) byLog.delete(logId);
  }

  const inChunk = (ranges: readonly AbortedRange[], chunk: number): AbortedRange[] =>
    ranges.slice(placeOf(ranges, chunk * CHUNK_OFFSETS), placeOf(ranges, (chunk + 1) * CHUNK_OFFSETS));

  return {
    get count() {
      return count;
    },
    add(logId, range) {
      put(logId, range);
      onChange(logId, chunkOf(range.lastOffset));
    },
    find(logId, from, to) {
      const found: AbortedRange[] = [];
      const ranges = byLog.get(logId);
      if (ranges === undefined) return found;
      for (let i = placeOf(ranges, from); i < ranges.length; i++) {
        const range = ranges[i];
        if (range === undefined) break;
        if (range.firstOffset < to) found.push(range);
        if (range.stableOffset >= to) break;
      }
      return found.sort((a, b) => a.firstOffset - b.firstOffset);
    },
    trim(logId, below) {
      const ranges = byLog.get(logId);
      if (ranges === undefined) return;
      const end = placeOf(ranges, below);
      if (end > 0) cut(logId, ranges, end);
    },
    drop(logId) {
      const ranges = byLog.get(logId);
      if (ranges !== undefined) cut(logId, ranges, ranges.length);
    },
    logs: () => byLog.keys(),

    *chunks(logId) {
      const ranges = byLog.get(logId) ?? [];
      for (let i = 0; i < ranges.length; ) {
        const chunk = chunkOf(ranges[i]?.lastOffset ?? 0);
        yield chunk;
        // The oldest may have gone meanwhile.
        i = placeOf(ranges, (chunk + 1) * CHUNK_OFFSETS);
      }
    },
    encodeChunk(logId, chunk) {
      const ranges = inChunk(byLog.get(logId) ?? [], chunk);
      if (ranges.length === 0) return undefined;
      const to = new ByteWriter(16 + ranges.length * 8).u8(VERSION).uint(ranges.length);
      let last = 0;
      for (const { producerId, firstOffset, lastOffset, stableOffset } of ranges) {
        to.uint(producerId)
          .uint(lastOffset - last)
          .uint(lastOffset - firstOffset)
          .uint(stableOffset);
        last = lastOffset;
      }
      return to.finish();
    },
    loadChunk(logId, page) {
      const from = new ByteReader(page);
      if (from.u8() !== VERSION) return false;
      let last = 0;
      for (let left = from.count(4); left > 0 && !from.failed; left--) {
        const producerId = from.uint();
        last += from.uint();
        put(logId, {
          producerId,
          lastOffset: last,
          firstOffset: last - from.uint(),
          stableOffset: from.uint(),
        });
      }
      return from.isComplete;
    },
  };
}
