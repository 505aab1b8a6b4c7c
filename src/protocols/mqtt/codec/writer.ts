/** A growing byte buffer in MQTT's number and string forms. Strings and binary data above 65,535 bytes throw RangeError. */

import { encodeUtf8 } from './utf8.ts';

const FIXED_HEADER_ROOM = 5;

export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

/** Writes `value` at `offset` and returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

export class PacketWriter {
  #bytes: Uint8Array = new Uint8Array(128);
  #length = FIXED_HEADER_ROOM;

  /** Makes room for `count` bytes and returns where they begin. */
  #claim(count: number): number {
    const start = this.#length;
    this.#length = start + count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
    }
    return start;
  }

  byte(value: number): void {
    const at = this.#claim(1);
    this.#bytes[at] = value;
  }

  uint16(value: number): void {
    const at = this.#claim(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  uint32(value: number): void {
    this.uint16(value >>> 16);
    this.uint16(value & 0xffff);
  }

  varint(value: number): void {
    const at = this.#claim(varintBytes(value));
    writeVarint(this.#bytes, at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
  }

  binary(bytes: Uint8Array): void {
    if (bytes.length > 0xffff) throw new RangeError(`A field of ${bytes.length} bytes does not fit MQTT`);
    this.uint16(bytes.length);
    this.raw(bytes);
  }

  string(text: string): void {
    this.binary(encodeUtf8(text));
  }

  /** What was written, without a fixed header. */
  body(): Uint8Array {
    return this.#bytes.slice(FIXED_HEADER_ROOM, this.#length);
  }

  /** The whole packet: fixed header with `first` as its first byte, then what was written. */
  packet(first: number): Uint8Array {
    const length = this.#length - FIXED_HEADER_ROOM;
    const start = FIXED_HEADER_ROOM - 1 - varintBytes(length);
    this.#bytes[start] = first;
    writeVarint(this.#bytes, start + 1, length);
    return this.#bytes.slice(start, this.#length);
  }
}
