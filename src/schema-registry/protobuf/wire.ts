/** The wire format of Protobuf, as far as descriptors need it. */
import { InvalidSchema } from '../schema-kind.ts';

export interface WireField {
  readonly number: number;
  /** Of numbers. */
  readonly value: bigint;
  /** Of strings, messages and packed numbers. */
  readonly bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const MAX_VARINT_BITS = 70n;

/** Views of the bytes. Throws InvalidSchema. */
export function* wireFields(bytes: Uint8Array): Iterable<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < MAX_VARINT_BITS; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new InvalidSchema('the descriptor ends in a number');
  };
  const take = (length: bigint): Uint8Array => {
    if (length > BigInt(bytes.length - at)) throw new InvalidSchema('the descriptor ends in a field');
    const start = at;
    at += Number(length);
    return bytes.subarray(start, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (tag & 7n) {
      case 0n:
        yield { number, value: varint(), bytes: NOTHING };
        break;
      case 1n:
        yield { number, value: 0n, bytes: take(8n) };
        break;
      case 2n:
        yield { number, value: 0n, bytes: take(varint()) };
        break;
      case 5n:
        yield { number, value: 0n, bytes: take(4n) };
        break;
      default:
        throw new InvalidSchema('the descriptor has a field of an unknown kind');
    }
  }
}

export const signed = (value: bigint): number => Number(BigInt.asIntN(32, value));

/** Writes the fields of one message, one behind the other. */
export class WireWriter {
  private readonly parts: Uint8Array[] = [];

  private varint(value: bigint): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    while (rest >= 128n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.parts.push(Uint8Array.from(bytes));
  }

  number(field: number, value: number | undefined): this {
    if (value !== undefined) {
      this.varint(BigInt(field) << 3n);
      this.varint(BigInt(value));
    }
    return this;
  }

  flag(field: number, value: boolean): this {
    return this.number(field, value ? 1 : undefined);
  }

  bytes(field: number, value: Uint8Array): this {
    this.varint((BigInt(field) << 3n) | 2n);
    this.varint(BigInt(value.length));
    this.parts.push(value);
    return this;
  }

  text(field: number, value: string | undefined): this {
    return value === undefined ? this : this.bytes(field, Buffer.from(value));
  }

  /** A message for each. Without any, nothing. */
  each<T>(field: number, items: readonly T[], write: (to: WireWriter, item: T) => void): this {
    for (const item of items) {
      const nested = new WireWriter();
      write(nested, item);
      this.bytes(field, nested.finish());
    }
    return this;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}
