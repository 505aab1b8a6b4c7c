import { crc32 } from 'node:zlib';
import { BLOCK_HEADER_BYTES } from '../wal/block.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from './frame.ts';

export interface Entry {
  /** A safe integer above 0. */
  readonly logId: number;
  readonly stripe: number;
  readonly payload: Uint8Array;
}

export interface JournalRecord extends Entry {
  readonly position: number;
}

export interface Group {
  /** What is written, in order. */
  readonly views: readonly Uint8Array[];
  readonly sum: number;
  /** As readers see them; small payloads are copies. */
  readonly records: readonly JournalRecord[];
}

/** Below this a copy costs less than one more view in the write. */
const COPY_BYTES = 16 * 1024;

/** Lays out entries as the body of a block whose header will be at `position`. */
export function buildGroup(entries: readonly Entry[], position: number): Group {
  let ownBytes = 0;
  for (const { payload } of entries) {
    ownBytes += FRAME_HEADER_BYTES + (payload.byteLength < COPY_BYTES ? payload.byteLength : 0);
  }
  const own = Buffer.allocUnsafeSlow(ownBytes);
  const views: Uint8Array[] = [];
  const records: JournalRecord[] = [];
  let from = 0;
  let at = 0;
  let frame = position + BLOCK_HEADER_BYTES;
  let sum = 0;
  for (const { logId, stripe, payload } of entries) {
    writeFrameHeader(own, at, logId, stripe, payload);
    sum = crc32(own.subarray(at, at + FRAME_HEADER_BYTES), sum);
    at += FRAME_HEADER_BYTES;
    let kept = payload;
    if (payload.byteLength < COPY_BYTES) {
      own.set(payload, at);
      kept = own.subarray(at, at + payload.byteLength);
      at += payload.byteLength;
    } else {
      views.push(own.subarray(from, at), payload);
      from = at;
    }
    records.push({ logId, stripe, payload: kept, position: frame });
    frame += FRAME_HEADER_BYTES + payload.byteLength;
  }
  if (at > from) views.push(own.subarray(from, at));
  return { views, sum, records };
}
