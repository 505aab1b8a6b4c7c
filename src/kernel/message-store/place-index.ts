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

  grow(capacity: number): void {
    this.before = grown(this.before, capacity);
    this.after = grown(this.after, capacity);
  }

  add(slot: number, position: number, bytes: number): void {
    const key = Math.floor(position / BUCKET);
    const bucket = this.buckets.get(key);
    this.before[slot] = NONE;
    if (bucket === undefined) {
      this.after[slot] = NONE;
      this.buckets.set(key, { first: slot, bytes });
      return;
    }
    this.after[slot] = bucket.first;
    this.before[bucket.first] = slot;
    bucket.first = slot;
    bucket.bytes += bytes;
  }

  remove(slot: number, position: number, bytes: number): void {
    const key = Math.floor(position / BUCKET);
    const bucket = this.buckets.get(key);
    if (bucket === undefined) return;
    const before = this.before[slot];
    const after = this.after[slot];
    if (after !== NONE) this.before[after] = before;
    if (before !== NONE) this.after[before] = after;
    else bucket.first = after;
    bucket.bytes -= bytes;
    if (bucket.first === NONE) this.buckets.delete(key);
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
