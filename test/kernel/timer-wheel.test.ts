import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/kernel/clock.ts';
import { TimerWheel } from '../../src/kernel/timer-wheel.ts';

interface ManualClock extends Clock {
  nowMs: number;
  ticks: (() => void)[];
}

function manualClock(nowMs = 0): ManualClock {
  return {
    nowMs,
    ticks: [],
    monotonicMs() {
      return this.nowMs;
    },
    wallMs() {
      return this.nowMs;
    },
    every(_intervalMs, callback) {
      this.ticks.push(callback);
      return () => {
        this.ticks = this.ticks.filter((tick) => tick !== callback);
      };
    },
  };
}

const UNBOUNDED = Number.MAX_SAFE_INTEGER;

interface Fired {
  kind: number;
  key: number;
  handle: number;
}

function collect(wheel: TimerWheel, nowMs: number, budget = UNBOUNDED): Fired[] {
  const fired: Fired[] = [];
  wheel.advance(nowMs, (kind, key, handle) => fired.push({ kind, key, handle }), budget);
  return fired;
}

const YEAR_MS = 365.25 * 24 * 3600 * 1000;

describe('timer wheel', () => {
  it('fires in the first advance at or after the deadline rounded up to a tick, never before', () => {
    const clock = manualClock(1000);
    const wheel = new TimerWheel({ clock, tickMs: 50, maxTimers: 10 });
    const handle = wheel.schedule(120, 7, 42);
    expect(collect(wheel, 1000 + 119)).toEqual([]);
    expect(collect(wheel, 1000 + 149)).toEqual([]);
    expect(collect(wheel, 1000 + 150)).toEqual([{ kind: 7, key: 42, handle }]);
    expect(collect(wheel, 1000 + 1000)).toEqual([]);
  });

  it('fires a delay of zero in the next advance', () => {
    const wheel = new TimerWheel({ clock: manualClock(5), maxTimers: 10 });
    wheel.schedule(0, 1, 2);
    wheel.schedule(-5, 1, 3);
    wheel.schedule(Number.NaN, 1, 4);
    expect(
      collect(wheel, 5)
        .map((f) => f.key)
        .sort(),
    ).toEqual([2, 3, 4]);
  });

  it('keeps deadlines of 136 years and of never to the tick', () => {
    const clock = manualClock(0);
    const wheel = new TimerWheel({ clock, maxTimers: 10 });
    const lastMs = 0xffffffff * 1000;
    wheel.schedule(lastMs, 1, 0xffffffff);
    wheel.schedule(Number.POSITIVE_INFINITY, 2, 1);
    expect(collect(wheel, lastMs - 1)).toEqual([]);
    expect(collect(wheel, lastMs)).toEqual([expect.objectContaining({ key: 0xffffffff })]);
    expect(collect(wheel, 10_000 * YEAR_MS)).toEqual([]);
    expect(wheel.stats().active).toBe(1);
  });

  it('ignores stale handles, of fired and cancelled timers and of a reused entry', () => {
    const wheel = new TimerWheel({ clock: manualClock(), maxTimers: 1 });
    const first = wheel.schedule(100, 1, 1);
    expect(wheel.isActive(first)).toBe(true);
    expect(wheel.cancel(first)).toBe(true);
    expect(wheel.cancel(first)).toBe(false);
    const second = wheel.schedule(100, 1, 2);
    expect(second).not.toBe(first);
    expect(wheel.cancel(first)).toBe(false);
    expect(wheel.isActive(second)).toBe(true);
    expect(collect(wheel, 100)).toHaveLength(1);
    expect(wheel.cancel(second)).toBe(false);
    for (const nonsense of [0, -1, 1, 1.5, Number.NaN, 2 ** 52, second + 1]) {
      expect(wheel.cancel(nonsense)).toBe(false);
    }
    expect(wheel.stats().active).toBe(0);
  });

  it('doubles up to its maximum, keeps what waits, then refuses and counts', () => {
    const wheel = new TimerWheel({ clock: manualClock(), maxTimers: 5, initialTimers: 1 });
    for (let key = 0; key < 5; key++) expect(wheel.schedule(key * 1000, 1, key)).toBeGreaterThan(0);
    expect(wheel.schedule(1, 1, 9)).toBe(0);
    expect(wheel.stats()).toEqual({ active: 5, capacity: 5, grown: 3, refused: 1, fired: 0 });
    expect(collect(wheel, 4000).map((f) => f.key)).toEqual([0, 1, 2, 3, 4]);
    expect(wheel.schedule(1, 1, 9)).toBeGreaterThan(0);
  });

  it('touches no more timers than its budget and goes on from there', () => {
    const wheel = new TimerWheel({ clock: manualClock(), maxTimers: 1000 });
    for (let key = 0; key < 100; key++) wheel.schedule(60_000, 1, key);
    const seen = new Set<number>();
    let calls = 0;
    while (seen.size < 100) {
      const fired = collect(wheel, 60_000, 10);
      expect(fired.length).toBeLessThanOrEqual(10);
      for (const { key } of fired) seen.add(key);
      expect(++calls).toBeLessThan(100);
    }
    // Each timer is moved down at most once per level before it fires.
    expect(calls).toBeLessThanOrEqual(60);
    expect(wheel.stats()).toMatchObject({ active: 0, fired: 100 });
  });

  it('lets a callback schedule and cancel, without firing its own zero delay in the same advance', () => {
    const clock = manualClock(0);
    const wheel = new TimerWheel({ clock, maxTimers: 10 });
    let fired = 0;
    let victim = 0;
    const again = (): void => {
      fired++;
      wheel.schedule(0, 1, 1);
      wheel.cancel(victim);
      expect(wheel.advance(1e9, again, UNBOUNDED)).toBe(0);
    };
    wheel.schedule(0, 1, 1);
    victim = wheel.schedule(200, 1, 2);
    clock.nowMs = 100;
    expect(wheel.advance(100, again, UNBOUNDED)).toBeLessThanOrEqual(2);
    clock.nowMs = 10_000;
    const before = fired;
    wheel.advance(10_000, again, UNBOUNDED);
    expect(fired - before).toBeLessThanOrEqual(2);
    expect(wheel.stats().active).toBe(1);
  });

  it('stays usable when a callback throws', () => {
    const wheel = new TimerWheel({ clock: manualClock(), maxTimers: 10 });
    wheel.schedule(50, 1, 1);
    wheel.schedule(50, 1, 2);
    const boom = (): void => {
      throw new Error('boom');
    };
    expect(() => wheel.advance(50, boom, UNBOUNDED)).toThrow('boom');
    expect(collect(wheel, 50)).toHaveLength(1);
  });

  it('runs on the ticks of its clock until stopped', () => {
    const clock = manualClock(0);
    const wheel = new TimerWheel({ clock, maxTimers: 10 });
    const fired: number[] = [];
    const stop = wheel.run((_kind, key) => fired.push(key), 100);
    wheel.schedule(50, 1, 3);
    clock.nowMs = 50;
    for (const tick of clock.ticks) tick();
    expect(fired).toEqual([3]);
    stop();
    expect(clock.ticks).toEqual([]);
  });

  it('holds a timer in at most 64 bytes', () => {
    const wheel = new TimerWheel({ clock: manualClock(), maxTimers: 1 << 20, initialTimers: 1 << 20 });
    let bytes = 0;
    for (const field of Object.values(wheel)) if (ArrayBuffer.isView(field)) bytes += field.byteLength;
    expect(bytes / (1 << 20)).toBeLessThan(64);
  });
});

// The model is a plain map of deadlines in ticks.
interface Model {
  waiting: Map<number, { dueTick: number; kind: number; key: number }>;
  stale: number[];
}

interface Real {
  wheel: TimerWheel;
  clock: ManualClock;
}

const TICK_MS = 10;
const MAX_TIMERS = 24;

class Schedule implements fc.Command<Model, Real> {
  readonly delayMs: number;
  readonly key: number;
  constructor(delayMs: number, key: number) {
    this.delayMs = delayMs;
    this.key = key;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, { wheel, clock }: Real): void {
    const kind = this.key & 255;
    const handle = wheel.schedule(this.delayMs, kind, this.key);
    if (model.waiting.size === MAX_TIMERS) {
      expect(handle).toBe(0);
      return;
    }
    expect(handle).toBeGreaterThan(0);
    expect(model.waiting.has(handle)).toBe(false);
    const dueTick = Math.ceil((clock.nowMs + this.delayMs) / TICK_MS);
    model.waiting.set(handle, { dueTick, kind, key: this.key });
  }
  toString(): string {
    return `schedule(${this.delayMs}, ${this.key})`;
  }
}

class Cancel implements fc.Command<Model, Real> {
  readonly pick: number;
  constructor(pick: number) {
    this.pick = pick;
  }
  check(model: Readonly<Model>): boolean {
    return model.waiting.size > 0;
  }
  run(model: Model, { wheel }: Real): void {
    const handles = [...model.waiting.keys()];
    const handle = handles[this.pick % handles.length] as number;
    expect(wheel.cancel(handle)).toBe(true);
    model.waiting.delete(handle);
    model.stale.push(handle);
  }
  toString(): string {
    return `cancel(#${this.pick})`;
  }
}

class CancelStale implements fc.Command<Model, Real> {
  readonly pick: number;
  constructor(pick: number) {
    this.pick = pick;
  }
  check(model: Readonly<Model>): boolean {
    return model.stale.length > 0;
  }
  run(model: Model, { wheel }: Real): void {
    expect(wheel.cancel(model.stale[this.pick % model.stale.length] as number)).toBe(false);
  }
  toString(): string {
    return `cancelStale(#${this.pick})`;
  }
}

class Advance implements fc.Command<Model, Real> {
  readonly byMs: number;
  readonly budget: number;
  constructor(byMs: number, budget: number) {
    this.byMs = byMs;
    this.budget = budget;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, { wheel, clock }: Real): void {
    clock.nowMs += this.byMs;
    const nowTick = Math.floor(clock.nowMs / TICK_MS);
    const fired = collect(wheel, clock.nowMs, this.budget);
    expect(fired.length).toBeLessThanOrEqual(this.budget);
    let lastTick = 0;
    for (const { handle, kind, key } of fired) {
      const expected = model.waiting.get(handle);
      expect(expected).toMatchObject({ kind, key });
      const dueTick = expected?.dueTick ?? 0;
      expect(dueTick).toBeLessThanOrEqual(nowTick);
      expect(dueTick).toBeGreaterThanOrEqual(lastTick);
      lastTick = dueTick;
      model.waiting.delete(handle);
      model.stale.push(handle);
    }
    if (this.budget === UNBOUNDED) {
      for (const { dueTick } of model.waiting.values()) expect(dueTick).toBeGreaterThan(nowTick);
    }
    expect(wheel.stats().active).toBe(model.waiting.size);
  }
  toString(): string {
    return `advance(${this.byMs}, ${this.budget})`;
  }
}

describe('timer wheel against a model', () => {
  const spanMs = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 10_000 }),
    fc.integer({ min: 0, max: 100_000_000 }),
    fc.integer({ min: 0, max: 0xffffffff }).map((seconds) => seconds * 1000),
    fc.constantFrom(2550, 2560, 2570, 655_350, 655_360, 655_370, 167_772_160, 42_949_672_960),
  );
  const commands = fc.commands(
    [
      fc
        .tuple(spanMs, fc.integer({ min: 0, max: 0xffffffff }))
        .map(([delay, key]) => new Schedule(delay, key)),
      fc.nat().map((pick) => new Cancel(pick)),
      fc.nat().map((pick) => new CancelStale(pick)),
      spanMs.map((by) => new Advance(by, UNBOUNDED)),
      fc.tuple(spanMs, fc.integer({ min: 0, max: 4 })).map(([by, budget]) => new Advance(by, budget)),
    ],
    { maxCommands: 120 },
  );

  it('fires each timer once, in order of ticks, neither early nor late, across jumps and budgets', () => {
    fc.assert(
      fc.property(commands, (list) => {
        fc.modelRun(() => {
          const clock = manualClock(0);
          const wheel = new TimerWheel({ clock, tickMs: TICK_MS, maxTimers: MAX_TIMERS, initialTimers: 2 });
          return { model: { waiting: new Map(), stale: [] }, real: { wheel, clock } };
        }, list);
      }),
      { numRuns: 400 },
    );
  });
});
