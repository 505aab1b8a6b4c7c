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

/**
 * A slot is u32 record, 0 if none, and u32 hash of its text: few wrong records are ever looked at, and none at all while
 * the table grows, which is where a million of them would cost most.
 */
const SLOT_HASH: usize = 4;
const SLOT_SHIFT: u32 = 3;
const FIRST_CLASS: u32 = 12;

let slots: u32 = 0;
let slotClass: u32 = FIRST_CLASS;
let mask: u32 = 0;
let count: u32 = 0;

export function initLevels(): void {
  slots = allocateZeroed(slotClass);
  mask = (1 << (slotClass - SLOT_SHIFT)) - 1;
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

export function findLevel(at: u32, length: u32, hash: u32): u32 {
  let i = hash & mask;
  while (true) {
    const slot = slots + (i << SLOT_SHIFT);
    const record = load<u32>(slot);
    if (record == 0) return 0;
    if (load<u32>(slot, SLOT_HASH) == hash && load<u32>(record, LENGTH) == length && equalBytes(levelText(record), at, length)) {
      return record;
    }
    i = (i + 1) & mask;
  }
  return 0;
}

function place(record: u32, hash: u32): void {
  let i = hash & mask;
  while (load<u32>(slots + (i << SLOT_SHIFT)) != 0) i = (i + 1) & mask;
  const slot = slots + (i << SLOT_SHIFT);
  store<u32>(slot, record);
  store<u32>(slot, hash, SLOT_HASH);
}

function grow(): void {
  const old = slots;
  const oldClass = slotClass;
  slotClass++;
  initLevels();
  for (let slot = old, end = old + (1 << oldClass); slot < end; slot += 1 << SLOT_SHIFT) {
    const record = load<u32>(slot);
    if (record != 0) place(record, load<u32>(slot, SLOT_HASH));
  }
  release(old, oldClass);
}

/** A record, with one reference, of a text that has none. */
export function addLevel(at: u32, length: u32, hash: u32): u32 {
  if ((count + 1) * 4 > (mask + 1) * 3) grow();
  const record = allocate(classFor(<u32>TEXT + length));
  store<u32>(record, 1, REFERENCES);
  store<u32>(record, hash, HASH);
  store<u32>(record, length, LENGTH);
  memory.copy(levelText(record), at, length);
  place(record, hash);
  count++;
  return record;
}

export function shareLevel(record: u32): u32 {
  store<u32>(record, load<u32>(record, REFERENCES) + 1, REFERENCES);
  return record;
}

/** The record of this text with one more reference. */
export function internLevel(at: u32, length: u32, hash: u32): u32 {
  const record = findLevel(at, length, hash);
  return record == 0 ? addLevel(at, length, hash) : shareLevel(record);
}

export function releaseLevel(record: u32): void {
  const references = load<u32>(record, REFERENCES) - 1;
  store<u32>(record, references, REFERENCES);
  if (references != 0) return;
  let hole = load<u32>(record, HASH) & mask;
  while (load<u32>(slots + (hole << SLOT_SHIFT)) != record) hole = (hole + 1) & mask;
  // Linear probing without tombstones: later entries that may move into the hole do.
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const slot = slots + (i << SLOT_SHIFT);
    if (load<u32>(slot) == 0) break;
    const home = load<u32>(slot, SLOT_HASH) & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      store<u64>(slots + (hole << SLOT_SHIFT), load<u64>(slot));
      hole = i;
    }
  }
  store<u32>(slots + (hole << SLOT_SHIFT), 0);
  count--;
  release(record, classFor(<u32>TEXT + load<u32>(record, LENGTH)));
}
