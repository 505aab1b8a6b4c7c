/**
 * Alarms: what an operator has to know of without looking for it. Here live the conditions, as functions of figures that are
 * handed in, what raises and clears an alarm, and a short history. Not here: where the figures come from, and who is told.
 *
 * Guaranteed: an alarm is raised once and cleared once, however its figure swings meanwhile; each condition has a time for
 * which it must hold, and another one for which it must not; a condition that cannot be looked at changes nothing.
 */
import type { Clock } from '../kernel/clock.ts';

export const ALARM_NAMES = [
  'audit',
  'authentication',
  'certificate',
  'clock',
  'connections',
  'disk',
  'event-loop',
  'journal',
  'memory',
  'slow-client',
] as const;
export type AlarmName = (typeof ALARM_NAMES)[number];

export const SEVERITIES = ['warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Condition {
  readonly alarm: AlarmName;
  readonly severity: Severity;
  /** What is wrong, as a sentence; undefined: nothing. While the alarm is active its lower threshold counts. */
  problem(isActive: boolean): string | undefined;
  /** For so long it must hold. */
  readonly raiseAfterMs: number;
  /** For so long it must not. */
  readonly clearAfterMs: number;
}

export interface Alarm {
  readonly alarm: AlarmName;
  readonly severity: Severity;
  readonly raisedAtMs: number;
  /** undefined: it is active. */
  readonly clearedAtMs: number | undefined;
  /** What was wrong when it was looked at last. */
  readonly message: string;
}

export interface AlarmsOptions {
  readonly clock: Clock;
  readonly conditions: readonly Condition[];
  readonly onChange: (alarm: Alarm) => void;
}

export interface Alarms {
  /** In the order in which they were raised. */
  active(): readonly Alarm[];
  /** Those that are over, the newest first. */
  history(): readonly Alarm[];
  /** Looks now, besides every second. */
  look(): void;
  stop(): void;
}

const LOOK_MS = 1000;
const MAX_HISTORY = 500;

interface State {
  readonly condition: Condition;
  active: Alarm | undefined;
  /** Monotonic: since when it is the other way round than the alarm says. */
  changingSinceMs: number | undefined;
}

export function createAlarms({ clock, conditions, onChange }: AlarmsOptions): Alarms {
  const states = conditions.map((condition): State => {
    return { condition, active: undefined, changingSinceMs: undefined };
  });
  const history: Alarm[] = [];

  function change(state: State, problem: string | undefined): void {
    const { condition, active } = state;
    if (active === undefined) {
      const { alarm, severity } = condition;
      const raised = { alarm, severity, raisedAtMs: clock.wallMs(), clearedAtMs: undefined };
      state.active = { ...raised, message: problem ?? '' };
      onChange(state.active);
      return;
    }
    const cleared = { ...active, clearedAtMs: clock.wallMs() };
    state.active = undefined;
    history.unshift(cleared);
    if (history.length > MAX_HISTORY) history.pop();
    onChange(cleared);
  }

  function lookAt(state: State): void {
    const { condition, active } = state;
    let problem: string | undefined;
    try {
      problem = condition.problem(active !== undefined);
    } catch {
      return;
    }
    if ((problem !== undefined) === (active !== undefined)) {
      state.changingSinceMs = undefined;
      if (active !== undefined && problem !== undefined) state.active = { ...active, message: problem };
      return;
    }
    const nowMs = clock.monotonicMs();
    state.changingSinceMs ??= nowMs;
    const neededMs = active === undefined ? condition.raiseAfterMs : condition.clearAfterMs;
    if (nowMs - state.changingSinceMs < neededMs) return;
    state.changingSinceMs = undefined;
    change(state, problem);
  }

  const look = (): void => {
    for (const state of states) lookAt(state);
  };

  return {
    active: () =>
      states
        .flatMap(({ active }) => active ?? [])
        .toSorted((a, b) => a.raisedAtMs - b.raisedAtMs || (a.alarm < b.alarm ? -1 : 1)),
    history: () => history,
    look,
    stop: clock.every(LOOK_MS, look),
  };
}
