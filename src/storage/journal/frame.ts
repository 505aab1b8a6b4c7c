import { crc32 } from 'node:zlib';
import { readU64, viewOf, writeU64 } from '../wal/block.ts';
import type { BodyCheck } from '../wal/wal-store.ts';

/**
 * A frame is one entry of one log: `[payload bytes u32 | stripe u32 | log id u64 | payload]`. A block's body is frames
 * without gaps. The block's CRC-32 covers all of the body, so a frame needs none of its own.
 */
export const FRAME_HEADER_BYTES = 16;
/** Frames of the journal itself; logs have ids above. */
export const CONTROL_LOG = 0;

export interface Frame {
  readonly logId: number;
  readonly stripe: number;
  readonly payload: Uint8Array;
  /** Of the frame's header, in the bytes it was cut from. */
  readonly offset: number;
}

/** Writes a header at `offset` of what `into` views. */
export function writeFrameHeader(
  into: DataView,
  offset: number,
  logId: number,
  stripe: number,
  payloadBytes: number,
): void {
  into.setUint32(offset, payloadBytes);
  into.setUint32(offset + 4, stripe);
  writeU64(into, offset + 8, logId);
}

/** False when the bytes are not frames without gaps. */
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

function isFrames(body: Uint8Array): boolean {
  const view = viewOf(body);
  let offset = 0;
  while (offset + FRAME_HEADER_BYTES <= body.byteLength) {
    offset += FRAME_HEADER_BYTES + view.getUint32(offset);
  }
  return offset === body.byteLength;
}

/** What the journal's blocks are judged by. */
export const frameCheck: BodyCheck = {
  matches: (body, sum) => crc32(body) === sum && isFrames(body),
};
