/**
 * The log module: CRC-32C, record batches (validate, list, build, patch) and sparse indexes, over one growing memory.
 * Not here: journals and files, which are the host's, and what a record means. The host copies a batch to `input` and
 * names its length; malformed batches give a reason (layout.ts), never a trap. Any call that may take a block
 * (`beginBatch`, `appendRecord`, `createIndex`, `indexAdd`) may grow the memory.
 */
import { heapLiveBytes } from '../lib/heap';
import { setLimit, takeBlock } from './blocks';
import { crc32c as crc, initCrc } from './crc32c';
import { initScan, ROWS, ROWS_BYTES } from './scan';

export { foundOffset, nextRows, rowsOffset, scan } from './scan';
export { appendRecord, batchBytes, beginBatch, discardBatch, finishBatch, placedOffset } from './build';
export { patchAppendTime, patchOffset } from './patch';
export {
  createIndex, foundEntryOffset, indexAdd, indexCount, indexFindOffset, indexFindTime, indexTrim, indexTruncate, releaseIndex,
} from './sparse-index';

let inputAt: usize = 0;

/** First call. `limitBytes` bounds all blocks, those of input and table included; false = too little for these. */
export function init(inputBytes: u32, limitBytes: u32): bool {
  setLimit(limitBytes);
  initCrc();
  const table = takeBlock(ROWS_BYTES);
  if (table == 0) return false;
  initScan(table);
  inputAt = takeBlock(inputBytes);
  return inputAt != 0;
}

export function input(): usize {
  return inputAt;
}

export function rowsMax(): i32 {
  return ROWS;
}

export function liveBytes(): u32 {
  return heapLiveBytes();
}

export function crc32c(previous: u32, from: usize, length: u32): u32 {
  return crc(previous, from, length);
}
