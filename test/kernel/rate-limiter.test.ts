import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/kernel/clock.ts';
import { TokenBucket } from '../../src/kernel/rate-limiter.ts';

function manualClock(): Clock & { nowMs: number } {
  return {
    nowMs: 0,
    monotonicMs() {
      return this.nowMs;
    },
    wallMs: () => 0,
    every: () => () => undefined,
  };
}

function taken(bucket: TokenBucket, attempts: number): number {
  let count = 0;
  for (let i = 0; i < attempts; i++) if (bucket.tryTake()) count++;
  return count;
}

describe('token bucket', () => {
  it('lets a burst through, then the rate', () => {
    const clock = manualClock();
    const bucket = new TokenBucket(clock, 100, 20);
    expect(taken(bucket, 50)).toBe(20);
    clock.nowMs += 100;
    expect(taken(bucket, 50)).toBe(10);
  });

  it('does not save more than a burst while idle', () => {
    const clock = manualClock();
    const bucket = new TokenBucket(clock, 100, 20);
    clock.nowMs += 3_600_000;
    expect(taken(bucket, 50)).toBe(20);
  });

  it('says how long to wait, and then the take succeeds', () => {
    const clock = manualClock();
    const bucket = new TokenBucket(clock, 10, 1);
    expect(bucket.waitMs()).toBe(0);
    bucket.tryTake();
    const waitMs = bucket.waitMs();
    expect(waitMs).toBe(100);
    clock.nowMs += waitMs - 1;
    expect(bucket.tryTake()).toBe(false);
    clock.nowMs += 1;
    expect(bucket.tryTake()).toBe(true);
  });

  it('lets more than a burst through once full, and makes up for it later', () => {
    const clock = manualClock();
    const bucket = new TokenBucket(clock, 10, 10);
    expect(bucket.tryTake(30)).toBe(true);
    expect(bucket.waitMs(1)).toBe(2100);
    clock.nowMs += 2100;
    expect(bucket.tryTake(1)).toBe(true);
  });

  it('limits nothing at rate zero', () => {
    const bucket = new TokenBucket(manualClock(), 0);
    expect(taken(bucket, 1000)).toBe(1000);
    expect(bucket.waitMs(1000)).toBe(0);
  });

  it('lets at least one through at rates below one per second', () => {
    const clock = manualClock();
    const bucket = new TokenBucket(clock, 0.5);
    expect(taken(bucket, 2)).toBe(1);
    clock.nowMs += 2000;
    expect(taken(bucket, 2)).toBe(1);
  });

  it('charges what was done already, and says how long that takes to pay', () => {
    const clock = manualClock();
    const bucket = new TokenBucket(clock, 100, 20);
    expect(bucket.charge(20)).toBe(0);
    expect(bucket.charge(5)).toBe(50);
    clock.nowMs += 30;
    expect(bucket.charge(0)).toBe(20);
    expect(bucket.tryTake()).toBe(false);
    clock.nowMs += 30;
    expect(bucket.tryTake()).toBe(true);
    expect(new TokenBucket(clock, 0).charge(1e9)).toBe(0);
  });
});
