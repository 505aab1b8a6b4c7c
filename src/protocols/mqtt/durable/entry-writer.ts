/** Writes small entries into one buffer that is used again: what it gives is valid until the next `begin`. */

const encoder = new TextEncoder();
const VIEWS_KEPT = 64;

export class EntryWriter {
  private buffer = new Uint8Array(4096);
  private length = 0;
  /** Of the buffer, by length: most entries are short, and making a view costs more than writing one. */
  private views = new Array<Uint8Array | undefined>(VIEWS_KEPT);

  begin(kind: number): this {
    this.length = 0;
    return this.u8(kind);
  }

  u8(value: number): this {
    this.reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  uint(value: number): this {
    this.reserve(8);
    const { buffer } = this;
    let rest = value;
    while (rest > 0x7fffffff) {
      buffer[this.length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[this.length++] = rest;
    return this;
  }

  /** A whole number of either sign, small when it is near 0. */
  int(value: number): this {
    return this.uint(value < 0 ? -2 * value - 1 : 2 * value);
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

  view(): Uint8Array {
    const { length } = this;
    if (length >= this.views.length) return this.buffer.subarray(0, length);
    const known = this.views[length];
    if (known !== undefined) return known;
    const view = this.buffer.subarray(0, length);
    this.views[length] = view;
    return view;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    larger.set(this.buffer);
    this.buffer = larger;
    this.views = new Array(VIEWS_KEPT);
  }
}
