/** `robustmq export` and `robustmq import`: the definitions of a running broker as a file. */
import { open, rename, rm } from 'node:fs/promises';
import { OPERATIONS } from '../admin/operations.ts';
import { isTable, printList, printOne } from './admin-output.ts';
import { type AdminOptions, formOf, readText, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { systemReason } from './read-config.ts';

export interface ExportOptions extends AdminOptions {
  readonly only?: string;
}

/** What hashes are made of is not to be had by everybody on the machine. */
const OWNER_ONLY = 0o600;
const WAIT_MS = 60_000;

export async function exportDefinitions(
  file: string | undefined,
  options: ExportOptions,
  io: Io,
): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const { only } = options;
    const query = only === undefined ? {} : { only };
    const document = (await client.call(OPERATIONS.definitionsExport, query, { waitMs: WAIT_MS })) as object;
    const text = `${JSON.stringify(document, undefined, 2)}\n`;
    const form = formOf(options);
    if (file === undefined) await printOne(document, isTable(form) ? 'json' : form, io);
    else {
      await keep(file, text);
      const counts = Object.entries(document).flatMap(([name, items]) =>
        Array.isArray(items) ? [`${items.length} ${name}`] : [],
      );
      await write(io.err, `${file} has ${counts.join(', ')}\n`);
    }
    return ExitCode.Ok;
  });
}

/** Whole, or what was there before. */
async function keep(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = await open(temporary, 'wx', OWNER_ONLY);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new CliError(ExitCode.Failed, `${path} cannot be written: ${systemReason(error)}`);
  }
}

export interface ImportOptions extends AdminOptions {
  readonly only?: string;
  readonly dryRun?: boolean;
  readonly onConflict: 'fail' | 'skip' | 'replace';
}

export async function importDefinitions(file: string, options: ImportOptions, io: Io): Promise<number> {
  const definitions = await readDocument(file, io);
  return withAdmin(options, io, async (client) => {
    const { only, dryRun, onConflict } = options;
    const body = {
      definitions,
      onConflict,
      ...(only === undefined ? {} : { only }),
      ...(dryRun === true ? { dryRun } : {}),
    };
    const report = await client.call(OPERATIONS.definitionsImport, { body }, { waitMs: WAIT_MS });
    const form = formOf(options);
    if (isTable(form)) {
      const shown = report.steps.filter(({ action }) => action !== 'same');
      if (shown.length > 0) await printList(shown, ['action', 'section', 'name', 'reason'], form, io);
      await write(io.err, `${summaryOf(report.steps)}${report.isApplied ? '' : '; nothing was changed'}\n`);
    } else if (form === 'ndjson') await printList(report.steps, [], form, io);
    else await printOne(report, form, io);
    return report.steps.some(({ action }) => action === 'conflict') ? ExitCode.Failed : ExitCode.Ok;
  });
}

async function readDocument(file: string, io: Io): Promise<unknown> {
  let text = '';
  if (file === '-') for await (const chunk of io.in) text += String(chunk);
  else text = await readText(file);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CliError(ExitCode.Usage, `${file === '-' ? 'standard input' : file} is not JSON`);
  }
}

function summaryOf(steps: readonly { readonly action: string }[]): string {
  const counts = new Map<string, number>();
  for (const { action } of steps) counts.set(action, (counts.get(action) ?? 0) + 1);
  return steps.length === 0
    ? 'the document is empty'
    : [...counts].map(([action, n]) => `${action}: ${n}`).join(', ');
}
