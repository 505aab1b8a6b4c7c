import { describe, expect, it } from 'vitest';
import { createAdmission } from '../../src/net/admission.ts';
import { createDeadlines } from '../../src/net/deadlines.ts';

function manualClock() {
  let nowMs = 1000;
  const ticks = new Set<() => void>();
  return {
    ticks,
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    every(_intervalMs: number, callback: () => void) {
      ticks.add(callback);
      return () => ticks.delete(callback);
    },
    advance(ms: number) {
      nowMs += ms;
      for (const tick of [...ticks]) tick();
    },
  };
}

describe('admission', () => {
  it('holds the number of connections and takes more when some have left', () => {
    const told: unknown[] = [];
    const admission = createAdmission(
      { maxConnections: 2, maxConnectionsPerSecond: 0 },
      manualClock(),
      (...refusal) => told.push(refusal),
    );
    expect([admission.enter(), admission.enter(), admission.enter('mqtt')]).toEqual([true, true, false]);
    expect(told).toEqual([['too many connections', 'mqtt']]);
    admission.leave();
    expect(admission.enter()).toBe(true);
    expect(admission.counters()).toEqual({
      open: 2,
      accepted: 3,
      refusedTooMany: 1,
      refusedTooFast: 0,
      refusedSuspended: 0,
    });
  });

  it('holds the rate over time and lets a burst of one second through', () => {
    const clock = manualClock();
    const admission = createAdmission({ maxConnections: 10_000, maxConnectionsPerSecond: 100 }, clock);
    const admitted = (attempts: number): number => {
      let count = 0;
      for (let i = 0; i < attempts; i += 1) if (admission.enter()) count += 1;
      return count;
    };
    expect(admitted(500)).toBe(100);
    clock.advance(250);
    expect(admitted(500)).toBe(25);
    clock.advance(60_000);
    expect(admitted(500)).toBe(100);
    expect(admission.counters().refusedTooFast).toBe(400 + 475 + 400);
  });

  it('admits nobody while suspended (item 27)', () => {
    const admission = createAdmission({ maxConnections: 2, maxConnectionsPerSecond: 0 }, manualClock());
    admission.suspend(true);
    expect(admission.enter()).toBe(false);
    admission.suspend(false);
    expect(admission.enter()).toBe(true);
    expect(admission.counters().refusedSuspended).toBe(1);
  });
});

describe('deadlines', () => {
  it('expire once, in any order, and can be cancelled', () => {
    const clock = manualClock();
    const deadlines = createDeadlines(clock);
    const expired: string[] = [];
    deadlines.after(300, () => expired.push('late'));
    deadlines.after(100, () => expired.push('early'));
    const cancel = deadlines.after(200, () => expired.push('never'));
    clock.advance(99);
    expect(expired).toEqual([]);
    clock.advance(1);
    cancel();
    clock.advance(150);
    clock.advance(1000);
    expect(expired).toEqual(['early', 'late']);
  });

  it('tick only while there is something to wait for', () => {
    const clock = manualClock();
    const deadlines = createDeadlines(clock);
    expect(clock.ticks.size).toBe(0);
    const cancel = deadlines.after(100, () => undefined);
    deadlines.after(100, () => undefined);
    expect(clock.ticks.size).toBe(1);
    cancel();
    cancel();
    expect(clock.ticks.size).toBe(1);
    clock.advance(100);
    expect(clock.ticks.size).toBe(0);
  });
});
