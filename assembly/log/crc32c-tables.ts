// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78): its tables, and what can be computed with a remainder alone.

const POLYNOMIAL: u32 = 0x82f63b78;
/** The number one as a reflected polynomial, and x^8: one zero byte. */
const ONE: u32 = 0x80000000;
const ONE_BYTE: u32 = 0x00800000;

/** Table k, at k * 1024: the remainder of a byte that has k zero bytes behind it. */
export const slices = memory.data(8 * 1024, 16);
/** Table k, at k * 1024: what byte k of a remainder becomes behind STREAM_BYTES zero bytes. */
const streamShift = memory.data(4 * 1024, 16);

export const STREAM_BYTES: i32 = 256;

@inline
function entry(table: usize, index: u32): usize {
  return table + ((<usize>index) << 2);
}

@inline
function zeroByte(remainder: u32): u32 {
  return (remainder >> 8) ^ load<u32>(entry(slices, remainder & 255));
}

export function buildTables(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let remainder = i;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
    }
    store<u32>(entry(slices, i), remainder);
  }
  for (let i: u32 = 256; i < 8 * 256; i++) store<u32>(entry(slices, i), zeroByte(load<u32>(entry(slices, i - 256))));

  // Appending zero bytes is linear: 32 single bits are computed, everything else is a sum of them.
  for (let bit: u32 = 0; bit < 32; bit++) {
    let remainder: u32 = 1 << bit;
    for (let i = 0; i < STREAM_BYTES; i++) remainder = zeroByte(remainder);
    store<u32>(entry(streamShift, ((bit >> 3) << 8) + (1 << (bit & 7))), remainder);
  }
  for (let table: u32 = 0; table < 4 * 256; table += 256) {
    for (let i: u32 = 1; i < 256; i++) {
      const lowest = i & -i;
      const rest = load<u32>(entry(streamShift, table + (i ^ lowest)));
      store<u32>(entry(streamShift, table + i), rest ^ load<u32>(entry(streamShift, table + lowest)));
    }
  }
}

/** The remainder behind STREAM_BYTES zero bytes. */
@inline
export function shiftStream(remainder: u32): u32 {
  return (
    load<u32>(entry(streamShift, remainder & 255)) ^
    load<u32>(entry(streamShift, (remainder >> 8) & 255), 1024) ^
    load<u32>(entry(streamShift, (remainder >> 16) & 255), 2048) ^
    load<u32>(entry(streamShift, remainder >> 24), 3072)
  );
}

/** Product of two polynomials modulo the generator. */
function multiply(a: u32, b: u32): u32 {
  let product: u32 = 0;
  for (let bit = ONE; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b >> 1) ^ (b & 1 ? POLYNOMIAL : 0);
  }
  return product;
}

/** The remainder behind `count` zero bytes. */
export function shiftZeros(remainder: u32, count: u32): u32 {
  let factor = ONE;
  let power = ONE_BYTE;
  while (count != 0) {
    if (count & 1) factor = multiply(factor, power);
    power = multiply(power, power);
    count >>= 1;
  }
  return multiply(factor, remainder);
}
