import { withAccessors } from '../../kernel/with-accessors.ts';
import { type Body, type FramesByLog, framesByLog, type Group } from './group.ts';
import type { Room } from './group-memory.ts';

/** The newest groups, in memory, whole, up to a number of bytes and of groups: what most readers read never meets the disk. */
export interface Tail {
  /** All records from this position on are here. */
  readonly start: number;
  push(group: Group, start: number, end: number): void;
  /** The first group that ends behind a position, which is at or behind `start`. */
  at(position: number): Held | undefined;
}

export interface Held {
  readonly body: Body;
  /** Known from the first reader on; undefined where there are so few that a walk over them is less. */
  readonly frames: FramesByLog | undefined;
  readonly start: number;
  readonly end: number;
}

const FEW_FRAMES = 8;
/** The objects around a small group are larger than it is: without a bound the tail would be several times its bytes. */
const MAX_GROUPS = 16_384;

class Counted implements Held {
  readonly body: Body;
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  readonly room: Room;
  readonly #count: number;
  #frames: FramesByLog | undefined;

  constructor({ body, bodyBytes, frames, room }: Group, start: number, end: number) {
    this.body = body;
    this.start = start;
    this.end = end;
    this.bytes = bodyBytes;
    this.room = room;
    this.#count = frames;
  }

  get frames(): FramesByLog | undefined {
    if (this.#count <= FEW_FRAMES) return undefined;
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
    oldest.room.free();
    first = oldest.end;
  }

  return withAccessors<Tail, 'start'>(
    {
      get start() {
        return first;
      },
    },
    {
      push(group, groupStart, end) {
        groups.push(new Counted(group, groupStart, end));
        held += group.bodyBytes;
        while (held > maxBytes || groups.length - gone > MAX_GROUPS) dropOldest();
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
