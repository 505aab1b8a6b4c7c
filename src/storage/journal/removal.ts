import type { WalStore } from '../wal/wal-store.ts';
import type { Committer } from './committer.ts';
import { type ClosedSegment, Control, encodeRemoved } from './control.ts';
import { closedForReading, type SegmentReader } from './reader.ts';
import type { Segments } from './segments.ts';

export interface RemovalOptions {
  readonly wal: WalStore;
  readonly walId: string;
  readonly segments: Segments;
  readonly reader: SegmentReader;
  readonly committer: Committer;
}

/**
 * Removes closed segments, wherever they lie; resolves with their number. That they are gone is on disk before they
 * are, and so is all that was appended before. A footer in one of them of a segment that stays is written again first.
 */
export async function removeSegments(
  starts: readonly number[],
  { wal, walId, segments, reader, committer }: RemovalOptions,
): Promise<number> {
  const wanted = new Set(starts);
  const dead = segments.closed().filter(({ start }) => wanted.has(start));
  if (dead.length > 0) {
    for (const segment of footersWithin(dead, segments.closed())) {
      const home = segments.at(segment.footer) ?? closedForReading(segment);
      const footer = await reader.footer(closedForReading(segment), home);
      await committer.note(Control.Footer, footer, (block) => segments.moveFooter(segment.start, block));
    }
    const gone = new Set(dead.map(({ start }) => start));
    await committer.note(Control.Removed, encodeRemoved([...gone]), () => segments.remove(gone));
  }
  await freeRemoved(wal, walId, segments);
  return dead.length;
}

/** Segments that stay and have their footer in one that goes: the last ones of their epochs. */
function footersWithin(dead: readonly ClosedSegment[], all: readonly ClosedSegment[]): ClosedSegment[] {
  const isWithin = (position: number): boolean =>
    dead.some(({ start, end }) => start <= position && position < end);
  return all.filter(({ start, footer }) => isWithin(footer) && !isWithin(start));
}

/** Frees the bytes of segments that are gone. One that cannot be freed is tried again the next time, or at a start. */
export async function freeRemoved(wal: WalStore, walId: string, segments: Segments): Promise<void> {
  for (const { epoch, epochOffset, start, end } of [...segments.removed()]) {
    await wal.remove(walId, epoch, start - epochOffset, end - epochOffset);
    segments.freed(start);
  }
}
