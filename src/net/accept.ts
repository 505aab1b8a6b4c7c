import net from 'node:net';

/**
 * The one place that relies on undocumented parts of node:net, so that accepted sockets read into memory of our
 * choice. Node offers `onread` only to sockets it connects itself; but a socket built around an existing handle
 * takes it as well. Everything here is checked at run time: where the internals differ, the answer is `undefined`
 * or nothing, and the caller reads through 'data' events.
 */

interface SocketHandle {
  reading?: boolean;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

interface SocketInternals {
  _handle?: Partial<SocketHandle> | null;
  _server?: { _connections?: number } | null;
}

/**
 * Takes the kernel socket away from `accepted` (which must not be used again) and returns a socket that reads into
 * `buffer` and calls `onBytes` with the number of bytes that lie at its start. Reading begins at once, the first
 * call comes in a later turn. Returns undefined, and leaves `accepted` as it was, when this Node cannot do it.
 */
export function adoptSocket(
  accepted: net.Socket,
  buffer: Uint8Array,
  onBytes: (length: number) => void,
): net.Socket | undefined {
  const internals = accepted as unknown as SocketInternals;
  const handle = internals._handle;
  if (!handle || typeof handle.readStop !== 'function' || typeof handle.useUserBuffer !== 'function') {
    return undefined;
  }
  handle.readStop();
  handle.reading = false;
  internals._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: {
      buffer,
      callback(length: number): boolean {
        onBytes(length);
        return true;
      },
    },
  };
  return new net.Socket(options as net.SocketConstructorOpts);
}

/**
 * A net.Server waits in `close` for the sockets it accepted. Ours are owned by transports, and some have changed
 * their Socket object, so the server is told to forget them. Without these internals `close` only takes longer.
 */
export function detachFromServer(accepted: net.Socket): void {
  const internals = accepted as unknown as SocketInternals;
  const server = internals._server;
  if (!server || typeof server._connections !== 'number') return;
  server._connections -= 1;
  internals._server = null;
}
