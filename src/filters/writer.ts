import { refuse } from './refusal.ts';

/** Bytes in a row; grows with what is written, up to a bound. */
export class Writer {
  private readonly maxBytes: number;
  private bytes = new Uint8Array(1024);
  length = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  clear(): void {
    this.length = 0;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  write(bytes: ArrayLike<number>): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  u32(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  /** A constant that is not negative, as `i32.const` has it: one bit of the last byte is its sign. */
  positive(value: number): void {
    let rest = value;
    for (; rest >= 0x40; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  /** Valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed > this.maxBytes) refuse('limit', `more than ${this.maxBytes} bytes after fuel was put in`);
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, this.bytes.length * 2)));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
