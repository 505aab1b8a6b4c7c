/** The configuration as the verbs get it: from the file, the environment and the options of the command line. */
import { readFile, stat } from 'node:fs/promises';
import { type ConfigInput, formatProblem, type LoadedConfig, loadConfig } from '../config/load.ts';
import { CliError, ExitCode } from './exit-codes.ts';

export interface ConfigOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly set: readonly string[];
}

const maxProblemsShown = 20;
/** A file of this size is refused by the reader; anything larger is not even read. */
const maxReadBytes = 2 * 1024 * 1024;

export async function readConfig(
  options: ConfigOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<LoadedConfig> {
  const input: ConfigInput = {
    environment,
    sets: options.set,
    ...(options.config === undefined
      ? {}
      : { file: { name: options.config, text: await readText(options.config) } }),
    ...(options.dataDir === undefined
      ? {}
      : { overrides: [{ option: '--data-dir', path: 'dataDir', value: options.dataDir }] }),
  };
  const loaded = await loadConfig(input);
  if (loaded.ok) return loaded;
  const lines = loaded.problems.slice(0, maxProblemsShown).map(formatProblem);
  const more = loaded.problems.length - lines.length;
  if (more > 0) lines.push(`… and ${more} more`);
  const heading = loaded.problems.length === 1 ? 'the configuration is wrong' : 'the configuration is wrong:';
  throw new CliError(
    ExitCode.Usage,
    loaded.problems.length === 1 ? `${heading}: ${lines[0]}` : [heading, ...lines].join('\n  '),
  );
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > maxReadBytes) throw new CliError(ExitCode.Usage, `${path} is larger than 1 MiB`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(ExitCode.Usage, `cannot read ${path}: ${systemReason(error)}`);
  }
}

const systemReasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EACCES', 'permission denied'],
  ['EEXIST', 'there is a file of that name'],
  ['EISDIR', 'it is a directory'],
  ['ENOTDIR', 'not a directory'],
  ['EADDRINUSE', 'the address is in use'],
  ['EADDRNOTAVAIL', 'this machine does not have that address'],
  ['ECONNREFUSED', 'connection refused'],
  ['ECONNRESET', 'the connection was reset'],
  // What OpenSSL calls bytes that are no TLS: its message is for those who have its source.
  ['EPROTO', 'there is no TLS, or none that fits, on the other side'],
  ['EHOSTUNREACH', 'no route to the host'],
  ['ENOTFOUND', 'unknown host'],
  ['EAI_AGAIN', 'the name could not be resolved'],
  ['ETIMEDOUT', 'timed out'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed; --ca names a file with whom to trust'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its authority is not known here; --ca names a file with whom to trust'],
  [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'its authority is not known here; --ca names a file with whom to trust',
  ],
  [
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'its authority is not known here; --ca names a file with whom to trust',
  ],
  ['CERT_HAS_EXPIRED', 'its certificate has ended'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
  ['ENOSPC', 'no space left'],
  ['EROFS', 'the file system is read-only'],
]);

/** Why the system refused, as a phrase. */
export function systemReason(error: unknown): string {
  // Connecting to a name with several addresses fails with one error for each of them.
  const cause = error instanceof AggregateError && error.message === '' ? error.errors[0] : error;
  if (!(cause instanceof Error)) return String(cause);
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  return systemReasons.get(code) ?? (cause.message === '' ? code : cause.message);
}
