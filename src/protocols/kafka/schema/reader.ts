/**
 * Reads primitives from bytes that nobody vouches for. Every length is held against what is left before anything is made of it;
 * whatever is wrong is a WireError. Bytes that are handed out are views.
 */
import { isUtf8 } from 'node:buffer';
import { WireError } from './fault.ts';

/** Elements of all arrays of one message: above what real clients send, below what would hurt. */
export const DEFAULT_MAX_ELEMENTS = 500_000;
const TWO_32 = 0x1_0000_0000;

export class WireReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at: number;
  #end: number;
  #elementsLeft: number;

  constructor(bytes: Uint8Array, at = 0, maxElements = DEFAULT_MAX_ELEMENTS) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
    this.#end = bytes.byteLength;
    this.#elementsLeft = maxElements;
  }

  get position(): number {
    return this.#at;
  }

  #take(size: number): number {
    const at = this.#at;
    if (size > this.#end - at) throw new WireError('truncated');
    this.#at = at + size;
    return at;
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  int64(): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at) * TWO_32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new WireError('number-range');
    return value;
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  uuid(): string {
    const at = this.#take(16);
    return this.#bytes.toString('base64url', at, at + 16);
  }

  /** At most 2^31-1: it is a length, a count or a tag. */
  uvarint(): number {
    let byte = this.#bytes[this.#take(1)] as number;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let scale = 128; scale <= 0x1000_0000; scale *= 128) {
      byte = this.#bytes[this.#take(1)] as number;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > 0x7fff_ffff) throw new WireError('length');
        return value;
      }
    }
    throw new WireError('length');
  }

  /** -1 = null. */
  length16(): number {
    const length = this.int16();
    if (length < -1) throw new WireError('length');
    return length;
  }

  length32(): number {
    const length = this.int32();
    if (length < -1) throw new WireError('length');
    return length;
  }

  compactLength(): number {
    return this.uvarint() - 1;
  }

  text(length: number): string {
    const at = this.#take(length);
    const text = this.#bytes.toString('utf8', at, at + length);
    // What is not UTF-8 gives U+FFFD; so does U+FFFD itself, which is rare enough to look twice.
    if (text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(at, at + length))) {
      throw new WireError('utf8');
    }
    return text;
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length);
  }

  /** The count of an array, whose elements have at least `minBytes` each. */
  count(count: number, minBytes: number): number {
    if (count > (this.#end - this.#at) / minBytes) throw new WireError('truncated');
    if (count > this.#elementsLeft) throw new WireError('too-many-elements');
    this.#elementsLeft -= count;
    return count;
  }

  skip(size: number): void {
    this.#take(size);
  }

  /** Reads something of exactly `size` bytes, which it cannot leave. */
  bounded<T>(size: number, read: (from: WireReader) => T): T {
    const end = this.#end;
    if (size > end - this.#at) throw new WireError('truncated');
    const own = this.#at + size;
    this.#end = own;
    const value = read(this);
    if (this.#at !== own) throw new WireError('tag-size');
    this.#end = end;
    return value;
  }
}
