/**
 * Which child of a node has which level: one open-addressing table of node addresses for a whole tree. The key, parent
 * and level, is read from the child itself, so an edge costs four bytes. Every node begins with u32 parent, u32 level,
 * is 32-byte aligned, and may use the four low bits of the level word as it likes.
 */
import { allocate, allocateZeroed, release } from '../lib/heap';

export const NODE_PARENT: usize = 0;
export const NODE_LEVEL: usize = 4;
export const LEVEL_MASK: u32 = ~15;

/** A slot's five low bits, free by alignment, hold bits of the hash: few wrong nodes are ever looked at. */
const TAG_MASK: u32 = 31;
const FIRST_CLASS: u32 = 12;

@unmanaged
export class EdgeTable {
  slots: u32;
  slotClass: u32;
  mask: u32;
  count: u32;
}

export function createEdgeTable(): EdgeTable {
  const table = changetype<EdgeTable>(<usize>allocate(4));
  setSlots(table, FIRST_CLASS);
  table.count = 0;
  return table;
}

function setSlots(table: EdgeTable, slotClass: u32): void {
  table.slots = allocateZeroed(slotClass);
  table.slotClass = slotClass;
  table.mask = (1 << (slotClass - 2)) - 1;
}

@inline
function hashEdge(parent: u32, level: u32): u32 {
  let h = ((parent >>> 5) * 0x9e3779b1) ^ ((level >>> 4) * 0x85ebca77);
  h ^= h >>> 15;
  h *= 0x2c1b3c6d;
  return h ^ (h >>> 14);
}

@inline
function hashOf(node: u32): u32 {
  return hashEdge(load<u32>(node, NODE_PARENT), load<u32>(node, NODE_LEVEL) & LEVEL_MASK);
}

export function findChild(table: EdgeTable, parent: u32, level: u32): u32 {
  const hash = hashEdge(parent, level);
  const mask = table.mask;
  const slots = table.slots;
  const tag = hash >>> 27;
  let i = hash & mask;
  while (true) {
    const word = load<u32>(slots + (i << 2));
    if (word == 0) return 0;
    if ((word & TAG_MASK) == tag) {
      const node = word & ~TAG_MASK;
      if (load<u32>(node, NODE_PARENT) == parent && (load<u32>(node, NODE_LEVEL) & LEVEL_MASK) == level) return node;
    }
    i = (i + 1) & mask;
  }
  return 0;
}

function place(table: EdgeTable, node: u32): void {
  const hash = hashOf(node);
  let i = hash & table.mask;
  while (load<u32>(table.slots + (i << 2)) != 0) i = (i + 1) & table.mask;
  store<u32>(table.slots + (i << 2), node | (hash >>> 27));
}

export function insertEdge(table: EdgeTable, node: u32): void {
  if ((table.count + 1) * 4 > (table.mask + 1) * 3) {
    const old = table.slots;
    const oldClass = table.slotClass;
    setSlots(table, oldClass + 1);
    for (let at = old, end = old + (1 << oldClass); at < end; at += 4) {
      const word = load<u32>(at);
      if (word != 0) place(table, word & ~TAG_MASK);
    }
    release(old, oldClass);
  }
  place(table, node);
  table.count++;
}

export function removeEdge(table: EdgeTable, node: u32): void {
  const mask = table.mask;
  const slots = table.slots;
  const hash = hashOf(node);
  const wanted = node | (hash >>> 27);
  let hole = hash & mask;
  while (load<u32>(slots + (hole << 2)) != wanted) hole = (hole + 1) & mask;
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const word = load<u32>(slots + (i << 2));
    if (word == 0) break;
    const home = hashOf(word & ~TAG_MASK) & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      store<u32>(slots + (hole << 2), word);
      hole = i;
    }
  }
  store<u32>(slots + (hole << 2), 0);
  table.count--;
}
