/**
 * Bodies that came together and lie together: copied once into a slab, as the journal has them, and known by slot.
 * A slab stays as long as one of its bodies is not written yet; of the others the newest stay, up to a number of
 * bytes. Buffers of slabs are used again: what is read from one is copied before anything else happens.
 */

const SLAB_BYTES = 64 * 1024;
const SPARE_MAX = 8;

export class Slab {
  /** Undefined when it has been given up. */
  bytes: Uint8Array | undefined;
  used = 0;
  /** Bodies that are known by slot. */
  live = 0;
  /** Of these, not written yet. */
  pinned = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export class BodySlabs {
  private readonly maxBytes: number;
  private readonly slabs: (Slab | undefined)[] = [];
  private starts = new Uint32Array(0);
  /** In the order in which they were begun; those from `oldest` on. */
  private begun: Slab[] = [];
  private oldest = 0;
  private current: Slab | undefined = undefined;
  private readonly spare: Uint8Array[] = [];
  private held = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.held;
  }

  /** One with room for so many bytes behind `used`. */
  slabFor(bytes: number): Slab {
    const { current } = this;
    if (current?.live === 0) current.used = 0;
    if (current?.bytes !== undefined && current.used + bytes <= current.bytes.length) return current;
    const slab = new Slab(this.bufferFor(bytes));
    this.current = slab;
    if (current?.live === 0) this.giveUp(current);
    this.begun.push(slab);
    this.held += slab.bytes?.length ?? 0;
    this.evict();
    return slab;
  }

  /** The body of `slot` is in the slab from `start` on, and not written yet. */
  hold(slot: number, slab: Slab, start: number): void {
    if (slot >= this.starts.length) this.grow(slot + 1);
    this.slabs[slot] = slab;
    this.starts[slot] = start;
    slab.live++;
    slab.pinned++;
  }

  /** It may go from now on. */
  unpin(slot: number): void {
    const slab = this.slabs[slot];
    if (slab !== undefined) slab.pinned--;
  }

  remove(slot: number, isPinned: boolean): void {
    const slab = this.slabs[slot];
    if (slab === undefined) return;
    this.slabs[slot] = undefined;
    if (isPinned) slab.pinned--;
    if (--slab.live === 0 && slab !== this.current) this.giveUp(slab);
  }

  /** Undefined when its body is not here. */
  slabOf(slot: number): Slab | undefined {
    const slab = this.slabs[slot];
    return slab?.bytes === undefined ? undefined : slab;
  }

  startOf(slot: number): number {
    return this.starts[slot];
  }

  private bufferFor(bytes: number): Uint8Array {
    if (bytes > SLAB_BYTES) return new Uint8Array(bytes);
    return this.spare.pop() ?? new Uint8Array(SLAB_BYTES);
  }

  private giveUp(slab: Slab): void {
    const { bytes } = slab;
    if (bytes === undefined) return;
    slab.bytes = undefined;
    this.held -= bytes.length;
    if (bytes.length === SLAB_BYTES && this.spare.length < SPARE_MAX) this.spare.push(bytes);
    this.forgetPassed();
  }

  private evict(): void {
    this.forgetPassed();
    while (this.held > this.maxBytes) {
      const slab = this.begun[this.oldest];
      if (slab === undefined || slab === this.current || slab.pinned > 0) return;
      this.giveUp(slab);
    }
  }

  private forgetPassed(): void {
    const { begun } = this;
    while (this.oldest < begun.length && begun[this.oldest].bytes === undefined) this.oldest++;
    if (this.oldest > 64 && this.oldest * 2 > begun.length) {
      begun.splice(0, this.oldest);
      this.oldest = 0;
    }
  }

  private grow(atLeast: number): void {
    const starts = new Uint32Array(Math.max(1024, this.starts.length * 2, atLeast));
    starts.set(this.starts);
    this.starts = starts;
    while (this.slabs.length < starts.length) this.slabs.push(undefined);
  }
}
