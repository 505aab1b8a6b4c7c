import { PassThrough } from 'node:stream';
import type { Io } from '../../src/cli/io.ts';

export interface TestIo extends Io {
  readonly in: PassThrough;
  readonly out: PassThrough & { isTTY?: boolean };
  readonly err: PassThrough & { isTTY?: boolean };
  readonly exits: number[];
  outText(): string;
  outBytes(): Buffer;
  errText(): string;
  signal(name: NodeJS.Signals): void;
  crash(error: unknown): void;
  /** Resolves when standard output has matched. */
  outMatches(pattern: RegExp): Promise<void>;
}

/** A process of its own for a verb under test. */
export function testIo(input = ''): TestIo {
  const stdin = new PassThrough();
  stdin.end(input);
  const out = new PassThrough();
  const err = new PassThrough();
  const written: Buffer[] = [];
  const complained: Buffer[] = [];
  out.on('data', (chunk: Buffer) => written.push(chunk));
  err.on('data', (chunk: Buffer) => complained.push(chunk));
  const handlers = new Map<string, Set<(error?: unknown) => void>>();
  const on = (name: string, callback: (error?: unknown) => void): (() => void) => {
    const all = handlers.get(name) ?? new Set();
    handlers.set(name, all.add(callback));
    return () => all.delete(callback);
  };
  const emit = (name: string, error?: unknown): void => {
    for (const callback of [...(handlers.get(name) ?? [])]) callback(error);
  };
  const exits: number[] = [];
  const outText = (): string => Buffer.concat(written).toString('utf8');
  return {
    in: stdin,
    out,
    err,
    environment: {},
    exits,
    onSignal: on,
    onUncaught: (callback) => on('uncaught', callback),
    exit: (code) => void exits.push(code),
    outText,
    outBytes: () => Buffer.concat(written),
    errText: () => Buffer.concat(complained).toString('utf8'),
    signal: (name) => emit(name),
    crash: (error) => emit('uncaught', error),
    outMatches: (pattern) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!pattern.test(outText())) return;
          out.off('data', check);
          resolve();
        };
        out.on('data', check);
        check();
      }),
  };
}
