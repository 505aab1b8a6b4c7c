import { withAccessors } from '../../kernel/with-accessors.ts';
import { type Body, type FramesByLog, framesByLog, type Group } from './group.ts';

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
  /** Known from the first reader on. */
  readonly frames: FramesByLog;
  readonly start: number;
  readonly end: number;
}

class Counted implements Held {
  readonly body: Body;
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  #frames: FramesByLog | undefined;

  constructor(body: Body, start: number, end: number, bytes: number) {
    this.body = body;
    this.start = start;
    this.end = end;
    this.bytes = bytes;
  }

  get frames(): FramesByLog {
    this.#frames ??= framesByLog(this.body);
    return this.#frames;
  }
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
        groups.push(new Counted(body, groupStart, end, bodyBytes));
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
