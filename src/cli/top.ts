/** `robustmq top`: the figures of a broker as they change; drawn in place on a terminal, otherwise a line for each look. */
import { setTimeout as after } from 'node:timers/promises';
import { OPERATIONS } from '../admin/operations.ts';
import type { Status } from '../admin/views.ts';
import { printOne } from './admin-output.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';

export interface TopOptions extends AdminOptions {
  readonly interval: number;
  readonly count?: number;
}

/** To the first place, and nothing of what was there below. */
const REDRAW = '\u001b[H\u001b[J';
const MIN_INTERVAL_MS = 100;

interface Look {
  readonly atMs: number;
  readonly status: Status;
}

function figures({ atMs, status }: Look, before: Look | undefined) {
  const seconds = before === undefined ? 0 : (atMs - before.atMs) / 1000;
  /** Null at the first look. A broker that has started anew since then begins at nothing. */
  const rate = (of: (each: Status) => number): number | null => {
    if (before === undefined || seconds <= 0) return null;
    const isSame = before.status.startedAtMs === status.startedAtMs;
    return Math.round(Math.max(0, of(status) - (isSame ? of(before.status) : 0)) / seconds);
  };
  return {
    atMs,
    health: status.health.status,
    connections: status.connections,
    sessions: status.sessions,
    subscriptions: status.subscriptions,
    receivedPerSecond: rate((each) => each.publishesReceived),
    sentPerSecond: rate((each) => each.publishesSent),
    journalBytesPerSecond: rate((each) => each.journal.endPosition),
    waitingMessages: status.waitingMessages,
    delayedMessages: status.delayedMessages,
    residentBytes: status.residentBytes,
    storedBytes: status.journal.storedBytes,
    pendingBytes: status.journal.pendingBytes,
    problems: status.health.problems,
  };
}

const line = ({ problems, ...rest }: ReturnType<typeof figures>): string =>
  `${Object.entries(rest)
    .map(
      ([name, value]) =>
        `${name}=${name === 'atMs' ? new Date(Number(value)).toISOString() : (value ?? '-')}`,
    )
    .join(' ')}${problems.length === 0 ? '' : ` problems=${JSON.stringify(problems)}`}\n`;

export function top(options: TopOptions, io: Io): Promise<number> {
  const form = formOf(options);
  if (form === 'json' || form === 'yaml') {
    throw new CliError(ExitCode.Usage, `top never comes to the end of one ${form} value; use -o ndjson`);
  }
  return withAdmin(options, io, async (client) => {
    const stop = new AbortController();
    const forget = (['SIGINT', 'SIGTERM'] as const).map((signal) => io.onSignal(signal, () => stop.abort()));
    let before: Look | undefined;
    try {
      for (let left = options.count ?? Number.POSITIVE_INFINITY; left > 0; left--) {
        const status = await client.call(OPERATIONS.status, {}, { signal: stop.signal });
        const now = { atMs: Date.now(), status };
        const shown = figures(now, before);
        if (form === 'ndjson') await printOne(shown, form, io);
        else if (io.out.isTTY === true) {
          await write(io.out, REDRAW);
          await printOne(shown, 'table', io);
        } else await write(io.out, line(shown));
        before = now;
        if (left > 1) {
          await after(Math.max(options.interval, MIN_INTERVAL_MS), undefined, { signal: stop.signal });
        }
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      for (const each of forget) each();
    }
    return ExitCode.Ok;
  });
}
