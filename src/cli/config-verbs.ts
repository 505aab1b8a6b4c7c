/** `robustmq config …`: looks at a configuration without starting anything. */
import { writeFile } from 'node:fs/promises';
import { OPERATIONS } from '../admin/operations.ts';
import { differences, shownChanges } from '../config/changes.ts';
import { jsonSchema, keys, lookUp, printConfig, printedValue, referencePage } from '../config/describe.ts';
import { type Profile, profileText } from '../config/profiles.ts';
import { nearest } from '../config/suggest.ts';
import { isTable, printList, printOne } from './admin-output.ts';
import { type AdminOptions, formOf, withAdmin } from './admin-target.ts';
import { checkEnvironment } from './environment.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type OutputOptions, printFindings } from './findings.ts';
import { type Io, write } from './io.ts';
import { type ConfigOptions, readConfig, systemReason } from './read-config.ts';

export async function configPrint(
  options: ConfigOptions & { readonly sources?: boolean; readonly output: 'yaml' | 'json' },
  io: Io,
): Promise<number> {
  const { config, origins, warnings } = await readConfig(options, io.environment);
  const hasSources = options.sources === true;
  if (options.output === 'yaml') await write(io.out, printConfig(config, hasSources ? origins : undefined));
  else if (hasSources) {
    const all = keys().map(({ path: key }) => {
      const source = origins.get(key)?.place ?? null;
      return { key, value: printedValue(config, key), source };
    });
    await printList(all, [], 'json', io);
  } else await printOne((await import('yaml')).parse(printConfig(config, undefined)) as object, 'json', io);
  for (const warning of warnings) await write(io.err, `warning: ${warning}\n`);
  return ExitCode.Ok;
}

export async function configValidate(
  options: ConfigOptions & OutputOptions & { readonly environment?: boolean },
  io: Io,
): Promise<number> {
  const { config, warnings } = await readConfig(options, io.environment);
  for (const warning of warnings) await write(io.err, `warning: ${warning}\n`);
  await write(io.err, 'The configuration is valid.\n');
  if (options.environment !== true) {
    if (!isTable(options.output)) await printFindings([], options, io);
    return ExitCode.Ok;
  }
  const findings = await checkEnvironment(config, { isRunning: false, nowMs: Date.now() });
  await printFindings(findings, options, io);
  return findings.some(({ state }) => state === 'problem') ? ExitCode.Failed : ExitCode.Ok;
}

const DIFF_COLUMNS = ['key', 'from', 'to', 'effect'];

/** Against another file, or against what a running broker has in use. Ends with 1 where something differs, as `diff` does. */
export async function configDiff(other: string | undefined, options: AdminOptions, io: Io): Promise<number> {
  const own = await readConfig(options, io.environment);
  if (other !== undefined) {
    const { config } = await readConfig({ ...options, config: other }, io.environment);
    return printDifferences(shownChanges(differences(own.config, config)), options, io);
  }
  return withAdmin(options, io, async (client) => {
    const { keys: inUse } = await client.call(OPERATIONS.configRead, {});
    const running = new Map(inUse.map((each) => [each.key, each.value]));
    const changes = keys().flatMap(({ path, effect }) => {
      const from = running.get(path) ?? '';
      const to = printedValue(own.config, path);
      return from === to ? [] : [{ key: path, from, to, effect }];
    });
    return printDifferences(changes, options, io);
  });
}

async function printDifferences(changes: readonly object[], options: AdminOptions, io: Io): Promise<number> {
  const form = formOf(options);
  if (!isTable(form) || changes.length > 0) await printList(changes, DIFF_COLUMNS, form, io);
  return changes.length === 0 ? ExitCode.Ok : ExitCode.Failed;
}

export interface ConfigInitOptions {
  readonly profile: Profile;
  readonly file?: string;
  readonly force?: boolean;
}

/** Prints a file to begin with, or writes it where there is none yet. */
export async function configInit({ profile, file, force }: ConfigInitOptions, io: Io): Promise<number> {
  const text = profileText(profile);
  if (file === undefined) {
    await write(io.out, text);
    return ExitCode.Ok;
  }
  try {
    await writeFile(file, text, { flag: force === true ? 'w' : 'wx', mode: 0o640 });
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
    const reason = isThere ? 'it is there already; --force overwrites it' : systemReason(error);
    throw new CliError(ExitCode.Failed, `cannot write ${file}: ${reason}`);
  }
  await write(io.err, `${file} is written. Start with: robustmq start --config ${file}\n`);
  return ExitCode.Ok;
}

export async function configDocs(path: string | undefined, io: Io): Promise<number> {
  if (path !== undefined && lookUp(path) === undefined) {
    const near = nearest(
      path,
      keys().map((key) => key.path),
    );
    throw new CliError(
      ExitCode.Usage,
      `no key ${path}${near === undefined ? '' : `; did you mean ${near}?`}`,
    );
  }
  await write(io.out, referencePage(path));
  return ExitCode.Ok;
}

export async function configSchema(io: Io): Promise<number> {
  await write(io.out, `${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
  return ExitCode.Ok;
}
