import { size } from './admin-output.ts';
import type { Io } from './io.ts';

/** How far a long piece of work has come: one line on standard error that changes while somebody watches, and nothing otherwise. */
export interface Progress {
  add(more: number): void;
  /** What is shown of it goes. */
  clear(): void;
  /** The last word about it, for whoever reads it. */
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

export function createProgress(io: Io, options: ProgressOptions): Progress {
  const { what, total, unit, nowMs = () => performance.now() } = options;
  const isLive = io.err.isTTY === true;
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
    io.err.write(`\r${text}\u001b[K`);
    isShown = true;
  }

  function clear(): void {
    if (isShown) io.err.write('\r\u001b[K');
    isShown = false;
  }

  return {
    clear,
    add(more) {
      done += more;
      if (!isLive || nowMs() - shownMs < EVERY_MS) return;
      shownMs = nowMs();
      show();
    },
    end(sentence) {
      clear();
      io.err.write(`${sentence}\n`);
    },
  };
}
