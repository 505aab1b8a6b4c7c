/**
 * The messages that are out: who holds each, until when, and the how-manieth delivery it is. Typed arrays with a
 * hash index by position and a heap by expiry: some 45 bytes per lease. A lease that never expires is not in the
 * heap. A lease of holder 0 is a message that nobody holds and that waits for its time (released with a delay).
 */
const SMALLEST = 16;
/** Tables up to this length are kept when they empty. */
const KEPT = 4096;
const NOT_IN_HEAP = -1;

export class LeaseTable {
  private positions = new Float64Array(SMALLEST);
  private expiries = new Float64Array(SMALLEST);
  private holders = new Uint32Array(SMALLEST);
  private keys = new Uint32Array(SMALLEST);
  private counts = new Uint16Array(SMALLEST);
  private bands = new Uint8Array(SMALLEST);
  /** Place in the heap; of a free slot, the next free one. */
  private heapPlaces = new Int32Array(SMALLEST);
  private heap = new Int32Array(SMALLEST);
  private heapSize = 0;
  /** Slot + 1 by hash of the position; 0 = free. */
  private index = new Int32Array(2 * SMALLEST);
  private free = NOT_IN_HEAP;
  private used = 0;
  private active = 0;

  get size(): number {
    return this.active;
  }

  get bytes(): number {
    return this.positions.length * (8 + 8 + 4 + 4 + 2 + 1 + 4 + 4 + 8);
  }

  has(position: number): boolean {
    return this.active > 0 && this.index[this.placeOf(position)] !== 0;
  }

  /** The slot of a position, or -1. Good until the next `add` or `remove`. */
  find(position: number): number {
    return this.active === 0 ? -1 : this.index[this.placeOf(position)] - 1;
  }

  /** The position must not be there yet. */
  add(position: number, holder: number, expiresAtMs: number, count: number, band: number, key: number): void {
    if (this.free === NOT_IN_HEAP && this.used === this.positions.length)
      this.resize(this.positions.length * 2);
    let slot = this.free;
    if (slot === NOT_IN_HEAP) slot = this.used++;
    else this.free = this.heapPlaces[slot];
    this.positions[slot] = position;
    this.expiries[slot] = expiresAtMs;
    this.holders[slot] = holder;
    this.counts[slot] = count;
    this.bands[slot] = band;
    this.keys[slot] = key;
    this.index[this.placeOf(position)] = slot + 1;
    this.active++;
    this.heapPlaces[slot] = NOT_IN_HEAP;
    this.enterHeap(slot);
  }

  remove(slot: number): void {
    this.leaveHeap(slot);
    this.unindex(this.positions[slot]);
    this.heapPlaces[slot] = this.free;
    this.free = slot;
    this.active--;
    if (this.active === 0) this.reset();
    else if (this.positions.length > KEPT && this.active * 8 < this.positions.length) this.shrink();
  }

  position(slot: number): number {
    return this.positions[slot];
  }

  holder(slot: number): number {
    return this.holders[slot];
  }

  expiry(slot: number): number {
    return this.expiries[slot];
  }

  count(slot: number): number {
    return this.counts[slot];
  }

  band(slot: number): number {
    return this.bands[slot];
  }

  key(slot: number): number {
    return this.keys[slot];
  }

  change(slot: number, holder: number, expiresAtMs: number, count: number): void {
    this.leaveHeap(slot);
    this.holders[slot] = holder;
    this.expiries[slot] = expiresAtMs;
    this.counts[slot] = count;
    this.enterHeap(slot);
  }

  /** Up to `max` positions whose time has come at `nowMs`, ascending. */
  due(nowMs: number, max: number): number[] {
    const found: number[] = [];
    const walk: number[] = [0];
    for (let place = walk.pop(); place !== undefined && found.length < max; place = walk.pop()) {
      if (place >= this.heapSize) continue;
      const slot = this.heap[place];
      if (this.expiries[slot] > nowMs) continue;
      found.push(this.positions[slot]);
      walk.push(2 * place + 2, 2 * place + 1);
    }
    return found.sort((a, b) => a - b);
  }

  /** Infinity when nothing expires. */
  nextExpiryMs(): number {
    return this.heapSize === 0 ? Number.POSITIVE_INFINITY : this.expiries[this.heap[0]];
  }

  /** In no particular order. The table must not change meanwhile. */
  *slots(): IterableIterator<number> {
    for (const entry of this.index) if (entry !== 0) yield entry - 1;
  }

  clear(): void {
    this.resize(SMALLEST, false);
    this.reset();
  }

  private reset(): void {
    // The index is empty already: every removal took its entry out.
    if (this.positions.length > KEPT) this.resize(SMALLEST, false);
    this.free = NOT_IN_HEAP;
    this.used = this.active = this.heapSize = 0;
  }

  private shrink(): void {
    const rows = [...this.slots()].map((slot) => ({
      position: this.positions[slot],
      holder: this.holders[slot],
      expiry: this.expiries[slot],
      count: this.counts[slot],
      band: this.bands[slot],
      key: this.keys[slot],
    }));
    this.resize(this.positions.length / 4, false);
    this.free = NOT_IN_HEAP;
    this.used = this.active = this.heapSize = 0;
    for (const { position, holder, expiry, count, band, key } of rows) {
      this.add(position, holder, expiry, count, band, key);
    }
  }

  private homeOf(position: number): number {
    const mixed = Math.imul(position ^ Math.floor(position / 0x100000000), 0x9e3779b1);
    return mixed >>> (Math.clz32(this.index.length) + 1);
  }

  private placeOf(position: number): number {
    const mask = this.index.length - 1;
    let at = this.homeOf(position);
    while (this.index[at] !== 0 && this.positions[this.index[at] - 1] !== position) at = (at + 1) & mask;
    return at;
  }

  private unindex(position: number): void {
    const mask = this.index.length - 1;
    let hole = this.placeOf(position);
    for (let at = (hole + 1) & mask; this.index[at] !== 0; at = (at + 1) & mask) {
      const home = this.homeOf(this.positions[this.index[at] - 1]);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.index[hole] = this.index[at];
      hole = at;
    }
    this.index[hole] = 0;
  }

  private enterHeap(slot: number): void {
    if (this.expiries[slot] === Number.POSITIVE_INFINITY) return;
    this.siftUp(this.heapSize++, slot);
  }

  private leaveHeap(slot: number): void {
    const place = this.heapPlaces[slot];
    if (place === NOT_IN_HEAP) return;
    this.heapPlaces[slot] = NOT_IN_HEAP;
    const last = this.heap[--this.heapSize];
    if (last === slot) return;
    const parent = this.heap[(place - 1) >> 1];
    if (place > 0 && this.expiries[last] < this.expiries[parent]) this.siftUp(place, last);
    else this.siftDown(place, last);
  }

  private siftUp(from: number, slot: number): void {
    const expiry = this.expiries[slot];
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.heap[above];
      if (this.expiries[parent] <= expiry) break;
      this.put(place, parent);
      place = above;
    }
    this.put(place, slot);
  }

  private siftDown(from: number, slot: number): void {
    const expiry = this.expiries[slot];
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.heapSize) break;
      if (child + 1 < this.heapSize && this.expiries[this.heap[child + 1]] < this.expiries[this.heap[child]])
        child++;
      if (this.expiries[this.heap[child]] >= expiry) break;
      this.put(place, this.heap[child]);
      place = child;
    }
    this.put(place, slot);
  }

  private put(place: number, slot: number): void {
    this.heap[place] = slot;
    this.heapPlaces[slot] = place;
  }

  private resize(length: number, keep = true): void {
    const old = this.positions;
    const grown = <T extends { set(from: T): void }>(to: T, from: T): T => {
      if (keep) to.set(from);
      return to;
    };
    this.positions = grown(new Float64Array(length), this.positions);
    this.expiries = grown(new Float64Array(length), this.expiries);
    this.holders = grown(new Uint32Array(length), this.holders);
    this.keys = grown(new Uint32Array(length), this.keys);
    this.counts = grown(new Uint16Array(length), this.counts);
    this.bands = grown(new Uint8Array(length), this.bands);
    this.heapPlaces = grown(new Int32Array(length), this.heapPlaces);
    this.heap = grown(new Int32Array(length), this.heap);
    this.index = new Int32Array(2 * length);
    if (!keep) return;
    for (let slot = 0; slot < old.length; slot++) this.index[this.placeOf(old[slot])] = slot + 1;
  }
}
