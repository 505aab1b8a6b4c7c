import { type SegmentStore, SegmentStoreError } from '../segments/segment-store.ts';

export interface CacheState {
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

/** Pieces of objects in memory, up to a number of bytes; the one used least recently goes first. */
export interface RangeCache {
  /** Bytes of an object that has `sizeBytes`; undefined when there is no such object. */
  read(key: string, sizeBytes: number, offset: number, lengthBytes: number): Promise<Uint8Array | undefined>;
  /** Drops what is held of an object. */
  forget(key: string): void;
  state(): CacheState;
}

const PIECE_BYTES = 1024 * 1024;

export function createRangeCache(
  store: SegmentStore,
  maxBytes: number,
  pieceBytes: number = Math.max(1, Math.min(PIECE_BYTES, Math.floor(maxBytes / 8))),
): RangeCache {
  const held = new Map<string, Uint8Array>();
  const loading = new Map<string, Promise<Uint8Array | undefined>>();
  let bytes = 0;
  let hits = 0;
  let misses = 0;

  function drop(name: string, piece: Uint8Array): void {
    held.delete(name);
    bytes -= piece.byteLength;
  }

  function keep(name: string, piece: Uint8Array): void {
    held.set(name, piece);
    bytes += piece.byteLength;
    for (const [oldest, old] of held) {
      if (bytes <= maxBytes) break;
      drop(oldest, old);
    }
  }

  async function load(name: string, key: string, offset: number, lengthBytes: number) {
    try {
      const piece = await store.get(key, { offset, lengthBytes });
      if (piece === undefined) return undefined;
      if (piece.byteLength !== lengthBytes) {
        throw new SegmentStoreError(
          `object "${key}": ${piece.byteLength} bytes at ${offset} instead of ${lengthBytes}`,
        );
      }
      // Forgotten meanwhile: whoever waits has it, nobody else gets it.
      if (loading.has(name)) keep(name, piece);
      return piece;
    } finally {
      loading.delete(name);
    }
  }

  function pieceOf(key: string, sizeBytes: number, index: number): Promise<Uint8Array | undefined> {
    const name = `${key} ${index}`;
    const known = held.get(name);
    if (known !== undefined) {
      hits++;
      held.delete(name);
      held.set(name, known);
      return Promise.resolve(known);
    }
    misses++;
    let piece = loading.get(name);
    if (piece === undefined) {
      const offset = index * pieceBytes;
      piece = load(name, key, offset, Math.min(pieceBytes, sizeBytes - offset));
      loading.set(name, piece);
    }
    return piece;
  }

  return {
    async read(key, sizeBytes, offset, lengthBytes) {
      const end = Math.min(sizeBytes, offset + lengthBytes);
      if (offset >= end) return new Uint8Array(0);
      const first = Math.floor(offset / pieceBytes);
      const last = Math.floor((end - 1) / pieceBytes);
      const pieces = await Promise.all(
        Array.from({ length: last - first + 1 }, (_, i) => pieceOf(key, sizeBytes, first + i)),
      );
      const whole = pieces.filter((piece) => piece !== undefined);
      if (whole.length < pieces.length) return undefined;
      const base = first * pieceBytes;
      const joined = whole.length === 1 && whole[0] !== undefined ? whole[0] : Buffer.concat(whole);
      return joined.subarray(offset - base, end - base);
    },
    forget(key) {
      const ofKey = (name: string): boolean => name.startsWith(`${key} `);
      for (const [name, piece] of held) if (ofKey(name)) drop(name, piece);
      for (const name of [...loading.keys()].filter(ofKey)) loading.delete(name);
    },
    state: () => ({ bytes, hits, misses }),
  };
}
