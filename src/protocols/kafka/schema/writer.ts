/**
 * Writes primitives, one message after another, into blocks of memory that are never written twice: what `finish` gives may wait in
 * a socket's queue. Large record batches are not copied: a message is a list of pieces for one gathering write.
 */
import { copyBytes } from '../../../wasm/copy-bytes.ts';
import { WireError } from './fault.ts';

const BLOCK_BYTES = 65_536;
/** Below, a copy costs less than another piece. */
const MIN_PIECE_BYTES = 1024;
const TWO_32 = 0x1_0000_0000;

export const uvarintBytes = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;

export class WireWriter {
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  #view = new DataView(this.#block.buffer);
  /** Where the message starts; what is before has been given out. */
  #start = 0;
  #at = 0;
  /** Foreign pieces, and behind how many of the message's own bytes each comes. */
  #pieces: { readonly behind: number; readonly bytes: Uint8Array }[] = [];
  #piecesBytes = 0;
  #taggedDepth = 0;

  /** Of the message so far. */
  get byteLength(): number {
    return this.#at - this.#start + this.#piecesBytes;
  }

  /** Forgets a message that was not finished. */
  discard(): void {
    this.#at = this.#start;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#taggedDepth = 0;
  }

  /** The pieces of the message, in order. */
  finish(): Uint8Array[] {
    const message: Uint8Array[] = [];
    let from = this.#start;
    const own = (to: number): void => {
      if (to > from) message.push(this.#block.subarray(from, to));
      from = to;
    };
    for (const { behind, bytes } of this.#pieces) {
      own(this.#start + behind);
      message.push(bytes);
    }
    own(this.#at);
    this.#start = this.#at;
    this.discard();
    return message;
  }

  #grow(size: number): void {
    const used = this.#at - this.#start;
    const block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, 2 * (used + size)));
    this.#block.copy(block, 0, this.#start, this.#at);
    this.#block = block;
    this.#view = new DataView(block.buffer);
    this.#start = 0;
    this.#at = used;
  }

  #make(size: number): number {
    if (size > this.#block.length - this.#at) this.#grow(size);
    const at = this.#at;
    this.#at = at + size;
    return at;
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  int8(value: number): void {
    const at = this.#make(1);
    this.#view.setInt8(at, value);
  }

  int16(value: number): void {
    const at = this.#make(2);
    this.#view.setInt16(at, value);
  }

  int32(value: number): void {
    const at = this.#make(4);
    this.#view.setInt32(at, value);
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new WireError('number-range');
    const at = this.#make(8);
    this.#view.setInt32(at, Math.floor(value / TWO_32));
    this.#view.setUint32(at + 4, value >>> 0);
  }

  float64(value: number): void {
    const at = this.#make(8);
    this.#view.setFloat64(at, value);
  }

  uuid(value: string): void {
    const at = this.#make(16);
    if (value.length !== 22 || this.#block.write(value, at, 16, 'base64url') !== 16) {
      throw new WireError('value');
    }
  }

  uvarint(value: number): void {
    if (value < 0x80) {
      this.int8(value);
      return;
    }
    let at = this.#make(uvarintBytes(value));
    let rest = value;
    while (rest >= 0x80) {
      this.#block[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#block[at] = rest;
  }

  string(value: string): void {
    const size = Buffer.byteLength(value);
    if (size > 0x7fff) throw new WireError('value');
    this.int16(size);
    this.#text(value, size);
  }

  compactString(value: string): void {
    const size = Buffer.byteLength(value);
    this.uvarint(size + 1);
    this.#text(value, size);
  }

  #text(value: string, size: number): void {
    const at = this.#make(size);
    this.#block.write(value, at, size, 'utf8');
  }

  /** A copy. */
  raw(bytes: Uint8Array): void {
    const at = this.#make(bytes.byteLength);
    copyBytes(bytes, this.#block, at);
  }

  /** Not a copy, unless it is small: nobody may change the bytes until they are sent. */
  piece(bytes: Uint8Array): void {
    if (bytes.byteLength < MIN_PIECE_BYTES || this.#taggedDepth > 0) {
      this.raw(bytes);
    } else {
      this.#pieces.push({ behind: this.#at - this.#start, bytes });
      this.#piecesBytes += bytes.byteLength;
    }
  }

  /** What `write` writes, with its length before it. */
  sized(write: (to: WireWriter) => void): void {
    const prefix = this.#make(1) - this.#start;
    this.#taggedDepth++;
    write(this);
    this.#taggedDepth--;
    const size = this.#at - this.#start - prefix - 1;
    // Nearly all tagged fields are short; a longer one moves to make room for its length.
    const more = uvarintBytes(size) - 1;
    if (more > 0) {
      this.#make(more);
      const from = this.#start + prefix + 1;
      this.#block.copyWithin(from + more, from, from + size);
    }
    const end = this.#at;
    this.#at = this.#start + prefix;
    this.uvarint(size);
    this.#at = end;
  }

  /** Sets four bytes that were written before, `at` counted from the start of the message. */
  patchInt32(at: number, value: number): void {
    this.#view.setInt32(this.#start + at, value);
  }
}
