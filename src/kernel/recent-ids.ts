/**
 * The last so many ids, in order of arrival, with a number and a time each: a ring of columns, and an index by hash
 * that is found in by open addressing, 4 to 16 bytes per id. No object per id but its text.
 */
import { randomInt } from 'node:crypto';

const SMALLEST = 16;
/** Publishers choose ids: without the seed they cannot choose those that collide. */
const SEED = randomInt(0x1_0000_0000);

function hashOf(id: string): number {
  let hash = SEED;
  for (let i = 0; i < id.length; i++) {
    hash = Math.imul(hash ^ id.charCodeAt(i), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  return hash | 0;
}

export class RecentIds {
  private ids: string[] = new Array<string>(SMALLEST).fill('');
  private hashes = new Int32Array(SMALLEST);
  private numbers = new Float64Array(SMALLEST);
  private times = new Float64Array(SMALLEST);
  /** Place in the ring + 1, by hash; 0 = free. */
  private index = new Int32Array(2 * SMALLEST);
  private begin = 0;
  private end = 0;
  /** Who asks for an id often appends it next. */
  private lastId = '';
  private lastHash = hashOf('');

  get size(): number {
    return this.end - this.begin;
  }

  /** The place of an id, or -1. Good until something is appended or forgotten. */
  find(id: string): number {
    const { index, hashes, ids, begin } = this;
    const mask = index.length - 1;
    const hash = this.hash(id);
    for (let at = hash & mask; index[at] !== 0; at = (at + 1) & mask) {
      const slot = index[at] - 1;
      if (hashes[slot] === hash && ids[slot] === id) return begin + ((slot - begin) & (ids.length - 1));
    }
    return -1;
  }

  /** Of the oldest; the others follow it. */
  get first(): number {
    return this.begin;
  }

  idAt(place: number): string {
    return this.ids[place & (this.ids.length - 1)];
  }

  numberAt(place: number): number {
    return this.numbers[place & (this.ids.length - 1)];
  }

  timeAt(place: number): number {
    return this.times[place & (this.ids.length - 1)];
  }

  /** The id must not be there. */
  append(id: string, number: number, atMs: number): void {
    if (this.end - this.begin === this.ids.length) this.grow();
    const slot = this.end++ & (this.ids.length - 1);
    this.ids[slot] = id;
    this.hashes[slot] = this.hash(id);
    this.numbers[slot] = number;
    this.times[slot] = atMs;
    this.enter(slot);
  }

  forgetOldest(): void {
    const slot = this.begin & (this.ids.length - 1);
    this.leave(slot);
    this.ids[slot] = '';
    this.begin++;
    if (this.begin === this.end) this.clear();
  }

  clear(): void {
    this.begin = this.end = 0;
    this.lastId = '';
    this.lastHash = hashOf('');
    if (this.ids.length === SMALLEST) {
      this.ids.fill('');
      this.index.fill(0);
    } else this.resize(SMALLEST);
  }

  private hash(id: string): number {
    if (id !== this.lastId) {
      this.lastId = id;
      this.lastHash = hashOf(id);
    }
    return this.lastHash;
  }

  private enter(slot: number): void {
    const { index } = this;
    const mask = index.length - 1;
    let at = this.hashes[slot] & mask;
    while (index[at] !== 0) at = (at + 1) & mask;
    index[at] = slot + 1;
  }

  private leave(slot: number): void {
    const { index, hashes } = this;
    const mask = index.length - 1;
    let hole = hashes[slot] & mask;
    while (index[hole] !== slot + 1) hole = (hole + 1) & mask;
    // Those that follow move up, so that a search may end at the first free place.
    for (let at = (hole + 1) & mask; index[at] !== 0; at = (at + 1) & mask) {
      const home = hashes[index[at] - 1] & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      index[hole] = index[at];
      hole = at;
    }
    index[hole] = 0;
  }

  private resize(length: number): void {
    this.ids = new Array<string>(length).fill('');
    this.hashes = new Int32Array(length);
    this.numbers = new Float64Array(length);
    this.times = new Float64Array(length);
    this.index = new Int32Array(2 * length);
  }

  private grow(): void {
    const { ids, hashes, numbers, times } = this;
    this.resize(ids.length * 2);
    for (let place = this.begin; place < this.end; place++) {
      const from = place & (ids.length - 1);
      const to = place & (this.ids.length - 1);
      this.ids[to] = ids[from];
      this.hashes[to] = hashes[from];
      this.numbers[to] = numbers[from];
      this.times[to] = times[from];
      this.enter(to);
    }
  }
}
