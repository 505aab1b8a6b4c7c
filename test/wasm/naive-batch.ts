/** Record batches by the book, slowly: the model that the log module is held against. */

export interface NaiveRecord {
  readonly timestamp: bigint;
  readonly offsetDelta: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [Uint8Array, Uint8Array | null])[];
}

export interface NaiveBatch {
  readonly baseOffset: bigint;
  readonly leaderEpoch: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: bigint;
  readonly maxTimestamp: bigint;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** What the header says; the records' number if not given. */
  readonly recordCount?: number;
  readonly records: readonly NaiveRecord[];
}

/** Bit by bit, without a table. */
export function naiveCrc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

export function varint(value: number | bigint): number[] {
  const signed = BigInt(value);
  let rest = signed >= 0n ? signed * 2n : -signed * 2n - 1n;
  const bytes: number[] = [];
  while (rest >= 128n) {
    bytes.push(Number(rest % 128n) + 128);
    rest /= 128n;
  }
  bytes.push(Number(rest));
  return bytes;
}

const field = (bytes: Uint8Array | null): number[] =>
  bytes === null ? varint(-1) : [...varint(bytes.length), ...bytes];

export function recordBytes(record: NaiveRecord, baseTimestamp: bigint): number[] {
  const body = [
    0,
    ...varint(record.timestamp - baseTimestamp),
    ...varint(record.offsetDelta),
    ...field(record.key),
    ...field(record.value),
    ...varint(record.headers.length),
    ...record.headers.flatMap(([name, value]) => [...field(name), ...field(value)]),
  ];
  return [...varint(body.length), ...body];
}

/** A batch with these bytes as its records, length and checksum right. */
export function sealBatch(batch: NaiveBatch, records: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(61 + records.length);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, batch.baseOffset);
  view.setInt32(8, bytes.length - 12);
  view.setInt32(12, batch.leaderEpoch);
  view.setInt8(16, 2);
  view.setInt16(21, batch.attributes);
  view.setInt32(23, batch.lastOffsetDelta);
  view.setBigInt64(27, batch.baseTimestamp);
  view.setBigInt64(35, batch.maxTimestamp);
  view.setBigInt64(43, batch.producerId);
  view.setInt16(51, batch.producerEpoch);
  view.setInt32(53, batch.baseSequence);
  view.setInt32(57, batch.recordCount ?? batch.records.length);
  bytes.set(records, 61);
  reseal(bytes);
  return bytes;
}

export function reseal(batch: Uint8Array): void {
  new DataView(batch.buffer, batch.byteOffset).setUint32(17, naiveCrc32c(batch.subarray(21)));
}

export function encodeBatch(batch: NaiveBatch): Uint8Array {
  return sealBatch(
    batch,
    batch.records.flatMap((record) => recordBytes(record, batch.baseTimestamp)),
  );
}

class Cursor {
  at: number;
  readonly end: number;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) throw new Error('short');
    return this.bytes[this.at++] as number;
  }

  number(bits: 32 | 64): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(this.byte());
      value += (byte & 127n) << shift;
      if (value >= 1n << BigInt(bits)) throw new Error('wide');
      if (byte < 128n) return (value & 1n) === 0n ? value / 2n : -(value + 1n) / 2n;
      if (shift >= BigInt(bits) - 7n) throw new Error('long');
    }
  }

  take(length: number): Uint8Array {
    if (length < 0 || length > this.end - this.at) throw new Error('length');
    this.at += length;
    return this.bytes.slice(this.at - length, this.at);
  }

  nullable(): Uint8Array | null {
    const length = Number(this.number(32));
    return length === -1 ? null : this.take(length);
  }
}

const MAX = BigInt(Number.MAX_SAFE_INTEGER);
const check = (isRight: boolean): void => {
  if (!isRight) throw new Error('wrong');
};

/** undefined = not a valid uncompressed batch. */
export function decodeBatch(bytes: Uint8Array): NaiveBatch | undefined {
  try {
    check(bytes.length >= 61);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const total = view.getInt32(8) + 12;
    check(total >= 61 && total <= bytes.length && view.getInt8(16) === 2);
    check(view.getUint32(17) === naiveCrc32c(bytes.subarray(21, total)));
    const attributes = view.getInt16(21);
    check((attributes & ~0x78) === 0);
    const header = {
      baseOffset: view.getBigInt64(0),
      leaderEpoch: view.getInt32(12),
      attributes,
      lastOffsetDelta: view.getInt32(23),
      baseTimestamp: view.getBigInt64(27),
      maxTimestamp: view.getBigInt64(35),
      producerId: view.getBigInt64(43),
      producerEpoch: view.getInt16(51),
      baseSequence: view.getInt32(53),
      recordCount: view.getInt32(57),
    };
    const isTime = (time: bigint): boolean => time >= -1n && time <= MAX;
    check(header.baseOffset >= 0n && header.lastOffsetDelta >= 0);
    check(header.baseOffset + BigInt(header.lastOffsetDelta) <= MAX);
    check(isTime(header.baseTimestamp) && isTime(header.maxTimestamp));
    check(header.producerId >= -1n && header.producerId <= MAX);
    check(header.producerEpoch >= -1 && header.baseSequence >= -1 && header.recordCount >= 0);
    const records: NaiveRecord[] = [];
    const cursor = new Cursor(bytes, 61, total);
    let previous = -1;
    for (let i = 0; i < header.recordCount; i++) {
      const length = Number(cursor.number(32));
      check(length > 0 && length <= cursor.end - cursor.at);
      const own = new Cursor(bytes, cursor.at, cursor.at + length);
      check(own.byte() === 0);
      const timestamp = header.baseTimestamp + own.number(64);
      check(isTime(timestamp));
      const offsetDelta = Number(own.number(32));
      check(offsetDelta > previous && offsetDelta <= header.lastOffsetDelta);
      previous = offsetDelta;
      const key = own.nullable();
      const value = own.nullable();
      const count = Number(own.number(32));
      check(count >= 0);
      const headers: [Uint8Array, Uint8Array | null][] = [];
      for (let j = 0; j < count; j++) {
        const name = own.take(Number(own.number(32)));
        headers.push([name, own.nullable()]);
      }
      check(own.at === own.end);
      cursor.at = own.end;
      records.push({
        timestamp: attributes & 8 ? header.maxTimestamp : timestamp,
        offsetDelta,
        key,
        value,
        headers,
      });
    }
    check(cursor.at === cursor.end);
    return { ...header, records };
  } catch {
    return undefined;
  }
}
