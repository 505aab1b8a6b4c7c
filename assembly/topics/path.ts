/**
 * The buffers shared with the host, and the topic or filter at hand split into levels.
 *
 * Levels lie in an array of 32-byte entries: their name of 16 bytes, u32 start, u32 length, u32 hash, u32 found (free for
 * whoever works on them). A name identifies a level text: the text itself, zero-padded, where it is that short; else the
 * address of its record and LONG_MARK, which no text without U+0000 looks like. Only `nameLongLevels` fills in the latter.
 */
import { hashBytes, hashName } from '../lib/bytes-hash';
import { allocate, regrow } from '../lib/heap';
import { findLevel } from './levels';

export const MAX_TEXT_BYTES: u32 = 65535;
/** Twice the longest text: names are loaded 16 bytes at a time and so from behind the end too. */
const INPUT_CLASS: u32 = 17;
const OUTPUT_CLASS: u32 = 16;
const SLASH: u8 = 0x2f;

export const NAME_BYTES: u32 = 16;
export const LONG_MARK: u64 = 1;

export const NAME: usize = 0;
export const NAME_END: usize = 8;
export const START: usize = 16;
export const LENGTH: usize = 20;
export const HASH: usize = 24;
export const FOUND: usize = 28;

/** Loaded from NAME_BYTES - n bytes into it: a mask of the first n bytes. */
const FIRST_BYTES = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/** Where the host puts a topic or filter, and where it finds one. */
export let inputText: u32 = 0;
export let outputText: u32 = 0;

let seed: u64 = 0;
export let levels: u32 = 0;
let levelsClass: u32 = 12;

export function initPath(seedLow: u32, seedHigh: u32): void {
  seed = <u64>seedLow | (<u64>seedHigh << 32);
  inputText = allocate(INPUT_CLASS);
  outputText = allocate(OUTPUT_CLASS);
  levels = allocate(levelsClass);
}

@inline
export function levelEntry(i: u32): u32 {
  return levels + (i << 5);
}

/** Hash of a level that is this one byte. */
export function hashOfByte(byte: u32): u32 {
  return hashName(<u64>byte, 0, seed);
}

function growLevels(count: u32): void {
  levels = regrow(levels, levelsClass, 2 << levelsClass, count << 5);
  levelsClass++;
}

@inline
function writeEntry(index: u32, start: u32, length: u32): void {
  const entry = levelEntry(index);
  store<u32>(entry, start, START);
  store<u32>(entry, length, LENGTH);
  if (length <= NAME_BYTES) {
    const name = v128.and(v128.load(start), v128.load(FIRST_BYTES + NAME_BYTES - length));
    v128.store(entry, name, NAME);
    store<u32>(entry, hashName(i64x2.extract_lane(name, 0), i64x2.extract_lane(name, 1), seed), HASH);
  } else {
    store<u64>(entry, 0, NAME);
    store<u64>(entry, LONG_MARK, NAME_END);
    store<u32>(entry, hashBytes(start, length, seed), HASH);
  }
}

/** Splits the first `length` bytes of the input; returns the number of levels (at least one). */
export function split(length: u32): u32 {
  const end = inputText + length;
  let count: u32 = 0;
  let start = inputText;
  for (let at = inputText; at < end; at += 16) {
    let slashes = <u32>i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(SLASH)));
    if (end - at < 16) slashes &= (1 << (end - at)) - 1;
    while (slashes != 0) {
      const slash = at + ctz<u32>(slashes);
      if (((count + 2) << 5) > <u32>(1 << levelsClass)) growLevels(count);
      writeEntry(count, start, slash - start);
      count++;
      start = slash + 1;
      slashes &= slashes - 1;
    }
  }
  writeEntry(count, start, end - start);
  return count + 1;
}

/**
 * Gives long levels the names they have in the trie. A level without a record gets that of record 0, which no
 * node has.
 */
export function nameLongLevels(count: u32): void {
  const end = levelEntry(count);
  for (let entry = levels; entry < end; entry += 32) {
    const length = load<u32>(entry, LENGTH);
    if (length > NAME_BYTES) {
      store<u64>(entry, <u64>findLevel(load<u32>(entry, START), length, load<u32>(entry, HASH)), NAME);
    }
  }
}

@inline
export function isSingle(entry: u32, byte: u32): bool {
  return load<u32>(entry, LENGTH) == 1 && load<u8>(load<u32>(entry, START)) == byte;
}
