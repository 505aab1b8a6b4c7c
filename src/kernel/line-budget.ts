/** Not more lines of the log a second than can be read, where what clients do is what writes them. */
import type { Clock } from './clock.ts';

export interface LineBudget {
  /** What to add to the line; undefined where there is to be none, which the next one that is written tells. */
  take(): { readonly notLogged?: number } | undefined;
}

export function createLineBudget(clock: Pick<Clock, 'monotonicMs'>, linesPerSecond: number): LineBudget {
  let secondEndsMs = Number.NEGATIVE_INFINITY;
  let lines = 0;
  let notLogged = 0;
  return {
    take() {
      const nowMs = clock.monotonicMs();
      if (nowMs >= secondEndsMs) {
        secondEndsMs = nowMs + 1000;
        lines = 0;
      }
      if (lines >= linesPerSecond) {
        notLogged++;
        return undefined;
      }
      lines++;
      const told = notLogged > 0 ? { notLogged } : {};
      notLogged = 0;
      return told;
    },
  };
}
