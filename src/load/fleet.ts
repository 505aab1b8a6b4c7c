/** Opens many connections with a bounded number of them under way, as fast as they come or at a rate. */

export interface FleetOptions {
  readonly count: number;
  /** Under way at most. */
  readonly atOnce: number;
  /** Connections per second; 0 is as fast as they come. */
  readonly rate: number;
  now(): number;
  /**
   * Begins one; `settled` is called once, when it is ready or has failed. `dueMs` is when it was to begin: later than that,
   * it has waited for others.
   */
  open(index: number, dueMs: number, settled: () => void): void;
  /** Told often enough that a stop is prompt. */
  isStopped(): boolean;
}

const LOOK_MS = 10;

/** Resolves when all have settled, or none is begun any more. */
export function openFleet(options: FleetOptions): Promise<void> {
  const { count, atOnce, rate, now } = options;
  return new Promise((resolve) => {
    const startedMs = now();
    let begun = 0;
    let settled = 0;
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const end = (): void => {
      isOver = true;
      clearInterval(timer);
      resolve();
    };
    const onSettled = (): void => {
      settled++;
      go();
    };
    const go = (): void => {
      if (isOver) return;
      if (options.isStopped() || settled === count) {
        end();
        return;
      }
      const nowMs = now();
      while (begun < count && begun - settled < atOnce) {
        const dueMs = rate > 0 ? startedMs + (begun * 1000) / rate : nowMs;
        if (dueMs > nowMs) return;
        options.open(begun++, dueMs, onSettled);
      }
    };
    timer = setInterval(go, rate > 0 ? Math.min(LOOK_MS, Math.max(1, 500 / rate)) : LOOK_MS);
    go();
  });
}
