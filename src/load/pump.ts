/** Calls a step as often as it asks for: at once, after some time, or when somebody says that there is progress. */

export interface Pump {
  /** There may be something to do. */
  wake(): void;
  stop(): void;
}

/** `spinBelowMs`: a wait shorter than that is spent looking at the clock, for timers are not that exact. */
export function createPump(step: () => number | undefined, spinBelowMs: number): Pump {
  let isPumping = true;
  let soon: NodeJS.Immediate | undefined;
  let later: NodeJS.Timeout | undefined;
  const wake = (): void => {
    if (!isPumping || soon !== undefined) return;
    clearTimeout(later);
    later = undefined;
    soon = setImmediate(turn);
  };
  function turn(): void {
    soon = undefined;
    if (!isPumping) return;
    const waitMs = step();
    if (waitMs === undefined) return;
    if (waitMs < spinBelowMs) wake();
    else if (soon === undefined && later === undefined) later = setTimeout(wake, waitMs - 1);
  }
  wake();
  return {
    wake,
    stop() {
      isPumping = false;
      clearImmediate(soon);
      clearTimeout(later);
    },
  };
}
