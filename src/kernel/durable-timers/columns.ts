/** Timers side by side in typed arrays, 25 bytes each; sorted by due time and id once it is called a run. */
export const DEAD = 255;

export class Columns {
  due: Float64Array;
  ids: Float64Array;
  keys: Float64Array;
  kinds: Uint8Array;
  /** The first that is still to come. */
  head = 0;
  length = 0;
  /** Not above any due time; exact unless timers were cancelled. */
  minDueMs = Number.POSITIVE_INFINITY;

  constructor(capacity: number) {
    this.due = new Float64Array(capacity);
    this.ids = new Float64Array(capacity);
    this.keys = new Float64Array(capacity);
    this.kinds = new Uint8Array(capacity);
  }

  get bytes(): number {
    return this.due.length * 25;
  }

  push(dueMs: number, id: number, key: number, kind: number): void {
    if (this.length === this.due.length) this.grow();
    const at = this.length++;
    this.due[at] = dueMs;
    this.ids[at] = id;
    this.keys[at] = key;
    this.kinds[at] = kind;
    if (dueMs < this.minDueMs) this.minDueMs = dueMs;
  }

  /** Of unsorted columns, whose ids ascend because they come in turn; -1 when it is not there. */
  findById(id: number): number {
    let low = this.head;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low < this.length && this.ids[low] === id && this.kinds[low] !== DEAD ? low : -1;
  }

  /** Of a run; -1 when it is not there. */
  findInOrder(dueMs: number, id: number): number {
    let low = this.head;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.due[middle] < dueMs || (this.due[middle] === dueMs && this.ids[middle] < id)) low = middle + 1;
      else high = middle;
    }
    const isIt = low < this.length && this.due[low] === dueMs && this.ids[low] === id;
    return isIt && this.kinds[low] !== DEAD ? low : -1;
  }

  /** A run of what is alive in these unsorted columns. */
  sorted(): Columns {
    const order = this.order();
    const run = new Columns(this.length);
    for (const at of order) {
      if (this.kinds[at] !== DEAD) run.push(this.due[at], this.ids[at], this.keys[at], this.kinds[at]);
    }
    return run;
  }

  /** Moves the head of a run over what is dead. True when something is left. */
  skipDead(): boolean {
    while (this.head < this.length && this.kinds[this.head] === DEAD) this.head++;
    return this.head < this.length;
  }

  isBefore(other: Columns): boolean {
    const difference = this.due[this.head] - other.due[other.head];
    return difference < 0 || (difference === 0 && this.ids[this.head] < other.ids[other.head]);
  }

  private order(): Iterable<number> {
    const { length, due, minDueMs } = this;
    let range = 1;
    for (let at = 0; at < length; at++) range = Math.max(range, due[at] - minDueMs + 1);
    if (range * length < Number.MAX_SAFE_INTEGER) {
      // Due time and place in one number sort many times faster than through a comparison function.
      const packed = new Float64Array(length);
      for (let at = 0; at < length; at++) packed[at] = (due[at] - minDueMs) * length + at;
      packed.sort();
      for (let at = 0; at < length; at++) packed[at] %= length;
      return packed;
    }
    return Uint32Array.from({ length }, (_, at) => at).sort((a, b) => due[a] - due[b] || a - b);
  }

  private grow(): void {
    const old = { due: this.due, ids: this.ids, keys: this.keys, kinds: this.kinds };
    const capacity = Math.max(16, this.length * 2);
    this.due = new Float64Array(capacity);
    this.ids = new Float64Array(capacity);
    this.keys = new Float64Array(capacity);
    this.kinds = new Uint8Array(capacity);
    this.due.set(old.due);
    this.ids.set(old.ids);
    this.keys.set(old.keys);
    this.kinds.set(old.kinds);
  }
}

/** One run of what is alive in two. */
export function mergeRuns(a: Columns, b: Columns): Columns {
  const run = new Columns(a.length - a.head + b.length - b.head);
  const take = (from: Columns): void => {
    run.push(from.due[from.head], from.ids[from.head], from.keys[from.head], from.kinds[from.head]);
    from.head++;
  };
  let hasA = a.skipDead();
  let hasB = b.skipDead();
  while (hasA || hasB) {
    if (hasA && (!hasB || a.isBefore(b))) {
      take(a);
      hasA = a.skipDead();
    } else {
      take(b);
      hasB = b.skipDead();
    }
  }
  return run;
}
