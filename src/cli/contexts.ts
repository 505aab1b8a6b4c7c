/**
 * Brokers under names, so that verbs need not be told each time where theirs is. A file of its user alone, in the folder for
 * configurations of users; it holds paths of secrets, never secrets.
 */
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { systemReason } from './read-config.ts';

/** All of them options of verbs: which, is in context-program.ts. */
export const CONTEXT_FIELDS = [
  'dataDir',
  'url',
  'apiKeyFile',
  'ca',
  'mqttUrl',
  'mqttCa',
  'user',
  'passwordFile',
] as const;

export type Context = { readonly [F in (typeof CONTEXT_FIELDS)[number]]?: string };

export interface Contexts {
  /** Used where nobody names another. */
  readonly current: string | undefined;
  readonly all: ReadonlyMap<string, Context>;
}

const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;
const MAX_CONTEXTS = 1000;

/** Undefined where nobody has a home. */
function fileOf({ environment }: Io): string | undefined {
  const { XDG_CONFIG_HOME: configured = '', HOME: home = '' } = environment;
  const folder = configured !== '' ? configured : home === '' ? undefined : join(home, '.config');
  return folder === undefined ? undefined : join(folder, 'robustmq', 'contexts.json');
}

export async function readContexts(io: Io): Promise<Contexts> {
  const path = fileOf(io);
  const none: Contexts = { current: undefined, all: new Map() };
  if (path === undefined) return none;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return none;
    throw new CliError(ExitCode.Usage, `cannot read ${path}: ${systemReason(error)}`);
  }
  const found = understood(text);
  if (found === undefined) throw new CliError(ExitCode.Usage, `${path} is damaged; it may be deleted`);
  return found;
}

function understood(text: string): Contexts | undefined {
  try {
    const { current, contexts } = JSON.parse(text) as { current?: unknown; contexts?: unknown };
    if (typeof contexts !== 'object' || contexts === null) return undefined;
    const all = new Map<string, Context>();
    for (const [name, given] of Object.entries(contexts as Record<string, unknown>)) {
      if (typeof given !== 'object' || given === null) return undefined;
      const fields = CONTEXT_FIELDS.flatMap((field) => {
        const value = (given as Record<string, unknown>)[field];
        return typeof value === 'string' ? [[field, value] as const] : [];
      });
      all.set(name, Object.fromEntries(fields));
    }
    return { current: typeof current === 'string' ? current : undefined, all };
  } catch {
    return undefined;
  }
}

/** Complete or not at all. */
export async function writeContexts({ current, all }: Contexts, io: Io): Promise<void> {
  const path = fileOf(io);
  if (path === undefined) throw new CliError(ExitCode.Failed, 'neither XDG_CONFIG_HOME nor HOME is set');
  if (all.size > MAX_CONTEXTS)
    throw new CliError(ExitCode.Failed, `there are ${MAX_CONTEXTS} contexts already`);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_FOLDER });
    const text = JSON.stringify({ current, contexts: Object.fromEntries(all) }, undefined, 2);
    await writeFile(temporary, `${text}\n`, { mode: OWNER_ONLY });
    await chmod(temporary, OWNER_ONLY);
    await rename(temporary, path);
  } catch (error) {
    throw new CliError(ExitCode.Failed, `cannot write ${path}: ${systemReason(error)}`);
  }
}

/** The one that is named, by option or ROBUSTMQ_CONTEXT, or else the current one; empty where there is none. */
export async function contextFor(name: string | undefined, io: Io): Promise<Context> {
  const wanted = name ?? io.environment.ROBUSTMQ_CONTEXT ?? '';
  const { current, all } = await readContexts(io);
  const context = all.get(wanted === '' ? (current ?? '') : wanted);
  if (context === undefined && wanted !== '') throw missing(wanted);
  return context ?? {};
}

export const missing = (name: string): CliError =>
  new CliError(
    ExitCode.Failed,
    `there is no context ${JSON.stringify(name)}; robustmq context list shows them`,
  );
