/**
 * Which slots have their bodies in a range of the journal: a list through all slots of each 64 KiB of positions, so that
 * a segment is asked at the cost of what lives in it.
 */
const BUCKET = 65_536;
const NONE = -1;

interface Bucket {
  first: number;
  bytes: number;
}

export class PlaceIndex {
  private before = new Int32Array(0);
  private after = new Int32Array(0);
  private readonly buckets = new Map<number, Bucket>();
  /** What was looked for last: neighbours come one after the other. */
  private lastKey = NONE;
  private last: Bucket | undefined = undefined;

  grow(capacity: number): void {
    this.before = grown(this.before, capacity);
    this.after = grown(this.after, capacity);
  }

  add(slot: number, position: number, bytes: number): void {
    const key = Math.floor(position / BUCKET);
    const bucket = this.bucketOf(key);
    this.before[slot] = NONE;
    if (bucket === undefined) {
      this.after[slot] = NONE;
      this.last = { first: slot, bytes };
      this.buckets.set(key, this.last);
      return;
    }
    this.after[slot] = bucket.first;
    this.before[bucket.first] = slot;
    bucket.first = slot;
    bucket.bytes += bytes;
  }

  remove(slot: number, position: number, bytes: number): void {
    const key = Math.floor(position / BUCKET);
    const bucket = this.bucketOf(key);
    if (bucket === undefined) return;
    const before = this.before[slot];
    const after = this.after[slot];
    if (after !== NONE) this.before[after] = before;
    if (before !== NONE) this.after[before] = after;
    else bucket.first = after;
    bucket.bytes -= bytes;
    if (bucket.first !== NONE) return;
    this.buckets.delete(key);
    this.last = undefined;
  }

  private bucketOf(key: number): Bucket | undefined {
    if (this.lastKey !== key) {
      this.lastKey = key;
      this.last = this.buckets.get(key);
    }
    return this.last;
  }

  /** Exact. */
  liveBytes(start: number, end: number, positions: Float64Array, lengths: Uint32Array): number {
    let total = 0;
    for (const key of this.keys(start, end)) {
      const bucket = this.buckets.get(key);
      if (bucket === undefined) continue;
      if (key * BUCKET >= start && (key + 1) * BUCKET <= end) {
        total += bucket.bytes;
        continue;
      }
      for (let slot = bucket.first; slot !== NONE; slot = this.after[slot]) {
        if (positions[slot] >= start && positions[slot] < end) total += lengths[slot];
      }
    }
    return total;
  }

  slotsIn(start: number, end: number, positions: Float64Array): number[] {
    const found: number[] = [];
    for (const key of this.keys(start, end)) {
      const first = this.buckets.get(key)?.first ?? NONE;
      for (let slot = first; slot !== NONE; slot = this.after[slot]) {
        if (positions[slot] >= start && positions[slot] < end) found.push(slot);
      }
    }
    return found;
  }

  private *keys(start: number, end: number): Iterable<number> {
    const from = Math.floor(start / BUCKET);
    const to = Math.ceil(end / BUCKET);
    if (to - from <= this.buckets.size) {
      for (let key = from; key < to; key++) yield key;
      return;
    }
    for (const key of this.buckets.keys()) if (key >= from && key < to) yield key;
  }
}

function grown(old: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(capacity);
  larger.set(old);
  return larger;
}
