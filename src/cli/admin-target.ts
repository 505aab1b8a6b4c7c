/** Which broker a verb of administration is about: options, environment, and what they mean. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { environmentName } from '../config/overrides.ts';
import { type AdminClient, connectAdmin, connectRemote } from './admin-client.ts';
import type { OutputForm } from './admin-output.ts';
import { contextFor } from './contexts.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Io } from './io.ts';
import { withConfig } from './options.ts';
import { type ConfigOptions, readConfig, systemReason } from './read-config.ts';

export interface AdminOptions extends ConfigOptions {
  readonly output: OutputForm;
  readonly json?: boolean;
  readonly url?: string;
  readonly apiKeyFile?: string;
  readonly ca?: string;
  readonly context?: string;
}

export const formOf = ({ output, json }: Pick<AdminOptions, 'output' | 'json'>): OutputForm =>
  json === true ? 'json' : output;

export function withAdminOptions(command: Command): Command {
  return withConfig(command)
    .option('--url <url>', 'a broker elsewhere: http:// or https:// (or ROBUSTMQ_URL)')
    .option('--api-key-file <file>', 'file with the API key for --url (or ROBUSTMQ_API_KEY)')
    .option('--ca <file>', 'authorities that the broker of --url may be certified by, PEM')
    .option('--context <name>', 'a broker of `robustmq context` (or ROBUSTMQ_CONTEXT)')
    .addOption(
      new Option('-o, --output <form>', 'form of the output')
        .choices(['table', 'wide', 'json', 'ndjson', 'yaml'])
        .default('table'),
    )
    .option('--json', 'same as -o json');
}

/** Runs a verb with a connection to the broker that the options name. */
export async function withAdmin(
  options: AdminOptions,
  io: Io,
  run: (client: AdminClient) => Promise<number>,
): Promise<number> {
  const client = await connect(options, io);
  try {
    return await run(client);
  } finally {
    client.close();
  }
}

const urlOf = (options: AdminOptions, io: Io): string =>
  options.url ?? (options.dataDir === undefined ? (io.environment.ROBUSTMQ_URL ?? '') : '');

/** Options with those of a context: what says where a broker is goes before what is kept. */
async function located(options: AdminOptions, io: Io): Promise<AdminOptions> {
  const { dataDir, config, set } = options;
  const isSaid =
    urlOf(options, io) !== '' ||
    dataDir !== undefined ||
    config !== undefined ||
    set.length > 0 ||
    (io.environment[environmentName('dataDir')] ?? '') !== '';
  if (isSaid && options.context === undefined) return options;
  if (options.url !== undefined || dataDir !== undefined) {
    throw new CliError(ExitCode.Usage, '--context says where the broker is, --url and --data-dir do as well');
  }
  const context = await contextFor(options.context, io);
  const pick = (name: 'dataDir' | 'url' | 'apiKeyFile' | 'ca'): object =>
    options[name] === undefined && context[name] !== undefined ? { [name]: context[name] } : {};
  return { ...options, ...pick('dataDir'), ...pick('url'), ...pick('apiKeyFile'), ...pick('ca') };
}

/** Over HTTP, and not the control socket of a directory here. */
export const isRemote = async (options: AdminOptions, io: Io): Promise<boolean> =>
  urlOf(await located(options, io), io) !== '';

/** The data directory whose broker the options name; undefined for one elsewhere. */
export async function dataDirOf(given: AdminOptions, io: Io): Promise<string | undefined> {
  const options = await located(given, io);
  if (urlOf(options, io) !== '') return undefined;
  return (await readConfig(options, io.environment)).config.dataDir;
}

async function connect(given: AdminOptions, io: Io): Promise<AdminClient> {
  const options = await located(given, io);
  const url = urlOf(options, io);
  if (url === '') {
    const { config } = await readConfig(options, io.environment);
    return connectAdmin(config.dataDir);
  }
  if (options.dataDir !== undefined) {
    throw new CliError(ExitCode.Usage, '--url and --data-dir name two brokers; one of them is enough');
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CliError(ExitCode.Usage, `${url} is no http:// or https:// address`);
  }
  const parsed = new URL(url);
  if (parsed.username !== '' || parsed.password !== '' || !['', '/'].includes(parsed.pathname)) {
    throw new CliError(ExitCode.Usage, 'the address of a broker has neither a path nor a password');
  }
  const apiKey =
    options.apiKeyFile === undefined
      ? (io.environment.ROBUSTMQ_API_KEY ?? '')
      : (await readText(options.apiKeyFile)).trim();
  if (apiKey === '') {
    throw new CliError(ExitCode.Usage, '--url needs an API key: --api-key-file, or ROBUSTMQ_API_KEY');
  }
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new CliError(ExitCode.Usage, 'what is given as API key is none: it has blanks or lines in it');
  }
  const ca = options.ca === undefined ? undefined : await readText(options.ca);
  return connectRemote({ url: parsed, apiKey, ca });
}

export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CliError(ExitCode.Usage, `${path} cannot be read: ${systemReason(error)}`);
  }
}
