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
  readonly floors: ReadonlyMap<number, number>;
}

/** Removes the oldest segments up to the first with a live record. That they are gone is on disk before they are. */
export async function removeDeadSegments(options: RemovalOptions): Promise<number> {
  const { wal, walId, segments, committer } = options;
  const dead: ClosedSegment[] = [];
  for (const segment of [...segments.closed()]) {
    if (!(await isDead(segment, options))) break;
    dead.push(segment);
  }
  const last = dead.at(-1);
  if (last === undefined) return 0;
  await committer.note(Control.Removed, encodeRemoved(last.end));
  segments.remove(last.end);
  await trimSegments(wal, walId, dead);
  return dead.length;
}

/** Frees the bytes of segments, which are the oldest of their epochs. */
export async function trimSegments(
  wal: WalStore,
  walId: string,
  dead: readonly ClosedSegment[],
): Promise<void> {
  for (const { epoch, epochOffset, start, end } of dead) {
    await wal.remove(walId, epoch, start - epochOffset, end - epochOffset);
  }
}

async function isDead(segment: ClosedSegment, options: RemovalOptions): Promise<boolean> {
  const { segments, reader, floors } = options;
  const readable = closedForReading(segment);
  const index = await reader.index(readable, segments.at(segment.footer) ?? readable);
  for (const [logId, last] of index.logs()) if (last >= (floors.get(logId) ?? 0)) return false;
  return true;
}
