// Well-formed UTF-8 in the sense of MQTT (2.3, 1.5.4): no over-long forms, no surrogates, nothing above U+10FFFF,
// and, for strings, no U+0000.

const HIGH_BITS: u64 = 0x8080808080808080;

/** Whether the range is well-formed UTF-8; `allowNull` for payloads, where U+0000 is legal. */
export function isUtf8(from: usize, length: i32, allowNull: bool): bool {
  let p = from;
  const end = from + length;
  while (p < end) {
    const first = load<u8>(p);
    if (first < 0x80) {
      if (first == 0 && !allowNull) return false;
      p++;
      // A run of plain letters, eight at a time; a zero byte anywhere in the word leaves the run.
      while (p + 8 <= end) {
        const word = load<u64>(p);
        if ((word & HIGH_BITS) != 0) break;
        if (!allowNull && ((word - 0x0101010101010101) & ~word & HIGH_BITS) != 0) break;
        p += 8;
      }
      continue;
    }
    if (first < 0xc2) return false;
    if (first < 0xe0) {
      if (p + 2 > end || !isContinuation(p + 1)) return false;
      p += 2;
    } else if (first < 0xf0) {
      if (p + 3 > end || !isContinuation(p + 1) || !isContinuation(p + 2)) return false;
      const second = load<u8>(p + 1);
      if (first == 0xe0 && second < 0xa0) return false;
      if (first == 0xed && second >= 0xa0) return false;
      p += 3;
    } else {
      if (first > 0xf4) return false;
      if (p + 4 > end || !isContinuation(p + 1) || !isContinuation(p + 2) || !isContinuation(p + 3)) return false;
      const second = load<u8>(p + 1);
      if (first == 0xf0 && second < 0x90) return false;
      if (first == 0xf4 && second >= 0x90) return false;
      p += 4;
    }
  }
  return true;
}

// @ts-ignore: decorator
@inline
function isContinuation(p: usize): bool {
  return (load<u8>(p) & 0xc0) == 0x80;
}
