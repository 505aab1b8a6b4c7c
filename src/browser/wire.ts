/** The data types of MQTT: growing writer, checked reader. Reading past the end sets `failed` and yields zeros. */

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Writer {
  private bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  private length = 0;

  private room(count: number): number {
    const at = this.length;
    if (at + count > this.bytes.length) {
      const grown = new Uint8Array(Math.max(at + count, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
    }
    this.length = at + count;
    return at;
  }

  u8(value: number): this {
    this.bytes[this.room(1)] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value);
  }

  varint(value: number): this {
    let rest = value;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }

  raw(value: Uint8Array): this {
    this.bytes.set(value, this.room(value.length));
    return this;
  }

  binary(value: Uint8Array): this {
    if (value.length > 0xffff) throw new RangeError('longer than 65,535 bytes');
    return this.u16(value.length).raw(value);
  }

  text(value: string): this {
    return this.binary(encoder.encode(value));
  }

  done(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }
}

export class Reader {
  failed = false;
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  private take(count: number): number {
    const at = this.at;
    if (count > this.end - at) {
      this.failed = true;
      this.at = this.end;
      return -1;
    }
    this.at = at + count;
    return at;
  }

  u8(): number {
    const at = this.take(1);
    return at < 0 ? 0 : (this.bytes[at] as number);
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }

  /** A copy. */
  raw(count: number): Uint8Array {
    const at = this.take(count);
    return at < 0 ? new Uint8Array(0) : this.bytes.slice(at, at + count);
  }

  binary(): Uint8Array {
    return this.raw(this.u16());
  }

  text(): string {
    const length = this.u16();
    const at = this.take(length);
    if (at < 0) return '';
    try {
      return decoder.decode(this.bytes.subarray(at, at + length));
    } catch {
      this.failed = true;
      return '';
    }
  }

  /** A reader of the next `count` bytes, which this one skips. */
  sub(count: number): Reader {
    const at = this.take(count);
    return at < 0 ? new Reader(this.bytes, this.end, this.end) : new Reader(this.bytes, at, at + count);
  }
}
