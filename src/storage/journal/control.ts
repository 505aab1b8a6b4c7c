import { readU64, viewOf, writeU64 } from '../wal/block.ts';
import { WalFormatUnknown } from '../wal/wal-store.ts';

/** What frames of the journal's own log say; it stands where other frames have their stripe. */
export const Control = {
  /** First frame of a segment: the segments before it. */
  Directory: 1,
  /** Index of a finished segment: at its end, in the first block of the next epoch, or moved to where it is. */
  Footer: 2,
  /** Segments that are gone. */
  Removed: 3,
  /** An orderly end: all before it was synced. */
  Closed: 4,
} as const;

export interface ClosedSegment {
  readonly epoch: number;
  /** Position in the journal = this + position in the epoch. */
  readonly epochOffset: number;
  readonly start: number;
  readonly end: number;
  /** Position of the block that has its footer. */
  readonly footer: number;
}

export interface Directory {
  /** Of the epoch in which the directory was written. */
  readonly epochOffset: number;
  readonly segments: readonly ClosedSegment[];
  /** Removed, and not known to be freed. */
  readonly removed: readonly ClosedSegment[];
}

const VERSION = 2;
const HEAD_BYTES = 20;
const ROW_BYTES = 40;

export function encodeDirectory({ epochOffset, segments, removed }: Directory): Uint8Array {
  const rows = [...segments, ...removed];
  const bytes = new Uint8Array(HEAD_BYTES + rows.length * ROW_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, VERSION);
  view.setUint32(4, segments.length);
  view.setUint32(8, removed.length);
  writeU64(view, 12, epochOffset);
  rows.forEach((segment, i) => {
    const row = HEAD_BYTES + i * ROW_BYTES;
    writeU64(view, row, segment.epoch);
    writeU64(view, row + 8, segment.epochOffset);
    writeU64(view, row + 16, segment.start);
    writeU64(view, row + 24, segment.end);
    writeU64(view, row + 32, segment.footer);
  });
  return bytes;
}

/** undefined for bytes that are no directory; throws for one of another version. */
export function decodeDirectory(bytes: Uint8Array): Directory | undefined {
  if (bytes.byteLength < HEAD_BYTES) return undefined;
  const view = viewOf(bytes);
  const version = view.getUint32(0);
  if (version !== VERSION) {
    throw new WalFormatUnknown(
      `the journal has format version ${version}, and this program knows version ${VERSION}: start the version that wrote it`,
    );
  }
  const live = view.getUint32(4);
  const count = live + view.getUint32(8);
  if (bytes.byteLength !== HEAD_BYTES + count * ROW_BYTES) return undefined;
  const rows = Array.from({ length: count }, (_, i) => {
    const row = HEAD_BYTES + i * ROW_BYTES;
    return {
      epoch: readU64(view, row),
      epochOffset: readU64(view, row + 8),
      start: readU64(view, row + 16),
      end: readU64(view, row + 24),
      footer: readU64(view, row + 32),
    };
  });
  return { epochOffset: readU64(view, 12), segments: rows.slice(0, live), removed: rows.slice(live) };
}

export function encodeRemoved(starts: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * starts.length);
  const view = viewOf(bytes);
  starts.forEach((start, i) => {
    writeU64(view, 8 * i, start);
  });
  return bytes;
}

export function decodeRemoved(bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  return Array.from({ length: Math.floor(bytes.byteLength / 8) }, (_, i) => readU64(view, 8 * i));
}
