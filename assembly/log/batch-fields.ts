// Access to the big-endian fields of a batch header.

@inline
export function getI16(p: usize, field: usize): i32 {
  return <i32><i16>bswap<u16>(load<u16>(p + field));
}

@inline
export function getI32(p: usize, field: usize): i32 {
  return <i32>bswap<u32>(load<u32>(p + field));
}

@inline
export function getI64(p: usize, field: usize): i64 {
  return <i64>bswap<u64>(load<u64>(p + field));
}

@inline
export function setI16(p: usize, field: usize, value: i32): void {
  store<u16>(p + field, bswap<u16>(<u16>value));
}

@inline
export function setI32(p: usize, field: usize, value: i32): void {
  store<u32>(p + field, bswap<u32>(<u32>value));
}

@inline
export function setI64(p: usize, field: usize, value: i64): void {
  store<u64>(p + field, bswap<u64>(<u64>value));
}
