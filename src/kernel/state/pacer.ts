import type { Clock } from '../clock.ts';

/** Spreads work over time: `take` resolves when what was taken before has had its time. */
export interface Pacer {
  take(bytes: number): Promise<void>;
  /** Nothing waits any more. */
  release(): void;
}

const TICK_MS = 10;

export function createPacer(clock: Clock, bytesPerSecond: number): Pacer {
  let freeAtMs = 0;
  let isReleased = false;
  const waiting = new Set<() => void>();
  return {
    async take(bytes) {
      const now = clock.monotonicMs();
      freeAtMs = Math.max(freeAtMs, now) + (bytes * 1000) / bytesPerSecond;
      const untilMs = freeAtMs;
      // A turn of the event loop in any case.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (!isReleased && untilMs > clock.monotonicMs() + TICK_MS) {
        await new Promise<void>((resolve) => {
          const look = (): void => {
            if (!isReleased && untilMs > clock.monotonicMs()) return;
            waiting.delete(look);
            cancel();
            resolve();
          };
          const cancel = clock.every(TICK_MS, look);
          waiting.add(look);
        });
      }
    },
    release() {
      isReleased = true;
      for (const look of waiting) look();
    },
  };
}
