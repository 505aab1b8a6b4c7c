/**
 * CRC-32C of blocks of 4 KiB as 16 streams of 256 bytes side by side. WebAssembly has neither a carry-less multiplication
 * nor a CRC instruction, but a byte's table entry is the sum of those of its two halves, and a table of 16 bytes is one
 * swizzle. The 16 remainders are kept as four vectors: vector k has byte k of each.
 */
import { shiftStream, slices, STREAM_BYTES } from './crc32c-tables';

export const STREAMS_BLOCK_BYTES: i32 = 16 * STREAM_BYTES;

/** Row i: byte i of every stream. */
const rows = memory.data(4096, 16);
/** Eight vectors: byte 0 … 3 of the entries of low halves, then of high halves. */
const halves = memory.data(8 * 16, 16);
const planes = memory.data(4 * 16, 16);

export function buildHalves(): void {
  for (let half: u32 = 0; half < 16; half++) {
    const low = load<u32>(slices + (half << 2));
    const high = load<u32>(slices + (half << 6));
    for (let byte: u32 = 0; byte < 4; byte++) {
      store<u8>(halves + (byte << 4) + half, <u8>(low >> (byte << 3)));
      store<u8>(halves + (byte << 4) + half, <u8>(high >> (byte << 3)), 64);
    }
  }
}

@inline
function lower(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

@inline
function upper(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * Transposes 16 bytes of each stream. With row and column as one number of eight bits, a round of interleaving row i with
 * row i + 8 rotates that number by one: four rounds exchange row and column.
 */
function transpose(from: usize, to: usize): void {
  const a0 = v128.load(from), a1 = v128.load(from, 256), a2 = v128.load(from, 512), a3 = v128.load(from, 768);
  const a4 = v128.load(from, 1024), a5 = v128.load(from, 1280), a6 = v128.load(from, 1536), a7 = v128.load(from, 1792);
  const a8 = v128.load(from, 2048), a9 = v128.load(from, 2304), aA = v128.load(from, 2560), aB = v128.load(from, 2816);
  const aC = v128.load(from, 3072), aD = v128.load(from, 3328), aE = v128.load(from, 3584), aF = v128.load(from, 3840);

  const b0 = lower(a0, a8), b1 = upper(a0, a8), b2 = lower(a1, a9), b3 = upper(a1, a9);
  const b4 = lower(a2, aA), b5 = upper(a2, aA), b6 = lower(a3, aB), b7 = upper(a3, aB);
  const b8 = lower(a4, aC), b9 = upper(a4, aC), bA = lower(a5, aD), bB = upper(a5, aD);
  const bC = lower(a6, aE), bD = upper(a6, aE), bE = lower(a7, aF), bF = upper(a7, aF);

  const c0 = lower(b0, b8), c1 = upper(b0, b8), c2 = lower(b1, b9), c3 = upper(b1, b9);
  const c4 = lower(b2, bA), c5 = upper(b2, bA), c6 = lower(b3, bB), c7 = upper(b3, bB);
  const c8 = lower(b4, bC), c9 = upper(b4, bC), cA = lower(b5, bD), cB = upper(b5, bD);
  const cC = lower(b6, bE), cD = upper(b6, bE), cE = lower(b7, bF), cF = upper(b7, bF);

  const d0 = lower(c0, c8), d1 = upper(c0, c8), d2 = lower(c1, c9), d3 = upper(c1, c9);
  const d4 = lower(c2, cA), d5 = upper(c2, cA), d6 = lower(c3, cB), d7 = upper(c3, cB);
  const d8 = lower(c4, cC), d9 = upper(c4, cC), dA = lower(c5, cD), dB = upper(c5, cD);
  const dC = lower(c6, cE), dD = upper(c6, cE), dE = lower(c7, cF), dF = upper(c7, cF);

  v128.store(to, lower(d0, d8)); v128.store(to, upper(d0, d8), 16);
  v128.store(to, lower(d1, d9), 32); v128.store(to, upper(d1, d9), 48);
  v128.store(to, lower(d2, dA), 64); v128.store(to, upper(d2, dA), 80);
  v128.store(to, lower(d3, dB), 96); v128.store(to, upper(d3, dB), 112);
  v128.store(to, lower(d4, dC), 128); v128.store(to, upper(d4, dC), 144);
  v128.store(to, lower(d5, dD), 160); v128.store(to, upper(d5, dD), 176);
  v128.store(to, lower(d6, dE), 192); v128.store(to, upper(d6, dE), 208);
  v128.store(to, lower(d7, dF), 224); v128.store(to, upper(d7, dF), 240);
}

/** Remainder of one block of STREAMS_BLOCK_BYTES that follows `remainder`. */
export function crcStreams(remainder: u32, from: usize): u32 {
  for (let column: usize = 0; column < 16; column++) transpose(from + (column << 4), rows + (column << 8));

  const low0 = v128.load(halves), low1 = v128.load(halves, 16), low2 = v128.load(halves, 32), low3 = v128.load(halves, 48);
  const high0 = v128.load(halves, 64), high1 = v128.load(halves, 80);
  const high2 = v128.load(halves, 96), high3 = v128.load(halves, 112);
  const mask = i8x16.splat(15);
  const zero = i8x16.splat(0);
  // Only the first stream continues what came before.
  let p0 = i8x16.replace_lane(zero, 0, <i8>remainder);
  let p1 = i8x16.replace_lane(zero, 0, <i8>(remainder >> 8));
  let p2 = i8x16.replace_lane(zero, 0, <i8>(remainder >> 16));
  let p3 = i8x16.replace_lane(zero, 0, <i8>(remainder >> 24));
  const end = rows + STREAMS_BLOCK_BYTES;
  for (let row = rows; row < end; row += 16) {
    const index = v128.xor(p0, v128.load(row));
    const low = v128.and(index, mask);
    const high = v128.and(i16x8.shr_u(index, 4), mask);
    p0 = v128.xor(p1, v128.xor(i8x16.swizzle(low0, low), i8x16.swizzle(high0, high)));
    p1 = v128.xor(p2, v128.xor(i8x16.swizzle(low1, low), i8x16.swizzle(high1, high)));
    p2 = v128.xor(p3, v128.xor(i8x16.swizzle(low2, low), i8x16.swizzle(high2, high)));
    p3 = v128.xor(i8x16.swizzle(low3, low), i8x16.swizzle(high3, high));
  }
  v128.store(planes, p0);
  v128.store(planes, p1, 16);
  v128.store(planes, p2, 32);
  v128.store(planes, p3, 48);

  let joined: u32 = 0;
  for (let stream: usize = planes; stream < planes + 16; stream++) {
    const own =
      <u32>load<u8>(stream) | (<u32>load<u8>(stream, 16) << 8) | (<u32>load<u8>(stream, 32) << 16) | (<u32>load<u8>(stream, 48) << 24);
    joined = shiftStream(joined) ^ own;
  }
  return joined;
}
