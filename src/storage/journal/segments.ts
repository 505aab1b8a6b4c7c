import type { ClosedSegment } from './control.ts';
import { closedForReading, type ReadableSegment } from './reader.ts';
import type { Recovered } from './recovery.ts';
import { createIndexBuilder, type IndexBuilder } from './segment-index.ts';

/** The segments of a journal, oldest first; the last is open. Between them are holes where others were removed. */
export interface Segments {
  readonly epoch: number;
  /** Position in the journal = this + position in the epoch. */
  readonly epochOffset: number;
  start(): number;
  /** Behind what is acknowledged. */
  end(): number;
  closed(): readonly ClosedSegment[];
  /** Removed, and not known to be freed. */
  removed(): readonly ClosedSegment[];
  /** Of the open segment. */
  openStart(): number;
  openIndex(): IndexBuilder;
  /** The one that a position lies in, or the next behind it; undefined from the end on. */
  at(position: number): ReadableSegment | undefined;
  advance(end: number): void;
  /** The open segment has its footer; the next one begins at its end. */
  close(segment: ClosedSegment): void;
  /** The footer of a closed segment lies elsewhere from now on. */
  moveFooter(start: number, footer: number): void;
  /** Closed segments that begin there are no more. */
  remove(starts: ReadonlySet<number>): void;
  freed(start: number): void;
}

interface Beginning {
  readonly epoch: number;
  readonly epochOffset: number;
  readonly closed: readonly ClosedSegment[];
  readonly removed: readonly ClosedSegment[];
  readonly openStart: number;
  readonly openIndex: IndexBuilder;
  readonly end: number;
}

/** What an epoch begins with: its first block will have the footer of the segment that the one before left unfinished. */
export function segmentsForWriting(epoch: number, { end, segments, removed, last }: Recovered): Segments {
  const closed = last === undefined ? segments : [...segments, { ...last.segment, footer: end }];
  const openIndex = createIndexBuilder();
  return createSegments({ epoch, epochOffset: end, closed, removed, openStart: end, openIndex, end });
}

/** What is there, with the newest segment as the open one. */
export function segmentsForReading({ end, segments, removed, last }: Recovered): Segments {
  return createSegments({
    epoch: last?.segment.epoch ?? 0,
    epochOffset: last?.segment.epochOffset ?? 0,
    closed: segments,
    removed,
    openStart: last?.segment.start ?? 0,
    openIndex: last?.index ?? createIndexBuilder(),
    end,
  });
}

function createSegments(beginning: Beginning): Segments {
  const { epoch, epochOffset } = beginning;
  let closed = [...beginning.closed];
  let removed = [...beginning.removed];
  let { openStart, openIndex, end } = beginning;

  return {
    epoch,
    epochOffset,
    start: () => closed[0]?.start ?? openStart,
    end: () => end,
    closed: () => closed,
    removed: () => removed,
    openStart: () => openStart,
    openIndex: () => openIndex,
    at(position) {
      if (position >= end) return undefined;
      let low = 0;
      let high = closed.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((closed[middle]?.end ?? 0) <= position) low = middle + 1;
        else high = middle;
      }
      const segment = closed[low];
      if (segment !== undefined) return closedForReading(segment);
      return { epoch, epochOffset, start: openStart, end, footer: end, index: openIndex };
    },
    advance(to) {
      end = to;
    },
    close(segment) {
      closed.push(segment);
      openStart = segment.end;
      openIndex = createIndexBuilder();
    },
    moveFooter(start, footer) {
      closed = closed.map((segment) => (segment.start === start ? { ...segment, footer } : segment));
    },
    remove(starts) {
      removed.push(...closed.filter(({ start }) => starts.has(start)));
      closed = closed.filter(({ start }) => !starts.has(start));
    },
    freed(start) {
      removed = removed.filter((segment) => segment.start !== start);
    },
  };
}
