/** The command as users run it: compiled, in a process of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** Files that are tested at the same time must not write over each other's program. */
const folder = `e2e-${process.env.VITEST_POOL_ID ?? '0'}`;
export const entry = join(root, 'build', folder, 'cli/main.js');

/** The sources as they are now, beside build/js, which may be older. */
export function compile(): void {
  execFileSync(process.execPath, ['scripts/build-js.mjs', '--unchecked', '--out', folder], {
    cwd: root,
    stdio: 'pipe',
  });
}

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  out(): string;
  err(): string;
  outMatches(pattern: RegExp): Promise<void>;
}

export function run(command: string, args: readonly string[], input?: string): Program {
  const child = spawn(command, args, { cwd: tmpdir(), stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => {});
  if (input !== undefined) child.stdin.end(input);
  const finished = once(child, 'close').then(([code]: unknown[]) => ({
    code: code as number | null,
    out,
    err,
  }));
  return {
    child,
    finished,
    out: () => out,
    err: () => err,
    async outMatches(pattern) {
      while (!pattern.test(out)) {
        if (child.exitCode !== null) throw new Error(`${command} ended: ${err || out}`);
        await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
      }
    },
  };
}

export const robustmq = (args: readonly string[], input?: string): Program =>
  run(process.execPath, [entry, ...args], input);

export interface ReadyFile {
  readonly pid: number;
  readonly listeners: Readonly<
    Record<string, { readonly host?: string; readonly port?: number; readonly path?: string }>
  >;
}

export interface BrokerProcess {
  readonly program: Program;
  readonly ready: ReadyFile;
  readonly mqtt: { readonly host: string; readonly port: number };
  readonly folder: string;
  /** From the start of the process. */
  readonly startedAtMs: number;
  stop(): Promise<Finished>;
}

/** Waits for the ready file of a process that writes it. */
export async function readyFile(path: string, program: Program): Promise<ReadyFile> {
  while (!existsSync(path)) {
    if (program.child.exitCode !== null)
      throw new Error(`the broker ended: ${program.err()}${program.out()}`);
    await delay(2);
  }
  return JSON.parse(readFileSync(path, 'utf8')) as ReadyFile;
}

export async function startBroker(sets: readonly string[] = []): Promise<BrokerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-process-'));
  const path = join(folder, 'ready.json');
  const all = [
    'listeners.mqtt.port=0',
    'listeners.ws.port=0',
    'listeners.kafka.enabled=false',
    'listeners.http.enabled=false',
    ...sets,
  ].flatMap((set) => ['--set', set]);
  const startedAtMs = performance.now();
  const program = robustmq(['start', '--data-dir', join(folder, 'data'), '--ready-file', path, ...all]);
  const ready = await readyFile(path, program);
  const { host, port } = ready.listeners.mqtt ?? {};
  if (host === undefined || port === undefined) throw new Error('no mqtt listener');
  return {
    program,
    ready,
    mqtt: { host, port },
    folder,
    startedAtMs,
    async stop() {
      program.child.kill('SIGTERM');
      const finished = await program.finished;
      rmSync(folder, { recursive: true, force: true });
      return finished;
    },
  };
}
