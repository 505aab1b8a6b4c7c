import { refuse } from './refusal.ts';

/** Reads a part of a module in order; what reaches over the end of the part is refused. Positions are those of the whole module. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end)
      refuse('malformed', `the end of a part at byte ${this.at} where more is expected`);
    return this.bytes[this.at++];
  }

  skip(length: number): void {
    if (length > this.end - this.at)
      refuse('malformed', `${length} bytes at ${this.at} reach over the end of their part`);
    this.at += length;
  }

  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    return refuse('malformed', `a number at byte ${this.at} that is longer than 32 bits`);
  }

  /** A signed number of `bits` bits; its value is not wanted. Whether its last byte is a sign is the validator's to see. */
  skipSigned(bits: 32 | 64): void {
    const maxBytes = Math.ceil(bits / 7);
    for (let i = 0; i < maxBytes; i++) if (this.byte() < 0x80) return;
    refuse('malformed', `a number at byte ${this.at} that is longer than ${bits} bits`);
  }

  /** A part of `length` bytes, which this reader goes behind. */
  part(length: number): Reader {
    const start = this.at;
    this.skip(length);
    return new Reader(this.bytes, start, this.at);
  }

  finish(what: string): void {
    if (this.at !== this.end)
      refuse('malformed', `${what} ends at byte ${this.at}, but its length says ${this.end}`);
  }
}
