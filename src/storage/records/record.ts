/**
 * What lives here: the one format of everything that is stored as a message: records in batches (Kafka RecordBatch v2),
 * how batches are built and read, and how a kernel message becomes a record and back (docs/records.md). Not here: where
 * batches are kept (the journal), and the bytes' own handling (assembly/log through src/wasm/log.ts).
 * Guarantees: reading never throws on bytes and never believes a length; what was read owns nothing but views of the
 * bytes that were handed in.
 */

export interface LogRecord {
  /** Milliseconds since the Unix epoch; -1 = none. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  /** null is a tombstone where a log is compacted by key; empty is a value. */
  readonly value: Uint8Array | null;
  readonly headers: RecordHeaders;
}

/** Headers in wire form: of each a name and a value, with their lengths before them. */
export interface RecordHeaders {
  readonly count: number;
  readonly bytes: Uint8Array;
}

export interface RecordHeader {
  /** UTF-8 by convention; nothing has checked it. */
  readonly name: Uint8Array;
  readonly value: Uint8Array | null;
}

export const NO_HEADERS: RecordHeaders = { count: 0, bytes: new Uint8Array(0) };

function lengthBytes(length: number): number {
  // Zig-zag doubles it: six bits in the first byte, seven in each further one.
  return length < 64 ? 1 : length < 8192 ? 2 : length < 1_048_576 ? 3 : length < 134_217_728 ? 4 : 5;
}

function writeLength(bytes: Uint8Array, at: number, length: number): number {
  let rest = length < 0 ? 1 : length * 2;
  let to = at;
  while (rest >= 128) {
    bytes[to++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[to++] = rest;
  return to;
}

export function encodeHeaders(headers: readonly RecordHeader[]): RecordHeaders {
  if (headers.length === 0) return NO_HEADERS;
  let total = 0;
  for (const { name, value } of headers) {
    total += lengthBytes(name.length) + name.length;
    total += value === null ? 1 : lengthBytes(value.length) + value.length;
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const { name, value } of headers) {
    at = writeLength(bytes, at, name.length);
    bytes.set(name, at);
    at = writeLength(bytes, at + name.length, value === null ? -1 : value.length);
    if (value !== null) {
      bytes.set(value, at);
      at += value.length;
    }
  }
  return { count: headers.length, bytes };
}

/** Views into the wire form. Throws a RangeError where that is not one: a batch that was read has only valid ones. */
export function decodeHeaders({ count, bytes }: RecordHeaders): RecordHeader[] {
  const headers: RecordHeader[] = [];
  let at = 0;
  const length = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 127) * scale;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new RangeError('record headers are not in wire form');
  };
  const take = (size: number): Uint8Array => {
    if (size < 0 || size > bytes.length - at) throw new RangeError('record headers are not in wire form');
    at += size;
    return bytes.subarray(at - size, at);
  };
  for (let i = 0; i < count; i++) {
    const name = take(length());
    const valueLength = length();
    headers.push({ name, value: valueLength === -1 ? null : take(valueLength) });
  }
  if (at !== bytes.length) throw new RangeError('record headers are not in wire form');
  return headers;
}
