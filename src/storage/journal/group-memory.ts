/**
 * Memory of groups. Each is wanted until the tail lets go of it, and memory that is new for each of them costs more than
 * their bytes: it has to be mapped, and the collector looks for what is not wanted any more. So groups are laid one
 * behind the other into chunks, and a chunk whose groups are all gone is filled again, unless somebody may read it still.
 */

/** Room for the largest batch that topics allow by default, with what is around it. */
const CHUNK_BYTES = 1024 * 1024 + 64 * 1024;
/** A larger group has a chunk of its own, of twice the size or so on; of those above, none are kept. */
const MAX_DOUBLINGS = 3;
/** Chunks come free in the order in which they were filled, one about when the next is wanted. */
const MAX_KEPT_BYTES = 24 * CHUNK_BYTES;

/** Of which readers have parts. What they have stays as it is until they give it back. */
export interface Lendable {
  lend(): void;
  giveBack(): void;
}

/** What a reader has borrowed from the tail. */
export interface Loan {
  add(from: Lendable): void;
  /** Nothing that was read with it is looked at any more; it can be used again. */
  release(): void;
}

export interface Room extends Lendable {
  readonly bytes: Uint8Array;
  /** The tail has let go of the group. */
  free(): void;
}

export interface GroupMemory {
  take(bytes: number): Room;
}

interface Chunk {
  readonly whole: Uint8Array;
  /** Groups and loans; and one as long as it is being filled. */
  uses: number;
}

class GroupRoom implements Room {
  readonly bytes: Uint8Array;
  readonly #chunk: Chunk;
  readonly #unused: (chunk: Chunk) => void;

  constructor(bytes: Uint8Array, chunk: Chunk, unused: (chunk: Chunk) => void) {
    this.bytes = bytes;
    this.#chunk = chunk;
    this.#unused = unused;
    chunk.uses++;
  }

  lend(): void {
    this.#chunk.uses++;
  }

  giveBack(): void {
    if (--this.#chunk.uses === 0) this.#unused(this.#chunk);
  }

  free(): void {
    this.giveBack();
  }
}

/** New memory for each group. */
export const unpooledMemory: GroupMemory = {
  take: (bytes) => ({
    bytes: Buffer.allocUnsafeSlow(bytes),
    lend() {},
    giveBack() {},
    free() {},
  }),
};

export function createGroupMemory(): GroupMemory {
  /** By how often their size is doubled. */
  const kept: Chunk[][] = Array.from({ length: MAX_DOUBLINGS + 1 }, () => []);
  let keptBytes = 0;
  let open: Chunk | undefined;
  let filled = 0;

  function unused(chunk: Chunk): void {
    const { byteLength } = chunk.whole;
    if (keptBytes + byteLength > MAX_KEPT_BYTES) return;
    keptBytes += byteLength;
    kept[Math.log2(byteLength / CHUNK_BYTES)]?.push(chunk);
  }

  /** Rather one that is too large than a new one. */
  function find(doublings: number): Chunk {
    for (let i = doublings; i <= MAX_DOUBLINGS; i++) {
      const chunk = kept[i]?.pop();
      if (chunk === undefined) continue;
      keptBytes -= chunk.whole.byteLength;
      return chunk;
    }
    return { whole: Buffer.allocUnsafeSlow(CHUNK_BYTES << doublings), uses: 0 };
  }

  return {
    take(bytes) {
      if (bytes > CHUNK_BYTES) {
        const doublings = Math.ceil(Math.log2(bytes / CHUNK_BYTES));
        if (doublings > MAX_DOUBLINGS) return unpooledMemory.take(bytes);
        const chunk = find(doublings);
        return new GroupRoom(chunk.whole.subarray(0, bytes), chunk, unused);
      }
      if (open === undefined || filled + bytes > open.whole.byteLength) {
        if (open !== undefined && --open.uses === 0) unused(open);
        open = find(0);
        open.uses = 1;
        filled = 0;
      }
      const from = filled;
      filled += bytes;
      return new GroupRoom(open.whole.subarray(from, filled), open, unused);
    },
  };
}

export function createLoan(): Loan {
  let borrowed: Lendable[] = [];
  return {
    add(from) {
      if (borrowed.at(-1) === from) return;
      from.lend();
      borrowed.push(from);
    },
    release() {
      const all = borrowed;
      borrowed = [];
      for (const from of all) from.giveBack();
    },
  };
}
