/** Bytes as the memory engine keeps them: in shared memory, `at` bytes behind the start of a word. */
export function inSharedMemory(bytes: Uint8Array, at = 3): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length + at), at);
  copy.set(bytes);
  return copy;
}

const isShared = ({ buffer }: { readonly buffer: ArrayBufferLike }): boolean =>
  buffer instanceof SharedArrayBuffer;

/** How often the engine copies large ranges of shared memory, which it does byte by byte, until `work` is done. */
export async function slowCopies(work: () => unknown): Promise<number> {
  const prototype = Object.getPrototypeOf(Uint8Array.prototype);
  const { set, slice } = prototype;
  let found = 0;
  const note = (bytes: number, ...sides: { readonly buffer: ArrayBufferLike }[]): void => {
    if (bytes >= 1024 && sides.some(isShared)) found++;
  };
  prototype.set = function (this: Uint8Array, from: ArrayLike<number>, at?: number): void {
    if (ArrayBuffer.isView(from)) note(from.byteLength, this, from);
    set.call(this, from, at);
  };
  prototype.slice = function (this: Uint8Array, start = 0, end = this.length): Uint8Array {
    note(end - start, this);
    return slice.call(this, start, end);
  };
  try {
    await work();
  } finally {
    prototype.set = set;
    prototype.slice = slice;
  }
  return found;
}
