/**
 * What a log must know of a batch to keep it, read from the header without a look at its records; and a batch with some
 * of its records left out, made without taking them apart.
 */
import type { LogKernel } from '../../wasm/log.ts';

export const BATCH_HEADER_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_OVERHEAD = 12;
const MAGIC_AT = 16;
const MAGIC = 2;
const CRC_AT = 17;
const CHECKED_FROM = 21;
const LAST_DELTA_AT = 23;
const MAX_TIMESTAMP_AT = 35;
const COUNT_AT = 57;

export interface BatchSpan {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestampMs: number;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** undefined when `bytes` are not one whole batch of this version, by what its header says. */
export function batchSpan(bytes: Uint8Array): BatchSpan | undefined {
  if (bytes.byteLength < BATCH_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  const baseOffset = Number(view.getBigInt64(0));
  const lastDelta = view.getInt32(LAST_DELTA_AT);
  const maxTimestampMs = Number(view.getBigInt64(MAX_TIMESTAMP_AT));
  const isWhole = view.getInt32(LENGTH_AT) + LENGTH_OVERHEAD === bytes.byteLength;
  if (!isWhole || view.getInt8(MAGIC_AT) !== MAGIC || lastDelta < 0) return undefined;
  if (baseOffset < 0 || !Number.isSafeInteger(baseOffset + lastDelta + 1)) return undefined;
  if (maxTimestampMs < -1 || !Number.isSafeInteger(maxTimestampMs)) return undefined;
  return { baseOffset, lastOffset: baseOffset + lastDelta, maxTimestampMs };
}

/** Where the record at `at` ends, by the length in front of it. */
function recordEnd(bytes: Uint8Array, at: number): number {
  let value = 0;
  let scale = 1;
  let from = at;
  for (let byte = 128; byte >= 128; scale *= 128) {
    byte = bytes[from++] ?? 0;
    value += (byte & 127) * scale;
  }
  return from + value / 2;
}

/**
 * The batch with those records only for which `keeps` says so; it still stands for all of its offsets. `batch` is valid
 * and not compressed. At least one record must stay.
 */
export function withoutRecords(
  kernel: LogKernel,
  batch: Uint8Array,
  keeps: (index: number) => boolean,
): Uint8Array {
  const all = viewOf(batch).getInt32(COUNT_AT);
  const result = new Uint8Array(batch.byteLength);
  result.set(batch.subarray(0, BATCH_HEADER_BYTES));
  let length = BATCH_HEADER_BYTES;
  let count = 0;
  for (let index = 0, at = BATCH_HEADER_BYTES; index < all; index++) {
    const end = recordEnd(batch, at);
    if (keeps(index)) {
      result.set(batch.subarray(at, end), length);
      length += end - at;
      count++;
    }
    at = end;
  }
  if (count === 0) throw new RangeError('a batch without records');
  const view = viewOf(result);
  view.setInt32(LENGTH_AT, length - LENGTH_OVERHEAD);
  view.setInt32(COUNT_AT, count);
  view.setUint32(CRC_AT, kernel.crc32c(result.subarray(CHECKED_FROM, length)));
  return result.slice(0, length);
}
