/**
 * Interned topic levels: each distinct level text exists once, as a record whose address is its identity, counted by
 * the nodes that use it. Record: u32 references, u32 hash, u32 length, bytes.
 */
import { allocate, allocateZeroed, classFor, release } from '../lib/heap';
import { equalBytes } from '../lib/bytes-hash';

const REFERENCES: usize = 0;
const HASH: usize = 4;
const LENGTH: usize = 8;
const TEXT: usize = 12;

/** A slot holds the record's address; its four low bits, free by alignment, hold bits of the hash. */
const TAG_MASK: u32 = 15;
const FIRST_CLASS: u32 = 12;

let slots: u32 = 0;
let slotClass: u32 = FIRST_CLASS;
let mask: u32 = 0;
let count: u32 = 0;

export function initLevels(): void {
  slots = allocateZeroed(slotClass);
  mask = (1 << (slotClass - 2)) - 1;
}

export function levelCount(): u32 {
  return count;
}

@inline
export function levelLength(level: u32): u32 {
  return load<u32>(level, LENGTH);
}

@inline
export function levelText(level: u32): u32 {
  return level + <u32>TEXT;
}

@inline
function slotWord(record: u32, hash: u32): u32 {
  return record | (hash >>> 28);
}

export function findLevel(at: u32, length: u32, hash: u32): u32 {
  let i = hash & mask;
  while (true) {
    const word = load<u32>(slots + (i << 2));
    if (word == 0) return 0;
    if ((word & TAG_MASK) == hash >>> 28) {
      const record = word & ~TAG_MASK;
      if (load<u32>(record, LENGTH) == length && equalBytes(levelText(record), at, length)) return record;
    }
    i = (i + 1) & mask;
  }
  return 0;
}

function place(word: u32, hash: u32): void {
  let i = hash & mask;
  while (load<u32>(slots + (i << 2)) != 0) i = (i + 1) & mask;
  store<u32>(slots + (i << 2), word);
}

function grow(): void {
  const old = slots;
  const oldMask = mask;
  const oldClass = slotClass;
  slotClass++;
  initLevels();
  for (let i: u32 = 0; i <= oldMask; i++) {
    const word = load<u32>(old + (i << 2));
    if (word != 0) place(word, load<u32>(word & ~TAG_MASK, HASH));
  }
  release(old, oldClass);
}

/** The record of this text with one more reference. */
export function internLevel(at: u32, length: u32, hash: u32): u32 {
  let record = findLevel(at, length, hash);
  if (record == 0) {
    if ((count + 1) * 4 > (mask + 1) * 3) grow();
    record = allocate(classFor(<u32>TEXT + length));
    store<u32>(record, 0, REFERENCES);
    store<u32>(record, hash, HASH);
    store<u32>(record, length, LENGTH);
    memory.copy(levelText(record), at, length);
    place(slotWord(record, hash), hash);
    count++;
  }
  store<u32>(record, load<u32>(record, REFERENCES) + 1, REFERENCES);
  return record;
}

export function releaseLevel(record: u32): void {
  const references = load<u32>(record, REFERENCES) - 1;
  store<u32>(record, references, REFERENCES);
  if (references != 0) return;
  const hash = load<u32>(record, HASH);
  const word = slotWord(record, hash);
  let hole = hash & mask;
  while (load<u32>(slots + (hole << 2)) != word) hole = (hole + 1) & mask;
  // Linear probing without tombstones: later entries that may move into the hole do.
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const other = load<u32>(slots + (i << 2));
    if (other == 0) break;
    const home = load<u32>(other & ~TAG_MASK, HASH) & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      store<u32>(slots + (hole << 2), other);
      hole = i;
    }
  }
  store<u32>(slots + (hole << 2), 0);
  count--;
  release(record, classFor(<u32>TEXT + load<u32>(record, LENGTH)));
}
