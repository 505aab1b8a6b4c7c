/** Finds repetitions in a block, greedily, each at most 64 KiB back: what snappy and LZ4 blocks are made of. */

const HASH_BITS = 14;
const MIN_MATCH = 4;
/** After so many positions in vain steps get longer: what does not repeat is passed quickly. */
const PATIENCE_BITS = 5;

const table = new Int32Array(1 << HASH_BITS);

const read32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24);

/**
 * Tells each repetition in `[from, to)`: the literals before it, its distance and its length (at least 4); the last call has the
 * literals that are left, and no repetition (length 0). None starts in the last `tail` bytes or reaches into the last `last` ones.
 */
export function eachMatch(
  bytes: Uint8Array,
  [from, to]: readonly [from: number, to: number],
  { tail, last }: { readonly tail: number; readonly last: number },
  emit: (literalsAt: number, literals: number, distance: number, length: number) => void,
): void {
  table.fill(-1);
  let literalsAt = from;
  let at = from;
  let vain = 1 << PATIENCE_BITS;
  while (at + Math.max(tail, MIN_MATCH) <= to) {
    const word = read32(bytes, at);
    const slot = Math.imul(word, 0x9e37_79b1) >>> (32 - HASH_BITS);
    const before = table[slot] as number;
    table[slot] = at;
    if (before < 0 || at - before > 0xffff || read32(bytes, before) !== word) {
      at += vain++ >> PATIENCE_BITS;
      continue;
    }
    let end = at + MIN_MATCH;
    while (end < to - last && bytes[end] === bytes[before + end - at]) end++;
    emit(literalsAt, at - literalsAt, at - before, end - at);
    at = end;
    literalsAt = end;
    vain = 1 << PATIENCE_BITS;
  }
  emit(literalsAt, to - literalsAt, 0, 0);
}
