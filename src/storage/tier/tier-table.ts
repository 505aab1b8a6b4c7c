import { FILE_HEADER_BYTES } from '../wal/epoch-files.ts';
import type { FinishedFile } from './local-files.ts';
import type { StoredSegment } from './object-name.ts';

/** A finished segment of a log: here, in the store, or both. */
export interface Segment {
  readonly epoch: number;
  readonly start: number;
  readonly end: number;
  isLocal: boolean;
  /** What the store has, once it has it. */
  object: { readonly key: string; readonly stored: StoredSegment } | undefined;
  /** The object was read back and is the file, byte for byte. */
  isVerified: boolean;
  /** The local file is not whole: it stays where it is. */
  isDamaged: boolean;
  /** The journal has given it up. */
  isRemoved: boolean;
}

export const bytesOfSegment = ({ start, end }: Segment): number => FILE_HEADER_BYTES + end - start;

/** The finished segments of one log, by epoch and position. Never more than the journal has. */
export interface TierTable {
  get(epoch: number, start: number): Segment | undefined;
  /** The segment that has a position. */
  at(epoch: number, position: number): Segment | undefined;
  lastBelow(epoch: number, position: number): Segment | undefined;
  addLocal(file: FinishedFile): Segment;
  /** A name from a listing; nothing is learnt of a segment that is known to be stored. */
  addStored(key: string, stored: StoredSegment): void;
  /** Takes out what begins in a stretch. */
  remove(epoch: number, from: number, until: number): Segment[];
  all(): Segment[];
}

export function createTierTable(): TierTable {
  const epochs = new Map<number, Segment[]>();

  function lastIndexBelow(list: readonly Segment[], position: number): number {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle]?.start ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  function insert(epoch: number, start: number, end: number): Segment {
    const list = epochs.get(epoch) ?? [];
    epochs.set(epoch, list);
    const segment: Segment = {
      epoch,
      start,
      end,
      isLocal: false,
      object: undefined,
      isVerified: false,
      isDamaged: false,
      isRemoved: false,
    };
    list.splice(lastIndexBelow(list, start) + 1, 0, segment);
    return segment;
  }

  function lastBelow(epoch: number, position: number): Segment | undefined {
    const list = epochs.get(epoch) ?? [];
    return list[lastIndexBelow(list, position)];
  }

  function get(epoch: number, start: number): Segment | undefined {
    const segment = lastBelow(epoch, start + 1);
    return segment?.start === start ? segment : undefined;
  }

  return {
    get,
    lastBelow,
    at(epoch, position) {
      const segment = lastBelow(epoch, position + 1);
      return segment !== undefined && position < segment.end ? segment : undefined;
    },
    addLocal({ epoch, start, end }) {
      const segment = get(epoch, start) ?? insert(epoch, start, end);
      segment.isLocal = true;
      return segment;
    },
    addStored(key, stored) {
      const segment = get(stored.epoch, stored.start) ?? insert(stored.epoch, stored.start, stored.end);
      if (segment.end === stored.end) segment.object ??= { key, stored };
    },
    remove(epoch, from, until) {
      const list = epochs.get(epoch) ?? [];
      const first = lastIndexBelow(list, from) + 1;
      const gone = list.splice(first, lastIndexBelow(list, until) + 1 - first);
      for (const segment of gone) segment.isRemoved = true;
      return gone;
    },
    all: () => [...epochs.keys()].sort((a, b) => a - b).flatMap((epoch) => epochs.get(epoch) ?? []),
  };
}
