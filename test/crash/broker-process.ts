/**
 * The broker as a process that is killed, paused and started again on the same data directory, where clients find its
 * present address. An end that nobody asked for is kept as what it is: a defect.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Address } from '../support/raw-client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Another build of the command may be put under the same load. */
export const entry = process.env.ROBUSTMQ_CRASH_ENTRY ?? join(root, 'build/crash/cli/main.js');
const START_MS = 60_000;
const STOP_MS = 30_000;
const KEPT_OUTPUT_CHARS = 8000;

/** The sources as they are now; their types are the compiler's business elsewhere. */
export function compile(): void {
  if (process.env.ROBUSTMQ_CRASH_ENTRY !== undefined) return;
  execFileSync(process.execPath, ['scripts/build-js.mjs', '--unchecked', '--out', 'crash'], {
    cwd: root,
    stdio: 'pipe',
  });
}

interface ReadyFile {
  readonly listeners: Readonly<Record<string, Partial<Address>>>;
}

export interface BrokerProcess {
  readonly dataDir: string;
  /** Undefined while no broker listens. */
  address(): Address | undefined;
  /** Resolves when there is a broker. */
  listening(): Promise<Address>;
  /** Resolves when it listens, with the milliseconds that took. */
  start(): Promise<number>;
  /** Starts it and kills it `ms` later, most likely amidst its recovery. */
  startAndKill(ms: number): Promise<void>;
  kill(): Promise<void>;
  /** Asks it to stop and kills it `ms` later, most likely amidst that. */
  stopAndKill(ms: number): Promise<void>;
  /** Stops it as an operator does: SIGTERM, and a status of 0. */
  stop(): Promise<void>;
  /** Stands still for `ms`, with everything that it holds. */
  pause(ms: number): Promise<void>;
  pid(): number;
  /** Why it ended by itself; undefined when it never did. */
  defect(): string | undefined;
}

export function createBrokerProcess(
  folder: string,
  args: readonly string[],
  dataDir = join(folder, 'data'),
): BrokerProcess {
  const ready = join(folder, 'ready.json');
  let child: ChildProcess | undefined;
  let current: Address | undefined;
  let waiting: ((address: Address) => void)[] = [];
  let endWanted = false;
  let defect: string | undefined;
  let output = '';

  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS);
  };
  const isAlive = (process_: ChildProcess): boolean =>
    process_.exitCode === null && process_.signalCode === null;

  // A test that runs out of time leaves no broker behind.
  process.once('exit', () => child?.kill('SIGKILL'));

  const launch = (): ChildProcess => {
    rmSync(ready, { force: true });
    endWanted = false;
    output = '';
    const command = ['start', '--data-dir', dataDir, '--ready-file', ready, ...args];
    const started = spawn(process.execPath, [entry, ...command], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.stdout.on('data', keep);
    started.stderr.on('data', keep);
    started.on('exit', (code, signal) => {
      current = undefined;
      if (!endWanted) defect ??= `the broker ended with ${signal ?? code}:\n${output}`;
    });
    child = started;
    return started;
  };

  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (child === undefined || !isAlive(child)) return;
    endWanted = true;
    current = undefined;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };

  return {
    dataDir,
    address: () => current,
    pid: () => child?.pid ?? 0,
    defect: () => defect,
    async listening() {
      return current ?? (await new Promise<Address>((resolve) => waiting.push(resolve)));
    },
    async start() {
      const startedAtMs = performance.now();
      const started = launch();
      while (!existsSync(ready)) {
        if (!isAlive(started)) throw new Error(defect ?? 'the broker did not start');
        if (performance.now() - startedAtMs > START_MS) throw new Error(`no ready file:\n${output}`);
        await delay(2);
      }
      const { host, port } = (JSON.parse(readFileSync(ready, 'utf8')) as ReadyFile).listeners.mqtt ?? {};
      if (host === undefined || port === undefined) throw new Error('no mqtt listener');
      const address = { host, port };
      current = address;
      const resolves = waiting;
      waiting = [];
      for (const resolve of resolves) resolve(address);
      return performance.now() - startedAtMs;
    },
    async startAndKill(ms) {
      launch();
      await delay(ms);
      await end('SIGKILL');
    },
    kill: () => end('SIGKILL'),
    async stopAndKill(ms) {
      endWanted = true;
      current = undefined;
      child?.kill('SIGTERM');
      await delay(ms);
      await end('SIGKILL');
    },
    async stop() {
      if (child === undefined || !isAlive(child)) return;
      const stopped = child;
      const late = setTimeout(() => stopped.kill('SIGKILL'), STOP_MS);
      await end('SIGTERM');
      clearTimeout(late);
      if (stopped.exitCode !== 0)
        defect ??= `asked to stop it ended with ${stopped.signalCode ?? stopped.exitCode}:\n${output}`;
    },
    async pause(ms) {
      child?.kill('SIGSTOP');
      await delay(ms);
      child?.kill('SIGCONT');
    },
  };
}
