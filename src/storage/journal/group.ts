import { crc32 } from 'node:zlib';
import { copyBytes } from '../../wasm/copy-bytes.ts';
import { readU64, viewOf } from '../wal/block.ts';
import { CONTROL_LOG, FRAME_HEADER_BYTES, payloadBytesAt, writeFrameHeader } from './frame.ts';
import { type GroupMemory, type Lendable, type Room, unpooledMemory } from './group-memory.ts';
import { OWN_SUM_FROM } from './own-sum.ts';

export interface Entry {
  /** A safe integer above 0. */
  readonly logId: number;
  readonly stripe: number;
  readonly payload: Uint8Array;
  /** Its memory is used for something else once the append has resolved. */
  readonly isBorrowed?: boolean;
  /** It is a record batch whose checksum is right. */
  readonly hasOwnSum?: boolean;
}

export interface JournalRecord extends Pick<Entry, 'logId' | 'stripe' | 'payload'> {
  readonly position: number;
}

/** A payload that is not behind its header, and where that is. */
export interface Apart {
  readonly at: number;
  readonly payload: Uint8Array;
}

/** The frames of a block, as they lie on disk or as they were handed over. */
export interface Body {
  readonly bytes: Uint8Array;
  /** Payloads that were not copied into `bytes`, in order; undefined where all are in it. */
  readonly large: readonly Apart[] | undefined;
  /** Of the first frame. */
  readonly position: number;
  /** Whose memory `bytes` is, where it will be used again. */
  readonly lender?: Lendable;
}

export interface Group {
  /** What is written, in order. */
  readonly views: readonly Uint8Array[];
  readonly sum: number;
  readonly body: Body;
  /** Bytes of memory that the body keeps. */
  readonly bodyBytes: number;
  readonly frames: number;
  readonly room: Room;
}

/** What was appended as one: `positions` becomes those of its entries. */
export interface Part {
  readonly entries: readonly Entry[];
  positions: number[];
}

/** Below this a copy costs less than one more view in the write. */
const COPY_BYTES = 16 * 1024;
/** Below this a call for a second checksum costs more than to sum up all of it. */
const OWN_SUM_BYTES = 4 * 1024;

const isCopied = ({ payload, isBorrowed }: Entry): boolean =>
  isBorrowed === true || payload.byteLength < COPY_BYTES;

/** Lays out the parts one after the other as a body whose first frame will be at `position`. */
export function buildGroup(
  parts: readonly Part[],
  position: number,
  memory: GroupMemory = unpooledMemory,
): Group {
  let ownBytes = 0;
  for (const { entries } of parts) {
    for (const entry of entries) {
      ownBytes += FRAME_HEADER_BYTES + (isCopied(entry) ? entry.payload.byteLength : 0);
    }
  }
  const room = memory.take(ownBytes);
  const own = room.bytes;
  const header = viewOf(own);
  const views: Uint8Array[] = [];
  let large: Apart[] | undefined;
  /** Up to where `own` is in the views, and in the sum. */
  let from = 0;
  let summed = 0;
  let sum = 0;
  let at = 0;
  let frame = position;
  let frames = 0;
  for (const part of parts) {
    const { entries } = part;
    frames += entries.length;
    let positions: number[] | undefined;
    for (const entry of entries) {
      const { logId, stripe, payload } = entry;
      const bytes = payload.byteLength;
      const hasOwnSum = entry.hasOwnSum === true && bytes >= OWN_SUM_BYTES;
      writeFrameHeader(header, at, logId, stripe, bytes, hasOwnSum);
      at += FRAME_HEADER_BYTES;
      if (isCopied(entry)) {
        copyBytes(payload, own, at);
        if (hasOwnSum) {
          sum = crc32(own.subarray(summed, at + OWN_SUM_FROM), sum);
          summed = at + bytes;
        }
        at += bytes;
      } else {
        sum = crc32(own.subarray(summed, at), sum);
        sum = crc32(hasOwnSum ? payload.subarray(0, OWN_SUM_FROM) : payload, sum);
        summed = at;
        views.push(own.subarray(from, at), payload);
        large ??= [];
        large.push({ at: at - FRAME_HEADER_BYTES, payload });
        from = at;
      }
      // Most have one entry: an array of one is much smaller than one that has grown by one.
      if (positions === undefined) positions = [frame];
      else positions.push(frame);
      frame += FRAME_HEADER_BYTES + bytes;
    }
    part.positions = positions ?? [];
  }
  if (at > from) views.push(from === 0 ? own : own.subarray(from, at));
  if (at > summed) sum = crc32(summed === 0 ? own : own.subarray(summed, at), sum);
  return {
    views,
    sum,
    body: { bytes: own, large, position, lender: room },
    bodyBytes: frame - position,
    frames,
    room,
  };
}

/** By log: place in the body's own bytes, distance from its position, and number of the large payload or -1; of each frame in turn. */
export type FramesByLog = ReadonlyMap<number, readonly number[]>;

const FRAME_WORDS = 3;

/** Made once for what is read by many: a walk over all frames for each log that has some among them adds up. */
export function framesByLog({ bytes, large }: Body): FramesByLog {
  const view = viewOf(bytes);
  const logs = new Map<number, number[]>();
  let distance = 0;
  let largeIndex = 0;
  for (let at = 0; at < bytes.byteLength; ) {
    const payloadBytes = payloadBytesAt(view, at);
    const isLarge = large?.[largeIndex]?.at === at;
    const logId = readU64(view, at + 8);
    const frames = logs.get(logId);
    if (frames === undefined) logs.set(logId, [at, distance, isLarge ? largeIndex : -1]);
    else frames.push(at, distance, isLarge ? largeIndex : -1);
    if (isLarge) largeIndex++;
    at += FRAME_HEADER_BYTES + (isLarge ? 0 : payloadBytes);
    distance += FRAME_HEADER_BYTES + payloadBytes;
  }
  return logs;
}

/** As `collectRecords`, of one log whose frames are known. */
export function collectListed(
  { bytes, large, position }: Body,
  frames: readonly number[],
  logId: number,
  from: number,
  maxBytes: number,
  into: JournalRecord[],
): number {
  let low = 0;
  let high = frames.length / FRAME_WORDS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (position + (frames[middle * FRAME_WORDS + 1] as number) < from) low = middle + 1;
    else high = middle;
  }
  const view = viewOf(bytes);
  let taken = 0;
  for (let i = low * FRAME_WORDS; i < frames.length && taken < maxBytes; i += FRAME_WORDS) {
    const at = frames[i] as number;
    const start = at + FRAME_HEADER_BYTES;
    const payloadBytes = payloadBytesAt(view, at);
    const payload = large?.[frames[i + 2] as number]?.payload ?? bytes.subarray(start, start + payloadBytes);
    into.push({
      logId,
      stripe: view.getUint32(at + 4),
      payload,
      position: position + (frames[i + 1] as number),
    });
    taken += payloadBytes;
  }
  return taken;
}

/**
 * Adds to `into` the records of a log, or of all logs, from a position on, until they have `maxBytes` of payload.
 * Returns the bytes that were added.
 */
export function collectRecords(
  { bytes, large, position }: Body,
  logId: number | undefined,
  from: number,
  maxBytes: number,
  into: JournalRecord[],
): number {
  const view = viewOf(bytes);
  let taken = 0;
  let frame = position;
  let largeIndex = 0;
  for (let at = 0; at < bytes.byteLength && taken < maxBytes; ) {
    const payloadBytes = payloadBytesAt(view, at);
    const isLarge = large?.[largeIndex]?.at === at;
    const id = readU64(view, at + 8);
    const start = at + FRAME_HEADER_BYTES;
    const apart = isLarge ? large[largeIndex++]?.payload : undefined;
    if (frame >= from && (logId === undefined ? id !== CONTROL_LOG : id === logId)) {
      const payload = apart ?? bytes.subarray(start, start + payloadBytes);
      into.push({ logId: id, stripe: view.getUint32(at + 4), payload, position: frame });
      taken += payloadBytes;
    }
    at = start + (isLarge ? 0 : payloadBytes);
    frame += FRAME_HEADER_BYTES + payloadBytes;
  }
  return taken;
}
