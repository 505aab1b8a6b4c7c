import type net from 'node:net';
import { getSystemErrorName } from 'node:util';

/**
 * Writes to a socket's handle without the stream machinery around it (buffering, corking, a callback on the next
 * tick). Bytes that the kernel takes at once, which is nearly always, then cost the system call and little else.
 * Undocumented internals, so every step is checked: where they are missing `writeToHandle` returns false and has done
 * nothing, and the caller writes through the stream. `bench/net-write.ts` compares both.
 *
 * The request object is what libuv ties a write to. A write that completed at once leaves it untouched, so a single
 * spare one serves all sockets; only a write that stays under way keeps its own.
 */
interface WriteRequest {
  oncomplete?: (status: number) => void;
  /** Keeps the bytes alive while the kernel has not taken them all. */
  buffer?: unknown;
  /** -1 as long as libuv does not own the request. */
  getAsyncId(): number;
}

interface WritableHandle {
  writeBuffer(request: WriteRequest, view: Uint8Array): number;
  writev(request: WriteRequest, views: readonly Uint8Array[], allBuffers: boolean): number;
}

const notUnderWay = -1;
let spare: WriteRequest | undefined;
let createRequest: (() => WriteRequest) | undefined;
let usable = true;

function handleOf(socket: net.Socket): WritableHandle | undefined {
  const handle = (socket as unknown as { _handle?: Partial<WritableHandle> | null })._handle;
  if (typeof handle?.writeBuffer !== 'function' || typeof handle.writev !== 'function') return undefined;
  return handle as WritableHandle;
}

/** The request class is not exported by Node; the first write shows it to us. That write itself goes through the stream. */
function learnRequestClass(handle: WritableHandle): void {
  const { writeBuffer, writev } = handle;
  const learn = (request: WriteRequest): void => {
    Reflect.deleteProperty(handle, 'writeBuffer');
    Reflect.deleteProperty(handle, 'writev');
    const RequestClass = request.constructor as new () => WriteRequest;
    const probe = new RequestClass();
    if (typeof probe.getAsyncId === 'function' && probe.getAsyncId() === notUnderWay) {
      createRequest = () => new RequestClass();
      spare = probe;
    } else {
      usable = false;
    }
  };
  handle.writeBuffer = (request, view) => {
    learn(request);
    return writeBuffer.call(handle, request, view);
  };
  handle.writev = (request, views, allBuffers) => {
    learn(request);
    return writev.call(handle, request, views, allBuffers);
  };
}

function systemError(status: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { errno: status, code, syscall: 'write' });
}

/**
 * Returns false if nothing was done. Otherwise `settled` runs exactly once: inside this call when the kernel took
 * everything or refused, later when the rest has left or the socket was closed.
 */
export function writeToHandle(
  socket: net.Socket,
  views: readonly Uint8Array[],
  settled: (error: Error | undefined) => void,
): boolean {
  if (!usable) return false;
  const handle = handleOf(socket);
  if (handle === undefined) return false;
  const request = spare;
  if (request === undefined || createRequest === undefined) {
    learnRequestClass(handle);
    return false;
  }
  const first = views[0];
  const status =
    views.length === 1 && first !== undefined
      ? handle.writeBuffer(request, first)
      : handle.writev(request, views, true);
  if (status !== 0) {
    spare = createRequest();
    settled(systemError(status));
    return true;
  }
  if (request.getAsyncId() === notUnderWay) {
    settled(undefined);
    return true;
  }
  spare = createRequest();
  request.buffer = views;
  request.oncomplete = (result) => settled(result < 0 ? systemError(result) : undefined);
  return true;
}
