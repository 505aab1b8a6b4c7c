import { withAccessors } from '../../kernel/with-accessors.ts';
import type { Body, Group } from './group.ts';

/** The newest groups, in memory, whole, up to a number of bytes: what most readers read never meets the disk. */
export interface Tail {
  /** All records from this position on are here. */
  readonly start: number;
  push(group: Group, start: number, end: number): void;
  /** The first group that ends behind a position, which is at or behind `start`. */
  at(position: number): Held | undefined;
}

export interface Held {
  readonly body: Body;
  readonly start: number;
  readonly end: number;
}

interface Counted extends Held {
  readonly bytes: number;
}

export function createTail(start: number, maxBytes: number): Tail {
  const groups: (Counted | undefined)[] = [];
  /** Those before are gone; their places are cut off when they are the larger part. */
  let gone = 0;
  let held = 0;
  let first = start;

  function dropOldest(): void {
    const oldest = groups[gone];
    if (oldest === undefined) return;
    groups[gone++] = undefined;
    held -= oldest.bytes;
    first = oldest.end;
  }

  return withAccessors<Tail, 'start'>(
    {
      get start() {
        return first;
      },
    },
    {
      push({ body, bodyBytes }, groupStart, end) {
        groups.push({ body, start: groupStart, end, bytes: bodyBytes });
        held += bodyBytes;
        while (held > maxBytes) dropOldest();
        if (gone > 64 && gone * 2 > groups.length) {
          groups.splice(0, gone);
          gone = 0;
        }
      },
      at(position) {
        let low = gone;
        let high = groups.length;
        while (low < high) {
          const middle = (low + high) >>> 1;
          if ((groups[middle]?.end ?? 0) <= position) low = middle + 1;
          else high = middle;
        }
        return groups[low];
      },
    },
  );
}
