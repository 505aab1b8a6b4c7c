/**
 * Copies into memory that may be shared, or out of it: into kernels and records, out of what the memory engine keeps. `set` goes
 * there byte by byte, unless both sides happen to lie alike in their words, for others might write at the same time; nobody else
 * has this memory, and the native `fill` is one memcpy. The two sides must not overlap.
 */
const MIN_NATIVE_BYTES = 512;

export function copyBytes(from: Uint8Array, into: Uint8Array, at: number): void {
  const isShared =
    from.byteLength >= MIN_NATIVE_BYTES &&
    (into.buffer instanceof SharedArrayBuffer || from.buffer instanceof SharedArrayBuffer);
  if (isShared) Buffer.prototype.fill.call(into, from, at, at + from.byteLength);
  else into.set(from, at);
}

/** In memory that is not shared. */
export function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.byteLength);
  copyBytes(bytes, copy, 0);
  return copy;
}
