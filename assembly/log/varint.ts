// Signed variable-length integers of records: zig-zag, seven bits a byte, least significant first.

/** Position behind what the last read function returned; 0 = it was not a number of that size before `end`. */
export let behind: usize = 0;

@inline
export function readVarint(p: usize, end: usize): i32 {
  if (p < end) {
    const byte = <u32>load<u8>(p);
    if (byte < 128) {
      behind = p + 1;
      return (<i32>(byte >> 1)) ^ -(<i32>(byte & 1));
    }
  }
  return readLongVarint(p, end);
}

function readLongVarint(p: usize, end: usize): i32 {
  let value: u32 = 0;
  for (let shift = 0; shift <= 28; shift += 7) {
    if (p >= end) break;
    const byte = <u32>load<u8>(p++);
    value |= (byte & 127) << shift;
    if (byte < 128) {
      if (shift == 28 && byte > 15) break;
      behind = p;
      return (<i32>(value >> 1)) ^ -(<i32>(value & 1));
    }
  }
  behind = 0;
  return 0;
}

export function readVarlong(p: usize, end: usize): i64 {
  let value: u64 = 0;
  for (let shift = 0; shift <= 63; shift += 7) {
    if (p >= end) break;
    const byte = <u64>load<u8>(p++);
    value |= (byte & 127) << shift;
    if (byte < 128) {
      if (shift == 63 && byte > 1) break;
      behind = p;
      return (<i64>(value >> 1)) ^ -(<i64>(value & 1));
    }
  }
  behind = 0;
  return 0;
}

@inline
export function zigZag(value: i64): u64 {
  return <u64>((value << 1) ^ (value >> 63));
}

/** Bytes that `writeVarint` writes. */
@inline
export function varintBytes(value: i64): u32 {
  return (70 - <u32>clz<u64>(zigZag(value) | 1)) / 7;
}

/** Returns the position behind. One form serves both sizes: a number that fits 32 bits is written the same in both. */
export function writeVarint(p: usize, value: i64): usize {
  let rest = zigZag(value);
  while (rest >= 128) {
    store<u8>(p++, <u8>(rest | 128));
    rest >>= 7;
  }
  store<u8>(p, <u8>rest);
  return p + 1;
}
