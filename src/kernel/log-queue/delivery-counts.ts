/**
 * How often each waiting message was delivered before, for those that were: open addressing over typed arrays, 6
 * bytes per place. Positions are told apart by their low 32 bits, which is exact while all of them lie within
 * 2^32 of each other; the queue's span is bounded far below that. Counts saturate at 65,535.
 */
const SMALLEST = 16;

export const MAX_DELIVERIES = 0xffff;

export class DeliveryCounts {
  private keys = new Uint32Array(SMALLEST);
  /** 0 marks a free place. */
  private values = new Uint16Array(SMALLEST);
  private used = 0;

  get size(): number {
    return this.used;
  }

  get bytes(): number {
    return this.keys.byteLength + this.values.byteLength;
  }

  get(position: number): number {
    if (this.used === 0) return 0;
    return this.values[this.placeOf(position >>> 0)];
  }

  /** A count of 0 removes it. */
  set(position: number, count: number): void {
    if (count === 0) {
      this.delete(position);
      return;
    }
    if (this.used * 5 >= this.keys.length * 4) this.rehash(this.keys.length * 2);
    const place = this.placeOf(position >>> 0);
    if (this.values[place] === 0) this.used++;
    this.keys[place] = position >>> 0;
    this.values[place] = Math.min(count, MAX_DELIVERIES);
  }

  delete(position: number): void {
    if (this.used === 0) return;
    const mask = this.keys.length - 1;
    let hole = this.placeOf(position >>> 0);
    if (this.values[hole] === 0) return;
    // Those that follow move up, so that a search may end at the first free place.
    for (let at = (hole + 1) & mask; this.values[at] !== 0; at = (at + 1) & mask) {
      const home = this.homeOf(this.keys[at]);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.keys[hole] = this.keys[at];
      this.values[hole] = this.values[at];
      hole = at;
    }
    this.values[hole] = 0;
    this.used--;
    if (this.keys.length > SMALLEST && this.used * 8 < this.keys.length) this.rehash(this.keys.length / 2);
  }

  clear(): void {
    this.keys = new Uint32Array(SMALLEST);
    this.values = new Uint16Array(SMALLEST);
    this.used = 0;
  }

  private homeOf(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> (Math.clz32(this.keys.length) + 1);
  }

  private placeOf(key: number): number {
    const mask = this.keys.length - 1;
    let at = this.homeOf(key);
    while (this.values[at] !== 0 && this.keys[at] !== key) at = (at + 1) & mask;
    return at;
  }

  private rehash(length: number): void {
    const { keys, values } = this;
    this.keys = new Uint32Array(length);
    this.values = new Uint16Array(length);
    for (let i = 0; i < keys.length; i++) {
      if (values[i] === 0) continue;
      const place = this.placeOf(keys[i]);
      this.keys[place] = keys[i];
      this.values[place] = values[i];
    }
  }
}
