/**
 * A token bucket: `ratePerSecond` on average, `burst` at once. A rate of 0 limits nothing. It never waits by
 * itself: the caller refuses, or asks how long to pause.
 */
import type { Clock } from './clock.ts';

export class TokenBucket {
  private readonly clock: Clock;
  private readonly tokensPerMs: number;
  private readonly burst: number;
  private tokens: number;
  private filledAtMs: number;

  constructor(clock: Clock, ratePerSecond: number, burst = ratePerSecond) {
    this.clock = clock;
    this.tokensPerMs = Math.max(0, ratePerSecond) / 1000;
    // Less than one token could never be taken.
    this.burst = Math.max(1, burst);
    this.tokens = this.burst;
    this.filledAtMs = clock.monotonicMs();
  }

  /** Takes `count` tokens, all or none. More than the bucket holds is allowed from a full bucket, as a debt. */
  tryTake(count = 1): boolean {
    if (this.tokensPerMs === 0) return true;
    this.fill();
    if (this.tokens < Math.min(count, this.burst)) return false;
    this.tokens -= count;
    return true;
  }

  /** Takes them whatever there is, for work that is done already. How long until the debt is paid; 0 = there is none. */
  charge(count = 1): number {
    if (this.tokensPerMs === 0) return 0;
    this.fill();
    this.tokens -= count;
    return this.tokens >= 0 ? 0 : Math.ceil(-this.tokens / this.tokensPerMs);
  }

  /** How long until `tryTake(count)` can succeed; 0 = now. */
  waitMs(count = 1): number {
    if (this.tokensPerMs === 0) return 0;
    this.fill();
    return Math.max(0, Math.ceil((Math.min(count, this.burst) - this.tokens) / this.tokensPerMs));
  }

  private fill(): void {
    const nowMs = this.clock.monotonicMs();
    this.tokens = Math.min(this.burst, this.tokens + (nowMs - this.filledAtMs) * this.tokensPerMs);
    this.filledAtMs = nowMs;
  }
}
