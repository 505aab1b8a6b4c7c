/** Buffers that are used again: of a few at a time, and of bounded sizes. */
export interface BufferPool {
  /** A buffer of so many bytes; what it is cut from is noted in `taken`. */
  take(bytes: number, taken: Uint8Array[]): Uint8Array;
  /** Gives back what was taken and is neither written nor read any more. */
  give(taken: readonly Uint8Array[]): void;
}

const MAX_KEPT = 3;
const MIN_BYTES = 1024 * 1024;
/** Larger ones are rare, and not kept. */
const MAX_BYTES = 8 * 1024 * 1024;

export function createBufferPool(): BufferPool {
  const kept: Uint8Array[] = [];
  return {
    take(bytes, taken) {
      const index = kept.findIndex(({ byteLength }) => byteLength >= bytes);
      const [found] = index < 0 ? [] : kept.splice(index, 1);
      const whole = found ?? Buffer.allocUnsafeSlow(Math.max(MIN_BYTES, bytes));
      taken.push(whole);
      return whole.subarray(0, bytes);
    },
    give(taken) {
      for (const whole of taken) {
        if (whole.byteLength > MAX_BYTES) continue;
        kept.push(whole);
        // The oldest are the smallest: pieces grow with the blocks.
        if (kept.length > MAX_KEPT) kept.shift();
      }
    },
  };
}
