/**
 * Writes that reach the kernel at once, without the stream machinery: it costs more than the system call when a
 * message is one write, and then it would be the generator that is measured. Only what the kernel does not take
 * at once becomes asynchronous. Streams that are no plain sockets, and sockets where Node's internals are not as
 * expected, are written to as streams are.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

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

let known: { readonly binding: StreamBinding | undefined } | undefined;

function directHandle(stream: Duplex): { binding: StreamBinding; handle: StreamHandle } | undefined {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket) return undefined;
  const { _handle: handle } = stream as unknown as { _handle?: Partial<StreamHandle> | null };
  if (typeof handle?.writeBuffer !== 'function') return undefined;
  known ??= { binding: streamBinding() };
  return known.binding === undefined ? undefined : { binding: known.binding, handle: handle as StreamHandle };
}

function streamWriter(stream: Duplex, onDrain: () => void): Writer {
  let pending = 0;
  const written = (error?: Error | null): void => {
    pending--;
    if (pending === 0 && error == null) onDrain();
  };
  return {
    flushed: () => pending === 0 && !stream.destroyed,
    write(bytes) {
      if (stream.destroyed) return;
      pending++;
      stream.write(bytes, written);
    },
  };
}

/** `stream` is connected. `onDrain` runs when an asynchronous write has ended. */
export function createWriter(stream: Duplex, onDrain: () => void, onError: (reason: string) => void): Writer {
  const direct = directHandle(stream);
  if (direct === undefined) return streamWriter(stream, onDrain);
  const { handle } = direct;
  const { WriteWrap, kLastWriteWasAsync, streamBaseState } = direct.binding;
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
      if (stream.destroyed) return;
      const status = handle.writeBuffer(request, bytes);
      if (status !== 0) {
        onError(`write failed with ${status}`);
      } else if (streamBaseState[kLastWriteWasAsync] !== 0) {
        pending++;
        request = createRequest();
      }
    },
  };
}
