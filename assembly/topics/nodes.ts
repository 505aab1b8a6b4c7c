/**
 * Nodes of the subscription trie, one cache line each: all that matching wants to know of a node comes with one miss.
 *
 * Node, 64 bytes: u32 parent, u32 hash of the path, level name of 16 bytes (see path.ts; "+" for a wildcard), u32 head,
 * then 36 bytes of either up to three subscribers or u32 list of subscribers, u32 list of those of `#` below, u32 `+`
 * child, u32 number of literal children. The head is the number of subscribers in the node (0: the latter form),
 * IS_LONG, and the length of a short level's text << 8.
 *
 * `#` has no node: its subscribers belong to the parent. Who has subscribers, a holder, is therefore a node's address,
 * or that with OF_HASH.
 */
import { allocateZeroed, release } from '../lib/heap';
import { levelLength, levelText, releaseLevel } from './levels';
import { NAME_BYTES, outputText } from './path';

const NODE_CLASS: u32 = 6;
export const ADDRESS_MASK: u32 = ~63;
export const OF_HASH: u32 = 2;

export const PARENT: usize = 0;
export const PATH_HASH: usize = 4;
export const NODE_NAME: usize = 8;
const NODE_NAME_END: usize = 16;
export const HEAD: usize = 24;
export const IN_NODE: usize = 28;
export const OWN_LIST: usize = 28;
export const HASH_LIST: usize = 32;
export const PLUS: usize = 36;
export const LITERALS: usize = 40;

export const IN_NODE_MASK: u32 = 3;
export const MAX_IN_NODE: u32 = 3;
const IN_NODE_BYTES: u32 = 36;
const IS_LONG: u32 = 4;
const TEXT_LENGTH_SHIFT: u32 = 8;

export let root: u32 = 0;
let nodes: u32 = 0;

export function initNodes(): void {
  root = allocateZeroed(NODE_CLASS);
}

export function trieNodes(): u32 {
  return nodes;
}

/** The subscribers are in the node; it has no children then. */
@inline
export function isInline(node: u32): bool {
  return (load<u32>(node, HEAD) & IN_NODE_MASK) != 0;
}

@inline
export function plusOf(node: u32): u32 {
  return select<u32>(0, load<u32>(node, PLUS), isInline(node));
}

@inline
export function hashListOf(node: u32): u32 {
  return select<u32>(0, load<u32>(node, HASH_LIST), isInline(node));
}

@inline
export function literalsOf(node: u32): u32 {
  return select<u32>(0, load<u32>(node, LITERALS), isInline(node));
}

/** Whether only the node's own subscribers need it; it must not be inline. */
@inline
export function isBare(node: u32): bool {
  return (load<u32>(node, HASH_LIST) | load<u32>(node, PLUS) | load<u32>(node, LITERALS)) == 0;
}

export function clearInNode(node: u32): void {
  memory.fill(node + <u32>IN_NODE, 0, IN_NODE_BYTES);
}

/** The name's record, if it is a long level's, has been interned for this node. */
export function createNode(parent: u32, hash: u32, name: u64, nameEnd: u64, textLength: u32): u32 {
  const node = allocateZeroed(NODE_CLASS);
  store<u32>(node, parent, PARENT);
  store<u32>(node, hash, PATH_HASH);
  store<u64>(node, name, NODE_NAME);
  store<u64>(node, nameEnd, NODE_NAME_END);
  store<u32>(node, textLength > NAME_BYTES ? IS_LONG : textLength << TEXT_LENGTH_SHIFT, HEAD);
  nodes++;
  return node;
}

export function freeNode(node: u32): void {
  if ((load<u32>(node, HEAD) & IS_LONG) != 0) releaseLevel(load<u32>(node, NODE_NAME));
  release(node, NODE_CLASS);
  nodes--;
}

@inline
function textLengthOf(node: u32): u32 {
  const head = load<u32>(node, HEAD);
  return (head & IS_LONG) != 0 ? levelLength(load<u32>(node, NODE_NAME)) : head >>> TEXT_LENGTH_SHIFT;
}

/** Writes the filter whose subscribers the holder has to the output; returns its length. */
export function writeFilter(holder: u32): u32 {
  const last = holder & ADDRESS_MASK;
  const ofHash = (holder & OF_HASH) != 0;
  let length: u32 = ofHash ? 2 : 0;
  for (let n = last; n != root; n = load<u32>(n, PARENT)) length += 1 + textLengthOf(n);
  // One separator too many was counted: there is none before the first level.
  length--;
  let at = outputText + length;
  let separated = ofHash;
  if (ofHash) store<u8>(--at, 0x23);
  for (let n = last; n != root; n = load<u32>(n, PARENT)) {
    if (separated) store<u8>(--at, 0x2f);
    separated = true;
    const bytes = textLengthOf(n);
    at -= bytes;
    const isLong = (load<u32>(n, HEAD) & IS_LONG) != 0;
    memory.copy(at, isLong ? levelText(load<u32>(n, NODE_NAME)) : n + <u32>NODE_NAME, bytes);
  }
  return length;
}
