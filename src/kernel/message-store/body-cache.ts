/**
 * Bodies in memory, by slot. Pinned ones stay until they are let go: they are nowhere else. Of the others the newest
 * stay, up to a number of bytes; those read back from the journal have a number of bytes to themselves until they are
 * taken once, so that what is loaded for one session is not driven out by what others publish.
 */
import type { Message } from '../message.ts';

const NONE = -1;
/** Of the objects around the bytes. */
const OBJECT_BYTES = 300;

const Where = { Nowhere: 0, Pinned: 1, Cached: 2, Loaded: 3 } as const;

interface Fifo {
  readonly where: number;
  maxBytes: number;
  oldest: number;
  newest: number;
  bytes: number;
}

const fifo = (where: number, maxBytes: number): Fifo => ({
  where,
  maxBytes,
  oldest: NONE,
  newest: NONE,
  bytes: 0,
});

export class BodyCache {
  private readonly bodies: (Message | undefined)[] = [];
  private wheres = new Uint8Array(0);
  private sizes = new Uint32Array(0);
  private older = new Int32Array(0);
  private newer = new Int32Array(0);
  private readonly cached: Fifo;
  private readonly loaded: Fifo;
  private pinned = 0;

  constructor(maxBytes: number, maxLoadedBytes: number) {
    this.cached = fifo(Where.Cached, maxBytes);
    this.loaded = fifo(Where.Loaded, maxLoadedBytes);
  }

  get bytes(): number {
    return this.cached.bytes + this.loaded.bytes + this.pinned;
  }

  /** Of those that may be dropped, without the ones read back. */
  limit(maxBytes: number): void {
    this.cached.maxBytes = maxBytes;
    this.shrink(this.cached, NONE);
  }

  /** Keeps what is here until it is taken, as if it were loaded; false when it is not here. */
  keep(slot: number): boolean {
    const message = this.bodies[slot];
    if (message === undefined) return false;
    if (this.wheres[slot] === Where.Cached) this.load(slot, message);
    return true;
  }

  get(slot: number): Message | undefined {
    const message = this.bodies[slot];
    if (message !== undefined && this.wheres[slot] === Where.Loaded) this.cache(slot);
    return message;
  }

  /** Without taking it. */
  peek(slot: number): Message | undefined {
    return this.bodies[slot];
  }

  pin(slot: number, message: Message): void {
    this.remove(slot);
    this.pinned += this.hold(slot, message, Where.Pinned);
  }

  /** From now on the body may be dropped. */
  cache(slot: number): void {
    const where = this.wheres[slot];
    if (where === undefined || where === Where.Nowhere) return;
    this.leave(slot, where);
    this.wheres[slot] = Where.Cached;
    this.append(this.cached, slot);
  }

  load(slot: number, message: Message): void {
    this.remove(slot);
    this.hold(slot, message, Where.Loaded);
    this.append(this.loaded, slot);
  }

  remove(slot: number): void {
    const where = this.wheres[slot];
    if (where === undefined || where === Where.Nowhere) return;
    this.bodies[slot] = undefined;
    this.wheres[slot] = Where.Nowhere;
    this.leave(slot, where);
  }

  private leave(slot: number, where: number): void {
    if (where === Where.Pinned) {
      this.pinned -= this.sizes[slot];
      return;
    }
    const from = where === Where.Cached ? this.cached : this.loaded;
    const older = this.older[slot];
    const newer = this.newer[slot];
    if (older === NONE) from.oldest = newer;
    else this.newer[older] = newer;
    if (newer === NONE) from.newest = older;
    else this.older[newer] = older;
    from.bytes -= this.sizes[slot];
  }

  private hold(slot: number, message: Message, where: number): number {
    if (slot >= this.wheres.length) this.grow(slot + 1);
    const size = sizeOf(message);
    this.bodies[slot] = message;
    this.wheres[slot] = where;
    this.sizes[slot] = size;
    return size;
  }

  private append(to: Fifo, slot: number): void {
    this.older[slot] = to.newest;
    this.newer[slot] = NONE;
    if (to.newest === NONE) to.oldest = slot;
    else this.newer[to.newest] = slot;
    to.newest = slot;
    to.bytes += this.sizes[slot];
    // One that is larger than all of the room is there until the next comes.
    this.shrink(to, slot);
  }

  private shrink(fifo: Fifo, spared: number): void {
    while (fifo.bytes > fifo.maxBytes && fifo.oldest !== spared) this.remove(fifo.oldest);
  }

  private grow(atLeast: number): void {
    const capacity = Math.max(1024, this.wheres.length * 2, atLeast);
    const wheres = new Uint8Array(capacity);
    const sizes = new Uint32Array(capacity);
    const older = new Int32Array(capacity);
    const newer = new Int32Array(capacity);
    wheres.set(this.wheres);
    sizes.set(this.sizes);
    older.set(this.older);
    newer.set(this.newer);
    this.wheres = wheres;
    this.sizes = sizes;
    this.older = older;
    this.newer = newer;
    while (this.bodies.length < capacity) this.bodies.push(undefined);
  }
}

function sizeOf({ topic, properties, payload }: Message): number {
  return OBJECT_BYTES + topic.length + properties.length + payload.length;
}
