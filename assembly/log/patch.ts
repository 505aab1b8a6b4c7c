// Fields of a valid batch that are set after it was made: offset and epoch are outside its checksum; the timestamp is
// inside, and the checksum is corrected by what the change adds to it. A batch that was corrupt before stays so.

import { getI16, getI32, setI16, setI32, setI64 } from './batch-fields';
import { crcRemainder } from './crc32c';
import { shiftZeros } from './crc32c-tables';
import {
  ATTRIBUTES, BASE_OFFSET, BATCH_LENGTH, CRC, LEADER_EPOCH, LENGTH_OVERHEAD, LOG_APPEND_TIME, MAX_TIMESTAMP,
} from './layout';

/** Attributes to maximum timestamp: all that a new timestamp touches. */
const CHANGED_BYTES: u32 = 22;
const difference = memory.data(22, 2);

export function patchOffset(at: usize, baseOffset: f64, leaderEpoch: i32): void {
  setI64(at, BASE_OFFSET, <i64>baseOffset);
  setI32(at, LEADER_EPOCH, leaderEpoch);
}

/** The timestamp of all its records becomes `timestampMs`, and the type of it log append time. */
export function patchAppendTime(at: usize, timestampMs: f64): void {
  const from = at + ATTRIBUTES;
  memory.copy(difference, from, CHANGED_BYTES);
  setI16(at, ATTRIBUTES, getI16(at, ATTRIBUTES) | LOG_APPEND_TIME);
  setI64(at, MAX_TIMESTAMP, <i64>timestampMs);
  for (let i: usize = 0; i < CHANGED_BYTES; i++) store<u8>(difference + i, load<u8>(difference + i) ^ load<u8>(from + i));
  const behind = <u32>getI32(at, BATCH_LENGTH) + <u32>LENGTH_OVERHEAD - <u32>ATTRIBUTES - CHANGED_BYTES;
  const change = shiftZeros(crcRemainder(0, difference, CHANGED_BYTES), behind);
  setI32(at, CRC, getI32(at, CRC) ^ <i32>change);
}
