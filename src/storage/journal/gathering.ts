/**
 * When a group may begin. A group costs the same whatever is in it: some system calls and two or three trips to other
 * threads. A process that has time begins one at once, and nobody waits. One that is busy all of its time would spend
 * more and more of it on smaller and smaller groups: there they begin a millisecond apart, unless enough has gathered.
 */
import type { Clock } from '../../kernel/clock.ts';

export interface Gathering {
  /** True = not yet; `go` is called when it is time. */
  holds(pendingBytes: number, go: () => void): boolean;
  /** A group has begun. */
  begun(): void;
  stop(): void;
}

export interface GatheringOptions {
  readonly clock: Clock;
  /** The part of the time since the last call in which the process was busy, 0 to 1. */
  readonly utilization: () => number;
}

const GATHER_MS = 1;
const ENOUGH_BYTES = 256 * 1024;
const SAMPLE_MS = 20;
/** Busy above the one, until below the other. */
const BUSY = 0.95;
const IDLE = 0.8;

export function createGathering({ clock, utilization }: GatheringOptions): Gathering {
  let isBusy = false;
  let sampledMs = clock.monotonicMs();
  let begunMs = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | undefined;

  function stop(): void {
    cancel?.();
    cancel = undefined;
  }

  return {
    holds(pendingBytes, go) {
      const nowMs = clock.monotonicMs();
      if (nowMs - sampledMs >= SAMPLE_MS) {
        sampledMs = nowMs;
        isBusy = utilization() > (isBusy ? IDLE : BUSY);
      }
      if (!isBusy || pendingBytes >= ENOUGH_BYTES || nowMs - begunMs >= GATHER_MS) return false;
      cancel ??= clock.every(GATHER_MS, () => {
        stop();
        go();
      });
      return true;
    },
    begun() {
      begunMs = clock.monotonicMs();
      stop();
    },
    stop,
  };
}
