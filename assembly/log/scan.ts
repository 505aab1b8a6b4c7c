/**
 * Validates one record batch and lists its records. Nothing a batch says is believed beyond the bytes it has: every
 * length is held against what is left, so counts that lie cost nothing. Records of a compressed batch are not looked at.
 *
 * Results are a block of doubles, and a table of rows of ROW_BYTES: eight words, of which three are offsets from the start
 * of the batch, and the timestamp in two more.
 */
import { getI16, getI32, getI64 } from './batch-fields';
import { crc32c } from './crc32c';
import {
  ATTRIBUTES, ATTRIBUTES_UNKNOWN, BASE_OFFSET, BASE_SEQUENCE, BASE_TIMESTAMP, BATCH_LENGTH, BATCH_LENGTH_WRONG,
  CODEC_MASK, CODEC_ZSTD, CRC, CRC_WRONG, FIELD_WRONG, HEADERS_WRONG, KNOWN_ATTRIBUTES, LAST_OFFSET_DELTA, LEADER_EPOCH,
  LENGTH_OVERHEAD, LOG_APPEND_TIME, MAGIC, MAGIC_2, MAGIC_UNKNOWN, MAX_SAFE, MAX_TIMESTAMP, MIN_HEADER_BYTES,
  MIN_RECORD_BYTES, OFFSET_ORDER, OFFSET_RANGE, OK, PRODUCER_EPOCH, PRODUCER_ID, PRODUCER_WRONG, RECORDS,
  RECORD_ATTRIBUTES_UNKNOWN, RECORD_COUNT, RECORD_COUNT_WRONG, RECORD_LENGTH_WRONG, TIMESTAMP_RANGE, TRAILING_BYTES,
  TRUNCATED,
} from './layout';
import { behind, readVarint, readVarlong } from './varint';

const ROW_BYTES: usize = 40;
export const ROWS: i32 = 4096;
export const ROWS_BYTES: u32 = 4096 * 40;

/** One double each. */
const found = memory.data(16 * 8, 16);

let rows: usize = 0;
let batch: usize = 0;
let end: usize = 0;
let position: usize = 0;
let index: i32 = 0;
let count: i32 = 0;
let previousDelta: i32 = -1;
let lastOffsetDelta: i32 = 0;
let baseTimestamp: i64 = 0;
let appendTimestamp: i64 = 0;
let isAppendTime: bool = false;
let largestTimestamp: i64 = -1;

export function initScan(table: usize): void {
  rows = table;
}

export function foundOffset(): usize {
  return found;
}

export function rowsOffset(): usize {
  return rows;
}

@inline
function set(field: usize, value: f64): void {
  store<f64>(found + (field << 3), value);
}

@inline
function isTimestamp(value: i64): bool {
  return value >= -1 && value <= MAX_SAFE;
}

/**
 * Looks at the batch that starts at `at`. Precondition: `available` bytes are in memory there. After OK `nextRows` lists
 * the records as long as those bytes stay.
 */
export function scan(at: usize, available: u32): i32 {
  count = 0;
  index = 0;
  if (available < RECORDS) return TRUNCATED;
  if (<i32>load<u8>(at + MAGIC) != MAGIC_2) return MAGIC_UNKNOWN;
  const length = getI32(at, BATCH_LENGTH);
  if (length < <i32>(RECORDS - LENGTH_OVERHEAD)) return BATCH_LENGTH_WRONG;
  if (<u32>length > available - <u32>LENGTH_OVERHEAD) return TRUNCATED;
  const total = <u32>length + <u32>LENGTH_OVERHEAD;
  if (crc32c(0, at + ATTRIBUTES, total - <u32>ATTRIBUTES) != <u32>getI32(at, CRC)) return CRC_WRONG;
  const attributes = getI16(at, ATTRIBUTES);
  if ((attributes & ~KNOWN_ATTRIBUTES) != 0 || (attributes & CODEC_MASK) > CODEC_ZSTD) return ATTRIBUTES_UNKNOWN;

  const baseOffset = getI64(at, BASE_OFFSET);
  lastOffsetDelta = getI32(at, LAST_OFFSET_DELTA);
  if (baseOffset < 0 || lastOffsetDelta < 0 || baseOffset > MAX_SAFE - lastOffsetDelta) return OFFSET_RANGE;
  baseTimestamp = getI64(at, BASE_TIMESTAMP);
  appendTimestamp = getI64(at, MAX_TIMESTAMP);
  if (!isTimestamp(baseTimestamp) || !isTimestamp(appendTimestamp)) return TIMESTAMP_RANGE;
  isAppendTime = (attributes & LOG_APPEND_TIME) != 0;
  const producerId = getI64(at, PRODUCER_ID);
  const producerEpoch = getI16(at, PRODUCER_EPOCH);
  const baseSequence = getI32(at, BASE_SEQUENCE);
  if (producerId < -1 || producerId > MAX_SAFE || producerEpoch < -1 || baseSequence < -1) return PRODUCER_WRONG;
  const records = getI32(at, RECORD_COUNT);
  // One record per offset at most; fewer, down to none, where the log was compacted.
  if (records < 0 || records - 1 > lastOffsetDelta) return RECORD_COUNT_WRONG;

  batch = at;
  end = at + total;
  position = at + RECORDS;
  previousDelta = -1;
  largestTimestamp = appendTimestamp;
  if ((attributes & CODEC_MASK) == 0) {
    if (<u32>records > (total - <u32>RECORDS) / MIN_RECORD_BYTES) return RECORD_COUNT_WRONG;
    count = records;
    largestTimestamp = -1;
    const fault = checkRecords();
    if (fault != OK) {
      count = 0;
      return fault;
    }
  }
  set(0, <f64>total);
  set(1, <f64>baseOffset);
  set(2, <f64>(baseOffset + lastOffsetDelta));
  set(3, <f64>baseTimestamp);
  set(4, <f64>appendTimestamp);
  set(5, <f64>records);
  set(6, <f64>attributes);
  set(7, <f64>getI32(at, LEADER_EPOCH));
  set(8, <f64>producerId);
  set(9, <f64>producerEpoch);
  set(10, <f64>baseSequence);
  set(11, <f64>largestTimestamp);
  return OK;
}

/** Walks all records once, filling the first page of the table; `nextRows` goes on from behind that page. */
function checkRecords(): i32 {
  let fault = walk(ROWS);
  if (fault != OK) return fault;
  const pageEnd = position;
  const pageIndex = index;
  const pageDelta = previousDelta;
  if (index < count) fault = walk(0);
  if (fault != OK) return fault;
  if (position != end) return TRAILING_BYTES;
  position = pageEnd;
  index = pageIndex;
  previousDelta = pageDelta;
  return OK;
}

/** Fills the table with the records behind those listed before; returns how many. The first page is there after `scan`. */
export function nextRows(): i32 {
  const from = index;
  return walk(ROWS) == OK ? index - from : 0;
}

/** Walks at most `maxRows` records into the table, or all that are left without writing (0). */
function walk(maxRows: i32): i32 {
  const stop = maxRows == 0 || count - index < maxRows ? count : index + maxRows;
  let row = maxRows == 0 ? 0 : rows;
  let p = position;
  let i = index;
  while (i < stop) {
    const length = readVarint(p, end);
    p = behind;
    if (p == 0 || length < 0 || <usize>length > end - p) return RECORD_LENGTH_WRONG;
    const recordEnd = p + <usize>length;
    if (p == recordEnd) return RECORD_LENGTH_WRONG;
    if (load<u8>(p) != 0) return RECORD_ATTRIBUTES_UNKNOWN;

    const timestampDelta = readVarlong(p + 1, recordEnd);
    if (behind == 0) return FIELD_WRONG;
    // No difference of two timestamps is larger; of a smaller one the sum cannot overflow.
    if (timestampDelta > MAX_SAFE + 1 || timestampDelta < -MAX_SAFE - 1) return TIMESTAMP_RANGE;
    let timestamp = baseTimestamp + timestampDelta;
    if (!isTimestamp(timestamp)) return TIMESTAMP_RANGE;
    if (isAppendTime) timestamp = appendTimestamp;
    if (timestamp > largestTimestamp) largestTimestamp = timestamp;

    const delta = readVarint(behind, recordEnd);
    if (behind == 0) return FIELD_WRONG;
    if (delta <= previousDelta || delta > lastOffsetDelta) return OFFSET_ORDER;
    previousDelta = delta;

    const keyLength = readVarint(behind, recordEnd);
    const key = behind;
    if (key == 0 || keyLength < -1 || (keyLength > 0 && <usize>keyLength > recordEnd - key)) return FIELD_WRONG;
    const valueLength = readVarint(key + <usize>max(keyLength, 0), recordEnd);
    const value = behind;
    if (value == 0 || valueLength < -1 || (valueLength > 0 && <usize>valueLength > recordEnd - value)) return FIELD_WRONG;
    const headerCount = readVarint(value + <usize>max(valueLength, 0), recordEnd);
    const headers = behind;
    if (headers == 0) return FIELD_WRONG;
    if (headerCount == 0 ? headers != recordEnd : !areHeaders(headers, recordEnd, headerCount)) return HEADERS_WRONG;

    if (row != 0) {
      store<i32>(row, delta);
      store<u32>(row, <u32>(key - batch), 4);
      store<i32>(row, keyLength, 8);
      store<u32>(row, <u32>(value - batch), 12);
      store<i32>(row, valueLength, 16);
      store<u32>(row, <u32>(headers - batch), 20);
      store<u32>(row, <u32>(recordEnd - headers), 24);
      store<i32>(row, headerCount, 28);
      store<i64>(row, timestamp, 32);
      row += ROW_BYTES;
    }
    p = recordEnd;
    i++;
  }
  position = p;
  index = i;
  return OK;
}

/** Exactly `headerCount` headers with names lie in the range. */
function areHeaders(p: usize, recordEnd: usize, headerCount: i32): bool {
  if (headerCount < 0 || <usize>headerCount > (recordEnd - p) / MIN_HEADER_BYTES) return false;
  for (let i = 0; i < headerCount; i++) {
    const nameLength = readVarint(p, recordEnd);
    p = behind;
    if (p == 0 || nameLength < 0 || <usize>nameLength > recordEnd - p) return false;
    const valueLength = readVarint(p + <usize>nameLength, recordEnd);
    p = behind;
    if (p == 0 || valueLength < -1 || (valueLength > 0 && <usize>valueLength > recordEnd - p)) return false;
    p += <usize>max(valueLength, 0);
  }
  return p == recordEnd;
}
