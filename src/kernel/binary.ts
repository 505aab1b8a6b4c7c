/**
 * The compact binary form of the kernel's state changes and snapshots: unsigned LEB128 integers up to 2^53 - 1,
 * length-prefixed bytes, and nothing else. A reader never throws: after the first thing that is not there it
 * yields zeros and says `failed`, so a decoder reads to its end and asks once. Whoever reads a number of things
 * to come reads it with `count`, which is bounded by the bytes that are left.
 */
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const EMPTY = new Uint8Array(0);

export class ByteWriter {
  private buffer: Uint8Array;
  private length = 0;

  constructor(initialBytes = 64) {
    this.buffer = new Uint8Array(initialBytes);
  }

  u8(value: number): this {
    this.reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not a whole number`);
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.length++] = rest;
    return this;
  }

  /** A time in ms since the epoch, where infinity is never. */
  time(atMs: number): this {
    return this.uint(Number.isFinite(atMs) ? atMs + 1 : 0);
  }

  bytes(value: Uint8Array): this {
    this.uint(value.length);
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  text(value: string): this {
    return this.bytes(encoder.encode(value));
  }

  /** Ascending whole numbers, as distances. */
  ascending(values: readonly number[]): this {
    this.uint(values.length);
    let previous = 0;
    for (const value of values) {
      this.uint(value - previous);
      previous = value;
    }
    return this;
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    larger.set(this.buffer);
    this.buffer = larger;
  }
}

export class ByteReader {
  private readonly buffer: Uint8Array;
  private at = 0;
  private broken = false;

  constructor(buffer: Uint8Array) {
    this.buffer = buffer;
  }

  /** Something was read that was not there or not well-formed. */
  get failed(): boolean {
    return this.broken;
  }

  /** All was well-formed and nothing is left over. */
  get isComplete(): boolean {
    return !this.broken && this.at === this.buffer.length;
  }

  get bytesLeft(): number {
    return this.buffer.length - this.at;
  }

  fail(): 0 {
    this.broken = true;
    this.at = this.buffer.length;
    return 0;
  }

  /** Passes everything up to there; false when that is behind, or not there. */
  skipTo(at: number): boolean {
    if (at < this.at || at > this.buffer.length) return this.fail() !== 0;
    this.at = at;
    return true;
  }

  u8(): number {
    return this.at < this.buffer.length ? this.buffer[this.at++] : this.fail();
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      if (this.at >= this.buffer.length) return this.fail();
      const byte = this.buffer[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : this.fail();
      scale *= 0x80;
    }
    return this.fail();
  }

  time(): number {
    const value = this.uint();
    return value === 0 ? Number.POSITIVE_INFINITY : value - 1;
  }

  /** How many things follow, each of at least `bytesEach` bytes. */
  count(bytesEach = 1): number {
    const count = this.uint();
    return count * bytesEach <= this.bytesLeft ? count : this.fail();
  }

  /** A copy. */
  bytes(): Uint8Array {
    const length = this.count();
    if (this.broken) return EMPTY;
    this.at += length;
    // Not `slice`, which for a Buffer is no copy.
    return new Uint8Array(this.buffer.subarray(this.at - length, this.at));
  }

  text(): string {
    const length = this.count();
    if (this.broken) return '';
    this.at += length;
    try {
      return decoder.decode(this.buffer.subarray(this.at - length, this.at));
    } catch {
      this.fail();
      return '';
    }
  }

  ascending(): number[] {
    const count = this.count();
    const values: number[] = [];
    let previous = 0;
    for (let i = 0; i < count; i++) {
      previous += this.uint();
      if (!Number.isSafeInteger(previous)) this.fail();
      values.push(previous);
    }
    return values;
  }

  /** One of the texts by its number; the writer wrote the number as a byte. */
  oneOf<T>(values: readonly T[]): T {
    const index = this.u8();
    if (index >= values.length) this.fail();
    return values[Math.min(index, values.length - 1)];
  }
}
