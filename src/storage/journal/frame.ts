import { crc32 } from 'node:zlib';
import { readU64, viewOf, writeU64 } from '../wal/block.ts';
import type { BodyCheck } from '../wal/wal-store.ts';
import { hasRightSum, OWN_SUM_FROM } from './own-sum.ts';

/**
 * A frame is one entry of one log: `[payload bytes u32 | stripe u32 | log id u64 | payload]`. A block's body is frames
 * without gaps. The block's CRC-32 covers all of the body, so a frame needs none of its own; but of a payload that has
 * one, which the highest bit of its length says, it covers only the front (own-sum.ts).
 */
export const FRAME_HEADER_BYTES = 16;
const OWN_SUM = 0x8000_0000;
const LENGTH = 0x7fff_ffff;
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
  hasOwnSum = false,
): void {
  into.setUint32(offset, hasOwnSum ? payloadBytes + OWN_SUM : payloadBytes);
  into.setUint32(offset + 4, stripe);
  writeU64(into, offset + 8, logId);
}

/** Bytes of the payload of the frame at `offset`. */
export function payloadBytesAt(view: DataView, offset: number): number {
  return view.getUint32(offset) & LENGTH;
}

/** False when the bytes are not frames without gaps. */
export function walkFrames(body: Uint8Array, each: (frame: Frame) => void): boolean {
  const view = viewOf(body);
  let offset = 0;
  while (offset < body.byteLength) {
    const start = offset + FRAME_HEADER_BYTES;
    if (start > body.byteLength) return false;
    const end = start + payloadBytesAt(view, offset);
    if (end > body.byteLength) return false;
    const logId = readU64(view, offset + 8);
    each({ logId, stripe: view.getUint32(offset + 4), payload: body.subarray(start, end), offset });
    offset = end;
  }
  return true;
}

/** Whether the body is frames without gaps, all of them as they were written. */
function matches(body: Uint8Array, sum: number): boolean {
  const view = viewOf(body);
  let offset = 0;
  let from = 0;
  let crc = 0;
  while (offset + FRAME_HEADER_BYTES <= body.byteLength) {
    const start = offset + FRAME_HEADER_BYTES;
    const payloadBytes = payloadBytesAt(view, offset);
    const hasOwnSum = view.getUint32(offset) >= OWN_SUM;
    offset = start + payloadBytes;
    if (!hasOwnSum) continue;
    if (payloadBytes <= OWN_SUM_FROM || offset > body.byteLength) return false;
    crc = crc32(body.subarray(from, start + OWN_SUM_FROM), crc);
    if (!hasRightSum(body.subarray(start, offset))) return false;
    from = offset;
  }
  return offset === body.byteLength && crc32(body.subarray(from), crc) === sum;
}

/** What the journal's blocks are judged by. */
export const frameCheck: BodyCheck = { matches };
