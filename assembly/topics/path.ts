/**
 * The buffers shared with the host, and the topic or filter at hand split into levels.
 *
 * Levels lie in an array of 16-byte entries: u32 start, u32 length, u32 hash, u32 found (free for whoever works on them).
 */
import { hashBytes } from '../lib/bytes-hash';
import { allocate, regrow } from '../lib/heap';
import { NODE_LEVEL, NODE_PARENT, LEVEL_MASK } from './edges';
import { findLevel, levelLength, levelText, probableLevel } from './levels';

export const MAX_TEXT_BYTES: u32 = 65535;
const TEXT_CLASS: u32 = 16;
const SLASH: u32 = 0x2f;

export const START: usize = 0;
export const LENGTH: usize = 4;
export const HASH: usize = 8;
export const FOUND: usize = 12;

/** Where the host puts a topic or filter, and where it finds one. */
export let inputText: u32 = 0;
export let outputText: u32 = 0;

let seed: u64 = 0;
export let levels: u32 = 0;
let levelsClass: u32 = 12;

export function initPath(seedLow: u32, seedHigh: u32): void {
  seed = <u64>seedLow | (<u64>seedHigh << 32);
  inputText = allocate(TEXT_CLASS);
  outputText = allocate(TEXT_CLASS);
  levels = allocate(levelsClass);
}

@inline
export function levelEntry(i: u32): u32 {
  return levels + (i << 4);
}

/** Splits the first `length` bytes of the input; returns the number of levels (at least one). */
export function split(length: u32): u32 {
  const end = inputText + length;
  let count: u32 = 0;
  let start = inputText;
  while (true) {
    let at = start;
    while (at < end && load<u8>(at) != SLASH) at++;
    if (((count + 1) << 4) > <u32>(1 << levelsClass)) {
      levels = regrow(levels, levelsClass, 2 << levelsClass, count << 4);
      levelsClass++;
    }
    const entry = levelEntry(count);
    store<u32>(entry, start, START);
    store<u32>(entry, at - start, LENGTH);
    store<u32>(entry, hashBytes(start, at - start, seed), HASH);
    count++;
    if (at >= end) return count;
    start = at + 1;
  }
  return 0;
}

/** Sets each level's record to what it most probably is: see probableLevel. */
export function guessLevels(count: u32): void {
  const end = levelEntry(count);
  for (let entry = levels; entry < end; entry += 16) {
    store<u32>(entry, probableLevel(load<u32>(entry, HASH)), FOUND);
  }
}

/** Sets each level's record, 0 = none. */
export function findLevels(count: u32): void {
  const end = levelEntry(count);
  for (let entry = levels; entry < end; entry += 16) {
    store<u32>(entry, findLevel(load<u32>(entry, START), load<u32>(entry, LENGTH), load<u32>(entry, HASH)), FOUND);
  }
}

@inline
export function isSingle(entry: u32, byte: u32): bool {
  return load<u32>(entry, LENGTH) == 1 && load<u8>(load<u32>(entry, START)) == byte;
}

/** A node whose level word has no record is a wildcard: `wildcardBit` of that word says `#` rather than `+`. */
export function writePath(node: u32, root: u32, hashBit: u32): u32 {
  let length: u32 = 0;
  for (let n = node; n != root; n = load<u32>(n, NODE_PARENT)) {
    const level = load<u32>(n, NODE_LEVEL) & LEVEL_MASK;
    length += 1 + (level == 0 ? 1 : levelLength(level));
  }
  if (length == 0) return 0;
  length--;
  let at = outputText + length;
  for (let n = node; n != root; n = load<u32>(n, NODE_PARENT)) {
    const word = load<u32>(n, NODE_LEVEL);
    const level = word & LEVEL_MASK;
    if (level == 0) {
      at--;
      store<u8>(at, (word & hashBit) != 0 ? 0x23 : 0x2b);
    } else {
      const bytes = levelLength(level);
      at -= bytes;
      memory.copy(at, levelText(level), bytes);
    }
    if (at > outputText) {
      at--;
      store<u8>(at, SLASH);
    }
  }
  return length;
}
