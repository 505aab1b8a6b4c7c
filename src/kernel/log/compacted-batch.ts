/**
 * What compaction makes of a batch: some of its records taken out, none left at all, or the moment written into it from
 * which on its tombstones may go. It stands for the same offsets and sequence numbers as before.
 */
import { BATCH_HEADER_BYTES } from '../../storage/records/batch-header.ts';
import type { RecordBatch } from '../../storage/records/record-batch.ts';
import type { LogKernel } from '../../wasm/log.ts';

const LENGTH_AT = 8;
const LENGTH_OVERHEAD = 12;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const COUNT_AT = 57;
const CODEC = 7;
const DELETE_HORIZON = 64;
const MAX_VARINT_BYTES = 10;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Reads numbers and stretches one behind the other from the records of a valid batch. */
class Records {
  at = BATCH_HEADER_BYTES;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** A length: never negative here. */
  length(): number {
    let value = 0;
    let scale = 1;
    for (let byte = 128; byte >= 128; scale *= 128) {
      byte = this.bytes[this.at++] ?? 0;
      value += (byte & 127) * scale;
    }
    return value / 2;
  }

  skipNumber(): void {
    while ((this.bytes[this.at++] ?? 0) >= 128);
  }
}

class Output {
  readonly bytes: Uint8Array;
  length = 0;

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
  }

  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.length);
    this.length += bytes.byteLength;
  }

  number(value: number): void {
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[this.length++] = (rest % 128) | 128;
    this.bytes[this.length++] = rest;
  }
}

const numberBytes = (value: number): number => {
  let size = 1;
  for (let rest = value < 0 ? -value * 2 - 1 : value * 2; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
};

function seal(kernel: LogKernel, bytes: Uint8Array): Uint8Array {
  const view = viewOf(bytes);
  view.setInt32(LENGTH_AT, bytes.byteLength - LENGTH_OVERHEAD);
  view.setUint32(CRC_AT, kernel.crc32c(bytes.subarray(ATTRIBUTES_AT)));
  return bytes;
}

/**
 * The open batch with those records only for which `keeps` says so, which are one at least. With `horizonMs` its tombstones
 * may go from then on: that takes the place of the base timestamp, from which its records count their times.
 */
export function withRecords(
  kernel: LogKernel,
  batch: RecordBatch,
  keeps: (index: number) => boolean,
  horizonMs?: number,
): Uint8Array {
  const from = new Records(batch.bytes);
  const to = new Output(
    batch.bytes.byteLength + (horizonMs === undefined ? 0 : batch.length * 2 * MAX_VARINT_BYTES),
  );
  to.put(batch.bytes.subarray(0, BATCH_HEADER_BYTES));
  let count = 0;
  let largestMs = -1;
  for (let index = 0; index < batch.length; index++) {
    const start = from.at;
    const bodyBytes = from.length();
    const body = from.at;
    const end = body + bodyBytes;
    if (keeps(index)) {
      count++;
      const timestampMs = batch.timestampMs(index);
      largestMs = Math.max(largestMs, timestampMs);
      if (horizonMs === undefined) to.put(batch.bytes.subarray(start, end));
      else {
        // Behind the attributes is the time, and behind that what stays as it is.
        from.at = body + 1;
        from.skipNumber();
        const rest = batch.bytes.subarray(from.at, end);
        const delta = timestampMs - horizonMs;
        to.number(1 + numberBytes(delta) + rest.byteLength);
        to.put(batch.bytes.subarray(body, body + 1));
        to.number(delta);
        to.put(rest);
      }
    }
    from.at = end;
  }
  if (count === 0) throw new RangeError('a batch without records');
  const result = to.bytes.slice(0, to.length);
  const view = viewOf(result);
  view.setInt32(COUNT_AT, count);
  if (!batch.isAppendTime) view.setBigInt64(MAX_TIMESTAMP_AT, BigInt(largestMs));
  if (horizonMs !== undefined) {
    view.setInt16(ATTRIBUTES_AT, batch.header.attributes | DELETE_HORIZON);
    view.setBigInt64(BASE_TIMESTAMP_AT, BigInt(horizonMs));
  }
  return seal(kernel, result);
}

/** The batch without records: only its offsets, its producer and the sequence numbers are left. */
export function withoutAnyRecord(kernel: LogKernel, batch: RecordBatch): Uint8Array {
  const result = Uint8Array.from(batch.bytes.subarray(0, BATCH_HEADER_BYTES));
  const view = viewOf(result);
  view.setInt16(ATTRIBUTES_AT, batch.header.attributes & ~(CODEC | DELETE_HORIZON));
  view.setBigInt64(BASE_TIMESTAMP_AT, -1n);
  view.setInt32(COUNT_AT, 0);
  return seal(kernel, result);
}
