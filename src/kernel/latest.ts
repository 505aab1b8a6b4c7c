/**
 * The newest offset of each key of one log: what a retained message is, what compaction keeps, what a key-value
 * bucket reads. A deletion is a tombstone, which counts as a key until `forgetTombstones`, so that readers of the
 * log can still learn of it. A change applies its entry and returns it to be journaled; an older offset never
 * replaces a newer one, so applying entries again is harmless. When `maxKeys` or `maxKeyBytes` is reached a new
 * key is refused, a known one is not.
 */
import { ByteReader, ByteWriter } from './binary.ts';

export type LatestEntry =
  | { readonly change: 'put' | 'delete'; readonly key: string; readonly offset: number }
  | { readonly change: 'forget-tombstones'; readonly below: number };

export type LatestResult =
  | { readonly entry: LatestEntry }
  | { readonly refused: 'stale' | 'full' | 'unknown' };

const VERSION = 1;
const CHANGES = ['put', 'delete', 'forget-tombstones'] as const;

export class Latest {
  private readonly limits: { readonly maxKeys: number; readonly maxKeyBytes: number };
  /** Offset of the newest record; of a tombstone its complement, which is negative. */
  private readonly offsets = new Map<string, number>();
  private keyBytes = 0;
  private tombstones = 0;

  constructor(limits: { readonly maxKeys: number; readonly maxKeyBytes: number }) {
    this.limits = limits;
  }

  get stats(): { readonly live: number; readonly tombstones: number; readonly keyBytes: number } {
    return {
      live: this.offsets.size - this.tombstones,
      tombstones: this.tombstones,
      keyBytes: this.keyBytes,
    };
  }

  /** Undefined also for a key that was deleted. */
  get(key: string): number | undefined {
    const offset = this.offsets.get(key);
    return offset === undefined || offset < 0 ? undefined : offset;
  }

  /** Whether compaction keeps the record at `offset`: it is the newest of its key, be it a tombstone. */
  isNewest(key: string, offset: number): boolean {
    const known = this.offsets.get(key);
    return known === offset || known === -1 - offset;
  }

  put(key: string, offset: number): LatestResult {
    const known = this.offsets.get(key);
    if (known !== undefined && offset <= Math.max(known, -1 - known)) return { refused: 'stale' };
    if (known === undefined && !this.hasRoom(key)) return { refused: 'full' };
    return this.change({ change: 'put', key, offset });
  }

  /** `offset` is that of the record that says so. */
  delete(key: string, offset: number): LatestResult {
    const known = this.offsets.get(key);
    if (known === undefined || known < 0) return { refused: 'unknown' };
    if (offset <= known) return { refused: 'stale' };
    return this.change({ change: 'delete', key, offset });
  }

  /** Those below an offset, which every reader has passed. */
  forgetTombstones(below: number): LatestEntry {
    const entry: LatestEntry = { change: 'forget-tombstones', below };
    this.apply(entry);
    return entry;
  }

  /** Keys that are there with their offsets, in the order in which the keys came. May change meanwhile. */
  *entries(): IterableIterator<readonly [string, number]> {
    for (const entry of this.offsets) if (entry[1] >= 0) yield entry;
  }

  apply(entry: LatestEntry): void {
    if (entry.change === 'forget-tombstones') {
      for (const [key, offset] of this.offsets) {
        if (offset >= 0 || -1 - offset >= entry.below) continue;
        this.offsets.delete(key);
        this.keyBytes -= key.length;
        this.tombstones--;
      }
      return;
    }
    const { key, offset, change } = entry;
    const known = this.offsets.get(key);
    if (known === undefined) {
      if (!this.hasRoom(key)) return;
      this.keyBytes += key.length;
    } else if (offset <= Math.max(known, -1 - known)) return;
    else if (known < 0) this.tombstones--;
    if (change === 'delete') this.tombstones++;
    this.offsets.set(key, change === 'delete' ? -1 - offset : offset);
  }

  snapshot(): Uint8Array {
    const to = new ByteWriter(1024).u8(VERSION).uint(this.offsets.size);
    for (const [key, offset] of this.offsets) {
      to.text(key)
        .u8(offset < 0 ? 1 : 0)
        .uint(Math.max(offset, -1 - offset));
    }
    return to.finish();
  }

  /** False, and an empty index, when the bytes are no snapshot of this version or exceed the limits. */
  restore(snapshot: Uint8Array): boolean {
    this.clear();
    const from = new ByteReader(snapshot);
    if (from.u8() !== VERSION) return false;
    const count = from.count(3);
    for (let i = 0; i < count && !from.failed; i++) {
      const key = from.text();
      const change = from.u8() === 0 ? 'put' : 'delete';
      this.apply({ change, key, offset: from.uint() });
    }
    if (from.isComplete && this.offsets.size === count) return true;
    this.clear();
    return false;
  }

  private clear(): void {
    this.offsets.clear();
    this.keyBytes = this.tombstones = 0;
  }

  private hasRoom(key: string): boolean {
    return this.offsets.size < this.limits.maxKeys && this.keyBytes + key.length <= this.limits.maxKeyBytes;
  }

  private change(entry: LatestEntry): LatestResult {
    this.apply(entry);
    return { entry };
  }
}

export function encodeLatestEntry(entry: LatestEntry): Uint8Array {
  const to = new ByteWriter().u8(VERSION).u8(CHANGES.indexOf(entry.change));
  if (entry.change === 'forget-tombstones') return to.uint(entry.below).finish();
  return to.text(entry.key).uint(entry.offset).finish();
}

/** Undefined when the bytes are not an entry of this version. */
export function decodeLatestEntry(bytes: Uint8Array): LatestEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const change = from.oneOf(CHANGES);
  const entry =
    change === 'forget-tombstones'
      ? { change, below: from.uint() }
      : { change, key: from.text(), offset: from.uint() };
  return from.isComplete ? entry : undefined;
}
