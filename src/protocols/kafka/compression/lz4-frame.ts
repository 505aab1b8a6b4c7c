/**
 * LZ4 frames. Read: all but those that want a dictionary; checksums that are there must be right. Written: independent blocks of
 * 64 KiB without checksums, which every consumer reads.
 */
import type { Codec, DecompressionFault } from './codec.ts';
import { compressLz4Block, decompressLz4Block, maxLz4BlockBytes } from './lz4-block.ts';
import { xxh32 } from './xxh32.ts';

const MAGIC = 0x184d_2204;
const Flag = {
  version: 0xc0,
  version1: 0x40,
  independent: 0x20,
  blockSum: 0x10,
  size: 8,
  sum: 4,
  reserved: 2,
  dictionary: 1,
} as const;
/** In a block's length: its bytes are as they are. */
const STORED = 0x8000_0000;
/** By the number in the frame's descriptor. */
const BLOCK_BYTES: Readonly<Record<number, number>> = { 4: 65_536, 5: 262_144, 6: 1_048_576, 7: 4_194_304 };
const OUR_BLOCK = 4;
const OUR_BLOCK_BYTES = 65_536;
const HEADER_BYTES = 7;
const FIRST_ROOM = 65_536;

interface Frame {
  readonly flags: number;
  readonly blockBytes: number;
  /** Where the blocks start. */
  readonly at: number;
}

function frameOf(bytes: Uint8Array, view: DataView): Frame | undefined {
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) return undefined;
  const flags = bytes[4] as number;
  const blockBytes = BLOCK_BYTES[((bytes[5] as number) >> 4) & 7];
  const isOurs =
    (flags & Flag.version) === Flag.version1 && (flags & (Flag.reserved | Flag.dictionary)) === 0;
  const sumAt = flags & Flag.size ? 14 : 6;
  if (!isOurs || blockBytes === undefined || sumAt >= bytes.length) return undefined;
  if (((xxh32(bytes.subarray(4, sumAt)) >> 8) & 255) !== bytes[sumAt]) return undefined;
  return { flags, blockBytes, at: sumAt + 1 };
}

/** A larger array with the same start, of at least `least` bytes and at most `most`. */
function grown(bytes: Uint8Array, least: number, most: number): Uint8Array {
  if (least <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.min(most, Math.max(least, bytes.length * 2, FIRST_ROOM)));
  larger.set(bytes);
  return larger;
}

function decompress(bytes: Uint8Array, maxBytes: number): Uint8Array | DecompressionFault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frame = frameOf(bytes, view);
  if (frame === undefined) return 'corrupt';
  const { flags, blockBytes } = frame;
  const sumBytes = flags & Flag.blockSum ? 4 : 0;
  let { at } = frame;
  let result: Uint8Array = new Uint8Array(0);
  let length = 0;
  for (;;) {
    if (bytes.length - at < 4) return 'corrupt';
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const size = word % STORED;
    if (size > blockBytes || size + sumBytes > bytes.length - at) return 'corrupt';
    const end = at + size;
    if (sumBytes > 0 && xxh32(bytes.subarray(at, end)) !== view.getUint32(end, true)) return 'corrupt';
    const room = word >= STORED ? size : Math.min(blockBytes, size * 255);
    result = grown(result, Math.min(maxBytes, length + room), maxBytes);
    if (word >= STORED) {
      if (size > maxBytes - length) return 'too-large';
      result.set(bytes.subarray(at, end), length);
      length += size;
    } else {
      const limit = Math.min(result.length, length + room);
      const to = decompressLz4Block(bytes, [at, end], result, [length, limit]);
      if (to < 0) return limit < length + room ? 'too-large' : 'corrupt';
      length = to;
    }
    at = end + sumBytes;
  }
  const sumAt = at;
  if (flags & Flag.sum) at += 4;
  if (at !== bytes.length) return 'corrupt';
  result = result.subarray(0, length);
  if (flags & Flag.sum && xxh32(result) !== view.getUint32(sumAt, true)) return 'corrupt';
  return result;
}

function compress(bytes: Uint8Array): Uint8Array {
  const blocks = Math.ceil(bytes.length / OUR_BLOCK_BYTES);
  const result = new Uint8Array(
    HEADER_BYTES + bytes.length + blocks * (maxLz4BlockBytes(OUR_BLOCK_BYTES) - OUR_BLOCK_BYTES + 4) + 4,
  );
  const view = new DataView(result.buffer);
  view.setUint32(0, MAGIC, true);
  result[4] = Flag.version1 | Flag.independent;
  result[5] = OUR_BLOCK << 4;
  result[6] = (xxh32(result.subarray(4, 6)) >> 8) & 255;
  let at = HEADER_BYTES;
  for (let from = 0; from < bytes.length; from += OUR_BLOCK_BYTES) {
    const to = Math.min(from + OUR_BLOCK_BYTES, bytes.length);
    const end = compressLz4Block(bytes, [from, to], result, at + 4);
    if (end - at - 4 < to - from) {
      view.setUint32(at, end - at - 4, true);
      at = end;
    } else {
      view.setUint32(at, STORED + to - from, true);
      result.set(bytes.subarray(from, to), at + 4);
      at += 4 + to - from;
    }
  }
  view.setUint32(at, 0, true);
  return result.slice(0, at + 4);
}

export const lz4: Codec = { decompress, compress };
