import { type Clock, standstillBefore } from '../kernel/clock.ts';

const tickMs = 50;

/**
 * Deadlines of handshakes and lingering closes: few, short and usually cancelled, so one ticking sweep serves them all. After a
 * standstill they end a tick later, behind what was sent meanwhile.
 */
export interface Deadlines {
  /** Runs `expired` once, `delayMs` from now (up to one tick later), unless the returned function is called before. */
  after(delayMs: number, expired: () => void): () => void;
}

export function createDeadlines(clock: Clock): Deadlines {
  interface Entry {
    readonly atMs: number;
    readonly expired: () => void;
  }
  const entries = new Set<Entry>();
  let stopTicking: (() => void) | undefined;

  const stopWhenIdle = (): void => {
    if (entries.size > 0) return;
    stopTicking?.();
    stopTicking = undefined;
  };
  const sweep = (stoodStill: () => boolean): void => {
    if (stoodStill()) return;
    const nowMs = clock.monotonicMs();
    for (const entry of entries) {
      if (entry.atMs > nowMs) continue;
      entries.delete(entry);
      entry.expired();
    }
    stopWhenIdle();
  };

  return {
    after(delayMs, expired) {
      const entry = { atMs: clock.monotonicMs() + delayMs, expired };
      entries.add(entry);
      if (stopTicking === undefined) {
        const stoodStill = standstillBefore(clock, tickMs);
        stopTicking = clock.every(tickMs, () => sweep(stoodStill));
      }
      return () => {
        entries.delete(entry);
        stopWhenIdle();
      };
    },
  };
}
