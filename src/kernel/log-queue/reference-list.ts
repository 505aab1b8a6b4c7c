/**
 * What each position of a queue over several logs refers to: log number and offset in 8 bytes. Kept in chunks of
 * 256, the first of which starts small, so that a queue with a few messages costs a few dozen bytes and one with
 * many little more than 8 bytes each. Chunks go when the settled floor has passed them.
 */
const CHUNK = 256;
const SMALLEST = 8;

export const MAX_LOG_NUMBER = 0xffff;
export const MAX_OFFSET = 2 ** 48 - 1;

export interface Reference {
  readonly log: number;
  readonly offset: number;
}

export function isReference({ log, offset }: Reference): boolean {
  return (
    Number.isInteger(log) &&
    log >= 0 &&
    log <= MAX_LOG_NUMBER &&
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    offset <= MAX_OFFSET
  );
}

export class ReferenceList {
  private readonly chunks = new Map<number, Uint32Array>();
  private lowest = 0;
  private heldBytes = 0;

  get bytes(): number {
    return this.heldBytes;
  }

  set(position: number, reference: Reference): void {
    const number = Math.floor(position / CHUNK);
    const at = (position % CHUNK) * 2;
    let chunk = this.chunks.get(number);
    if (chunk === undefined || chunk.length <= at) chunk = this.enlarge(number, chunk, at);
    chunk[at] = reference.log * 0x10000 + Math.floor(reference.offset / 0x100000000);
    chunk[at + 1] = reference.offset >>> 0;
  }

  /** Of a position that was set and not trimmed since. */
  get(position: number): Reference | undefined {
    const chunk = this.chunks.get(Math.floor(position / CHUNK));
    if (chunk === undefined) return undefined;
    const at = (position % CHUNK) * 2;
    return { log: chunk[at] >>> 16, offset: (chunk[at] & 0xffff) * 0x100000000 + chunk[at + 1] };
  }

  trimBelow(position: number): void {
    const first = Math.floor(position / CHUNK);
    if (this.chunks.size === 0) this.lowest = first;
    for (; this.lowest < first; this.lowest++) {
      this.heldBytes -= this.chunks.get(this.lowest)?.byteLength ?? 0;
      this.chunks.delete(this.lowest);
      if (this.chunks.size === 0) this.lowest = first - 1;
    }
  }

  private enlarge(number: number, old: Uint32Array | undefined, at: number): Uint32Array {
    let length = this.chunks.size > (old === undefined ? 0 : 1) ? CHUNK : SMALLEST;
    while (length * 2 <= at) length *= 2;
    const chunk = new Uint32Array(length * 2);
    if (old !== undefined) chunk.set(old);
    this.heldBytes += chunk.byteLength - (old?.byteLength ?? 0);
    this.chunks.set(number, chunk);
    return chunk;
  }
}
