/**
 * What waits for one durable session, in order: references to messages of the message store, numbered without gaps from
 * 1 on. Here are the numbers and what is settled; whose turn it is, what is in flight and how much may wait is the
 * caller's, and so are the references that the store counts.
 *
 * A delivery costs 4 bytes until all of its chunk of 64 is settled, 8 where options differ within the chunk; a queue of
 * up to 4 deliveries some 150 bytes in all, an empty one 110. `push`, `settle` and the look-ups are O(1) amortized;
 * `nextFrom` also passes what is settled above the floor, a chunk that is settled whole in one step. Deliveries that are
 * settled above one that never is cost a bit each: `end - floor` is what to bound.
 */
import type { ByteReader, ByteWriter } from '../binary.ts';
import {
  freeChunk,
  moveChunk,
  nextWaiting,
  optionsOf,
  putDelivery,
  settlePlace,
  slotOf,
  takeChunk,
} from './chunk.ts';
import type { ChunkPool, ReferencePools } from './chunk-pool.ts';

/** In the directory: all of the chunk is settled. */
const WHOLE = -1;
const CHUNK = 64;
const MAX_SPAN = 2 ** 31;

/** What the low bits of a number in the encoded form say. */
const SAME_OPTIONS = 0;
const NEW_OPTIONS = 1;
const SETTLED_RUN = 2;
const KINDS = 4;

export class ReferenceQueue {
  private readonly pools: ReferencePools;
  private pool: ChunkPool;
  /** The only chunk; with a `directory`, meaningless. */
  private chunk = WHOLE;
  private directory: number[] | undefined = undefined;
  /** Of the first chunk in the directory. */
  private head = 0;
  /** Number of the first place in the first chunk. */
  private base: number;
  private capacity = 0;
  private first: number;
  private next: number;
  private live = 0;

  /** `first`: number of the first delivery to come. */
  constructor(pools: ReferencePools, first = 1) {
    this.pools = pools;
    this.pool = pools.small;
    this.base = first;
    this.first = first;
    this.next = first;
  }

  /** The oldest that is not settled; `end` when there is none. */
  get floor(): number {
    return this.first;
  }

  /** The number that the next delivery gets. */
  get end(): number {
    return this.next;
  }

  /** Not settled. */
  get length(): number {
    return this.live;
  }

  /** Makes `seq` the number of the next delivery; those in between count as settled. False when it was given before. */
  advanceTo(seq: number): boolean {
    if (seq < this.next) return false;
    if (this.live === 0) {
      this.clear();
      this.base = seq;
      this.first = seq;
      this.next = seq;
      return true;
    }
    // With the options of the last one: what is settled must not be what makes the options of a chunk differ.
    while (this.next < seq) this.settle(this.push(0, this.placedOptions(this.next - 1)));
    return true;
  }

  /** Slots are below 2^32 - 1. Returns the delivery's number. */
  push(slot: number, options: number): number {
    if (this.next - this.base === this.capacity) this.grow();
    const { directory } = this;
    const id = directory === undefined ? this.chunk : directory[directory.length - 1];
    putDelivery(this.pool, id, this.placeOf(this.next), slot, options);
    this.live++;
    return this.next++;
  }

  isSettled(seq: number): boolean {
    return seq < this.first || (seq < this.next && this.slotAt(seq) === -1);
  }

  /** -1 for what is settled or does not exist. */
  slotAt(seq: number): number {
    if (seq < this.first || seq >= this.next) return -1;
    const id = this.chunkAt(this.indexOf(seq));
    return id === WHOLE ? -1 : slotOf(this.pool, id, this.placeOf(seq));
  }

  /** 0 for what is settled or does not exist. */
  optionsAt(seq: number): number {
    return this.slotAt(seq) === -1 ? 0 : this.placedOptions(seq);
  }

  /** False when it was settled before, or does not exist. */
  settle(seq: number): boolean {
    if (seq < this.first || seq >= this.next) return false;
    const index = this.indexOf(seq);
    const id = this.chunkAt(index);
    if (id === WHOLE) return false;
    const settled = settlePlace(this.pool, id, this.placeOf(seq));
    if (settled === 0) return false;
    if (--this.live === 0) {
      this.clear();
      return true;
    }
    if (seq === this.first) {
      this.first = this.nextFrom(seq + 1);
      this.dropPassed();
    } else if (settled === CHUNK && this.directory !== undefined) {
      freeChunk(this.pool, id);
      this.directory[this.head + index] = WHOLE;
    }
    return true;
  }

  /** The first at or above `seq` that is not settled; `end` when there is none. */
  nextFrom(seq: number): number {
    const { pool, base, next } = this;
    let at = Math.max(seq, this.first);
    while (at < next) {
      const index = this.indexOf(at);
      const id = this.chunkAt(index);
      const start = base + index * pool.places;
      const end = Math.min(next, start + pool.places);
      if (id === WHOLE) {
        at = end;
        continue;
      }
      at = start + nextWaiting(pool, id, at - start, end - start);
      if (at < end) return at;
    }
    return next;
  }

  /** Settles everything, and gives all memory back. */
  clear(): void {
    if (this.directory !== undefined) {
      for (let i = this.head; i < this.directory.length; i++) {
        if (this.directory[i] !== WHOLE) freeChunk(this.pool, this.directory[i]);
      }
    } else if (this.capacity > 0) {
      freeChunk(this.pool, this.chunk);
    }
    this.directory = undefined;
    this.head = 0;
    this.capacity = 0;
    this.pool = this.pools.small;
    this.live = 0;
    this.first = this.next;
    this.base = this.next;
  }

  /** Some 1 to 3 bytes for a delivery whose message and options are near those of the one before. */
  encode(to: ByteWriter, idOf: (slot: number) => number): void {
    to.uint(this.first).uint(this.next - this.first);
    let lastId = 0;
    let lastOptions = 0;
    for (let seq = this.first; seq < this.next; seq++) {
      const unsettled = this.nextFrom(seq);
      if (unsettled > seq) to.uint((unsettled - seq) * KINDS + SETTLED_RUN);
      if (unsettled === this.next) return;
      seq = unsettled;
      const id = idOf(this.slotAt(seq));
      const options = this.optionsAt(seq);
      const distance = id < lastId ? (lastId - id) * 2 - 1 : (id - lastId) * 2;
      to.uint(distance * KINDS + (options === lastOptions ? SAME_OPTIONS : NEW_OPTIONS));
      if (options !== lastOptions) to.uint(options);
      lastId = id;
      lastOptions = options;
    }
  }

  private indexOf(seq: number): number {
    return this.directory === undefined ? 0 : (seq - this.base) >>> 6;
  }

  private chunkAt(index: number): number {
    return this.directory === undefined ? this.chunk : this.directory[this.head + index];
  }

  private placeOf(seq: number): number {
    return (seq - this.base) & (this.pool.places - 1);
  }

  /** Of a delivery at or above `base`, settled or not; 0 where its chunk is gone. */
  private placedOptions(seq: number): number {
    const id = this.chunkAt(this.indexOf(seq));
    return id === WHOLE ? 0 : optionsOf(this.pool, id, this.placeOf(seq));
  }

  /** Chunks below the floor. */
  private dropPassed(): void {
    const { directory } = this;
    if (directory === undefined) return;
    while (this.first - this.base >= CHUNK) {
      const id = directory[this.head++];
      if (id !== WHOLE) freeChunk(this.pool, id);
      this.base += CHUNK;
      this.capacity -= CHUNK;
    }
    if (directory.length - this.head === 1) {
      this.chunk = directory[this.head];
      this.directory = undefined;
      this.head = 0;
    } else if (this.head > 64 && this.head * 2 > directory.length) {
      directory.splice(0, this.head);
      this.head = 0;
    }
  }

  private grow(): void {
    const { pool, pools } = this;
    if (this.capacity === 0) {
      this.chunk = takeChunk(pool);
      this.capacity = pool.places;
    } else if (pool === pools.large) {
      this.directory ??= [this.chunk];
      this.directory.push(takeChunk(pool));
      this.capacity += CHUNK;
    } else {
      this.moveOn();
    }
  }

  /** What is above the floor of a full small chunk goes to its begin, or to a larger chunk when it is more than half. */
  private moveOn(): void {
    const { pool, pools, capacity } = this;
    const span = this.next - this.first;
    if (span > capacity / 2) this.pool = pool === pools.small ? pools.medium : pools.large;
    this.chunk = moveChunk(pool, this.chunk, capacity - span, this.pool);
    this.capacity = this.pool.places;
    this.base = this.first;
  }
}

/**
 * Reads what `encode` wrote; a delivery whose message has no slot (-1) is settled. When the bytes are not well-formed
 * the reader says `failed`, and the queue means nothing.
 */
export function decodeReferenceQueue(
  from: ByteReader,
  pools: ReferencePools,
  slotOf: (id: number) => number,
): ReferenceQueue {
  const queue = new ReferenceQueue(pools, from.uint());
  let left = from.uint();
  if (left > MAX_SPAN) from.fail();
  let id = 0;
  let options = 0;
  while (left > 0 && !from.failed) {
    const value = from.uint();
    const kind = value % KINDS;
    const amount = Math.floor(value / KINDS);
    if (kind === SETTLED_RUN) {
      if (amount > left || amount === 0) from.fail();
      if (!from.failed) queue.advanceTo(queue.end + amount);
      left -= amount;
      continue;
    }
    if (kind !== SAME_OPTIONS && kind !== NEW_OPTIONS) from.fail();
    id += amount % 2 === 1 ? -(amount + 1) / 2 : amount / 2;
    if (kind === NEW_OPTIONS) options = from.uint();
    const slot = slotOf(id);
    if (slot === -1) queue.advanceTo(queue.end + 1);
    else queue.push(slot, options);
    left--;
  }
  return queue;
}
