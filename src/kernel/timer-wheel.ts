/**
 * Deadlines of connections and sessions by the hundred thousand: a hierarchical timing wheel over typed arrays,
 * without an object or a system timer per deadline. It knows numbers only; what a timer means is the owner's
 * business (`kind` and `key`).
 *
 * Guarantees: a timer never fires early. It fires in the first `advance` at or after its deadline rounded up to
 * a tick, so at most one tick late when `advance` runs on the tick. It fires once, or never after `cancel`; a
 * handle that fired or was cancelled is stale for good and harmless. `advance` touches at most `budget` timers
 * and the next call goes on from there. Timers of one tick fire in no particular order.
 *
 * How: six levels of 256 buckets, each level one byte of the deadline in ticks. A timer lies on the level of the
 * highest byte in which its deadline differs from `now`, so within a level buckets never wrap, and a bucket is
 * moved down (each timer at most five times) when `now` enters it. Bitmaps of the occupied buckets let `now`
 * jump over any idle stretch in constant time.
 */
import type { Clock } from './clock.ts';

export interface TimerWheelOptions {
  readonly clock: Clock;
  readonly tickMs?: number;
  /** `schedule` refuses (returns 0) above it. At most 2^24. */
  readonly maxTimers: number;
  readonly initialTimers?: number;
}

/** Runs for each due timer, whose handle is already stale. It may schedule and cancel at will. */
export type OnFire = (kind: number, key: number, handle: number) => void;

export interface TimerWheelStats {
  readonly active: number;
  readonly capacity: number;
  /** Times the arrays were doubled. */
  readonly grown: number;
  /** `schedule` calls refused because `maxTimers` were active. */
  readonly refused: number;
  readonly fired: number;
}

const LEVELS = 6;
const BUCKETS = 256;
const WORDS_PER_LEVEL = BUCKETS / 32;
const HALF = 0x1000000;
const LOW_MASK = HALF - 1;
/** Later deadlines are taken as this one: 400,000 years at 50 ms a tick. */
const MAX_TICK = 2 ** 48 - 1;
const MAX_TIMERS = HALF;
const GENERATION_MASK = 0xfffffff;
const NONE = -1;

export class TimerWheel {
  readonly tickMs: number;
  private readonly clock: Clock;
  private readonly originMs: number;
  private readonly maxTimers: number;

  private capacity = 0;
  private deadline = new Float64Array(0);
  private next = new Int32Array(0);
  /** Previous timer of the bucket; for the first one the complement of the bucket number, which is negative. */
  private prev = new Int32Array(0);
  private generation = new Uint32Array(0);
  private keys = new Uint32Array(0);
  private kinds = new Uint8Array(0);
  private free = NONE;

  private readonly heads = new Int32Array(LEVELS * BUCKETS).fill(NONE);
  private readonly occupied = new Uint32Array(LEVELS * WORDS_PER_LEVEL);
  private nowTick = 0;
  private advancing = false;

  private active = 0;
  private grown = 0;
  private refused = 0;
  private fired = 0;

  constructor(options: TimerWheelOptions) {
    this.clock = options.clock;
    this.tickMs = options.tickMs ?? 50;
    if (!(this.tickMs > 0)) throw new RangeError('tickMs must be positive');
    if (!(options.maxTimers >= 1 && options.maxTimers <= MAX_TIMERS)) {
      throw new RangeError(`maxTimers must be between 1 and ${MAX_TIMERS}`);
    }
    this.maxTimers = Math.floor(options.maxTimers);
    this.originMs = this.clock.monotonicMs();
    this.resize(Math.min(this.maxTimers, Math.max(1, Math.floor(options.initialTimers ?? 1024))));
  }

  /**
   * Fires once, `delayMs` from now (by the clock) or up to a tick later; a delay that is not positive is due at
   * once. `kind` is a byte, `key` an unsigned 32-bit integer. Returns the handle, or 0 when the wheel is full.
   */
  schedule(delayMs: number, kind: number, key: number): number {
    if (this.free === NONE && !this.grow()) {
      this.refused++;
      return 0;
    }
    const timer = this.free;
    this.free = this.next[timer] as number;
    this.active++;
    const dueMs = this.clock.monotonicMs() - this.originMs + Math.max(delayMs || 0, 0);
    // A timer that is due at once waits for the next advance when one is under way: a callback that schedules
    // itself with no delay must not keep that advance busy.
    const earliest = this.advancing ? this.nowTick + 1 : this.nowTick;
    this.deadline[timer] = Math.min(MAX_TICK, Math.max(earliest, Math.ceil(dueMs / this.tickMs)));
    this.kinds[timer] = kind;
    this.keys[timer] = key;
    this.link(timer);
    return this.handleOf(timer);
  }

  /** True when the timer was waiting and will not fire. */
  cancel(handle: number): boolean {
    if (!this.isActive(handle)) return false;
    const timer = handle & LOW_MASK;
    this.unlink(timer);
    this.release(timer);
    return true;
  }

  isActive(handle: number): boolean {
    const timer = handle & LOW_MASK;
    // A free entry keeps the generation of its next handle, which nobody has been given yet.
    return handle > 0 && timer < this.capacity && this.handleOf(timer) === handle;
  }

  /** Fires what is due at `nowMs` (monotonic) and returns how many fired. Does nothing when called by a callback. */
  advance(nowMs: number, onFire: OnFire, budget: number): number {
    if (this.advancing) return 0;
    const target = Math.min(MAX_TICK, Math.floor((nowMs - this.originMs) / this.tickMs));
    const firedBefore = this.fired;
    this.advancing = true;
    try {
      let left = budget;
      while (left > 0) {
        const bucket = this.nextBucket(target);
        if (bucket === NONE) break;
        left = bucket < BUCKETS ? this.fireBucket(bucket, onFire, left) : this.moveDown(bucket, left);
      }
    } finally {
      this.advancing = false;
    }
    return this.fired - firedBefore;
  }

  /** Advances on every tick of the clock until the returned function is called. */
  run(onFire: OnFire, budgetPerTick: number): () => void {
    return this.clock.every(this.tickMs, () => this.advance(this.clock.monotonicMs(), onFire, budgetPerTick));
  }

  stats(): TimerWheelStats {
    const { active, capacity, grown, refused, fired } = this;
    return { active, capacity, grown, refused, fired };
  }

  private handleOf(timer: number): number {
    return (this.generation[timer] as number) * HALF + timer;
  }

  private link(timer: number): void {
    const deadline = this.deadline[timer] as number;
    const low = deadline & LOW_MASK;
    const high = Math.floor(deadline / HALF);
    const nowHigh = Math.floor(this.nowTick / HALF);
    let bucket: number;
    if (high === nowHigh) {
      const difference = low ^ (this.nowTick & LOW_MASK);
      if (difference < 0x100) bucket = low & 255;
      else if (difference < 0x10000) bucket = BUCKETS + ((low >>> 8) & 255);
      else bucket = 2 * BUCKETS + (low >>> 16);
    } else {
      const difference = high ^ nowHigh;
      if (difference < 0x100) bucket = 3 * BUCKETS + (high & 255);
      else if (difference < 0x10000) bucket = 4 * BUCKETS + ((high >>> 8) & 255);
      else bucket = 5 * BUCKETS + (high >>> 16);
    }
    const first = this.heads[bucket] as number;
    this.next[timer] = first;
    this.prev[timer] = ~bucket;
    this.heads[bucket] = timer;
    if (first !== NONE) this.prev[first] = timer;
    else this.occupied[bucket >>> 5] = (this.occupied[bucket >>> 5] as number) | (1 << (bucket & 31));
  }

  private unlink(timer: number): void {
    const next = this.next[timer] as number;
    const prev = this.prev[timer] as number;
    if (next !== NONE) this.prev[next] = prev;
    if (prev >= 0) {
      this.next[prev] = next;
      return;
    }
    const bucket = ~prev;
    this.heads[bucket] = next;
    if (next === NONE) {
      this.occupied[bucket >>> 5] = (this.occupied[bucket >>> 5] as number) & ~(1 << (bucket & 31));
    }
  }

  private release(timer: number): void {
    const generation = ((this.generation[timer] as number) + 1) & GENERATION_MASK;
    this.generation[timer] = generation === 0 ? 1 : generation;
    this.next[timer] = this.free;
    this.free = timer;
    this.active--;
  }

  /**
   * Moves `now` to the next bucket that begins at or before `target` and returns it; none: `now` becomes `target`.
   * Buckets that `now` has entered and that are not empty yet come first, the highest level before all others:
   * its timers may belong to this very tick.
   */
  private nextBucket(target: number): number {
    const now = this.nowTick;
    for (let level = LEVELS - 1; level > 0; level--) {
      const bucket = level * BUCKETS + byteOf(now, level);
      if (this.heads[bucket] !== NONE) return bucket;
    }
    for (let level = 0; level < LEVELS; level++) {
      const digit = this.firstOccupied(level, byteOf(now, level));
      if (digit === NONE) continue;
      // Levels below hold nothing, so this is the earliest bucket of all.
      const span = BUCKETS ** level;
      const start = (Math.floor(now / (span * BUCKETS)) * BUCKETS + digit) * span;
      if (start > target) break;
      this.nowTick = start;
      return level * BUCKETS + digit;
    }
    if (target > now) this.nowTick = target;
    return NONE;
  }

  private firstOccupied(level: number, from: number): number {
    const base = level * WORDS_PER_LEVEL;
    let index = from >>> 5;
    let word = (this.occupied[base + index] as number) & (-1 << (from & 31));
    while (word === 0) {
      if (++index === WORDS_PER_LEVEL) return NONE;
      word = this.occupied[base + index] as number;
    }
    return index * 32 + 31 - Math.clz32(word & -word);
  }

  private fireBucket(bucket: number, onFire: OnFire, budget: number): number {
    let left = budget;
    for (let timer = this.heads[bucket] as number; timer !== NONE && left > 0; left--) {
      const handle = this.handleOf(timer);
      const kind = this.kinds[timer] as number;
      const key = this.keys[timer] as number;
      this.unlink(timer);
      this.release(timer);
      this.fired++;
      onFire(kind, key, handle);
      timer = this.heads[bucket] as number;
    }
    return left;
  }

  private moveDown(bucket: number, budget: number): number {
    let left = budget;
    for (let timer = this.heads[bucket] as number; timer !== NONE && left > 0; left--) {
      this.unlink(timer);
      this.link(timer);
      timer = this.heads[bucket] as number;
    }
    return left;
  }

  private grow(): boolean {
    if (this.capacity >= this.maxTimers) return false;
    this.resize(Math.min(this.maxTimers, this.capacity * 2));
    this.grown++;
    return true;
  }

  private resize(capacity: number): void {
    this.deadline = copied(this.deadline, new Float64Array(capacity));
    this.next = copied(this.next, new Int32Array(capacity));
    this.prev = copied(this.prev, new Int32Array(capacity));
    this.generation = copied(this.generation, new Uint32Array(capacity));
    this.keys = copied(this.keys, new Uint32Array(capacity));
    this.kinds = copied(this.kinds, new Uint8Array(capacity));
    for (let timer = capacity - 1; timer >= this.capacity; timer--) {
      this.generation[timer] = 1;
      this.next[timer] = this.free;
      this.free = timer;
    }
    this.capacity = capacity;
  }
}

function byteOf(tick: number, level: number): number {
  return level < 3
    ? ((tick & LOW_MASK) >>> (8 * level)) & 255
    : (Math.floor(tick / HALF) >>> (8 * (level - 3))) & 255;
}

function copied<T extends { set(from: ArrayLike<number>): void }>(from: ArrayLike<number>, to: T): T {
  to.set(from);
  return to;
}
