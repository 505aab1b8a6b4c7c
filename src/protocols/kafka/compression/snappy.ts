/** Snappy: bare blocks, and blocks in the framing of the Java library, which producers in Java send. We write the latter. */
import type { Codec, DecompressionFault } from './codec.ts';
import { copyLiterals, copyMatch } from './copy.ts';
import { eachMatch } from './matches.ts';

/** Magic, version 1, compatible with version 1. */
const FRAMING = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1);
const MAGIC_BYTES = 8;
const BLOCK_BYTES = 32_768;
/** No three bytes make more than 64. */
const MAX_RATIO = 22;

interface Block {
  /** Where its elements start. */
  readonly at: number;
  readonly end: number;
  readonly length: number;
}

/** The block in a range, whose length is before it; undefined if that cannot be. */
function blockIn(bytes: Uint8Array, from: number, end: number): Block | undefined {
  let length = 0;
  let at = from;
  for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
    if (at >= end) return undefined;
    const byte = bytes[at++] as number;
    length += (byte & 127) * scale;
    if (byte < 128) return length > (end - at) * MAX_RATIO ? undefined : { at, end, length };
  }
  return undefined;
}

/** Little-endian, of one to four bytes. */
function littleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
  return value;
}

/** Fills exactly `block.length` bytes of `to`; false if the block has other ideas. */
function decompressBlock(bytes: Uint8Array, block: Block, to: Uint8Array, start: number): boolean {
  const { end } = block;
  const stop = start + block.length;
  let at = block.at;
  let out = start;
  while (at < end) {
    const tag = bytes[at++] as number;
    if ((tag & 3) === 0) {
      let length = (tag >> 2) + 1;
      if (length > 60) {
        const size = length - 60;
        if (size > end - at) return false;
        length = littleEndian(bytes, at, size) + 1;
        at += size;
      }
      if (length > end - at || length > stop - out) return false;
      copyLiterals(bytes, at, to, out, length);
      at += length;
      out += length;
      continue;
    }
    const size = (tag & 3) === 3 ? 4 : tag & 3;
    if (size > end - at) return false;
    let distance = littleEndian(bytes, at, size);
    let length = (tag >> 2) + 1;
    if (size === 1) {
      distance += (tag >> 5) << 8;
      length = ((tag >> 2) & 7) + 4;
    }
    at += size;
    if (distance === 0 || distance > out - start || length > stop - out) return false;
    copyMatch(to, out, distance, length);
    out += length;
  }
  return out === stop;
}

const isFramed = (bytes: Uint8Array): boolean =>
  bytes.length >= FRAMING.length && FRAMING.subarray(0, MAGIC_BYTES).every((byte, i) => bytes[i] === byte);

function blocksOf(bytes: Uint8Array): Block[] | undefined {
  if (!isFramed(bytes)) {
    const block = blockIn(bytes, 0, bytes.length);
    return block && [block];
  }
  const blocks: Block[] = [];
  for (let at = FRAMING.length; at < bytes.length; ) {
    if (bytes.length - at < 4) return undefined;
    const size = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    at += 4;
    if (size > bytes.length - at) return undefined;
    const block = blockIn(bytes, at, at + size);
    if (block === undefined) return undefined;
    blocks.push(block);
    at += size;
  }
  return blocks;
}

function decompress(bytes: Uint8Array, maxBytes: number): Uint8Array | DecompressionFault {
  const blocks = blocksOf(bytes);
  if (blocks === undefined) return 'corrupt';
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  if (length > maxBytes) return 'too-large';
  const result = new Uint8Array(length);
  let at = 0;
  for (const block of blocks) {
    if (!decompressBlock(bytes, block, result, at)) return 'corrupt';
    at += block.length;
  }
  return result;
}

/** Writes a block of the range behind its length; returns where it ends. */
function compressBlock(bytes: Uint8Array, range: readonly [number, number], to: Uint8Array, start: number) {
  let at = start;
  let rest = range[1] - range[0];
  for (; rest >= 128; rest >>>= 7) to[at++] = (rest & 127) | 128;
  to[at++] = rest;
  eachMatch(bytes, range, { tail: 4, last: 0 }, (literalsAt, literals, distance, length) => {
    if (literals > 60) {
      to[at++] = 61 << 2;
      to[at++] = (literals - 1) & 255;
      to[at++] = (literals - 1) >> 8;
    } else if (literals > 0) {
      to[at++] = (literals - 1) << 2;
    }
    copyLiterals(bytes, literalsAt, to, at, literals);
    at += literals;
    for (let left = length; left > 0; left -= 64) {
      to[at++] = ((Math.min(left, 64) - 1) << 2) | 2;
      to[at++] = distance & 255;
      to[at++] = distance >> 8;
    }
  });
  return at;
}

function compress(bytes: Uint8Array): Uint8Array {
  const blocks = Math.ceil(bytes.length / BLOCK_BYTES);
  // Long runs of literals cost three bytes more each; a sixth is what the format's own library reckons with.
  const result = new Uint8Array(FRAMING.length + Math.ceil((bytes.length * 7) / 6) + blocks * 36);
  const view = new DataView(result.buffer);
  result.set(FRAMING);
  let at = FRAMING.length;
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const end = compressBlock(bytes, [from, Math.min(from + BLOCK_BYTES, bytes.length)], result, at + 4);
    view.setUint32(at, end - at - 4);
    at = end;
  }
  return result.slice(0, at);
}

export const snappy: Codec = { decompress, compress };
