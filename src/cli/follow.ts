/** Follows a stream of the broker for a verb: prints what comes until a count, a signal, or the broker ends it. */
import { setTimeout as after } from 'node:timers/promises';
import type { Operation } from '../admin/operation.ts';
import type { AdminClient } from './admin-client.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';

export interface FollowOptions extends AdminOptions {
  readonly count?: number;
  /** Goes on when a broker that was lost is back. */
  readonly retry?: boolean;
}

export interface Followed<In, Item> {
  readonly operation: Operation<In, unknown>;
  readonly input: In;
  /** For people; with its end of line. */
  readonly line: (item: Item) => string | Uint8Array;
  /** What is left out where the reader is too slow. */
  readonly things: string;
  /** Ends that are none too early. */
  readonly isGoodEnd?: (reason: string) => boolean;
}

const RETRY_MS = 1000;

interface Following<In, Item> extends Followed<In, Item> {
  readonly io: Io;
  readonly isNdjson: boolean;
  readonly signal: AbortSignal;
  left: number;
  lastEventId: string | undefined;
}

export function follow<In, Item>(
  options: FollowOptions,
  io: Io,
  followed: Followed<In, Item>,
): Promise<number> {
  const form = formOf(options);
  if (form === 'json' || form === 'yaml') {
    throw new CliError(ExitCode.Usage, `this never comes to the end of one ${form} value; use -o ndjson`);
  }
  return withAdmin(options, io, async (client) => {
    const stop = new AbortController();
    const forget = (['SIGINT', 'SIGTERM'] as const).map((signal) => io.onSignal(signal, () => stop.abort()));
    // `| head` closes our output: there is nobody left to print for.
    io.out.once('close', () => stop.abort());
    const following: Following<In, Item> = {
      ...followed,
      io,
      isNdjson: form === 'ndjson',
      signal: stop.signal,
      left: options.count ?? Number.POSITIVE_INFINITY,
      lastEventId: undefined,
    };
    try {
      for (;;) {
        const loss = await untilLost(client, following);
        if (loss === undefined) return ExitCode.Ok;
        if (options.retry !== true || !isPassing(loss)) throw loss;
        await write(io.err, `${loss.message}; trying again\n`);
        await after(RETRY_MS, undefined, { signal: stop.signal });
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      return ExitCode.Ok;
    } finally {
      for (const each of forget) each();
    }
  });
}

/** Why the stream has ended; undefined: it has come to its end, or as many have come as were wanted. */
async function untilLost<In, Item>(
  client: AdminClient,
  following: Following<In, Item>,
): Promise<CliError | undefined> {
  const { operation, input, io, isNdjson, line, things, signal, isGoodEnd } = following;
  try {
    for await (const each of client.follow(operation, input, signal, following.lastEventId)) {
      const { event, data, id } = each;
      const said = JSON.parse(data) as Item & { readonly reason?: string; readonly dropped?: number };
      if (event === 'end') {
        const { reason = '' } = said;
        return isGoodEnd?.(reason) === true ? undefined : ended(reason);
      }
      if (event === 'dropped') {
        if (isNdjson) await write(io.out, `${data}\n`);
        else await write(io.err, `up to ${said.dropped} ${things} are left out here\n`);
        continue;
      }
      await write(io.out, isNdjson ? `${data}\n` : line(said));
      following.lastEventId = id ?? following.lastEventId;
      if (--following.left <= 0) return undefined;
    }
    return new CliError(ExitCode.Unreachable, 'the broker has ended the stream');
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
}

const isPassing = ({ exitCode }: CliError): boolean =>
  exitCode === ExitCode.Unreachable || exitCode === ExitCode.TimedOut;

const ended = (reason: string): CliError =>
  new CliError(reason.startsWith('not allowed') ? ExitCode.Denied : ExitCode.Unreachable, reason);
