// The optional strictness of strings: control characters and non-characters, which a server may refuse.

let strict: bool = false;

export function setStrictText(on: bool): void {
  strict = on;
}

/** Whether well-formed UTF-8 holds nothing that strict mode refuses (U+0001-U+001F, U+007F-U+009F, non-characters). */
export function isPlainText(from: usize, length: i32): bool {
  if (!strict) return true;
  for (let i = 0; i < length; i++) {
    const b = load<u8>(from + i);
    if (b < 0x20 || b == 0x7f) return false;
    if (b == 0xc2 && load<u8>(from + i + 1) < 0xa0) return false;
    if (b == 0xef) {
      const second = load<u8>(from + i + 1);
      const third = load<u8>(from + i + 2);
      if (second == 0xb7 && third >= 0x90 && third <= 0xaf) return false; // U+FDD0-U+FDEF
      if (second == 0xbf && third >= 0xbe) return false; // U+FFFE, U+FFFF
    }
    // U+nFFFE, U+nFFFF: F0-F4 xF BF BE/BF
    if (b >= 0xf0 && (load<u8>(from + i + 1) & 0x0f) == 0x0f && load<u8>(from + i + 2) == 0xbf && load<u8>(from + i + 3) >= 0xbe) return false;
  }
  return true;
}
