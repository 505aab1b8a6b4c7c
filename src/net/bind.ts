import { lstat, unlink } from 'node:fs/promises';
import net from 'node:net';

/** A listener that cannot start. The message is a sentence for the operator: which listener, where, why, what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly listener: string;

  constructor(listener: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.listener = listener;
  }
}

export type BindTarget =
  | { readonly host: string; readonly port: number; readonly backlog: number }
  | { readonly path: string };

export type ListenerAddress = { readonly host: string; readonly port: number } | { readonly path: string };

function describe(target: BindTarget): string {
  if ('path' in target) return target.path;
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

const remedies: Readonly<Record<string, (listener: string) => string>> = {
  EADDRINUSE: (listener) =>
    `the address is already in use. Stop the program that holds it, choose another port with --set listeners.${listener}.port=PORT, or switch this listener off with --set listeners.${listener}.enabled=false.`,
  EACCES: (listener) =>
    `permission denied. Ports below 1024 and protected directories need extra rights; grant them, or choose another place with --set listeners.${listener}.port=PORT (or .path=FILE).`,
  EADDRNOTAVAIL: (listener) =>
    `this machine does not have that address. Set listeners.${listener}.host to one of its own, or to 0.0.0.0 for all.`,
  ENOTFOUND: (listener) =>
    `the host name does not resolve. Set listeners.${listener}.host to an address of this machine.`,
  ENOENT: (listener) =>
    `the directory does not exist. Create it, or choose another place with --set listeners.${listener}.path=FILE.`,
};

function listenError(listener: string, target: BindTarget, error: NodeJS.ErrnoException): ListenError {
  const code = error.code ?? '';
  const inUseHere = code === 'EADDRINUSE' && 'path' in target;
  const reason = inUseHere
    ? `another process listens on this socket. Stop it, or choose another file with --set listeners.${listener}.path=FILE.`
    : (remedies[code]?.(listener) ?? `${error.message}.`);
  return new ListenError(listener, `Listener ${listener} cannot listen on ${describe(target)}: ${reason}`, {
    cause: error,
  });
}

/** Resolves when the server listens; rejects with a ListenError. */
export async function bind(server: net.Server, listener: string, target: BindTarget): Promise<void> {
  if ('path' in target) await removeStaleSocket(listener, target.path);
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(listener, target, error));
    server.once('error', failed);
    server.listen('path' in target ? { path: target.path } : target, () => {
      server.removeListener('error', failed);
      resolve();
    });
  });
}

/** A crash leaves the socket file behind, and it would block the next start. It goes only if nobody answers on it. */
async function removeStaleSocket(listener: string, path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ListenError(
      listener,
      `Listener ${listener} cannot listen on ${path}: a file that is not a socket is in the way. Remove it, or choose another file with --set listeners.${listener}.path=FILE.`,
    );
  }
  const answer = await connectOnce(path);
  if (answer === 'ECONNREFUSED') await unlink(path).catch(() => undefined);
}

function connectOnce(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

export function addressOf(server: net.Server): ListenerAddress | undefined {
  const address = server.address();
  if (address === null) return undefined;
  return typeof address === 'string' ? { path: address } : { host: address.address, port: address.port };
}
