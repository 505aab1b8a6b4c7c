/** The process of a running broker: read its configuration again, end it, wait until it serves. */
import { setTimeout as delay } from 'node:timers/promises';
import { OPERATIONS } from '../admin/operations.ts';
import type { AdminClient } from './admin-client.ts';
import { isTable, printOne } from './admin-output.ts';
import { type AdminOptions, formOf, isRemote, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';

const POLL_MS = 100;

export async function reload(options: AdminOptions, io: Io): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const report = await client.call(OPERATIONS.configReload, {});
    const form = formOf(options);
    if (!isTable(form)) await printOne(report, form, io);
    else for (const line of linesOf(report)) await write(io.err, `${line}\n`);
    return ExitCode.Ok;
  });
}

type Report = Awaited<ReturnType<typeof OPERATIONS.configReload.run>>;

const HEADINGS = {
  live: 'In effect now:',
  'new-connections': 'In effect for new connections:',
  restart: 'Waiting for a restart:',
} as const;

function linesOf({ changes, warnings }: Report): string[] {
  const lines = changes.length === 0 ? ['Certificates and files were read again; no key has changed.'] : [];
  for (const [effect, heading] of Object.entries(HEADINGS)) {
    const own = changes.filter((change) => change.effect === effect);
    if (own.length > 0) lines.push(heading, ...own.map(({ key, from, to }) => `  ${key}: ${from} -> ${to}`));
  }
  return [...lines, ...warnings.map((each) => `warning: ${each}`)];
}

export interface StopOptions extends AdminOptions {
  readonly now?: boolean;
  readonly timeout: number;
}

/** Resolves when the process has ended, as far as that can be seen from here. */
export async function stop(options: StopOptions, io: Io): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const { processId } = await client.call(OPERATIONS.status, {});
    await client.call(OPERATIONS.nodeStop, { body: options.now === true ? { now: true } : {} });
    const seesProcess = !(await isRemote(options, io));
    await until(options.timeout, `process ${processId} has not ended`, async () => {
      // What restarts it at once may have done so.
      if ((await processOf(client)) === processId) return false;
      return !seesProcess || !isAlive(processId);
    });
    const form = formOf(options);
    if (isTable(form)) await write(io.err, `process ${processId} has ended\n`);
    else await printOne({ processId, hasEnded: true }, form, io);
    return ExitCode.Ok;
  });
}

/** Resolves when the broker answers and serves. */
export async function waitUntilServing(options: AdminOptions, timeoutMs: number, io: Io): Promise<void> {
  await until(timeoutMs, 'the broker does not serve', () =>
    ready(() =>
      withAdmin(options, io, async (client) => {
        const { status } = await client.call(OPERATIONS.health, {});
        return status === 'red' ? ExitCode.Failed : ExitCode.Ok;
      }),
    ),
  );
}

async function ready(check: () => Promise<number>): Promise<boolean> {
  try {
    return (await check()) === ExitCode.Ok;
  } catch (error) {
    if (error instanceof CliError && error.exitCode === ExitCode.Unreachable) return false;
    throw error;
  }
}

async function until(timeoutMs: number, otherwise: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() >= deadlineMs) {
      throw new CliError(ExitCode.TimedOut, `${otherwise} after ${timeoutMs / 1000} s`);
    }
    await delay(POLL_MS);
  }
}

async function processOf(client: AdminClient): Promise<number | undefined> {
  try {
    return (await client.call(OPERATIONS.status, {})).processId;
  } catch (error) {
    // On its way out it may refuse, not answer, or not be there.
    if (error instanceof CliError) return undefined;
    throw error;
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
