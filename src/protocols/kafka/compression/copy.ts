/** The two copies of which all decompression of the LZ77 kind consists. Callers have checked both ranges. */

/** Below, a loop is faster than a call. */
const SHORT = 32;

export function copyLiterals(
  from: Uint8Array,
  start: number,
  to: Uint8Array,
  at: number,
  length: number,
): void {
  if (length > SHORT) to.set(from.subarray(start, start + length), at);
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i] as number;
}

/** Repeats what lies `distance` before: a match longer than its distance repeats itself. */
export function copyMatch(bytes: Uint8Array, at: number, distance: number, length: number): void {
  const from = at - distance;
  if (length > SHORT && distance >= length) bytes.copyWithin(at, from, from + length);
  else for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i] as number;
}
