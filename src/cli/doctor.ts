/** `robustmq doctor`: whether this machine and this configuration can run a broker, and what to do where they cannot. */
import { mkdtemp, open, rm, stat, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { OPERATIONS } from '../admin/operations.ts';
import type { Config } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { formatSizeBytes } from '../config/units.ts';
import { connectAdmin } from './admin-client.ts';
import { checkEnvironment } from './environment.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Finding, type OutputOptions, ok, printFindings, problem, warning } from './findings.ts';
import { type Io, write } from './io.ts';
import { isTooOld, OLDEST_NODE } from './node-version.ts';
import { type ConfigOptions, readConfig, systemReason } from './read-config.ts';

export type DoctorOptions = ConfigOptions &
  OutputOptions & {
    /** File for an archive of all that helps others to see what is wrong. */
    readonly bundle?: string;
    readonly log?: string;
  };

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const PROBES = 20;
const PROBE_BYTES = 4096;
const SLOW_SYNC_MS = 20;
const LITTLE_MEMORY_BYTES = 256 * MiB;
const CLOCK_SLACK_MS = 60_000;
/** No clock that is right shows an earlier time to this program. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);

/** Ends with 1 when there is a problem; warnings alone are no failure. */
export async function doctor(options: DoctorOptions, io: Io): Promise<number> {
  const findings = [checkNode(process.versions.node)];
  const loaded = await configOf(options, io, findings);
  const config = loaded?.config;
  if (config !== undefined) {
    const running = await runningProcess(config.dataDir);
    if (running !== undefined) findings.push(ok('broker', `process ${running} runs on ${config.dataDir}`));
    const nowMs = Date.now();
    findings.push(...(await checkEnvironment(config, { isRunning: running !== undefined, nowMs })));
    findings.push(...(await checkDisk(config.dataDir)), await checkClock(config.dataDir, nowMs));
    findings.push(checkMemory(config));
  }
  await printFindings(findings, options, io);
  const { bundle: file, log } = options;
  if (file !== undefined) {
    const { writeBundle } = await import('./support-bundle.ts');
    const { environment } = io;
    const names = await writeBundle({ file, log, loaded, findings, environment, nowMs: Date.now() });
    await write(io.err, `${file} has ${names.join(', ')}; look through it before you hand it on\n`);
  }
  return findings.some(({ state }) => state === 'problem') ? ExitCode.Failed : ExitCode.Ok;
}

async function configOf(options: DoctorOptions, io: Io, into: Finding[]): Promise<LoadedConfig | undefined> {
  const check = 'configuration';
  try {
    const loaded = await readConfig(options, io.environment);
    const { warnings } = loaded;
    into.push(ok(check, 'is valid'));
    for (const each of warnings)
      into.push(warning(check, each, 'robustmq config print --sources shows where it is set'));
    return loaded;
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    into.push(problem(check, error.message, 'robustmq config docs KEY explains a key'));
    return undefined;
  }
}

export function checkNode(version: string): Finding {
  return isTooOld(version)
    ? problem('node', `version ${version}`, `install ${OLDEST_NODE} or newer`)
    : ok('node', `version ${version}`);
}

async function runningProcess(dataDir: string): Promise<number | undefined> {
  try {
    const client = connectAdmin(dataDir);
    try {
      return (await client.call(OPERATIONS.status, {})).processId;
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof CliError) return undefined;
    throw error;
  }
}

/** Space, and how long a small write takes to be durable there: publishers wait for that. */
async function checkDisk(dataDir: string): Promise<Finding[]> {
  const place = await existingParent(resolve(dataDir));
  const findings: Finding[] = [];
  try {
    const { bavail, bsize, blocks } = await statfs(place);
    const freeBytes = bavail * bsize;
    const detail = `${formatSizeBytes(Math.floor(freeBytes / MiB) * MiB)} are free`;
    findings.push(
      freeBytes < GiB || bavail < blocks / 20
        ? warning('disk space', detail, 'make room, or choose another place with --data-dir')
        : ok('disk space', detail),
    );
    const folder = await mkdtemp(join(place, '.robustmq-doctor-'));
    try {
      findings.push(await measureSync(join(folder, 'probe')));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  } catch (error) {
    findings.push(
      problem('disk', `${place}: ${systemReason(error)}`, 'choose another place with --data-dir'),
    );
  }
  return findings;
}

async function measureSync(path: string): Promise<Finding> {
  const file = await open(path, 'w');
  try {
    const bytes = new Uint8Array(PROBE_BYTES);
    const times: number[] = [];
    for (let i = 0; i < PROBES; i++) {
      const from = performance.now();
      await file.write(bytes);
      await file.datasync();
      times.push(performance.now() - from);
    }
    times.sort((a, b) => a - b);
    const median = times[PROBES >> 1] ?? 0;
    const detail = `a write is durable after ${median.toFixed(2)} ms (median of ${PROBES}; longest ${(times.at(-1) ?? 0).toFixed(2)} ms)`;
    return median > SLOW_SYNC_MS
      ? warning(
          'disk speed',
          detail,
          'put the data directory on a local SSD; publishers wait this long for an acknowledgement',
        )
      : ok('disk speed', detail);
  } finally {
    await file.close();
  }
}

async function existingParent(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : existingParent(dirname(path));
}

async function checkClock(dataDir: string, nowMs: number): Promise<Finding> {
  const mend = 'set the clock, by NTP for instance: expiry and retention go by it';
  const shown = new Date(nowMs).toISOString();
  if (nowMs < EARLIEST_MS) return problem('clock', `says ${shown}`, mend);
  const journal = await stat(join(resolve(dataDir), 'journal')).catch(() => undefined);
  if (journal !== undefined && journal.mtimeMs > nowMs + CLOCK_SLACK_MS) {
    return warning('clock', `says ${shown}, and the data directory was written later than that`, mend);
  }
  return ok('clock', shown);
}

function checkMemory({ dataplane, limits }: Config): Finding {
  const constrained = process.constrainedMemory?.() ?? 0;
  // Without a limit the system says an absurd number, or 0.
  const isConstrained = constrained > 0 && constrained < totalmem();
  const total = isConstrained ? constrained : totalmem();
  const detail = `${formatSizeBytes(Math.floor(total / MiB) * MiB)}${isConstrained ? ' (limit of the container)' : ''}`;
  if (total < LITTLE_MEMORY_BYTES) {
    return warning('memory', detail, `give it ${formatSizeBytes(LITTLE_MEMORY_BYTES)} or more`);
  }
  if (Math.max(dataplane.memoryBytes, limits.memoryWatermarkBytes) > total) {
    return warning(
      'memory',
      `${detail}, less than dataplane.memorySize or limits.memoryWatermarkSize`,
      'lower them, or give it more memory',
    );
  }
  return ok('memory', detail);
}
