import type { Clock } from '../../kernel/clock.ts';

/** Lets bytes through at a rate. What was taken at once is waited for before the next is taken. */
export interface Pacer {
  /** Resolves when it is time, or when `isOver` says that nobody cares any more. */
  take(bytes: number, isOver: () => boolean): Promise<void>;
  /** Nobody waits any longer. */
  close(): void;
}

const TICK_MS = 20;

export function createPacer(clock: Clock, bytesPerSecond: number): Pacer {
  let freeAtMs = clock.monotonicMs();
  let wake: (() => void) | undefined;
  let isClosed = false;

  async function waitFor(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    await new Promise<void>((resolve) => {
      const stop = clock.every(TICK_MS, () => {
        if (isDone()) wake?.();
      });
      wake = () => {
        stop();
        wake = undefined;
        resolve();
      };
    });
  }

  return {
    async take(bytes, isOver) {
      await waitFor(() => isClosed || isOver() || clock.monotonicMs() >= freeAtMs);
      freeAtMs = Math.max(freeAtMs, clock.monotonicMs()) + (1000 * bytes) / bytesPerSecond;
    },
    close() {
      isClosed = true;
      wake?.();
    },
  };
}
