import type { Clock } from '../kernel/clock.ts';

export interface AdmissionLimits {
  readonly maxConnections: number;
  /** 0 = no limit. */
  readonly maxConnectionsPerSecond: number;
}

export interface AdmissionCounters {
  readonly open: number;
  readonly accepted: number;
  readonly refusedTooMany: number;
  readonly refusedTooFast: number;
  readonly refusedSuspended: number;
}

/**
 * Decides about every new connection of a process before a byte of it is read. One object is shared by all
 * listeners, so that the limits hold over all of them; connections still in a handshake count.
 */
export interface Admission {
  /** True admits: the caller owes exactly one `leave`. */
  enter(listener?: string): boolean;
  leave(): void;
  /** While suspended (memory is short, the broker is stopping) nobody is admitted. */
  suspend(on: boolean): void;
  counters(): AdmissionCounters;
}

/** Told of everybody who is turned away, before anything is known of them. */
export type OnTurnedAway = (reason: string, listener: string | undefined) => void;

export function createAdmission(
  limits: AdmissionLimits,
  clock: Clock,
  onTurnedAway: OnTurnedAway = () => {},
): Admission {
  let tokens = limits.maxConnectionsPerSecond;
  let refilledAtMs = clock.monotonicMs();
  let suspended = false;
  let open = 0;
  let accepted = 0;
  let refusedTooMany = 0;
  let refusedTooFast = 0;
  let refusedSuspended = 0;

  /** A bucket one second deep: a burst up to the limit passes, and no second sees more than twice the limit. */
  const takeToken = (): boolean => {
    // Read each time: it changes while the node runs.
    const rate = limits.maxConnectionsPerSecond;
    if (rate <= 0) return true;
    const nowMs = clock.monotonicMs();
    tokens = Math.min(rate, tokens + ((nowMs - refilledAtMs) * rate) / 1000);
    refilledAtMs = nowMs;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };

  return {
    enter(listener) {
      if (suspended) {
        refusedSuspended += 1;
        onTurnedAway('memory is above its watermark', listener);
        return false;
      }
      if (open >= limits.maxConnections) {
        refusedTooMany += 1;
        onTurnedAway('too many connections', listener);
        return false;
      }
      if (!takeToken()) {
        refusedTooFast += 1;
        onTurnedAway('too many connections within a second', listener);
        return false;
      }
      open += 1;
      accepted += 1;
      return true;
    },
    leave() {
      open -= 1;
    },
    suspend(on) {
      suspended = on;
    },
    counters: () => ({ open, accepted, refusedTooMany, refusedTooFast, refusedSuspended }),
  };
}
