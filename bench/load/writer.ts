/**
 * Writes that reach the kernel at once, without the stream machinery: it costs more than the system call when a
 * message is one write, and then it would be the generator that is measured. Only what the kernel does not take
 * at once becomes asynchronous. Where Node's internals are not as expected, the socket's own `write` is used.
 */
import type { Socket } from 'node:net';

interface WriteRequest {
  oncomplete: (status: number) => void;
}

interface StreamHandle {
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly kLastWriteWasAsync: number;
  readonly streamBaseState: Int32Array;
}

export interface Writer {
  /** True when all that was written has reached the kernel, so that its buffer may be changed. */
  flushed(): boolean;
  /** Precondition: flushed, unless the bytes are never changed. */
  write(bytes: Uint8Array): void;
}

function streamBinding(): StreamBinding | undefined {
  const { binding } = process as unknown as { binding?: (name: string) => Partial<StreamBinding> };
  try {
    const found = binding?.('stream_wrap');
    const { WriteWrap, kLastWriteWasAsync, streamBaseState } = found ?? {};
    if (WriteWrap === undefined || kLastWriteWasAsync === undefined || streamBaseState === undefined)
      return undefined;
    return { WriteWrap, kLastWriteWasAsync, streamBaseState };
  } catch {
    return undefined;
  }
}

const direct = streamBinding();

/** `socket` is connected. `onDrain` runs when an asynchronous write has ended. */
export function createWriter(socket: Socket, onDrain: () => void, onError: (reason: string) => void): Writer {
  const handle = (socket as unknown as { _handle?: Partial<StreamHandle> | null })._handle;
  if (direct === undefined || typeof handle?.writeBuffer !== 'function') {
    socket.on('drain', onDrain);
    return { flushed: () => socket.writableLength === 0, write: (bytes) => void socket.write(bytes) };
  }
  const { WriteWrap, kLastWriteWasAsync, streamBaseState } = direct;
  const stream = handle as StreamHandle;
  let pending = 0;
  const createRequest = (): WriteRequest => {
    const request = new WriteWrap();
    request.oncomplete = (status) => {
      pending--;
      if (status < 0) onError(`write failed with ${status}`);
      else if (pending === 0) onDrain();
    };
    return request;
  };
  // A request is used up only by a write that became asynchronous.
  let request = createRequest();
  return {
    flushed: () => pending === 0,
    write(bytes) {
      if (socket.destroyed) return;
      const status = stream.writeBuffer(request, bytes);
      if (status !== 0) {
        onError(`write failed with ${status}`);
      } else if (streamBaseState[kLastWriteWasAsync] !== 0) {
        pending++;
        request = createRequest();
      }
    },
  };
}
