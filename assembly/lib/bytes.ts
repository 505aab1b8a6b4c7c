// Copying, comparing and hashing of byte ranges. The building blocks of every module: no state, no allocation.

const WORD_1: u32 = 0x9e3779b1;
const WORD_2: u32 = 0x85ebca77;
const WORD_3: u32 = 0xc2b2ae3d;

/**
 * Copies `length` bytes between ranges that do not overlap. Short copies avoid memory.copy, whose call costs more
 * than a packet's worth of vector moves.
 */
export function copyBytes(to: usize, from: usize, length: i32): void {
  if (length >= 16) {
    if (length > 1024) {
      memory.copy(to, from, length);
      return;
    }
    let i = 0;
    const last = length - 16;
    while (i < last) {
      v128.store(to + i, v128.load(from + i));
      i += 16;
    }
    v128.store(to + last, v128.load(from + last));
    return;
  }
  if (length >= 8) {
    const tail = length - 8;
    const head = load<u64>(from);
    const end = load<u64>(from + tail);
    store<u64>(to, head);
    store<u64>(to + tail, end);
    return;
  }
  if (length >= 4) {
    const tail = length - 4;
    const head = load<u32>(from);
    const end = load<u32>(from + tail);
    store<u32>(to, head);
    store<u32>(to + tail, end);
    return;
  }
  for (let i = 0; i < length; i++) store<u8>(to + i, load<u8>(from + i));
}

export function equalBytes(a: usize, b: usize, length: i32): bool {
  let i = 0;
  while (i + 8 <= length) {
    if (load<u64>(a + i) != load<u64>(b + i)) return false;
    i += 8;
  }
  while (i < length) {
    if (load<u8>(a + i) != load<u8>(b + i)) return false;
    i++;
  }
  return true;
}

/** 32-bit hash of a byte range; multiplicative, four bytes a step, finished by an avalanche. Not for secrets. */
export function hashBytes(from: usize, length: i32, seed: u32): u32 {
  let h: u32 = seed ^ (<u32>length * WORD_1);
  let i = 0;
  while (i + 4 <= length) {
    h = rotl<u32>(h + load<u32>(from + i) * WORD_3, 17) * WORD_2;
    i += 4;
  }
  while (i < length) {
    h = rotl<u32>(h + <u32>load<u8>(from + i) * WORD_1, 11) * WORD_3;
    i++;
  }
  h ^= h >> 15;
  h *= WORD_2;
  h ^= h >> 13;
  h *= WORD_3;
  return h ^ (h >> 16);
}

/** Two-byte big-endian number, as every MQTT field is. */
// @ts-ignore: decorator
@inline
export function readU16(from: usize): i32 {
  return <i32>bswap<u16>(load<u16>(from));
}

// @ts-ignore: decorator
@inline
export function writeU16(to: usize, value: i32): void {
  store<u16>(to, bswap<u16>(<u16>value));
}

// @ts-ignore: decorator
@inline
export function readU32(from: usize): u32 {
  return bswap<u32>(load<u32>(from));
}
