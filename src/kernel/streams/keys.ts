/**
 * Which partition a key belongs to. It is part of the format: messages of a key stay in order only while the answer
 * stays the same, and Kafka clients that hash the same key themselves must come to the same partition. So it is their
 * default: murmur2 of the key's bytes, its sign bit cleared, modulo the number of partitions.
 */
const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** 32-bit murmur2, as a signed number. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = SEED ^ length;
  const whole = length & ~3;
  for (let at = 0; at < whole; at += 4) {
    let word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    word = Math.imul(word, M);
    word ^= word >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  if (length > whole) {
    for (let at = length - 1; at >= whole; at--) hash ^= bytes[at] << (8 * (at - whole));
    hash = Math.imul(hash, M);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

export const partitionOf = (key: Uint8Array, partitions: number): number =>
  (murmur2(key) & 0x7fff_ffff) % partitions;
