/**
 * A set of whole numbers that lie in one window: a directory of chunks of 256 positions, each absent, full, or a
 * bitmap of 32 bytes in a slab. Costs 4 bytes per 256 positions of the window and 32 bytes per mixed chunk, so a
 * bit or less per position when it is dense and some 40 bytes for a lone member. The first member is found
 * without a search because the window always begins with it.
 */
const CHUNK = 256;
const WORDS = 8;
const ABSENT = 0;
const FULL = -1;

export class PositionSet {
  private directory = new Int32Array(8);
  private words = new Uint32Array(2 * WORDS);
  private counts = new Uint16Array(2);
  /** Head of the free slots, chained through their first word; slot 0 is never used. */
  private free = 1;
  private members = 0;
  /** The window, in chunks. Directory entries outside it are ABSENT. */
  private begin = 0;
  private end = 0;

  get size(): number {
    return this.members;
  }

  get bytes(): number {
    return this.directory.byteLength + this.words.byteLength + this.counts.byteLength;
  }

  has(position: number): boolean {
    const slot = this.slotOf(Math.floor(position / CHUNK));
    if (slot <= 0) return slot === FULL;
    const bit = position & (CHUNK - 1);
    return (this.words[slot * WORDS + (bit >>> 5)] & (1 << (bit & 31))) !== 0;
  }

  add(position: number): boolean {
    const chunk = Math.floor(position / CHUNK);
    let slot = this.slotOf(chunk);
    if (slot === FULL) return false;
    if (slot === ABSENT) {
      this.include(chunk);
      slot = this.takeSlot();
      this.directory[chunk & (this.directory.length - 1)] = slot;
    }
    const bit = position & (CHUNK - 1);
    const word = slot * WORDS + (bit >>> 5);
    const mask = 1 << (bit & 31);
    if ((this.words[word] & mask) !== 0) return false;
    this.words[word] |= mask;
    this.members++;
    if (++this.counts[slot] === CHUNK) {
      this.directory[chunk & (this.directory.length - 1)] = FULL;
      this.freeSlot(slot);
    }
    return true;
  }

  /** Everything from `from` up to but not including `to`. */
  addRange(from: number, to: number): void {
    let at = from;
    while (at < to) {
      const chunk = Math.floor(at / CHUNK);
      if (at % CHUNK !== 0 || to - at < CHUNK) {
        this.add(at++);
        continue;
      }
      const slot = this.slotOf(chunk);
      if (slot !== FULL) {
        this.include(chunk);
        this.members += CHUNK - (slot === ABSENT ? 0 : this.counts[slot]);
        if (slot !== ABSENT) this.freeSlot(slot);
        this.directory[chunk & (this.directory.length - 1)] = FULL;
      }
      at += CHUNK;
    }
  }

  delete(position: number): boolean {
    const chunk = Math.floor(position / CHUNK);
    let slot = this.slotOf(chunk);
    if (slot === ABSENT) return false;
    if (slot === FULL) slot = this.openFull(chunk);
    const bit = position & (CHUNK - 1);
    const word = slot * WORDS + (bit >>> 5);
    const mask = 1 << (bit & 31);
    if ((this.words[word] & mask) === 0) return false;
    this.words[word] &= ~mask;
    this.members--;
    if (--this.counts[slot] === 0) this.dropChunk(chunk, slot);
    return true;
  }

  /** Removes every member below `position`. */
  trimBelow(position: number): void {
    const chunk = Math.floor(position / CHUNK);
    while (this.members > 0 && this.begin < chunk) {
      const slot = this.slotOf(this.begin);
      this.members -= slot === FULL ? CHUNK : this.counts[slot];
      this.dropChunk(this.begin, slot);
    }
    for (let at = this.firstFrom(chunk * CHUNK); at >= 0 && at < position; at = this.firstFrom(at + 1)) {
      this.delete(at);
    }
  }

  /** The lowest member, or -1. */
  first(): number {
    return this.firstFrom(0);
  }

  /** The lowest member at or above `from`, or -1. */
  firstFrom(from: number): number {
    let at = Math.max(from, this.begin * CHUNK);
    let chunk = Math.floor(at / CHUNK);
    for (; chunk < this.end; chunk++, at = chunk * CHUNK) {
      const slot = this.slotOf(chunk);
      if (slot === FULL) return at;
      if (slot === ABSENT) continue;
      const found = this.scan(slot, at & (CHUNK - 1), 0);
      if (found < CHUNK) return chunk * CHUNK + found;
    }
    return -1;
  }

  /** The lowest position at or above `from` that is no member. */
  nextClear(from: number): number {
    let at = from;
    for (let chunk = Math.floor(at / CHUNK); ; chunk++, at = chunk * CHUNK) {
      const slot = this.slotOf(chunk);
      if (slot === FULL) continue;
      if (slot === ABSENT) return at;
      const found = this.scan(slot, at & (CHUNK - 1), -1);
      if (found < CHUNK) return chunk * CHUNK + found;
    }
  }

  /** Maximal runs of members, ascending: from, to (exclusive). */
  *runs(): IterableIterator<readonly [number, number]> {
    let from = this.first();
    while (from >= 0) {
      const to = this.nextClear(from);
      yield [from, to];
      from = this.firstFrom(to);
    }
  }

  clear(): void {
    this.directory = new Int32Array(8);
    this.words = new Uint32Array(2 * WORDS);
    this.counts = new Uint16Array(2);
    this.free = 1;
    this.members = this.begin = this.end = 0;
  }

  private slotOf(chunk: number): number {
    if (chunk < this.begin || chunk >= this.end) return ABSENT;
    return this.directory[chunk & (this.directory.length - 1)];
  }

  /** First bit at or after `from` that is set once the words are combined with `flip`; CHUNK when there is none. */
  private scan(slot: number, from: number, flip: 0 | -1): number {
    let word = from >>> 5;
    let bits = (this.words[slot * WORDS + word] ^ flip) & (-1 << (from & 31));
    while (bits === 0) {
      if (++word === WORDS) return CHUNK;
      bits = this.words[slot * WORDS + word] ^ flip;
    }
    return word * 32 + (31 - Math.clz32(bits & -bits));
  }

  /** Widens the window to hold `chunk`. */
  private include(chunk: number): void {
    if (this.members === 0) {
      this.begin = chunk;
      this.end = chunk + 1;
      return;
    }
    const begin = Math.min(this.begin, chunk);
    const end = Math.max(this.end, chunk + 1);
    if (end - begin > this.directory.length) {
      let length = this.directory.length;
      while (length < end - begin) length *= 2;
      const directory = new Int32Array(length);
      for (let at = this.begin; at < this.end; at++) directory[at & (length - 1)] = this.slotOf(at);
      this.directory = directory;
    }
    this.begin = begin;
    this.end = end;
  }

  private dropChunk(chunk: number, slot: number): void {
    if (slot > 0) this.freeSlot(slot);
    const mask = this.directory.length - 1;
    this.directory[chunk & mask] = ABSENT;
    if (this.members === 0) {
      if (this.directory.length > 8 || this.counts.length > 64) this.clear();
      this.begin = this.end = 0;
      return;
    }
    while (this.directory[this.begin & mask] === ABSENT) this.begin++;
    while (this.directory[(this.end - 1) & mask] === ABSENT) this.end--;
  }

  private openFull(chunk: number): number {
    const slot = this.takeSlot();
    this.words.fill(0xffffffff, slot * WORDS, slot * WORDS + WORDS);
    this.counts[slot] = CHUNK;
    this.directory[chunk & (this.directory.length - 1)] = slot;
    return slot;
  }

  private takeSlot(): number {
    if (this.free >= this.counts.length) this.grow();
    const slot = this.free;
    const next = this.words[slot * WORDS];
    this.free = next === 0 ? slot + 1 : next;
    this.words.fill(0, slot * WORDS, slot * WORDS + WORDS);
    this.counts[slot] = 0;
    return slot;
  }

  /** A free slot names the next one; 0 means the one after it, which has never been used. */
  private freeSlot(slot: number): void {
    this.words.fill(0, slot * WORDS, slot * WORDS + WORDS);
    this.words[slot * WORDS] = this.free;
    this.free = slot;
  }

  private grow(): void {
    const slots = this.counts.length * 2;
    const words = new Uint32Array(slots * WORDS);
    words.set(this.words);
    const counts = new Uint16Array(slots);
    counts.set(this.counts);
    this.words = words;
    this.counts = counts;
  }
}
