/**
 * Time, handed in at the composition root so that tests drive it. Nothing else in the broker asks the system
 * for the time or sets a timer.
 */
export interface Clock {
  /** Monotonic milliseconds; never goes back. For intervals and deadlines inside one process. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch. For what is stored or shown. */
  wallMs(): number;
  /** Calls `callback` every `intervalMs` until the returned function is called. Does not keep a process alive. */
  every(intervalMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Later than a busy event loop makes a tick. */
const STANDSTILL_MS = 1000;

/**
 * To be asked at each tick, from the first one on: whether it comes so late that the process stood still (it was stopped, or its
 * machine slept). Ticks come ahead of reads, so who would be judged to be silent may have said something that is not read yet.
 */
export function standstillBefore(clock: Clock, intervalMs: number): () => boolean {
  let lastMs = clock.monotonicMs();
  return () => {
    const beforeMs = lastMs;
    lastMs = clock.monotonicMs();
    return lastMs - beforeMs > intervalMs + STANDSTILL_MS;
  };
}
