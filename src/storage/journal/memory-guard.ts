import { withAccessors } from '../../kernel/with-accessors.ts';
import type { SpaceGuard } from './space-guard.ts';

export interface MemoryGuardOptions {
  readonly usedBytes: () => number;
  /** Writers are refused from here on. */
  readonly maxBytes: number;
  /** Beyond it, for settlements. */
  readonly reserveBytes: number;
  readonly onWrote: (bytes: number) => void;
}

/** Who is refused waits until so much of it is free, not until a smaller append fits. */
const ROOM = 0.9;

/** Does for a journal in memory what a look at the disk does for one in files. */
export function createMemoryGuard(options: MemoryGuardOptions): SpaceGuard {
  const { usedBytes, maxBytes, reserveBytes, onWrote } = options;
  let isRefusing = false;

  function isFull(moreBytes: number): boolean {
    const used = usedBytes() + moreBytes;
    if (used >= maxBytes) isRefusing = true;
    else if (used < ROOM * maxBytes) isRefusing = false;
    return isRefusing;
  }

  return withAccessors<SpaceGuard, 'isFull' | 'freeBytes' | 'hasReserve'>(
    {
      get isFull() {
        return isFull(0);
      },
      get freeBytes() {
        return Math.max(0, maxBytes - usedBytes());
      },
      get hasReserve() {
        return usedBytes() < maxBytes + reserveBytes;
      },
    },
    {
      allows: (bytes, isSettlement) =>
        isSettlement ? usedBytes() + bytes <= maxBytes + reserveBytes : !isFull(bytes),
      wrote: onWrote,
      check: async () => {},
      close: async () => {},
    },
  );
}
