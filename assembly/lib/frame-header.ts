// The fixed header of an MQTT packet: one byte of type and flags, one to four of remaining length.

/** Remaining length found by the last `readFrameHeader` that returned more than 0. */
export let remainingLength: i32 = 0;

export const HEADER_INCOMPLETE: i32 = 0;
export const HEADER_MALFORMED: i32 = -1;

/** Length of the fixed header at `p`, HEADER_INCOMPLETE, or HEADER_MALFORMED (a length of five bytes, or longer than needed). */
export function readFrameHeader(p: usize, end: usize): i32 {
  let value = 0;
  let shift = 0;
  for (let length = 2; length <= 5; length++) {
    if (p + length > end) return HEADER_INCOMPLETE;
    const byte = <i32>load<u8>(p + length - 1);
    value |= (byte & 127) << shift;
    if (byte < 128) {
      if (byte == 0 && length > 2) return HEADER_MALFORMED;
      remainingLength = value;
      return length;
    }
    shift += 7;
  }
  return HEADER_MALFORMED;
}
