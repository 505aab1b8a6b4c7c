import { crcOf, readU64, viewOf } from '../wal/block.ts';
import { CONTROL_LOG, FRAME_HEADER_BYTES, writeFrameHeader } from './frame.ts';

export interface Entry {
  /** A safe integer above 0. */
  readonly logId: number;
  readonly stripe: number;
  readonly payload: Uint8Array;
}

export interface JournalRecord extends Entry {
  readonly position: number;
}

/** The frames of a block, as they lie on disk or as they were handed over. */
export interface Body {
  readonly bytes: Uint8Array;
  /** Payloads that were not copied into `bytes`, in order; undefined where all are in it. */
  readonly large: readonly Uint8Array[] | undefined;
  /** Of the first frame. */
  readonly position: number;
}

export interface Group {
  /** What is written, in order. */
  readonly views: readonly Uint8Array[];
  readonly sum: number;
  readonly body: Body;
  /** Bytes of memory that the body keeps. */
  readonly bodyBytes: number;
}

/** What was appended as one: `positions` becomes those of its entries. */
export interface Part {
  readonly entries: readonly Entry[];
  positions: number[];
}

/** Below this a copy costs less than one more view in the write. */
const COPY_BYTES = 16 * 1024;

/** Lays out the parts one after the other as a body whose first frame will be at `position`. */
export function buildGroup(parts: readonly Part[], position: number): Group {
  let ownBytes = 0;
  for (const { entries } of parts) {
    for (const { payload } of entries) {
      ownBytes += FRAME_HEADER_BYTES + (payload.byteLength < COPY_BYTES ? payload.byteLength : 0);
    }
  }
  const own = Buffer.allocUnsafeSlow(ownBytes);
  const header = viewOf(own);
  const views: Uint8Array[] = [];
  const large: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  let frame = position;
  for (const part of parts) {
    const { entries } = part;
    let positions: number[] | undefined;
    for (const { logId, stripe, payload } of entries) {
      const bytes = payload.byteLength;
      writeFrameHeader(header, at, logId, stripe, bytes);
      at += FRAME_HEADER_BYTES;
      if (bytes < COPY_BYTES) {
        own.set(payload, at);
        at += bytes;
      } else {
        views.push(own.subarray(from, at), payload);
        large.push(payload);
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
  return {
    views,
    sum: crcOf(views),
    body: { bytes: own, large, position },
    bodyBytes: frame - position,
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
    const payloadBytes = view.getUint32(at);
    const isLarge = large !== undefined && payloadBytes >= COPY_BYTES;
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
    const payloadBytes = view.getUint32(at);
    const payload = large?.[frames[i + 2] as number] ?? bytes.subarray(start, start + payloadBytes);
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
    const payloadBytes = view.getUint32(at);
    const isLarge = large !== undefined && payloadBytes >= COPY_BYTES;
    const id = readU64(view, at + 8);
    const start = at + FRAME_HEADER_BYTES;
    const apart = isLarge ? large[largeIndex++] : undefined;
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
