/**
 * Which child of a node has which level: one open-addressing table of node addresses for a whole tree. The key, parent
 * and level, is read from the child itself. Beside the address is the key's hash: few wrong nodes are ever looked at, and
 * none at all while the table grows, which is where a million of them would cost most. Every node begins with u32 parent, u32 level,
 * is 32-byte aligned, and may use the four low bits of the level word as it likes.
 */
import { allocate, allocateZeroed, release } from '../lib/heap';

export const NODE_PARENT: usize = 0;
export const NODE_LEVEL: usize = 4;
export const LEVEL_MASK: u32 = ~15;

/** A slot is u32 node, 0 if none, and u32 hash. */
const SLOT_HASH: usize = 4;
const SLOT_SHIFT: u32 = 3;
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
  table.mask = (1 << (slotClass - SLOT_SHIFT)) - 1;
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
  let i = hash & mask;
  while (true) {
    const slot = slots + (i << SLOT_SHIFT);
    const node = load<u32>(slot);
    if (node == 0) return 0;
    if (
      load<u32>(slot, SLOT_HASH) == hash &&
      load<u32>(node, NODE_PARENT) == parent && (load<u32>(node, NODE_LEVEL) & LEVEL_MASK) == level
    ) return node;
    i = (i + 1) & mask;
  }
  return 0;
}

function place(table: EdgeTable, node: u32, hash: u32): void {
  const mask = table.mask;
  const slots = table.slots;
  let i = hash & mask;
  while (load<u32>(slots + (i << SLOT_SHIFT)) != 0) i = (i + 1) & mask;
  const slot = slots + (i << SLOT_SHIFT);
  store<u32>(slot, node);
  store<u32>(slot, hash, SLOT_HASH);
}

export function insertEdge(table: EdgeTable, node: u32): void {
  if ((table.count + 1) * 4 > (table.mask + 1) * 3) {
    const old = table.slots;
    const oldClass = table.slotClass;
    setSlots(table, oldClass + 1);
    for (let slot = old, end = old + (1 << oldClass); slot < end; slot += 1 << SLOT_SHIFT) {
      const other = load<u32>(slot);
      if (other != 0) place(table, other, load<u32>(slot, SLOT_HASH));
    }
    release(old, oldClass);
  }
  place(table, node, hashOf(node));
  table.count++;
}

export function removeEdge(table: EdgeTable, node: u32): void {
  const mask = table.mask;
  const slots = table.slots;
  let hole = hashOf(node) & mask;
  while (load<u32>(slots + (hole << SLOT_SHIFT)) != node) hole = (hole + 1) & mask;
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
  table.count--;
}
