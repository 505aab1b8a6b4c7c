/**
 * Batches under construction. Each is a block: its state, room for the batch header, then the records so far. Appending
 * writes a record's framing and says where the host puts key, value and headers, so that each is copied once.
 * The block moves when it grows: the host keeps the address of the last call.
 */
import { classFor, release } from '../lib/heap';
import { setI16, setI32, setI64 } from './batch-fields';
import { growBlock, takeBlock } from './blocks';
import { crc32c } from './crc32c';
import {
  ATTRIBUTES, BASE_OFFSET, BASE_SEQUENCE, BASE_TIMESTAMP, BATCH_LENGTH, CRC, LAST_OFFSET_DELTA, LEADER_EPOCH,
  LENGTH_OVERHEAD, MAGIC, MAGIC_2, MAX_TIMESTAMP, PRODUCER_EPOCH, PRODUCER_ID, RECORDS, RECORD_COUNT,
} from './layout';
import { varintBytes, writeVarint } from './varint';

const SIZE_CLASS: usize = 0;
/** Bytes of the batch, header included. */
const USED: usize = 4;
const COUNT: usize = 8;
const FIRST_TIMESTAMP: usize = 16;
const LARGEST_TIMESTAMP: usize = 24;
const BATCH: usize = 32;

const FIRST_BYTES: u32 = 4096;

const APPENDED: i32 = 0;
const FULL: i32 = 1;
const NO_MEMORY: i32 = 2;

/** Block, then where key, value and headers of the last record go. */
const placed = memory.data(16, 4);

export function placedOffset(): usize {
  return placed;
}

/** Address of a batch without records; 0 = no room. */
export function beginBatch(): usize {
  const block = takeBlock(FIRST_BYTES);
  if (block == 0) return 0;
  store<u32>(block, classFor(FIRST_BYTES), SIZE_CLASS);
  store<u32>(block, <u32>RECORDS, USED);
  store<u32>(block, 0, COUNT);
  return block;
}

export function discardBatch(block: usize): void {
  release(<u32>block, load<u32>(block, SIZE_CLASS));
}

@inline
function fieldBytes(length: i32): u64 {
  return <u64>varintBytes(length) + <u64>max(length, 0);
}

/**
 * Makes room for one record. Lengths of -1 say null; `headersBytes` of wire form have `headerCount` headers. A record that
 * leads to more than `maxBytes` of batch, or does not fit the memory, changes nothing.
 */
export function appendRecord(
  block: usize, timestampMs: f64, keyLength: i32, valueLength: i32, headerCount: i32, headersBytes: i32, maxBytes: u32,
): i32 {
  const used = load<u32>(block, USED);
  const records = load<u32>(block, COUNT);
  const timestamp = <i64>timestampMs;
  const timestampDelta = records == 0 ? 0 : timestamp - load<i64>(block, FIRST_TIMESTAMP);
  const bodyBytes: u64 =
    1 + <u64>varintBytes(timestampDelta) + <u64>varintBytes(records) + fieldBytes(keyLength) + fieldBytes(valueLength) +
    <u64>varintBytes(headerCount) + <u64>headersBytes;
  const total = <u64>used + <u64>varintBytes(bodyBytes) + bodyBytes;
  if (total > <u64>maxBytes) return FULL;
  const sizeClass = load<u32>(block, SIZE_CLASS);
  const needed = <u32>total + <u32>BATCH;
  if (needed > <u32>1 << sizeClass) {
    block = growBlock(block, sizeClass, needed, used + <u32>BATCH);
    if (block == 0) return NO_MEMORY;
    store<u32>(block, classFor(needed), SIZE_CLASS);
  }

  let p = writeVarint(block + BATCH + used, <i64>bodyBytes);
  store<u8>(p, 0);
  p = writeVarint(p + 1, timestampDelta);
  p = writeVarint(p, records);
  p = writeVarint(p, keyLength);
  const key = p;
  p = writeVarint(p + <usize>max(keyLength, 0), valueLength);
  const value = p;
  p = writeVarint(p + <usize>max(valueLength, 0), headerCount);
  store<u32>(placed, <u32>block);
  store<u32>(placed, <u32>key, 4);
  store<u32>(placed, <u32>value, 8);
  store<u32>(placed, <u32>p, 12);

  if (records == 0) {
    store<i64>(block, timestamp, FIRST_TIMESTAMP);
    store<i64>(block, timestamp, LARGEST_TIMESTAMP);
  } else if (timestamp > load<i64>(block, LARGEST_TIMESTAMP)) {
    store<i64>(block, timestamp, LARGEST_TIMESTAMP);
  }
  store<u32>(block, <u32>total, USED);
  store<u32>(block, records + 1, COUNT);
  return APPENDED;
}

export function batchBytes(block: usize): u32 {
  return load<u32>(block, USED);
}

/** Writes the header in front of the records and returns where the batch starts. Precondition: it has records. */
export function finishBatch(block: usize, baseOffset: f64, leaderEpoch: i32): usize {
  const at = block + BATCH;
  const used = load<u32>(block, USED);
  const records = <i32>load<u32>(block, COUNT);
  assert(records > 0);
  setI64(at, BASE_OFFSET, <i64>baseOffset);
  setI32(at, BATCH_LENGTH, <i32>(used - <u32>LENGTH_OVERHEAD));
  setI32(at, LEADER_EPOCH, leaderEpoch);
  store<u8>(at + MAGIC, <u8>MAGIC_2);
  setI16(at, ATTRIBUTES, 0);
  setI32(at, LAST_OFFSET_DELTA, records - 1);
  setI64(at, BASE_TIMESTAMP, load<i64>(block, FIRST_TIMESTAMP));
  setI64(at, MAX_TIMESTAMP, load<i64>(block, LARGEST_TIMESTAMP));
  setI64(at, PRODUCER_ID, -1);
  setI16(at, PRODUCER_EPOCH, -1);
  setI32(at, BASE_SEQUENCE, -1);
  setI32(at, RECORD_COUNT, records);
  setI32(at, CRC, <i32>crc32c(0, at + ATTRIBUTES, used - <u32>ATTRIBUTES));
  return at;
}
