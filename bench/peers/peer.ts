/**
 * A broker under test: how it is started for one run, and what is known of it while it runs. Each run gets a fresh
 * process, so that no peer carries memory or state from one scenario into the next.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Peer {
  readonly name: string;
  /** Undefined when it can run here, else why not. */
  readonly unavailable: string | undefined;
  readonly version: string;
  start(options: StartOptions): Promise<RunningPeer>;
}

export interface StartOptions {
  /** Core to pin the process to; undefined leaves it to the scheduler. */
  readonly core: number | undefined;
  /** Settings of our own broker that a scenario needs, as `--set` takes them. */
  readonly robustmqSettings: readonly string[];
}

export interface RunningPeer {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  /** Why it ended, when it ended by itself; undefined while it runs. */
  crash(): string | undefined;
  stop(): Promise<void>;
}

export interface StartedProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  crash(): string | undefined;
  /** SIGTERM unless another signal is given. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const STOP_MS = 5000;
const KEPT_OUTPUT_CHARS = 4000;
const LISTEN_MS = 15_000;

export function hasCommand(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

/** A command line that runs `command` on one core; `exec` all the way, so that the process identifier is the command's. */
export function pinned(core: number | undefined, command: readonly string[]): string[] {
  return core === undefined ? [...command] : ['taskset', '-c', String(core), ...command];
}

export function startProcess(core: number | undefined, command: readonly string[]): StartedProcess {
  const [file = '', ...args] = pinned(core, command);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let stopping = false;
  let ended: string | undefined;
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS);
  };
  child.stderr.on('data', keep);
  child.stdout.on('data', keep);
  child.on('error', (error) => {
    ended ??= error.message;
  });
  child.on('exit', (code, signal) => {
    if (!stopping) ended ??= `ended with ${signal ?? `status ${code}`}: ${lastLine(output)}`;
  });
  return {
    child,
    pid: child.pid ?? 0,
    crash: () => ended,
    async stop(signal = 'SIGTERM') {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

/** The line that says most: an error's own line when there is one, else the last. */
function lastLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'no output').trim().slice(0, 200);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Polls until `ready` gives a value; rejects when the process ends first or too much time passes. */
export async function waitFor<T>(process_: StartedProcess, ready: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + LISTEN_MS;
  for (;;) {
    const value = await ready();
    if (value !== undefined) return value;
    const crash = process_.crash();
    if (crash !== undefined || performance.now() > deadline) {
      await process_.stop();
      throw new Error(`did not start: ${crash ?? 'it does not listen'}`);
    }
    await delay(20);
  }
}

export function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(undefined));
  });
}
