/** The process as the verbs see it: data goes to `out`, everything for people to `err`. */
import type { Readable, Writable } from 'node:stream';

export interface Io {
  readonly in: Readable;
  readonly out: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly err: Writable & { readonly isTTY?: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls back at each signal of that name; the returned function stops it. */
  onSignal(signal: NodeJS.Signals, callback: () => void): () => void;
  /** Calls back with an exception that nothing caught. */
  onUncaught(callback: (error: unknown) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

export const processIo: Io = {
  in: process.stdin,
  out: process.stdout,
  err: process.stderr,
  environment: process.env,
  onSignal(signal, callback) {
    process.on(signal, callback);
    return () => process.off(signal, callback);
  },
  onUncaught(callback) {
    process.on('uncaughtException', callback);
    return () => process.off('uncaughtException', callback);
  },
  exit: (code) => process.exit(code),
};

/** Resolves when the stream can take more; what was given is on its way. */
export function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.write(data)) resolve();
    else stream.once('drain', resolve).once('close', resolve);
  });
}
