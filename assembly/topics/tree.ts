/**
 * The topic tree: topics -> values (u32, 0 = none), listed by filter in pages. Children of a node are linked newest
 * first, by a serial number that is never used again: a page ends with the addresses and serials on the way to the node
 * that comes next, and the next page goes on there, or behind it when that node is gone. Node memory is never used for
 * anything else, so that such a check of an old address is safe. Topics set meanwhile may or may not be listed; those
 * that stay are listed once.
 *
 * Node, 32 bytes: u32 parent, u32 level, u32 first child, u32 next, u32 previous, u32 value, u64 serial (0 = free node).
 */
import { allocate, classFor, isHeapFull, regrow } from '../lib/heap';
import { EdgeTable, NODE_LEVEL, NODE_PARENT, createEdgeTable, findChild, insertEdge, removeEdge } from './edges';
import { addLevel, findLevel, internLevel, levelLength, levelText, releaseLevel, shareLevel } from './levels';
import { FOUND, HASH, LENGTH, START, inputText, isSingle, levelEntry, split } from './path';

const FIRST: usize = 8;
const NEXT: usize = 12;
const PREVIOUS: usize = 16;
const VALUE: usize = 20;
const SERIAL: usize = 24;
const NODE_BYTES: u32 = 32;
const SLAB_CLASS: u32 = 16;
const STEP_BYTES: u32 = 12;

/** FOUND of a `+` level: no record has this address. */
const ANY: u32 = 1;
export const TREE_FULL: u32 = 0xffffffff;

let edges: EdgeTable = changetype<EdgeTable>(0);
let root: u32 = 0;
let nodes: u32 = 0;
let nextSerial: u64 = 1;
let freeNodes: u32 = 0;
let slab: u32 = 0;
let slabEnd: u32 = 0;

export let outValues: u32 = 0;
export let outValueCapacity: u32 = 256;
/** The way to the node where the last page stopped: steps of u32 node, u64 serial. */
export let cursorSteps: u32 = 0;
export let cursorDepth: u32 = 0;
let cursorCapacity: u32 = 256;

// The filter of the page at hand.
let filterLevels: u32 = 0;
let endsInHash: bool = false;
let hidesDollar: bool = false;

export function initTree(): void {
  edges = createEdgeTable();
  outValues = allocate(classFor(outValueCapacity << 2));
  cursorSteps = allocate(classFor(cursorCapacity * STEP_BYTES));
  root = createNode();
  nodes = 0;
}

export function treeNodes(): u32 {
  return nodes;
}

function createNode(): u32 {
  let node = freeNodes;
  if (node != 0) {
    freeNodes = load<u32>(node, NEXT);
  } else {
    if (slab == slabEnd) {
      slab = allocate(SLAB_CLASS);
      slabEnd = slab + (1 << SLAB_CLASS);
    }
    node = slab;
    slab += NODE_BYTES;
  }
  memory.fill(node, 0, NODE_BYTES);
  store<u64>(node, nextSerial++, SERIAL);
  nodes++;
  return node;
}

function findNode(length: u32): u32 {
  const count = split(length);
  let node = root;
  for (let i: u32 = 0; i < count && node != 0; i++) {
    const entry = levelEntry(i);
    const level = findLevel(load<u32>(entry, START), load<u32>(entry, LENGTH), load<u32>(entry, HASH));
    node = level == 0 ? 0 : findChild(edges, node, level);
  }
  return node;
}

/** `level` with a reference for it. */
function createChild(parent: u32, level: u32): u32 {
  const node = createNode();
  const first = load<u32>(parent, FIRST);
  store<u32>(node, parent, NODE_PARENT);
  store<u32>(node, level, NODE_LEVEL);
  store<u32>(node, first, NEXT);
  if (first != 0) store<u32>(first, node, PREVIOUS);
  store<u32>(parent, node, FIRST);
  insertEdge(edges, node);
  return node;
}

/** The node of the topic in the input, made where there is none; 0 when the memory is full. */
function nodeForSet(length: u32): u32 {
  const count = split(length);
  let node = root;
  let i: u32 = 0;
  let level: u32 = 0;
  for (; i < count; i++) {
    const entry = levelEntry(i);
    level = findLevel(load<u32>(entry, START), load<u32>(entry, LENGTH), load<u32>(entry, HASH));
    const child = level == 0 ? 0 : findChild(edges, node, level);
    if (child == 0) break;
    node = child;
  }
  if (i == count) return node;
  if (isHeapFull()) return 0;
  const first = levelEntry(i);
  node = createChild(
    node,
    level == 0
      ? addLevel(load<u32>(first, START), load<u32>(first, LENGTH), load<u32>(first, HASH))
      : shareLevel(level),
  );
  // Below a node that is new there is no other.
  while (++i < count) {
    const entry = levelEntry(i);
    node = createChild(node, internLevel(load<u32>(entry, START), load<u32>(entry, LENGTH), load<u32>(entry, HASH)));
  }
  return node;
}

export function treeGet(length: u32): u32 {
  const node = findNode(length);
  return node == 0 ? 0 : load<u32>(node, VALUE);
}

/** Sets the value (not 0) of the topic in the input; returns the previous one, or TREE_FULL with nothing changed. */
export function treeSet(length: u32, value: u32): u32 {
  const node = nodeForSet(length);
  if (node == 0) return TREE_FULL;
  const previous = load<u32>(node, VALUE);
  store<u32>(node, value, VALUE);
  return previous;
}

/** Why the last treePlace did nothing: the value that the topic has, or 0 for a full memory. */
export let occupant: u32 = 0;

/**
 * Gives the topic that lies at `topic` a value (not 0) and a block with a copy of the bytes at `from`. Returns the block;
 * 0, with nothing changed, when the topic has a value or the memory is full.
 */
export function treePlace(topic: u32, length: u32, value: u32, from: u32, bytes: u32): u32 {
  occupant = 0;
  if (isHeapFull()) return 0;
  memory.copy(inputText, topic, length);
  const node = nodeForSet(length);
  if (node == 0) return 0;
  occupant = load<u32>(node, VALUE);
  if (occupant != 0) return 0;
  const block = allocate(classFor(bytes));
  memory.copy(block, from, bytes);
  store<u32>(node, value, VALUE);
  return block;
}

/** Returns the value the topic had, 0 if none. */
export function treeRemove(length: u32): u32 {
  let node = findNode(length);
  if (node == 0) return 0;
  const value = load<u32>(node, VALUE);
  store<u32>(node, 0, VALUE);
  while (node != root && load<u32>(node, VALUE) == 0 && load<u32>(node, FIRST) == 0) {
    const parent = load<u32>(node, NODE_PARENT);
    const next = load<u32>(node, NEXT);
    const previous = load<u32>(node, PREVIOUS);
    removeEdge(edges, node);
    releaseLevel(load<u32>(node, NODE_LEVEL));
    if (previous != 0) store<u32>(previous, next, NEXT);
    else store<u32>(parent, next, FIRST);
    if (next != 0) store<u32>(next, previous, PREVIOUS);
    store<u64>(node, 0, SERIAL);
    store<u32>(node, freeNodes, NEXT);
    freeNodes = node;
    nodes--;
    node = parent;
  }
  return value;
}

/** False when some literal level of the filter in the input exists nowhere. */
function readFilter(length: u32): bool {
  const count = split(length);
  endsInHash = isSingle(levelEntry(count - 1), 0x23);
  filterLevels = endsInHash ? count - 1 : count;
  hidesDollar = isSingle(levelEntry(0), 0x23) || isSingle(levelEntry(0), 0x2b);
  for (let i: u32 = 0; i < filterLevels; i++) {
    const entry = levelEntry(i);
    let found = ANY;
    if (!isSingle(entry, 0x2b)) {
      found = findLevel(load<u32>(entry, START), load<u32>(entry, LENGTH), load<u32>(entry, HASH));
      if (found == 0) return false;
    }
    store<u32>(entry, found, FOUND);
  }
  return true;
}

/** Whether nodes of this depth (1 …) come from a list of siblings rather than from a look-up. */
@inline
function isListed(depth: u32): bool {
  return depth > filterLevels || load<u32>(levelEntry(depth - 1), FOUND) == ANY;
}

/** The node itself or the next sibling that the filter may see. */
function visible(node: u32, depth: u32): u32 {
  if (depth != 1 || !hidesDollar) return node;
  while (node != 0) {
    const level = load<u32>(node, NODE_LEVEL);
    if (levelLength(level) == 0 || load<u8>(levelText(level)) != 0x24) return node;
    node = load<u32>(node, NEXT);
  }
  return 0;
}

let walkNode: u32 = 0;
let walkDepth: u32 = 0;

/** Moves on from a node whose subtree is done. */
function advance(node: u32, depth: u32): void {
  while (depth != 0) {
    const next = isListed(depth) ? visible(load<u32>(node, NEXT), depth) : 0;
    if (next != 0) {
      walkNode = next;
      walkDepth = depth;
      return;
    }
    node = load<u32>(node, NODE_PARENT);
    depth--;
  }
  walkNode = 0;
}

function resume(depth: u32): void {
  let parent = root;
  for (let d: u32 = 1; d <= depth; d++) {
    const step = cursorSteps + (d - 1) * STEP_BYTES;
    const node = load<u32>(step);
    const serial = load<u64>(step, 4);
    if (load<u64>(node, SERIAL) == serial) {
      parent = node;
      continue;
    }
    let sibling: u32 = 0;
    if (isListed(d)) {
      sibling = load<u32>(parent, FIRST);
      while (sibling != 0 && load<u64>(sibling, SERIAL) > serial) sibling = load<u32>(sibling, NEXT);
      sibling = visible(sibling, d);
    }
    if (sibling != 0) {
      walkNode = sibling;
      walkDepth = d;
    } else {
      advance(parent, d - 1);
    }
    return;
  }
  walkNode = parent;
  walkDepth = depth;
}

export function reserveCursor(depth: u32): void {
  if (depth <= cursorCapacity) return;
  const old = classFor(cursorCapacity * STEP_BYTES);
  cursorSteps = regrow(cursorSteps, old, depth * STEP_BYTES, cursorCapacity * STEP_BYTES);
  cursorCapacity = depth;
}

function saveCursor(): void {
  reserveCursor(walkDepth);
  cursorDepth = walkDepth;
  let node = walkNode;
  for (let d = walkDepth; d != 0; d--) {
    const step = cursorSteps + (d - 1) * STEP_BYTES;
    store<u32>(step, node);
    store<u64>(step, load<u64>(node, SERIAL), 4);
    node = load<u32>(node, NODE_PARENT);
  }
}

/**
 * Values of topics that match the filter in the input, from the start (resumeDepth 0) or from the cursor's steps, at
 * most maxValues of them and after visiting at most maxVisits nodes (both at least 1). Returns how many are in
 * outValues; cursorDepth is 0 when there are no more.
 */
export function treePage(length: u32, resumeDepth: u32, maxValues: u32, maxVisits: u32): u32 {
  cursorDepth = 0;
  if (!readFilter(length)) return 0;
  if (maxValues > outValueCapacity) {
    outValues = regrow(outValues, classFor(outValueCapacity << 2), maxValues << 2, 0);
    outValueCapacity = maxValues;
  }
  walkNode = root;
  walkDepth = 0;
  if (resumeDepth != 0) resume(resumeDepth);
  let count: u32 = 0;
  while (walkNode != 0) {
    // Depth 0 is only the start of a walk: a cursor has a way to tell.
    if (walkDepth != 0 && (maxVisits == 0 || count == maxValues)) {
      saveCursor();
      return count;
    }
    maxVisits -= maxVisits == 0 ? 0 : 1;
    const node = walkNode;
    const depth = walkDepth;
    if (depth >= filterLevels) {
      const value = load<u32>(node, VALUE);
      if (value != 0) {
        store<u32>(outValues + (count << 2), value);
        count++;
      }
    }
    let child: u32 = 0;
    if (depth < filterLevels) {
      const level = load<u32>(levelEntry(depth), FOUND);
      child = level == ANY ? load<u32>(node, FIRST) : findChild(edges, node, level);
    } else if (endsInHash) {
      child = load<u32>(node, FIRST);
    }
    child = visible(child, depth + 1);
    if (child != 0) {
      walkNode = child;
      walkDepth = depth + 1;
    } else {
      advance(node, depth);
    }
  }
  return count;
}
