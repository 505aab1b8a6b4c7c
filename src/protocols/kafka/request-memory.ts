/**
 * Memory of requests that is used again. A frame of many records is larger than what an allocator keeps at hand: new memory
 * for each has to be mapped, page by page, and is looked for by the collector when it is not wanted any more. What is
 * not given back belongs to whoever has it.
 */
export interface RequestMemory {
  /** So many bytes. What was in them is still there. */
  take(bytes: number): Buffer;
  /** The same, if it costs no new memory. */
  find(bytes: number): Buffer | undefined;
  /** What `take` or `find` gave, which nobody looks at any more. */
  give(frame: Buffer): void;
}

/** Smaller ones are a matter for the allocator, larger ones are rare. */
const MIN_CLASS = 14;
const MAX_CLASS = 21;
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

const classOf = (bytes: number): number => Math.max(MIN_CLASS, 32 - Math.clz32(bytes - 1));

export function createRequestMemory(): RequestMemory {
  /** By the logarithm of their size. */
  const kept: ArrayBuffer[][] = Array.from({ length: MAX_CLASS + 1 }, () => []);
  let keptBytes = 0;

  function find(bytes: number): Buffer | undefined {
    const found = kept[classOf(bytes)]?.pop();
    if (found === undefined) return undefined;
    keptBytes -= found.byteLength;
    return Buffer.from(found, 0, bytes);
  }

  return {
    find,
    take(bytes) {
      const sizeClass = classOf(bytes);
      if (bytes <= 1 << (MIN_CLASS - 1) || sizeClass > MAX_CLASS) return Buffer.allocUnsafe(bytes);
      return find(bytes) ?? Buffer.from(new ArrayBuffer(1 << sizeClass), 0, bytes);
    },
    give({ buffer, byteOffset }) {
      const { byteLength } = buffer;
      const list = kept[31 - Math.clz32(byteLength)];
      const isOurs =
        byteOffset === 0 && (byteLength & (byteLength - 1)) === 0 && byteLength >= 1 << MIN_CLASS;
      if (!isOurs || list === undefined || keptBytes + byteLength > MAX_KEPT_BYTES) return;
      keptBytes += byteLength;
      list.push(buffer as ArrayBuffer);
    },
  };
}
