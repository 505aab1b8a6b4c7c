/** Hash and comparison of short byte ranges. Both read only inside the range. */

const K: u64 = 0x9e3779b97f4a7c15;

@inline
function mix(h: u64, word: u64): u64 {
  h = (h ^ word) * K;
  return h ^ (h >> 29);
}

/** The seed makes collisions unpredictable to whoever chooses the bytes. */
export function hashBytes(at: u32, length: u32, seed: u64): u32 {
  let h = seed ^ (<u64>length * 0xd6e8feb86659fd93);
  if (length >= 8) {
    const last = at + length - 8;
    while (at < last) {
      h = mix(h, load<u64>(at));
      at += 8;
    }
    h = mix(h, load<u64>(last));
  } else if (length >= 4) {
    h = mix(h, <u64>load<u32>(at) | (<u64>load<u32>(at + length - 4) << 32));
  } else if (length != 0) {
    h = mix(h, <u64>load<u8>(at) | (<u64>load<u8>(at + (length >> 1)) << 8) | (<u64>load<u8>(at + length - 1) << 16));
  }
  h = mix(h, seed >> 32);
  return <u32>(h >> 32) ^ <u32>h;
}

/** Hash of 16 bytes held in two words. */
@inline
export function hashName(low: u64, high: u64, seed: u64): u32 {
  const h = mix(mix(mix(seed, low), high), seed >> 32);
  return <u32>(h >> 32) ^ <u32>h;
}

export function equalBytes(a: u32, b: u32, length: u32): bool {
  if (length >= 8) {
    const last = a + length - 8;
    const offset = b - a;
    while (a < last) {
      if (load<u64>(a) != load<u64>(a + offset)) return false;
      a += 8;
    }
    return load<u64>(last) == load<u64>(last + offset);
  }
  if (length >= 4) {
    const tail = length - 4;
    return load<u32>(a) == load<u32>(b) && load<u32>(a + tail) == load<u32>(b + tail);
  }
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(a + i) != load<u8>(b + i)) return false;
  }
  return true;
}
