/**
 * Literal children of the trie's nodes: one open-addressing table of node addresses for the whole trie. The key, parent
 * and level name, is read from the child itself, so an entry costs four bytes. The hash is that of the path from the
 * root: all slots that a topic can need are known before any node has been read.
 */
import { allocate, allocateZeroed, release } from '../lib/heap';
import { ADDRESS_MASK, NODE_NAME, PARENT, PATH_HASH } from './nodes';
import { NAME } from './path';

/** A slot's six low bits, free by alignment, hold bits of the hash: few wrong nodes are ever looked at. */
const TAG_MASK: u32 = 63;
const TAG_SHIFT: u32 = 26;
const FIRST_CLASS: u32 = 12;

let slots: u32 = 0;
let slotClass: u32 = FIRST_CLASS;
let mask: u32 = 0;
let count: u32 = 0;

export function initChildren(): void {
  slots = allocateZeroed(slotClass);
  mask = (1 << (slotClass - 2)) - 1;
}

/** Hash of the path that goes on from a path with a level. */
@inline
export function childHash(parentHash: u32, levelHash: u32): u32 {
  let h = (parentHash * 0x9e3779b1) ^ levelHash;
  h ^= h >>> 15;
  h *= 0x2c1b3c6d;
  return h ^ (h >>> 14);
}

@inline
function firstSlot(hash: u32): u32 {
  return slots + ((hash & mask) << 2);
}

/** The child whose level has the name of that entry of the path, 0 if none. */
@inline
export function findChild(parent: u32, hash: u32, entry: u32): u32 {
  const tag = hash >>> TAG_SHIFT;
  const name = v128.load(entry, NAME);
  let slot = firstSlot(hash);
  while (true) {
    const word = load<u32>(slot);
    if (word == 0) return 0;
    if ((word & TAG_MASK) == tag) {
      const node = word & ADDRESS_MASK;
      if (load<u32>(node, PARENT) == parent && i8x16.all_true(i8x16.eq(v128.load(node, NODE_NAME), name))) return node;
    }
    slot = slots + ((slot + 4 - slots) & ((mask << 2) | 3));
  }
  return 0;
}

/** What the first slot with the path's tag names: nearly always its node, seldom another one; 0 if none. For fetching ahead. */
@inline
export function probableChild(hash: u32): u32 {
  const tag = hash >>> TAG_SHIFT;
  let slot = firstSlot(hash);
  let word = load<u32>(slot);
  while (word != 0 && (word & TAG_MASK) != tag) {
    slot = slots + ((slot + 4 - slots) & ((mask << 2) | 3));
    word = load<u32>(slot);
  }
  return word & ADDRESS_MASK;
}

function place(node: u32): void {
  const hash = load<u32>(node, PATH_HASH);
  let i = hash & mask;
  while (load<u32>(slots + (i << 2)) != 0) i = (i + 1) & mask;
  store<u32>(slots + (i << 2), node | (hash >>> TAG_SHIFT));
}

export function insertChild(node: u32): void {
  // Half full at most: a search that fails seldom leaves its cache line then, nor does one that succeeds.
  if ((count + 1) * 2 > mask + 1) {
    const old = slots;
    const oldClass = slotClass;
    slotClass++;
    initChildren();
    for (let at = old, end = old + (1 << oldClass); at < end; at += 4) {
      const word = load<u32>(at);
      if (word != 0) place(word & ADDRESS_MASK);
    }
    release(old, oldClass);
  }
  place(node);
  count++;
}

export function removeChild(node: u32): void {
  const hash = load<u32>(node, PATH_HASH);
  const wanted = node | (hash >>> TAG_SHIFT);
  let hole = hash & mask;
  while (load<u32>(slots + (hole << 2)) != wanted) hole = (hole + 1) & mask;
  // Linear probing without tombstones: later entries that may move into the hole do.
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const word = load<u32>(slots + (i << 2));
    if (word == 0) break;
    const home = load<u32>(word & ADDRESS_MASK, PATH_HASH) & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      store<u32>(slots + (hole << 2), word);
      hole = i;
    }
  }
  store<u32>(slots + (hole << 2), 0);
  count--;
}
