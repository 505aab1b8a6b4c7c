import { withAccessors } from '../../kernel/with-accessors.ts';
import { readU64, viewOf, writeU64 } from '../wal/block.ts';

/**
 * Where the frames of a log are in a segment: per log and stretch of some `STRIDE_BYTES` one entry with the position
 * of the stretch's first block and of the log's last frame in it. It is built while a segment is written, or scanned,
 * and closes it as a footer sorted by log and position, which is searched as it lies.
 */
export const STRIDE_BYTES = 64 * 1024;
const ENTRY_BYTES = 24;
const HEAD_BYTES = 12;

export interface Stride {
  /** Position of the block to read from. */
  readonly start: number;
  /** Position of the log's last frame before the next stride. */
  readonly last: number;
}

export interface SegmentIndex {
  /** The first stride with a frame of the log at or behind `from`. */
  find(logId: number, from: number): Stride | undefined;
  /** Each log with the position of its last frame. */
  logs(): Iterable<readonly [logId: number, last: number]>;
}

export interface IndexBuilder extends SegmentIndex {
  readonly entries: number;
  add(logId: number, block: number, frame: number): void;
  /** The footer of the segment that starts at `segment`. */
  encode(segment: number): Uint8Array;
}

export function createIndexBuilder(): IndexBuilder {
  /** Per log: start, last, start, last, … */
  const strides = new Map<number, number[]>();
  let stride = -1;
  let entries = 0;
  return withAccessors<IndexBuilder, 'entries'>(
    {
      get entries() {
        return entries;
      },
    },
    {
      add(logId, block, frame) {
        if (stride === -1 || block >= stride + STRIDE_BYTES) stride = block;
        let list = strides.get(logId);
        if (list === undefined) {
          list = [];
          strides.set(logId, list);
        }
        if (list[list.length - 2] === stride) list[list.length - 1] = frame;
        else {
          list.push(stride, frame);
          entries++;
        }
      },
      find(logId, from) {
        const list = strides.get(logId) ?? [];
        const at = firstAtOrAbove(list.length / 2, (i) => list[2 * i + 1] ?? 0, from);
        const start = list[2 * at];
        return start === undefined ? undefined : { start, last: list[2 * at + 1] ?? 0 };
      },
      *logs() {
        for (const [logId, list] of strides) yield [logId, list.at(-1) ?? 0] as const;
      },
      encode(segment) {
        const bytes = new Uint8Array(HEAD_BYTES + entries * ENTRY_BYTES);
        const view = viewOf(bytes);
        writeU64(view, 0, segment);
        view.setUint32(8, entries);
        let offset = HEAD_BYTES;
        for (const [logId, list] of [...strides].sort((a, b) => a[0] - b[0])) {
          for (let i = 0; i < list.length; i += 2, offset += ENTRY_BYTES) {
            writeU64(view, offset, logId);
            writeU64(view, offset + 8, list[i] ?? 0);
            writeU64(view, offset + 16, list[i + 1] ?? 0);
          }
        }
        return bytes;
      },
    },
  );
}

/** The segment that a footer belongs to; -1 for bytes that are no footer. */
export function footerSegment(bytes: Uint8Array): number {
  if (bytes.byteLength < HEAD_BYTES) return -1;
  const view = viewOf(bytes);
  return bytes.byteLength === HEAD_BYTES + view.getUint32(8) * ENTRY_BYTES ? readU64(view, 0) : -1;
}

/** Searches a footer in place. `footerSegment` has accepted the bytes. */
export function indexOfFooter(bytes: Uint8Array): SegmentIndex {
  const view = viewOf(bytes);
  const count = view.getUint32(8);
  const logAt = (i: number): number => readU64(view, HEAD_BYTES + i * ENTRY_BYTES);
  const startAt = (i: number): number => readU64(view, HEAD_BYTES + i * ENTRY_BYTES + 8);
  const lastAt = (i: number): number => readU64(view, HEAD_BYTES + i * ENTRY_BYTES + 16);
  return {
    find(logId, from) {
      const first = firstAtOrAbove(count, logAt, logId);
      const behind = firstAtOrAbove(count, logAt, logId + 1);
      const at = first + firstAtOrAbove(behind - first, (i) => lastAt(first + i), from);
      return at < behind ? { start: startAt(at), last: lastAt(at) } : undefined;
    },
    *logs() {
      for (let i = 0; i < count; i++) {
        if (i + 1 === count || logAt(i + 1) !== logAt(i)) yield [logAt(i), lastAt(i)] as const;
      }
    },
  };
}

/** Of `count` ascending values, the first that is not below `wanted`; `count` when all are. */
function firstAtOrAbove(count: number, value: (i: number) => number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value(middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
