import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DurableTimers,
  decodeTimerEntry,
  encodeTimerEntry,
  type Timer,
  type TimerEntry,
} from '../../../src/kernel/durable-timers/timers.ts';

const limits = { maxTimers: 50 };
const KINDS = 3;

describe('durable timers', () => {
  it('fire what is due, in order, once, and survive restarts by snapshot or journal', () => {
    const wait = fc.oneof(fc.nat(3000), fc.nat(90_000), fc.constant(2 ** 45), fc.constant(0));
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ op: fc.constant('insert' as const), wait, kind: fc.nat(KINDS - 1) }),
      },
      fc.record({ op: fc.constant('cancel' as const), wait: fc.nat(60), kind: fc.constant(0) }),
      fc.record({
        op: fc.constantFrom('due' as const, 'restart' as const),
        wait,
        kind: fc.integer({ min: 1, max: 20 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let nowMs = 5_000_000;
        let timers = new DurableTimers(limits, nowMs);
        const replica = new DurableTimers(limits);
        const handles: Timer[] = [];
        let naive: Timer[] = [];
        const journal = (entry: TimerEntry | undefined): void => {
          if (entry === undefined) return;
          const read = decodeTimerEntry(encodeTimerEntry(entry));
          expect(read).toEqual(entry);
          if (read !== undefined) replica.apply(read);
        };
        for (const { op, wait: ms, kind } of steps) {
          if (op === 'insert') {
            const key = handles.length;
            const entry = timers.insert(nowMs + ms, kind, key);
            expect(entry === undefined).toBe(naive.length >= limits.maxTimers);
            journal(entry);
            if (entry === undefined) continue;
            const timer = { id: entry.id, dueMs: nowMs + ms, kind, key };
            handles.push(timer);
            naive.push(timer);
          } else if (op === 'cancel' && handles.length > 0) {
            const timer = handles[ms % handles.length];
            const entry = timers.cancel(timer);
            expect(entry !== undefined).toBe(naive.includes(timer));
            journal(entry);
            naive = naive.filter((each) => each !== timer);
          } else if (op === 'due') {
            nowMs += ms % 200_000;
            const due = naive
              .filter(({ dueMs }) => dueMs <= nowMs)
              .sort((a, b) => a.dueMs - b.dueMs || a.id - b.id);
            const expected = due.slice(0, kind);
            const fired = timers.due(nowMs, kind);
            expect(fired.timers).toEqual(expected);
            journal(fired.entry);
            naive = naive.filter((each) => !expected.includes(each));
            if (naive.length > 0) {
              expect(timers.nextDueMs()).toBeLessThanOrEqual(Math.min(...naive.map(({ dueMs }) => dueMs)));
            }
          } else if (op === 'restart') {
            const next = new DurableTimers(limits, nowMs);
            expect(next.restore(timers.snapshot())).toBe(true);
            timers = next;
          }
          expect(timers.size).toBe(naive.length);
          for (let each = 0; each < KINDS; each++) {
            expect(timers.countOf(each)).toBe(naive.filter((timer) => timer.kind === each).length);
          }
        }
        expect(replica.snapshot()).toEqual(timers.snapshot());
      }),
      { numRuns: 300 },
    );
  });

  it('hold a million in 64 MB, near and far, and forget the cancelled', () => {
    const timers = new DurableTimers({ maxTimers: 1_000_000 }, 0);
    const handles: Timer[] = [];
    let most = 0;
    for (let i = 0; i < 1_000_000; i++) {
      const timer = timers.insert((i * 7919) % (i % 2 === 0 ? 60_000 : 100_000_000), i % 3, i);
      if (timer !== undefined && i % 2 === 0) handles.push(timer);
      if (i % 65_536 === 0) most = Math.max(most, timers.bytes);
    }
    expect(timers.size).toBe(1_000_000);
    expect(timers.insert(1, 0, 0)).toBeUndefined();
    expect(Math.max(most, timers.bytes)).toBeLessThan(64 * 1024 * 1024);
    for (const handle of handles) timers.cancel(handle);
    expect(timers.size).toBe(500_000);
    let fired = 0;
    let previous = -1;
    for (;;) {
      const batch = timers.due(100_000_000, 10_000).timers;
      if (batch.length === 0) break;
      fired += batch.length;
      for (const { dueMs } of batch) {
        if (dueMs < previous) throw new Error('out of order');
        previous = dueMs;
      }
    }
    expect(fired).toBe(500_000);
    expect(timers.bytes).toBeLessThan(100_000);
  });

  it('refuse bytes that are cut', () => {
    const timers = new DurableTimers(limits);
    timers.insert(1000, 1, 7);
    timers.insert(1000, 2, 8);
    const snapshot = timers.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(new DurableTimers(limits).restore(snapshot.slice(0, length))).toBe(false);
    }
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeTimerEntry(Uint8Array.of(1, ...bytes))));
  });
});
