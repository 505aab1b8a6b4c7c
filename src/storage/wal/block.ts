import { crc32 } from 'node:zlib';
import type { BodyCheck } from './wal-store.ts';

/**
 * The header in front of every block, the same in files and objects. It says where the block belongs, so that bytes
 * from elsewhere never pass for it, and how far the epoch was known to be on stable storage when it was written: a
 * bad block below that was damaged, a bad block behind it may just never have been finished.
 */
export interface BlockHeader {
  readonly epoch: number;
  readonly position: number;
  readonly bodyBytes: number;
  readonly isAnchor: boolean;
  /** All below this position was acknowledged as synced. */
  readonly synced: number;
  readonly sum: number;
}

export const BLOCK_HEADER_BYTES = 44;
export const BLOCK_MAGIC: Uint8Array = Buffer.from('RMQb');
const MAGIC = 0x524d5162;
const ANCHOR = 1;
const TWO_32 = 2 ** 32;

export function writeU64(view: DataView, offset: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  view.setUint32(offset, high);
  view.setUint32(offset + 4, value - high * TWO_32);
}

/** -1 for what is no safe integer: such a value was never written. */
export function readU64(view: DataView, offset: number): number {
  const value = view.getUint32(offset) * TWO_32 + view.getUint32(offset + 4);
  return Number.isSafeInteger(value) ? value : -1;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeBlockHeader(header: BlockHeader): Uint8Array {
  const bytes = new Uint8Array(BLOCK_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, MAGIC);
  view.setUint32(4, header.isAnchor ? ANCHOR : 0);
  writeU64(view, 8, header.epoch);
  writeU64(view, 16, header.position);
  writeU64(view, 24, header.synced);
  view.setUint32(32, header.bodyBytes);
  view.setUint32(36, header.sum);
  view.setUint32(40, crc32(bytes.subarray(0, 40)));
  return bytes;
}

/** undefined unless a whole, undamaged header of this epoch lies at `offset`. */
export function decodeBlockHeader(bytes: Uint8Array, offset: number, epoch: number): BlockHeader | undefined {
  if (bytes.byteLength - offset < BLOCK_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, BLOCK_HEADER_BYTES);
  if (view.getUint32(0) !== MAGIC) return undefined;
  if (view.getUint32(40) !== crc32(bytes.subarray(offset, offset + 40))) return undefined;
  if (readU64(view, 8) !== epoch) return undefined;
  return {
    epoch,
    position: readU64(view, 16),
    synced: readU64(view, 24),
    bodyBytes: view.getUint32(32),
    sum: view.getUint32(36),
    isAnchor: (view.getUint32(4) & ANCHOR) !== 0,
  };
}

export function bytesOf(views: readonly Uint8Array[]): number {
  let sum = 0;
  for (const view of views) sum += view.byteLength;
  return sum;
}

export function crcOf(views: readonly Uint8Array[]): number {
  let crc = 0;
  for (const view of views) crc = crc32(view, crc);
  return crc;
}

export const crcCheck: BodyCheck = {
  matches: (body, sum) => crc32(body) === sum,
};
