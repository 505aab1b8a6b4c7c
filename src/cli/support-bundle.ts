/**
 * `robustmq doctor --bundle FILE`: what somebody else needs to see what is wrong, in one archive. No payload, no key, no password is
 * in it: the configuration is the printed one, and every secret that it has is looked for in all texts once more and
 * taken out. What cannot be had is said in the archive, and keeps nothing else out of it.
 */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { arch, cpus, freemem, loadavg, platform, release, totalmem, uptime } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { OPERATIONS } from '../admin/operations.ts';
import { printConfig } from '../config/describe.ts';
import type { LoadedConfig } from '../config/load.ts';
import { secretsOf } from '../config/secrets.ts';
import { packageVersion } from '../package-version.ts';
import { type AdminClient, connectAdmin } from './admin-client.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import type { Finding } from './findings.ts';
import { systemReason } from './read-config.ts';
import { type ArchiveFile, tarOf } from './tar.ts';

export interface BundleParts {
  readonly file: string;
  /** What the broker wrote to its standard output; undefined: there is no such file. */
  readonly log: string | undefined;
  /** undefined where it cannot be read. */
  readonly loaded: LoadedConfig | undefined;
  readonly findings: readonly Finding[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nowMs: number;
}

const OWNER_ONLY = 0o600;
const MAX_EVENTS = 1000;
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const MAX_LISTED = 20_000;
/** Of less nobody can say where it is a secret. */
const MIN_SECRET_LENGTH = 4;
const TAKEN_OUT = '***';

type Source = readonly [name: string, read: () => Promise<string>];

/** Names of what is in it. */
export async function writeBundle(parts: BundleParts): Promise<readonly string[]> {
  const files: { readonly name: string; readonly text: string }[] = [];
  const missing: string[] = [];
  for (const [name, read] of sourcesOf(parts)) {
    try {
      files.push({ name, text: await read() });
    } catch (error) {
      missing.push(`${name}: ${error instanceof CliError ? error.message : systemReason(error)}`);
    }
  }
  const all = [
    {
      name: 'README.txt',
      text: readme(
        parts,
        files.map(({ name }) => name),
        missing,
      ),
    },
    ...files,
  ];
  const clean = scrubber(parts);
  const archive: ArchiveFile[] = all.map(({ name, text }) => ({
    name: `robustmq-support/${name}`,
    bytes: Buffer.from(clean(text)),
  }));
  const bytes = await promisify(gzip)(tarOf(archive, parts.nowMs));
  await keep(parts.file, bytes);
  return all.map(({ name }) => name);
}

async function keep(path: string, bytes: Uint8Array): Promise<void> {
  try {
    // Not over something that is there: whoever waits for one must not get the one of last week.
    const file = await open(path, 'wx', OWNER_ONLY);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'it is there already' : systemReason(error);
    throw new CliError(ExitCode.Failed, `${path} cannot be written: ${reason}`);
  }
}

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

function* sourcesOf({ loaded, findings, log, environment, nowMs }: BundleParts): Iterable<Source> {
  yield ['doctor.json', async () => json(findings)];
  yield ['machine.json', () => machine(environment, nowMs)];
  if (log !== undefined) yield ['log.txt', () => logOf(log, loaded)];
  if (loaded === undefined) return;
  const { config, origins } = loaded;
  yield ['configuration.yaml', async () => printConfig(config, origins)];
  yield ['data-directory.txt', () => listing(config.dataDir)];
  const asked = (read: (client: AdminClient) => Promise<string>) => async (): Promise<string> => {
    const client = connectAdmin(config.dataDir);
    try {
      return await read(client);
    } finally {
      client.close();
    }
  };
  const items = { limit: MAX_EVENTS };
  yield ['status.json', asked(async (to) => json(await to.call(OPERATIONS.status, {})))];
  yield ['health.json', asked(async (to) => json(await to.call(OPERATIONS.health, {})))];
  yield ['running-configuration.json', asked(async (to) => json(await to.call(OPERATIONS.configRead, {})))];
  yield ['alarms.json', asked(async (to) => json(await to.call(OPERATIONS.alarmsList, {})))];
  yield ['alarm-history.json', asked(async (to) => json(await to.call(OPERATIONS.alarmsHistory, items)))];
  yield ['events.json', asked(async (to) => json(await to.call(OPERATIONS.eventsList, items)))];
  yield ['certificates.json', asked(async (to) => json(await to.call(OPERATIONS.certificatesList, {})))];
  yield ['metrics.txt', asked((to) => to.text('/metrics'))];
}

async function machine(environment: BundleParts['environment'], nowMs: number): Promise<string> {
  const whole = (path: string): Promise<string | null> =>
    readFile(path, 'utf8').then(
      (text) => text.slice(0, 10_000),
      () => null,
    );
  return json({
    at: new Date(nowMs).toISOString(),
    program: packageVersion(),
    versions: process.versions,
    platform: platform(),
    release: release(),
    arch: arch(),
    processors: cpus().map(({ model }) => model),
    load: loadavg(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    upSeconds: Math.round(uptime()),
    limits: await whole('/proc/self/limits'),
    memoryOfGroup: await whole('/sys/fs/cgroup/memory.max'),
    processorsOfGroup: await whole('/sys/fs/cgroup/cpu.max'),
    // Names alone: values may be secrets.
    variables: Object.keys(environment)
      .filter((name) => /^(?:ROBUSTMQ_|NODE_)/.test(name))
      .toSorted(),
  });
}

/** Paths, sizes and times; what is in files nobody looks at. */
async function listing(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines: string[] = [];
  for (const entry of entries.filter((each) => each.isFile()).slice(0, MAX_LISTED)) {
    const path = join(entry.parentPath, entry.name);
    // What was removed meanwhile is not missed.
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    lines.push(`${found.mtime.toISOString()} ${String(found.size).padStart(14)} ${relative(folder, path)}`);
  }
  const more = entries.length > MAX_LISTED ? '\n… and more' : '';
  return `${lines.toSorted((a, b) => (a.slice(40) < b.slice(40) ? -1 : 1)).join('\n')}${more}\n`;
}

async function logOf(path: string, loaded: LoadedConfig | undefined): Promise<string> {
  if (loaded === undefined) {
    throw new CliError(
      ExitCode.Failed,
      'without the configuration nobody knows which secrets to look for in it',
    );
  }
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, MAX_LOG_BYTES));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}

/** Takes out what is a secret of the configuration or of the environment, wherever it stands and however JSON writes it. */
function scrubber({ loaded, environment }: BundleParts): (text: string) => string {
  const named = Object.entries(environment).flatMap(([name, value]) =>
    /KEY|SECRET|PASSWORD|TOKEN|CREDENTIAL/i.test(name) && value !== undefined ? [value] : [],
  );
  const secrets = [...(loaded === undefined ? [] : secretsOf(loaded.config)), ...named]
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
  // The longest first: one may be the beginning of another.
  const unique = [...new Set(secrets)].toSorted((a, b) => b.length - a.length);
  return (text) => unique.reduce((clean, secret) => clean.replaceAll(secret, TAKEN_OUT), text);
}

const readme = ({ nowMs }: BundleParts, names: readonly string[], missing: readonly string[]): string =>
  [
    `RobustMQ ${packageVersion()}, ${new Date(nowMs).toISOString()}`,
    '',
    'In this archive:',
    ...names.map((name) => `  ${name}`),
    ...(missing.length === 0 ? [] : ['', 'Not to be had:', ...missing.map((each) => `  ${each}`)]),
    '',
    'Secrets of the configuration were taken out. Names of clients, users and topics, and addresses are in it:',
    'look through it before you hand it on.',
    '',
  ].join('\n');
