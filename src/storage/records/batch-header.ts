/** What a log must know of a batch to keep it, read from the header without a look at its records. */

export const BATCH_HEADER_BYTES = 61;
const LENGTH_AT = 8;
const LENGTH_OVERHEAD = 12;
const MAGIC_AT = 16;
const MAGIC = 2;
const LAST_DELTA_AT = 23;
const MAX_TIMESTAMP_AT = 35;

export interface BatchSpan {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestampMs: number;
}

/** Byte by byte: a view, or a big integer, for each batch that is read costs more than all the rest of it. */
function int32(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return upper | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** Not exact where it is no safe integer. */
const int64 = (bytes: Uint8Array, at: number): number =>
  int32(bytes, at) * 0x1_0000_0000 + (int32(bytes, at + 4) >>> 0);

/** undefined when `bytes` are not one whole batch of this version, by what its header says. */
export function batchSpan(bytes: Uint8Array): BatchSpan | undefined {
  if (bytes.byteLength < BATCH_HEADER_BYTES) return undefined;
  const baseOffset = int64(bytes, 0);
  const lastDelta = int32(bytes, LAST_DELTA_AT);
  const maxTimestampMs = int64(bytes, MAX_TIMESTAMP_AT);
  const isWhole = int32(bytes, LENGTH_AT) + LENGTH_OVERHEAD === bytes.byteLength;
  if (!isWhole || bytes[MAGIC_AT] !== MAGIC || lastDelta < 0) return undefined;
  if (baseOffset < 0 || !Number.isSafeInteger(baseOffset + lastDelta + 1)) return undefined;
  if (maxTimestampMs < -1 || !Number.isSafeInteger(maxTimestampMs)) return undefined;
  return { baseOffset, lastOffset: baseOffset + lastDelta, maxTimestampMs };
}
