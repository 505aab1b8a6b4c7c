/**
 * Timers that survive a restart, by the million: 25 to 50 bytes each, no object per timer. What they mean is the
 * owner's business (`kind`, a number below 255, and `key`). Here are no clock and no disk: time is an argument, and
 * every change is an entry, already applied, to be journaled; entries or a snapshot rebuild the table.
 *
 * Guarantees: `due` gives what is due, in order of due time and then of age, each once, never early. A timer that
 * was inserted and neither fired nor cancelled is there after a restart. A cancelled one never fires.
 *
 * How: the near future lies in buckets of a second, unsorted; the rest in a buffer that becomes a sorted run when it
 * is full, runs being merged so that few of them exist. A bucket whose time has come is sorted into a run too, and
 * what is due is merged from the heads of the runs.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { Columns, DEAD, mergeRuns } from './columns.ts';

export interface Timer {
  readonly id: number;
  readonly dueMs: number;
  readonly kind: number;
  readonly key: number;
}

export type TimerEntry =
  | ({ readonly change: 'insert' } & Timer)
  | { readonly change: 'cancel'; readonly id: number; readonly dueMs: number }
  /** All up to and including this one, in the order in which they fire. */
  | { readonly change: 'fire'; readonly id: number; readonly dueMs: number };

const VERSION = 1;
const CHANGES = ['insert', 'cancel', 'fire'] as const;
const BUCKET_MS = 1000;
const BUCKETS = 64;
const BUFFER = 8192;

export class DurableTimers {
  private readonly maxTimers: number;
  private readonly buckets: (Columns | undefined)[] = new Array(BUCKETS).fill(undefined);
  /** Buckets up to this second have become runs. */
  private second: number;
  private buffer = new Columns(16);
  private runs: Columns[] = [];
  private readonly counts = new Float64Array(DEAD);
  private nextId = 1;
  private live = 0;
  private dead = 0;

  constructor(limits: { readonly maxTimers: number }, nowMs = 0) {
    this.maxTimers = limits.maxTimers;
    this.second = Math.floor(nowMs / BUCKET_MS);
  }

  get size(): number {
    return this.live;
  }

  get bytes(): number {
    const parts = [this.buffer, ...this.runs, ...this.buckets];
    return parts.reduce((sum, part) => sum + (part?.bytes ?? 0), this.counts.byteLength);
  }

  countOf(kind: number): number {
    return this.counts[kind];
  }

  /** Undefined when `maxTimers` wait. The entry is the timer's handle as well. */
  insert(dueMs: number, kind: number, key: number): (TimerEntry & Timer) | undefined {
    if (this.live >= this.maxTimers) return undefined;
    if (!isTimer(dueMs, kind, key)) throw new RangeError('no such timer');
    const entry = { change: 'insert', id: this.nextId, dueMs: Math.ceil(dueMs), kind, key } as const;
    this.apply(entry);
    return entry;
  }

  /** Undefined when it has fired, was cancelled, or never was. */
  cancel(handle: { readonly id: number; readonly dueMs: number }): TimerEntry | undefined {
    const { id, dueMs } = handle;
    return this.remove(id, dueMs) ? { change: 'cancel', id, dueMs } : undefined;
  }

  /** At most `max` of those due at `nowMs`; they are gone from here. No entry when there is none. */
  due(
    nowMs: number,
    max: number,
  ): { readonly timers: readonly Timer[]; readonly entry: TimerEntry | undefined } {
    const timers: Timer[] = [];
    this.openUntil(nowMs);
    while (timers.length < max) {
      const run = this.firstRun();
      if (run === undefined || run.due[run.head] > nowMs) break;
      timers.push(this.shift(run));
    }
    this.runs = this.runs.filter((run) => run.head < run.length);
    const last = timers.at(-1);
    return { timers, entry: last && { change: 'fire', id: last.id, dueMs: last.dueMs } };
  }

  /** Not after the next timer; Infinity when there is none. A cancelled timer may make it early. */
  nextDueMs(): number {
    let next = this.buffer.minDueMs;
    for (const bucket of this.buckets) next = Math.min(next, bucket?.minDueMs ?? Number.POSITIVE_INFINITY);
    const run = this.firstRun();
    return run === undefined ? next : Math.min(next, run.due[run.head]);
  }

  apply(entry: TimerEntry): void {
    const { id, dueMs } = entry;
    if (entry.change === 'cancel') this.remove(id, dueMs);
    else if (entry.change === 'fire') {
      this.openUntil(dueMs);
      for (let run = this.firstRun(); run !== undefined; run = this.firstRun()) {
        const at = run.due[run.head];
        if (at > dueMs || (at === dueMs && run.ids[run.head] > id)) break;
        this.shift(run);
      }
      this.runs = this.runs.filter((run) => run.head < run.length);
    } else if (id >= this.nextId && this.live < this.maxTimers && isTimer(dueMs, entry.kind, entry.key)) {
      this.nextId = id + 1;
      this.count(entry.kind, 1);
      this.place(dueMs).push(dueMs, id, entry.key, entry.kind);
      if (this.buffer.length >= BUFFER) this.sealBuffer();
    }
  }

  snapshot(): Uint8Array {
    const all = this.collect();
    const to = new ByteWriter(16 * all.length + 32).u8(VERSION).uint(this.nextId).uint(this.live);
    let previous = 0;
    for (let at = 0; at < all.length; at++) {
      to.uint(all.due[at] - previous)
        .uint(all.ids[at])
        .u8(all.kinds[at])
        .uint(all.keys[at]);
      previous = all.due[at];
    }
    return to.finish();
  }

  /** False, and an empty table, when the bytes are no snapshot of this version or exceed the limit. */
  restore(snapshot: Uint8Array): boolean {
    this.clear();
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    const nextId = from.uint();
    const count = from.count(4);
    if (count > this.maxTimers) from.fail();
    const run = new Columns(from.failed ? 0 : count);
    let dueMs = 0;
    let previousId = 0;
    for (let i = 0; i < count && !from.failed; i++) {
      const distance = from.uint();
      dueMs += distance;
      const id = from.uint();
      const kind = from.u8();
      const key = from.uint();
      const isInOrder = id > 0 && id < nextId && (distance > 0 || id > previousId);
      if (!isInOrder || !isTimer(dueMs, kind, key)) from.fail();
      if (from.failed) break;
      run.push(dueMs, id, key, kind);
      this.count(kind, 1);
      previousId = id;
    }
    if (from.isComplete) {
      this.runs = [run];
      this.nextId = Math.max(1, nextId);
      return true;
    }
    this.clear();
    return false;
  }

  private clear(): void {
    this.buckets.fill(undefined);
    this.buffer = new Columns(16);
    this.runs = [];
    this.counts.fill(0);
    this.nextId = 1;
    this.live = this.dead = 0;
  }

  private count(kind: number, sign: 1 | -1): void {
    this.counts[kind] += sign;
    this.live += sign;
  }

  private bucketOf(dueMs: number): number {
    const second = Math.floor(dueMs / BUCKET_MS);
    return second > this.second && second < this.second + BUCKETS ? second % BUCKETS : -1;
  }

  private place(dueMs: number): Columns {
    const number = this.bucketOf(dueMs);
    if (number < 0) return this.buffer;
    const known = this.buckets[number];
    if (known !== undefined) return known;
    const bucket = new Columns(16);
    this.buckets[number] = bucket;
    return bucket;
  }

  private remove(id: number, dueMs: number): boolean {
    const number = this.bucketOf(dueMs);
    const unsorted = number < 0 ? undefined : this.buckets[number];
    if (unsorted !== undefined && this.kill(unsorted, unsorted.findById(id), dueMs)) return true;
    if (this.kill(this.buffer, this.buffer.findById(id), dueMs)) return true;
    return this.runs.some((run) => this.kill(run, run.findInOrder(dueMs, id), dueMs));
  }

  private kill(columns: Columns, at: number, dueMs: number): boolean {
    if (at < 0 || columns.due[at] !== dueMs) return false;
    this.count(columns.kinds[at], -1);
    columns.kinds[at] = DEAD;
    // Dead ones go when they are merged or passed; here when they are as many as the living.
    if (++this.dead > Math.max(BUFFER, this.live)) this.collect();
    return true;
  }

  /** All that is alive as the only run. */
  private collect(): Columns {
    this.buckets.forEach((bucket, number) => {
      if (bucket !== undefined) this.addRun(bucket.sorted());
      this.buckets[number] = undefined;
    });
    this.sealBuffer();
    const all = this.runs.reduce(mergeRuns, new Columns(0));
    this.runs = all.length === 0 ? [] : [all];
    this.dead = 0;
    return all;
  }

  /** Makes runs of what may hold something due at `nowMs`. */
  private openUntil(nowMs: number): void {
    const second = Math.floor(nowMs / BUCKET_MS);
    const last = Math.min(second, this.second + BUCKETS - 1);
    for (let each = this.second + 1; each <= last; each++) {
      const bucket = this.buckets[each % BUCKETS];
      if (bucket === undefined) continue;
      this.addRun(bucket.sorted());
      this.buckets[each % BUCKETS] = undefined;
    }
    this.second = Math.max(this.second, second);
    if (this.buffer.minDueMs <= nowMs) this.sealBuffer();
  }

  private sealBuffer(): void {
    if (this.buffer.length === 0) return;
    const run = this.buffer.sorted();
    if (this.buffer.length < BUFFER) this.buffer = new Columns(16);
    else this.buffer.empty();
    this.addRun(run);
  }

  /** Each run is more than twice as long as the next, so there are as many as the logarithm of the timers. */
  private addRun(run: Columns): void {
    if (run.length === 0) return;
    let last = run;
    for (let before = this.runs.at(-1); before !== undefined; before = this.runs.at(-1)) {
      if (before.length - before.head > 2 * (last.length - last.head)) break;
      this.runs.pop();
      last = mergeRuns(before, last);
    }
    if (last.length > 0) this.runs.push(last);
  }

  private firstRun(): Columns | undefined {
    let first: Columns | undefined;
    for (const run of this.runs) {
      if (run.skipDead() && (first === undefined || run.isBefore(first))) first = run;
    }
    return first;
  }

  private shift(run: Columns): Timer {
    const at = run.head++;
    this.count(run.kinds[at], -1);
    return { id: run.ids[at], dueMs: run.due[at], kind: run.kinds[at], key: run.keys[at] };
  }
}

function isTimer(dueMs: number, kind: number, key: number): boolean {
  return (
    dueMs >= 0 &&
    dueMs <= Number.MAX_SAFE_INTEGER &&
    Number.isInteger(kind) &&
    kind >= 0 &&
    kind < DEAD &&
    Number.isSafeInteger(key) &&
    key >= 0
  );
}

export function encodeTimerEntry(entry: TimerEntry): Uint8Array {
  const to = new ByteWriter(32)
    .u8(VERSION)
    .u8(CHANGES.indexOf(entry.change))
    .uint(entry.id)
    .uint(entry.dueMs);
  if (entry.change === 'insert') to.u8(entry.kind).uint(entry.key);
  return to.finish();
}

/** Undefined when the bytes are not an entry of this version. */
export function decodeTimerEntry(bytes: Uint8Array): TimerEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const change = from.oneOf(CHANGES);
  const id = from.uint();
  const dueMs = from.uint();
  const entry =
    change === 'insert' ? { change, id, dueMs, kind: from.u8(), key: from.uint() } : { change, id, dueMs };
  return from.isComplete ? entry : undefined;
}
