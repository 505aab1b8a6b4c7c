import { crc32 } from 'node:zlib';
import { readU64, viewOf, writeU64 } from '../wal/block.ts';
import type { BodyCheck } from '../wal/wal-store.ts';

/**
 * A frame is one entry of one log: `[payload bytes u32 | stripe u32 | log id u64 | crc u32 | payload]`, the crc over
 * all but itself. A block's body is frames without gaps; its sum is the CRC-32 of their headers, so that a body is
 * checked as a whole while every payload byte is summed once.
 */
export const FRAME_HEADER_BYTES = 20;
/** Frames of the journal itself; logs have ids above. */
export const CONTROL_LOG = 0;

export interface Frame {
  readonly logId: number;
  readonly stripe: number;
  readonly payload: Uint8Array;
  /** Of the frame's header, in the bytes it was cut from. */
  readonly offset: number;
}

/** Writes a header at `offset` of `into`. */
export function writeFrameHeader(
  into: Uint8Array,
  offset: number,
  logId: number,
  stripe: number,
  payload: Uint8Array,
): void {
  const view = new DataView(into.buffer, into.byteOffset + offset, FRAME_HEADER_BYTES);
  view.setUint32(0, payload.byteLength);
  view.setUint32(4, stripe);
  writeU64(view, 8, logId);
  view.setUint32(16, crc32(payload, crc32(into.subarray(offset, offset + 16))));
}

/** Calls `each` for the frames of a body. False when the body is not frames from end to end. */
export function walkFrames(body: Uint8Array, each: (frame: Frame) => void): boolean {
  const view = viewOf(body);
  let offset = 0;
  while (offset < body.byteLength) {
    const start = offset + FRAME_HEADER_BYTES;
    if (start > body.byteLength) return false;
    const end = start + view.getUint32(offset);
    if (end > body.byteLength) return false;
    const logId = readU64(view, offset + 8);
    each({ logId, stripe: view.getUint32(offset + 4), payload: body.subarray(start, end), offset });
    offset = end;
  }
  return true;
}

/** What the journal's blocks are judged by. */
export const frameCheck: BodyCheck = {
  matches(body, sum) {
    const view = viewOf(body);
    let crc = 0;
    let offset = 0;
    while (offset < body.byteLength) {
      const start = offset + FRAME_HEADER_BYTES;
      if (start > body.byteLength) return false;
      const end = start + view.getUint32(offset);
      if (end > body.byteLength) return false;
      crc = crc32(body.subarray(offset, start), crc);
      const own = crc32(body.subarray(start, end), crc32(body.subarray(offset, offset + 16)));
      if (own !== view.getUint32(offset + 16)) return false;
      offset = end;
    }
    return crc === sum;
  },
};
