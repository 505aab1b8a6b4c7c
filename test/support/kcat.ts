/** kcat, librdkafka's command, as a process that tells how it went: where it is in the path, or ROBUSTMQ_TEST_KCAT names it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

const KCAT = process.env.ROBUSTMQ_TEST_KCAT ?? 'kcat';
const MAX_STDERR_CHARS = 20_000;

export const isKcatMissing = spawnSync(KCAT, ['-V']).status !== 0;

export interface Kcat {
  readonly process: ChildProcess;
  /** Whether it runs or how it ended, and the last of what it wrote to stderr. */
  describe(): string;
  /** Resolves when it has ended and all it wrote has come: by SIGTERM; or by SIGKILL if it has not within `graceMs`, and then false. */
  stop(graceMs: number): Promise<boolean>;
}

/** `onLine` gets each whole line of its output. */
export function startKcat(args: readonly string[], onLine: (line: string) => void): Kcat {
  const child = spawn(KCAT, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr = (stderr + chunk).slice(-MAX_STDERR_CHARS);
  });
  const closed = once(child, 'close');
  // Who does not stop it need not hear that it could not be started.
  closed.catch(() => undefined);
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    process: child,
    describe() {
      const how =
        child.signalCode !== null ? `ended by ${child.signalCode}` : `ended with ${String(child.exitCode)}`;
      return `${isOver() ? how : 'running'}; stderr: ${stderr === '' ? 'nothing' : stderr}`;
    },
    async stop(graceMs) {
      if (isOver()) {
        await closed;
        return true;
      }
      child.kill('SIGTERM');
      let isKilled = false;
      const timer = setTimeout(() => {
        isKilled = true;
        child.kill('SIGKILL');
      }, graceMs);
      await closed;
      clearTimeout(timer);
      return !isKilled;
    },
  };
}
