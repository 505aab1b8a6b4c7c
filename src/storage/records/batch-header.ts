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
