// Framing alone, for clients: the same header reader as the broker's data plane, over a memory that the host sizes.
// The host writes a chunk at `inputOffset()` and reads a table of rows [packet, body, end], offsets into that chunk.

import { HEADER_INCOMPLETE, HEADER_MALFORMED, readFrameHeader, remainingLength } from '../lib/frame-header';

const REASON_MALFORMED: i32 = 0x81;
const REASON_PACKET_TOO_LARGE: i32 = 0x95;
const ROW_BYTES: usize = 12;
const ROWS: i32 = 256;

let consumedBytes: i32 = 0;
let needed: i32 = 0;
let reasonCode: i32 = 0;
const table = memory.data(256 * 12, 4);

export function tableOffset(): usize {
  return table;
}

export function inputOffset(): usize {
  return (__heap_base + 15) & ~15;
}

/** Bytes of the frames in the table. */
export function consumed(): i32 {
  return consumedBytes;
}

/** Length of the packet behind them, 0 when its header is not complete. */
export function needBytes(): i32 {
  return needed;
}

/** 0, or what is wrong behind them. */
export function reason(): i32 {
  return reasonCode;
}

/** Cuts `length` bytes of input into at most 256 frames; returns how many. Precondition: they are in memory. */
export function scan(length: i32, maxPacketBytes: u32): i32 {
  const start = inputOffset();
  const end = start + length;
  let p = start;
  let frames = 0;
  needed = 0;
  reasonCode = 0;
  while (frames < ROWS && p < end) {
    const headerLength = readFrameHeader(p, end);
    if (headerLength == HEADER_INCOMPLETE) break;
    if (headerLength == HEADER_MALFORMED) {
      reasonCode = REASON_MALFORMED;
      break;
    }
    const total = headerLength + remainingLength;
    if (<u32>total > maxPacketBytes) {
      reasonCode = REASON_PACKET_TOO_LARGE;
      break;
    }
    if (p + total > end) {
      needed = total;
      break;
    }
    const row = table + <usize>frames * ROW_BYTES;
    store<u32>(row, <u32>(p - start));
    store<u32>(row, <u32>(p - start) + headerLength, 4);
    store<u32>(row, <u32>(p - start) + total, 8);
    p += total;
    frames++;
  }
  consumedBytes = <i32>(p - start);
  return frames;
}
