import { BLOCK_HEADER_BYTES, BLOCK_MAGIC, decodeBlockHeader, readU64, viewOf } from '../wal/block.ts';
import type { RawBytes } from '../wal/raw-bytes.ts';
import { WalCorrupt, type WalStore } from '../wal/wal-store.ts';
import { FRAME_HEADER_BYTES, type Frame, payloadBytesAt } from './frame.ts';

/** A stretch of an epoch that cannot be read. */
export interface Loss {
  readonly epoch: number;
  /** In the epoch. */
  readonly position: number;
  readonly bytes: number;
  /** What was there, by headers that were not checked either; a last one can be cut short. */
  readonly frames: readonly Pick<Frame, 'logId' | 'payload'>[];
  /** False when there can have been more than `frames`. */
  readonly isAllTold: boolean;
}

const READ_BYTES = 1024 * 1024;
/** As much as one block can have, so that what begins behind a damaged one is found. */
const MAX_RAW_BYTES = 64 * 1024 * 1024;

/** Stretches between `from` and `until` that cannot be read, in order. Without an `until`, up to the end of the file. */
export async function findLosses(
  wal: WalStore,
  walId: string,
  raw: RawBytes,
  epoch: number,
  from: number,
  until: number,
): Promise<Loss[]> {
  const losses: Loss[] = [];
  for (let at = from; at < until; ) {
    try {
      at = (await wal.read(walId, epoch, at, until, READ_BYTES)).at(-1)?.end ?? until;
    } catch (error) {
      if (!(error instanceof WalCorrupt)) throw error;
      const loss = surveyLoss(await raw(epoch, at, Math.min(MAX_RAW_BYTES, until - at)), epoch, at, until);
      if (loss.bytes === 0) break;
      losses.push(loss);
      at += loss.bytes;
    }
  }
  return losses;
}

/** What `bytes`, which lie at `position`, say of themselves: up to the next whole header, or else up to `until`. */
export function surveyLoss(bytes: Uint8Array, epoch: number, position: number, until: number): Loss {
  const header = decodeBlockHeader(bytes, 0, epoch);
  const next = nextHeader(bytes, epoch, position);
  const wanted = Number.isFinite(until) ? until - position : bytes.byteLength;
  const lossBytes = next ?? Math.max(wanted, bytes.byteLength);
  const blockBytes = BLOCK_HEADER_BYTES + (header?.bodyBytes ?? lossBytes - BLOCK_HEADER_BYTES);
  const body = bytes.subarray(BLOCK_HEADER_BYTES, Math.min(blockBytes, next ?? bytes.byteLength));
  const isCut = blockBytes > bytes.byteLength;
  const { frames, isWhole } = framesIn(body, isCut);
  return { epoch, position, bytes: lossBytes, frames, isAllTold: isWhole && blockBytes === lossBytes };
}

/** `isCut`: the last one is not all here. Where frames do not follow each other, what comes is not told. */
function framesIn(body: Uint8Array, isCut: boolean): { frames: Loss['frames']; isWhole: boolean } {
  const view = viewOf(body);
  const frames: Loss['frames'][number][] = [];
  for (let offset = 0; offset + FRAME_HEADER_BYTES <= body.byteLength; ) {
    const start = offset + FRAME_HEADER_BYTES;
    const end = start + payloadBytesAt(view, offset);
    const logId = readU64(view, offset + 8);
    if (logId < 0 || (end > body.byteLength && !isCut)) break;
    frames.push({ logId, payload: body.subarray(start, end) });
    if (end === body.byteLength) return { frames, isWhole: !isCut };
    offset = end;
  }
  return { frames, isWhole: false };
}

/** Offset of the first whole header behind the first byte that belongs where it lies. */
function nextHeader(bytes: Uint8Array, epoch: number, position: number): number | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let found = buffer.indexOf(BLOCK_MAGIC, 1);
  while (found !== -1) {
    if (decodeBlockHeader(bytes, found, epoch)?.position === position + found) return found;
    found = buffer.indexOf(BLOCK_MAGIC, found + 1);
  }
  return undefined;
}
