/**
 * Memory of a log that is kept in memory. Bodies are laid one behind the other into chunks, and a chunk of which nobody wants
 * a body any more is filled again: new memory has to be mapped page by page. Chunks are shared memory, though nobody shares
 * it, for the collector counts any other that lies outside its heap, and goes through all of the heap for every few dozen
 * megabytes that are new. Nor would it notice at once what is let go: so a chunk stays, unless what is used otherwise would come on
 * top of it. All memory is never more than was once in use.
 */
import type { BodyMemory, BodyRoom } from './wal-store.ts';

/** Little is lost at the end of one, even to bodies of a megabyte. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

export interface Chunk {
  readonly whole: Uint8Array;
  /** Bodies, and those who read them; and one as long as it is being filled. */
  uses: number;
}

/** Where a body lies: in one chunk, and wanted until it is given back. */
export interface Place extends BodyRoom {
  readonly chunk: Chunk;
  /** Of its bytes, in the chunk. */
  readonly offset: number;
}

export interface MemoryChunks extends BodyMemory {
  take(bytes: number): Place;
  /** One who wanted a body of the chunk does not want it any more. */
  giveBack(chunk: Chunk): void;
  /** So much more is used, or less, beside bodies. */
  count(bytes: number): void;
  /** Memory that has bodies, to the end of the chunks, and what was counted besides. */
  usedBytes(): number;
  /** With that of free chunks. */
  allocatedBytes(): number;
}

class ChunkPlace implements Place {
  readonly bytes: Uint8Array;
  readonly chunk: Chunk;
  readonly offset: number;
  readonly #release: (chunk: Chunk) => void;

  constructor(chunk: Chunk, offset: number, bytes: number, release: (chunk: Chunk) => void) {
    this.bytes = chunk.whole.subarray(offset, offset + bytes);
    this.chunk = chunk;
    this.offset = offset;
    this.#release = release;
    chunk.uses++;
  }

  lend(): void {
    this.chunk.uses++;
  }

  giveBack(): void {
    this.#release(this.chunk);
  }

  free(): void {
    this.#release(this.chunk);
  }
}

/** A body larger than half a chunk has memory of its own, which is not used again. */
export function createMemoryChunks(chunkBytes: number = CHUNK_BYTES): MemoryChunks {
  const free: Chunk[] = [];
  let used = 0;
  let mostUsed = 0;
  let open: Chunk | undefined;
  let filled = 0;

  function release(chunk: Chunk): void {
    if (--chunk.uses > 0) return;
    const { byteLength } = chunk.whole;
    used -= byteLength;
    if (byteLength === chunkBytes) free.push(chunk);
  }

  /** Chunks that are free make room for it. */
  function use(bytes: number): void {
    used += bytes;
    mostUsed = Math.max(mostUsed, used);
    while (free.length > 0 && used + free.length * chunkBytes > mostUsed) free.pop();
  }

  function newChunk(): Chunk {
    const chunk = free.pop() ?? { whole: Buffer.from(new SharedArrayBuffer(chunkBytes)), uses: 0 };
    use(chunkBytes);
    return chunk;
  }

  function ownChunk(bytes: number): Chunk {
    use(bytes);
    return { whole: Buffer.allocUnsafeSlow(bytes), uses: 0 };
  }

  return {
    take(bytes) {
      if (bytes > chunkBytes / 2) return new ChunkPlace(ownChunk(bytes), 0, bytes, release);
      if (open === undefined || filled + bytes > chunkBytes) {
        if (open !== undefined) release(open);
        open = newChunk();
        open.uses = 1;
        filled = 0;
      }
      const place = new ChunkPlace(open, filled, bytes, release);
      filled += bytes;
      return place;
    },
    giveBack: release,
    count: use,
    usedBytes: () => used,
    allocatedBytes: () => used + free.length * chunkBytes,
  };
}
