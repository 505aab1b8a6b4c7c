/** `robustmq context …`: brokers under names. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type OutputForm, printList, printOne } from './admin-output.ts';
import { CONTEXT_FIELDS, type Context, missing, readContexts, writeContexts } from './contexts.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { systemReason } from './read-config.ts';

const FILES: readonly string[] = ['dataDir', 'apiKeyFile', 'ca', 'mqttCa', 'passwordFile'];
const NAME = /^[\w.@-]{1,64}$/;

export async function contextAdd(name: string, given: Context & { use?: boolean }, io: Io): Promise<number> {
  if (!NAME.test(name)) throw new CliError(ExitCode.Usage, 'a name has letters, digits and . _ @ - only');
  const context = checked(given);
  await readable(context);
  const { current, all } = await readContexts(io);
  const next = given.use === true || all.size === 0 ? name : current;
  await writeContexts({ current: next, all: new Map(all).set(name, context) }, io);
  await write(
    io.err,
    `context ${name} is ${all.has(name) ? 'changed' : 'added'}${next === name ? ' and in use' : ''}\n`,
  );
  return ExitCode.Ok;
}

function checked(given: Context): Context {
  const fields = CONTEXT_FIELDS.flatMap((field) => {
    const value = given[field];
    // The verbs that use it may run in other folders.
    return value === undefined ? [] : [[field, FILES.includes(field) ? resolve(value) : value] as const];
  });
  const context: Context = Object.fromEntries(fields);
  if (context.url === undefined && context.dataDir === undefined && context.mqttUrl === undefined) {
    throw new CliError(ExitCode.Usage, 'where is it? --url, --data-dir or --mqtt-url says');
  }
  if (context.url !== undefined && context.dataDir !== undefined) {
    throw new CliError(ExitCode.Usage, '--url and --data-dir name two brokers; one of them is enough');
  }
  for (const url of [context.url, context.mqttUrl]) {
    if (url === undefined) continue;
    if (!URL.canParse(url))
      throw new CliError(ExitCode.Usage, 'an address begins with http://, https://, mqtt:// or the like');
    if (new URL(url).password !== '') {
      throw new CliError(
        ExitCode.Usage,
        'a context has no password in an address: --password-file names a file',
      );
    }
  }
  return context;
}

async function readable({ apiKeyFile, ca, mqttCa, passwordFile }: Context): Promise<void> {
  for (const path of [apiKeyFile, ca, mqttCa, passwordFile]) {
    if (path === undefined) continue;
    try {
      await access(path);
    } catch (error) {
      throw new CliError(ExitCode.Usage, `cannot read ${path}: ${systemReason(error)}`);
    }
  }
}

export async function contextUse(name: string, io: Io): Promise<number> {
  const { all } = await readContexts(io);
  if (!all.has(name)) throw missing(name);
  await writeContexts({ current: name, all }, io);
  await write(io.err, `context ${name} is in use\n`);
  return ExitCode.Ok;
}

export async function contextList(output: OutputForm, io: Io): Promise<number> {
  const { current, all } = await readContexts(io);
  const items = [...all].map(([name, context]) => ({
    name,
    isCurrent: name === current,
    broker: context.url ?? context.dataDir ?? null,
    mqttUrl: context.mqttUrl ?? null,
  }));
  await printList(items, ['name', 'isCurrent', 'broker', 'mqttUrl'], output, io);
  return ExitCode.Ok;
}

export async function contextShow(name: string | undefined, output: OutputForm, io: Io): Promise<number> {
  const { current, all } = await readContexts(io);
  const wanted = name ?? current;
  if (wanted === undefined) throw new CliError(ExitCode.Failed, 'no context is in use');
  const context = all.get(wanted);
  if (context === undefined) throw missing(wanted);
  await printOne({ name: wanted, ...context }, output, io);
  return ExitCode.Ok;
}

export async function contextDelete(name: string, io: Io): Promise<number> {
  const { current, all } = await readContexts(io);
  const rest = new Map(all);
  if (!rest.delete(name)) throw missing(name);
  await writeContexts({ current: current === name ? undefined : current, all: rest }, io);
  await write(io.err, `context ${name} is deleted\n`);
  return ExitCode.Ok;
}
