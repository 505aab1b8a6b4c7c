/** LZ4 blocks: literals and repetitions, without lengths or checksums of their own. */
import { copyLiterals, copyMatch } from './copy.ts';
import { eachMatch } from './matches.ts';

const MIN_MATCH = 4;
/** What the format says of a block's end: its last bytes are literals, and no repetition starts in the last twelve. */
const END = { tail: 12, last: 5 };

/**
 * Decompresses `[from, end)` of `bytes` into `to` at `start`, up to `limit`; repetitions may reach back to the beginning of `to`.
 * Where it ends, or -1 if the block is not one or does not fit.
 */
export function decompressLz4Block(
  bytes: Uint8Array,
  [from, end]: readonly [number, number],
  to: Uint8Array,
  [start, limit]: readonly [number, number],
): number {
  let at = from;
  let out = start;
  while (at < end) {
    const token = bytes[at++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (at >= end) return -1;
        more = bytes[at++] as number;
      }
    }
    if (literals > end - at || literals > limit - out) return -1;
    copyLiterals(bytes, at, to, out, literals);
    at += literals;
    out += literals;
    if (at === end) return out;
    if (end - at < 2) return -1;
    const distance = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    at += 2;
    let length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      for (let more = 255; more === 255; length += more) {
        if (at >= end) return -1;
        more = bytes[at++] as number;
      }
    }
    if (distance === 0 || distance > out || length > limit - out) return -1;
    copyMatch(to, out, distance, length);
    out += length;
  }
  // A block ends with literals, if only none.
  return -1;
}

export const maxLz4BlockBytes = (length: number): number => length + Math.ceil(length / 255) + 16;

/** Compresses a range into `to`, which has room for `maxLz4BlockBytes`; returns where it ends. */
export function compressLz4Block(
  bytes: Uint8Array,
  range: readonly [number, number],
  to: Uint8Array,
  start: number,
): number {
  let at = start;
  const more = (length: number): void => {
    let rest = length - 15;
    for (; rest >= 255; rest -= 255) to[at++] = 255;
    to[at++] = rest;
  };
  eachMatch(bytes, range, END, (literalsAt, literals, distance, length) => {
    const extra = length - MIN_MATCH;
    to[at++] = (Math.min(literals, 15) << 4) | (length === 0 ? 0 : Math.min(extra, 15));
    if (literals >= 15) more(literals);
    copyLiterals(bytes, literalsAt, to, at, literals);
    at += literals;
    if (length === 0) return;
    to[at++] = distance & 255;
    to[at++] = distance >> 8;
    if (extra >= 15) more(extra);
  });
  return at;
}
