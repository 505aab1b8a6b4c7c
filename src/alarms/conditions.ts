/** When something is wrong: thresholds over figures of the node, each with a lower one at which it is over. */
import type { Clock } from '../kernel/clock.ts';
import type { Condition } from './alarms.ts';

export interface AlarmFigures {
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  /** Why nothing can be written any more. */
  journalFailure(): string | undefined;
  /** Which journals refuse publishers for want of space. */
  fullJournals(): readonly string[];
  /** Above the watermark, as those see it who pause publishers for it. */
  isMemoryHigh(): boolean;
  residentBytes(): number;
  /** 99 of 100 delays of the last ten seconds were shorter. */
  eventLoopDelayMs(): number;
  connections(): { readonly open: number; readonly max: number };
  /** As they were read last. */
  certificates(): readonly { readonly name: string; readonly expiresAtMs: number }[];
  /** Log-ins with wrong credentials since the start, by all protocols. */
  failedLogIns(): number;
  auditFailure(): string | undefined;
  /** Of those that are connected. */
  slowestClient(): { readonly clientId: string; readonly behindMs: number } | undefined;
}

/** Read at each look, so that they can change meanwhile. 0 raises no alarm. */
export interface AlarmThresholds {
  readonly eventLoopDelayMs: number;
  readonly connectionsPercent: number;
  readonly certificateDays: number;
  /** Within a minute. */
  readonly failedLogIns: number;
  readonly clockJumpMs: number;
  readonly slowClientMs: number;
}

/** Of their figures, at which the alarms are over. */
const EVENT_LOOP_OVER = 0.5;
const CONNECTIONS_OVER = 17 / 18;
const FAILED_OVER = 0.5;
const SLOW_OVER = 0.5;
const FAILED_WINDOW_MS = 60_000;
const CLOCK_JUMP_SHOWN_MS = 60_000;
const SETTLED_MS = 10_000;
const DAY_MS = 86_400_000;
const MiB = 1024 * 1024;

export function createConditions(figures: AlarmFigures, thresholds: AlarmThresholds): readonly Condition[] {
  const failed = createWindow(FAILED_WINDOW_MS);
  const jump = createJump(figures, thresholds);
  return [
    {
      alarm: 'journal',
      severity: 'critical',
      raiseAfterMs: 0,
      clearAfterMs: 0,
      problem() {
        const failure = figures.journalFailure();
        return failure && `the journal is read-only: ${failure}`;
      },
    },
    {
      alarm: 'disk',
      severity: 'critical',
      raiseAfterMs: 0,
      clearAfterMs: SETTLED_MS,
      problem() {
        const full = figures.fullJournals();
        if (full.length === 0) return undefined;
        return `no more space for ${full.join(', ')} by storage.watermark or storage.memory: publishers are refused`;
      },
    },
    {
      alarm: 'memory',
      severity: 'critical',
      raiseAfterMs: 0,
      clearAfterMs: SETTLED_MS,
      problem: () =>
        figures.isMemoryHigh()
          ? `memory is above its watermark (${Math.round(figures.residentBytes() / MiB)} MiB): publishers are paused, connections refused`
          : undefined,
    },
    {
      alarm: 'event-loop',
      severity: 'warning',
      // The figure is one of ten seconds already.
      raiseAfterMs: 0,
      clearAfterMs: SETTLED_MS,
      problem(isActive) {
        const { eventLoopDelayMs: usualMs } = thresholds;
        const delayMs = figures.eventLoopDelayMs();
        const limitMs = isActive ? EVENT_LOOP_OVER * usualMs : usualMs;
        return usualMs > 0 && delayMs > limitMs
          ? `the event loop is late by up to ${Math.round(delayMs)} ms`
          : undefined;
      },
    },
    {
      alarm: 'connections',
      severity: 'warning',
      raiseAfterMs: 0,
      clearAfterMs: SETTLED_MS,
      problem(isActive) {
        const { open, max } = figures.connections();
        const share = thresholds.connectionsPercent / 100;
        const limit = (isActive ? CONNECTIONS_OVER * share : share) * max;
        return share > 0 && open >= limit ? `${open} of ${max} connections are in use` : undefined;
      },
    },
    {
      alarm: 'certificate',
      severity: 'warning',
      raiseAfterMs: 0,
      clearAfterMs: 0,
      problem() {
        if (thresholds.certificateDays === 0) return undefined;
        const nowMs = figures.clock.wallMs();
        const soon = expiringWithin(figures.certificates(), thresholds.certificateDays, nowMs);
        return soon.length === 0 ? undefined : soon.join('; ');
      },
    },
    {
      alarm: 'authentication',
      severity: 'warning',
      raiseAfterMs: 0,
      clearAfterMs: FAILED_WINDOW_MS,
      problem(isActive) {
        const count = failed.grown(figures.failedLogIns(), figures.clock.monotonicMs());
        const { failedLogIns: usual } = thresholds;
        const limit = isActive ? FAILED_OVER * usual : usual;
        return usual > 0 && count >= limit ? `${count} log-ins have failed within a minute` : undefined;
      },
    },
    {
      alarm: 'slow-client',
      severity: 'warning',
      raiseAfterMs: 0,
      clearAfterMs: SETTLED_MS,
      problem(isActive) {
        const { slowClientMs: usualMs } = thresholds;
        const slowest = figures.slowestClient();
        const limitMs = isActive ? SLOW_OVER * usualMs : usualMs;
        if (usualMs === 0 || slowest === undefined || slowest.behindMs <= limitMs) return undefined;
        const seconds = Math.floor(slowest.behindMs / 1000);
        return `the client ${JSON.stringify(slowest.clientId)} has not taken for ${seconds} s what is there for it`;
      },
    },
    {
      alarm: 'clock',
      severity: 'warning',
      raiseAfterMs: 0,
      clearAfterMs: 0,
      problem: () => jump(),
    },
    {
      alarm: 'audit',
      severity: 'critical',
      raiseAfterMs: 0,
      clearAfterMs: 0,
      problem() {
        const failure = figures.auditFailure();
        return failure && `the audit log cannot be written: ${failure}`;
      },
    },
  ];
}

/** A sentence for each that ends sooner. */
export function expiringWithin(
  certificates: ReturnType<AlarmFigures['certificates']>,
  days: number,
  nowMs: number,
): string[] {
  return certificates
    .filter(({ expiresAtMs }) => expiresAtMs - nowMs < days * DAY_MS)
    .map(({ name, expiresAtMs }) => {
      const left = Math.floor((expiresAtMs - nowMs) / DAY_MS);
      return left < 0
        ? `the certificate of ${name} has expired`
        : `the certificate of ${name} expires in ${left} days`;
    });
}

/** By how much a counter has grown within the last while, which is looked at in steps of a second or so. */
function createWindow(windowMs: number): { grown(count: number, nowMs: number): number } {
  const looks: { readonly atMs: number; readonly count: number }[] = [];
  return {
    grown(count, nowMs) {
      looks.push({ atMs: nowMs, count });
      while (looks.length > 1 && nowMs - (looks[0]?.atMs ?? 0) > windowMs) looks.shift();
      return count - (looks[0]?.count ?? count);
    },
  };
}

/** The time of day and the time that passes go at the same pace, unless somebody sets the one. */
function createJump(
  { clock }: AlarmFigures,
  thresholds: Pick<AlarmThresholds, 'clockJumpMs'>,
): () => string | undefined {
  let offsetMs = clock.wallMs() - clock.monotonicMs();
  let jumped: { readonly message: string; readonly atMs: number } | undefined;
  return () => {
    const nowMs = clock.monotonicMs();
    const byMs = clock.wallMs() - nowMs - offsetMs;
    offsetMs += byMs;
    if (thresholds.clockJumpMs > 0 && Math.abs(byMs) > thresholds.clockJumpMs) {
      const seconds = Math.round(Math.abs(byMs) / 1000);
      const message = `the clock was set ${byMs > 0 ? 'forward' : 'back'} by ${seconds} s`;
      jumped = { message, atMs: nowMs };
    }
    if (jumped === undefined || nowMs - jumped.atMs >= CLOCK_JUMP_SHOWN_MS) return undefined;
    return jumped.message;
  };
}
