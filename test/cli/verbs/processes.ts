/** The command as a process of its own, without a terminal and with one, and in this process where that makes no difference. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { run } from '../../../src/cli/program.ts';
import { testIo } from '../support.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** Files that are tested at the same time must not write over each other's program. */
const outdir = join(root, 'build', `verbs-${process.env.VITEST_POOL_ID ?? '0'}`);
const entry = join(outdir, 'cli/main.js');

/** The command alone, of the sources as they are now: few modules, since every process loads them. */
export async function bundle(): Promise<void> {
  mkdirSync(outdir, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: { 'cli/main': 'src/cli/main.ts' },
    outdir,
    chunkNames: 'cli/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    logLevel: 'warning',
  });
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Way {
  /** What the process has of the environment, besides a path for programs. */
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly input?: string;
}

const COLUMNS = 80;

async function spawned(program: string, args: readonly string[], way: Way): Promise<Ran> {
  const environment = { PATH: process.env.PATH ?? '', ...way.environment };
  const child = spawn(program, args, { cwd: way.folder, env: environment, stdio: 'pipe' });
  child.stdin.on('error', () => {});
  child.stdin.end(way.input ?? '');
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, out, err };
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const commandLine = (args: readonly string[]): string =>
  [process.execPath, entry, ...args].map(quoted).join(' ');

export const asProcess = (args: readonly string[], way: Way): Promise<Ran> =>
  spawned(process.execPath, [entry, ...args], way);

/** `script` of util-linux gives a process a terminal. */
export const hasTerminals = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes(
  'util-linux',
);

/** Everything the process writes is in `out`, as one sees it. */
export async function atTerminal(args: readonly string[], way: Way): Promise<Ran> {
  const line = `stty cols ${COLUMNS} rows 24; exec ${commandLine(args)}`;
  const { code, out, err } = await spawned('script', ['-qec', line, '/dev/null'], way);
  return { code, out: out.replaceAll('\r\n', '\n'), err };
}

/** Only the first line is read; the exit code is that of the command. */
export async function intoHead(args: readonly string[], way: Way): Promise<Ran> {
  const line = `${commandLine(args)} | head -n 1; exit "\${PIPESTATUS[0]}"`;
  return spawned('bash', ['--norc', '-c', line], way);
}

export const intoFile = (file: string, args: readonly string[], way: Way): Promise<Ran> =>
  spawned('bash', ['--norc', '-c', `exec ${commandLine(args)} > ${quoted(file)}`], way);

/** Without a process of its own; with `isTerminal` what it takes for one. */
export async function inProcess(args: readonly string[], way: Way, isTerminal = false): Promise<Ran> {
  const io = { ...testIo(way.input ?? ''), environment: way.environment };
  if (isTerminal) {
    Object.assign(io.out, { isTTY: true, columns: COLUMNS });
    Object.assign(io.err, { isTTY: true, columns: COLUMNS });
  }
  const code = await run(args, io);
  return { code, out: io.outText(), err: io.errText() };
}
