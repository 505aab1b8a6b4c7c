import { size } from './admin-output.ts';
import type { Io } from './io.ts';

/** How far a long piece of work has come, on standard error: one line that changes for people, a line now and then for others. */
export interface Progress {
  add(more: number): void;
  /** The last word about it. */
  end(sentence: string): void;
}

export interface ProgressOptions {
  readonly what: string;
  /** Undefined where nobody knows. */
  readonly total: number | undefined;
  /** Bytes where nothing is said. */
  readonly unit?: string;
  readonly nowMs?: () => number;
}

const EVERY_MS = 200;
const EVERY_PIPED_MS = 10_000;

export function createProgress(io: Io, options: ProgressOptions): Progress {
  const { what, total, unit, nowMs = () => performance.now() } = options;
  const isLive = io.err.isTTY === true;
  const everyMs = isLive ? EVERY_MS : EVERY_PIPED_MS;
  let done = 0;
  let shownMs = nowMs();
  let isShown = false;

  const amount = (value: number): string => (unit === undefined ? size(value) : `${value} ${unit}`);

  function show(): void {
    const of =
      total === undefined || total === 0
        ? ''
        : ` of ${amount(total)} (${Math.min(100, Math.floor((100 * done) / total))} %)`;
    const text = `${what}: ${amount(done)}${of}`;
    io.err.write(isLive ? `\r${text}\u001b[K` : `${text}\n`);
    isShown = true;
  }

  return {
    add(more) {
      done += more;
      if (nowMs() - shownMs < everyMs) return;
      shownMs = nowMs();
      show();
    },
    end(sentence) {
      io.err.write(`${isLive && isShown ? '\r\u001b[K' : ''}${sentence}\n`);
    },
  };
}
