// CRC-32C of a byte range: sixteen streams for whole blocks of 4 KiB, eight bytes a step for what is less.

import { buildHalves, crcStreams, STREAMS_BLOCK_BYTES } from './crc32c-streams';
import { buildTables, slices } from './crc32c-tables';

export function initCrc(): void {
  buildTables();
  buildHalves();
}

/** Remainder without the inversions at both ends, for sums of parts. */
export function crcRemainder(remainder: u32, from: usize, length: u32): u32 {
  const end = from + length;
  const vectors = end - length % <u32>STREAMS_BLOCK_BYTES;
  while (from < vectors) {
    remainder = crcStreams(remainder, from);
    from += STREAMS_BLOCK_BYTES;
  }
  while (from + 8 <= end) {
    const low = load<u32>(from) ^ remainder;
    const high = load<u32>(from, 4);
    remainder =
      load<u32>(slices + ((low & 255) << 2), 7 * 1024) ^
      load<u32>(slices + (((low >> 8) & 255) << 2), 6 * 1024) ^
      load<u32>(slices + (((low >> 16) & 255) << 2), 5 * 1024) ^
      load<u32>(slices + ((low >> 24) << 2), 4 * 1024) ^
      load<u32>(slices + ((high & 255) << 2), 3 * 1024) ^
      load<u32>(slices + (((high >> 8) & 255) << 2), 2 * 1024) ^
      load<u32>(slices + (((high >> 16) & 255) << 2), 1024) ^
      load<u32>(slices + ((high >> 24) << 2));
    from += 8;
  }
  while (from < end) {
    remainder = (remainder >> 8) ^ load<u32>(slices + (((remainder ^ load<u8>(from)) & 255) << 2));
    from++;
  }
  return remainder;
}

/** The checksum of what `previous` is the checksum of (0 = nothing) and this range. */
export function crc32c(previous: u32, from: usize, length: u32): u32 {
  return ~crcRemainder(~previous, from, length);
}
