/** Follows a stream of the broker for a verb: prints what comes until a count, a signal, or the broker ends it. */
import type { Operation } from '../admin/operation.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';

export interface Followed<In, Item> {
  readonly operation: Operation<In, unknown>;
  readonly input: In;
  /** For people; with its end of line. */
  readonly line: (item: Item) => string | Uint8Array;
  /** Ends after so many. */
  readonly count: number | undefined;
  /** What is left out where the reader is too slow. */
  readonly things: string;
  /** Ends that are none too early. */
  readonly isGoodEnd?: (reason: string) => boolean;
}

export function follow<In, Item>(
  options: AdminOptions,
  io: Io,
  { operation, input, line, count = Number.POSITIVE_INFINITY, things, isGoodEnd }: Followed<In, Item>,
): Promise<number> {
  const form = formOf(options);
  if (form === 'json' || form === 'yaml') {
    throw new CliError(ExitCode.Usage, `this never comes to the end of one ${form} value; use -o ndjson`);
  }
  const isNdjson = form === 'ndjson';
  return withAdmin(options, io, async (client) => {
    const stop = new AbortController();
    const forget = (['SIGINT', 'SIGTERM'] as const).map((signal) => io.onSignal(signal, () => stop.abort()));
    // `| head` closes our output: there is nobody left to print for.
    io.out.once('close', () => stop.abort());
    let left = count;
    try {
      for await (const { event, data } of client.follow(operation, input, stop.signal)) {
        const said = JSON.parse(data) as Item & { readonly reason?: string; readonly dropped?: number };
        if (event === 'end') {
          const { reason = '' } = said;
          if (isGoodEnd?.(reason) === true) return ExitCode.Ok;
          throw ended(reason);
        }
        if (event === 'dropped') {
          if (isNdjson) await write(io.out, `${data}\n`);
          else await write(io.err, `up to ${said.dropped} ${things} are left out here\n`);
          continue;
        }
        await write(io.out, isNdjson ? `${data}\n` : line(said));
        if (--left <= 0) return ExitCode.Ok;
      }
      throw new CliError(ExitCode.Unreachable, 'the broker has ended the stream');
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      return ExitCode.Ok;
    } finally {
      for (const each of forget) each();
    }
  });
}

const ended = (reason: string): CliError =>
  new CliError(reason.startsWith('not allowed') ? ExitCode.Denied : ExitCode.Unreachable, reason);
