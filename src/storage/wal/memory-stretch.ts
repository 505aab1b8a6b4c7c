/**
 * The blocks of a log in memory from one anchor up to the next, which go together. Where each lies is a row of numbers outside
 * the heap: many small blocks would fill that long before they fill the memory that the log may have.
 */
import { BLOCK_HEADER_BYTES } from './block.ts';
import type { Chunk, MemoryChunks, Place } from './memory-chunks.ts';

export interface Kept {
  readonly position: number;
  readonly end: number;
  readonly isAnchor: boolean;
  readonly sum: number;
  /** Its bytes, for as long as the stretch is there. */
  readonly bytes: Uint8Array;
}

export interface Stretch {
  readonly start: number;
  /** Behind the last block. */
  readonly end: number;
  readonly count: number;
  /** A place that is the stretch's from now on. */
  add(place: Place, sum: number): void;
  block(row: number): Kept | undefined;
  /** The first block that begins at or behind a position. */
  firstFrom(position: number): number;
  free(): void;
}

/** Position, offset in the chunk, length of the body, its sum, and which chunk. */
const FIELDS = 5;
const FIRST_ROWS = 64;

export function createStretch(start: number, memory: MemoryChunks): Stretch {
  let rows = newRows(FIRST_ROWS);
  let count = 0;
  let end = start;
  const chunks: Chunk[] = [];

  function newRows(most: number): Float64Array {
    const made = new Float64Array(most * FIELDS);
    memory.count(made.byteLength);
    return made;
  }

  function grow(): void {
    const before = rows;
    rows = newRows(2 * count);
    rows.set(before);
    memory.count(-before.byteLength);
  }

  return {
    start,
    get end() {
      return end;
    },
    get count() {
      return count;
    },
    add({ chunk, offset, bytes }, sum) {
      if (count * FIELDS === rows.length) grow();
      // One use of a chunk for all blocks in it.
      if (chunks.at(-1) === chunk) memory.giveBack(chunk);
      else chunks.push(chunk);
      const at = count * FIELDS;
      rows[at] = end;
      rows[at + 1] = offset;
      rows[at + 2] = bytes.byteLength;
      rows[at + 3] = sum;
      rows[at + 4] = chunks.length - 1;
      count++;
      end += BLOCK_HEADER_BYTES + bytes.byteLength;
    },
    block(row) {
      const [position, offset, bodyBytes, sum, index] = rows.subarray(row * FIELDS, (row + 1) * FIELDS);
      const chunk = chunks[index ?? -1];
      if (row >= count || chunk === undefined) return undefined;
      if (position === undefined || offset === undefined || bodyBytes === undefined || sum === undefined) {
        return undefined;
      }
      return {
        position,
        end: position + BLOCK_HEADER_BYTES + bodyBytes,
        isAnchor: row === 0,
        sum,
        bytes: chunk.whole.subarray(offset, offset + bodyBytes),
      };
    },
    firstFrom(position) {
      let low = 0;
      let high = count;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((rows[middle * FIELDS] as number) < position) low = middle + 1;
        else high = middle;
      }
      return low;
    },
    free() {
      memory.count(-rows.byteLength);
      for (const chunk of chunks) memory.giveBack(chunk);
    },
  };
}
