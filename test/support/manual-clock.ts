import { setImmediate as immediate } from 'node:timers/promises';
import type { Clock } from '../../src/kernel/clock.ts';

interface Timer {
  readonly intervalMs: number;
  readonly callback: () => void;
  dueMs: number;
}

/** Time that moves only when a test says so. */
export interface ManualClock extends Clock {
  /**
   * Runs all timers that fall due in the next `ms`, in order. After each the event loop turns once, so that what a
   * timer started (writes, closes) happens before the next.
   */
  advance(ms: number): Promise<void>;
  /** As if the process had stood still: what is due fires once, at the new time, ahead of all input. */
  jump(ms: number): Promise<void>;
}

export function createManualClock(startWallMs: number = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = 0;
  const timers = new Set<Timer>();

  const nextDue = (untilMs: number): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers)
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    return first;
  };

  return {
    async jump(ms) {
      // Reads come between what runs here and what that puts off to the end of the turn.
      await immediate();
      nowMs += ms;
      for (const timer of [...timers]) {
        if (timer.dueMs > nowMs || !timers.has(timer)) continue;
        timer.dueMs = nowMs + timer.intervalMs;
        timer.callback();
      }
    },
    monotonicMs: () => nowMs,
    wallMs: () => startWallMs + nowMs,
    every(intervalMs, callback) {
      const timer: Timer = { intervalMs, callback, dueMs: nowMs + intervalMs };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      // Input that is on its way belongs to the time before.
      for (let turn = 0; turn < 3; turn++) await immediate();
      const untilMs = nowMs + ms;
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        nowMs = Math.max(nowMs, timer.dueMs);
        timer.dueMs += timer.intervalMs;
        timer.callback();
        await immediate();
      }
      nowMs = untilMs;
      await immediate();
    },
  };
}
