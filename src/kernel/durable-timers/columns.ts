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
    const run = new Columns(this.length);
    let length = 0;
    for (const at of this.order()) {
      if (this.kinds[at] !== DEAD) run.copyFrom(this, at, length++);
    }
    run.setLength(length);
    return run;
  }

  /** Nothing is in them; they keep their memory. */
  empty(): void {
    this.head = this.length = 0;
    this.minDueMs = Number.POSITIVE_INFINITY;
  }

  /** Puts one of another's into a place below the capacity; `setLength` must follow. */
  copyFrom(other: Columns, from: number, to: number): void {
    this.due[to] = other.due[from];
    this.ids[to] = other.ids[from];
    this.keys[to] = other.keys[from];
    this.kinds[to] = other.kinds[from];
  }

  /** Of a run. */
  setLength(length: number): void {
    this.length = length;
    this.minDueMs = length === 0 ? Number.POSITIVE_INFINITY : this.due[0];
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
  const [aDue, bDue, aKinds, bKinds] = [a.due, b.due, a.kinds, b.kinds];
  let length = 0;
  let i = a.head;
  let j = b.head;
  while (i < a.length && j < b.length) {
    if (aKinds[i] === DEAD) i++;
    else if (bKinds[j] === DEAD) j++;
    else {
      const difference = aDue[i] - bDue[j];
      if (difference < 0 || (difference === 0 && a.ids[i] < b.ids[j])) run.copyFrom(a, i++, length++);
      else run.copyFrom(b, j++, length++);
    }
  }
  for (; i < a.length; i++) if (aKinds[i] !== DEAD) run.copyFrom(a, i, length++);
  for (; j < b.length; j++) if (bKinds[j] !== DEAD) run.copyFrom(b, j, length++);
  run.setLength(length);
  return run;
}
