import type { ClosedSegment } from './control.ts';
import { closedForReading, type ReadableSegment } from './reader.ts';
import type { Recovered } from './recovery.ts';
import { createIndexBuilder, type IndexBuilder } from './segment-index.ts';

/** The segments of a journal, oldest first, without gaps; the last is open. */
export interface Segments {
  readonly epoch: number;
  /** Position in the journal = this + position in the epoch. */
  readonly epochOffset: number;
  start(): number;
  /** Behind what is acknowledged. */
  end(): number;
  closed(): readonly ClosedSegment[];
  /** Of the open segment. */
  openStart(): number;
  openIndex(): IndexBuilder;
  /** The one that a position lies in; those before the first are gone, those from the end on are not there yet. */
  at(position: number): ReadableSegment | undefined;
  advance(end: number): void;
  /** The open segment has its footer; the next one begins at its end. */
  close(segment: ClosedSegment): void;
  /** Forgets closed segments that end at or below a position. */
  remove(below: number): void;
}

export function createSegments(epoch: number, recovered: Recovered): Segments {
  const epochOffset = recovered.end;
  const { last } = recovered;
  // The first block of this epoch has the footer of the segment that the last one left unfinished.
  const closed: ClosedSegment[] = [...recovered.segments];
  if (last !== undefined) closed.push({ ...last.segment, footer: epochOffset });
  let openStart = epochOffset;
  let openIndex = createIndexBuilder();
  let end = epochOffset;

  return {
    epoch,
    epochOffset,
    start: () => closed[0]?.start ?? openStart,
    end: () => end,
    closed: () => closed,
    openStart: () => openStart,
    openIndex: () => openIndex,
    at(position) {
      if (position >= end) return undefined;
      if (position >= openStart) {
        return { epoch, epochOffset, start: openStart, end, footer: end, index: openIndex };
      }
      let low = 0;
      let high = closed.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((closed[middle]?.end ?? 0) <= position) low = middle + 1;
        else high = middle;
      }
      const segment = closed[low];
      return segment === undefined || position < segment.start ? undefined : closedForReading(segment);
    },
    advance(to) {
      end = to;
    },
    close(segment) {
      closed.push(segment);
      openStart = segment.end;
      openIndex = createIndexBuilder();
    },
    remove(below) {
      const first = closed.findIndex((segment) => segment.end > below);
      closed.splice(0, first === -1 ? closed.length : first);
    },
  };
}
