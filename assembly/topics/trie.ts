/**
 * The subscription trie: topic filters -> subscribers (sink, options, identifier). Matching walks the topic once, level
 * by level, with the set of nodes reached so far; each level text is hashed once, however many nodes look for it.
 *
 * A sink number with the top bit set is a shared subscription's group: it has no places (see sinks.ts) and is reported
 * apart. `#` matches its parent too; a topic that begins with `$` is not seen by a wildcard at the first level.
 */
import { allocate, allocateZeroed, classFor, isHeapFull, regrow, release } from '../lib/heap';
import { EdgeTable, LEVEL_MASK, NODE_LEVEL, NODE_PARENT, createEdgeTable, findChild, insertEdge, probableChild, removeEdge } from './edges';
import { findLevel, internLevel, releaseLevel } from './levels';
import { FOUND, HASH as LEVEL_HASH, LENGTH, START, findLevels, guessLevels, inputText, isSingle, levelEntry, split, writePath } from './path';
import { MAX_PLACES, addPlace, nodeAt, placesOf, removePlace } from './sinks';
import {
  COUNT, HASH, IDENTIFIER, INLINE, INLINE_SUBSCRIBER, IS_HASH, LIST, LIST_HEADER, LITERALS, NODE_CLASS, PLACE_OPTIONS, PLUS, SINK, SUBSCRIBER_BYTES,
  appendSubscriber, findSubscriber, isInline, leaveInline, removeSubscriber, subscriberAt,
} from './subscribers';

const GROUP_BIT: u32 = 0x80000000;
const PLUS_BYTE: u32 = 0x2b;
const HASH_BYTE: u32 = 0x23;
const DOLLAR: u32 = 0x24;

/** How many levels are fetched ahead of the walk, and after how many of them `+` is followed too. */
const AHEAD_LEVELS: u32 = 8;
const AHEAD_BRANCHES: u32 = 3;

export const ADDED: u32 = 0;
export const CHANGED: u32 = 1;
export const SAME: u32 = 2;
export const FULL: u32 = 3;

let edges: EdgeTable = changetype<EdgeTable>(0);
let root: u32 = 0;
let nodes: u32 = 0;
let subscriptions: u32 = 0;

/** Nodes reached at this level and the next; they change places. */
let reached: u32 = 0;
let reachedNext: u32 = 0;
let reachedClass: u32 = 10;

/** Nodes whose subscribers match: entries of u32 node, u32 first subscriber, u32 count, u32 unused. */
let hits: u32 = 0;
let hitCount: u32 = 0;
let hitsClass: u32 = 12;
const HIT_FIRST: usize = 4;
const HIT_COUNT: usize = 8;

/** Where the values of loads made ahead of need go, so that they are made. */
let touched: u32 = 0;

/** Results of the last match: arrays of the same capacity, and the groups apart. */
export let outSinks: u32 = 0;
export let outIdentifiers: u32 = 0;
export let outOptions: u32 = 0;
export let outCapacity: u32 = 1024;
export let outGroups: u32 = 0;
export let outGroupCount: u32 = 0;
let outGroupCapacity: u32 = 64;
let outCount: u32 = 0;

export function initTrie(): void {
  edges = createEdgeTable();
  root = allocateZeroed(NODE_CLASS);
  reached = allocate(reachedClass);
  reachedNext = allocate(reachedClass);
  hits = allocate(hitsClass);
  outSinks = allocate(classFor(outCapacity << 2));
  outIdentifiers = allocate(classFor(outCapacity << 2));
  outOptions = allocate(classFor(outCapacity));
  outGroups = allocate(classFor(outGroupCapacity << 2));
}

export function trieNodes(): u32 {
  return nodes;
}

export function trieSubscriptions(): u32 {
  return subscriptions;
}

@inline
function plusOf(node: u32): u32 {
  return isInline(node) ? 0 : load<u32>(node, PLUS);
}

@inline
function hashOf(node: u32): u32 {
  return isInline(node) ? 0 : load<u32>(node, HASH);
}

function createNode(parent: u32, levelWord: u32): u32 {
  const node = allocateZeroed(NODE_CLASS);
  store<u32>(node, parent, NODE_PARENT);
  store<u32>(node, levelWord, NODE_LEVEL);
  nodes++;
  return node;
}

function childForAdd(parent: u32, entry: u32): u32 {
  if (isSingle(entry, PLUS_BYTE) || isSingle(entry, HASH_BYTE)) {
    const isHash = isSingle(entry, HASH_BYTE);
    leaveInline(parent);
    const field = parent + <u32>(isHash ? HASH : PLUS);
    let child = load<u32>(field);
    if (child == 0) {
      child = createNode(parent, isHash ? IS_HASH : 0);
      store<u32>(field, child);
    }
    return child;
  }
  const at = load<u32>(entry, START);
  const length = load<u32>(entry, LENGTH);
  const hash = load<u32>(entry, LEVEL_HASH);
  if (load<u32>(parent, LITERALS) != 0) {
    const level = findLevel(at, length, hash);
    const child = level == 0 ? 0 : findChild(edges, parent, level);
    if (child != 0) return child;
  }
  const child = createNode(parent, internLevel(at, length, hash));
  insertEdge(edges, child);
  store<u32>(parent, load<u32>(parent, LITERALS) + 1, LITERALS);
  return child;
}

function findNode(length: u32): u32 {
  const count = split(length);
  let node = root;
  for (let i: u32 = 0; i < count && node != 0; i++) {
    const entry = levelEntry(i);
    if (isSingle(entry, PLUS_BYTE)) {
      node = plusOf(node);
    } else if (isSingle(entry, HASH_BYTE)) {
      node = hashOf(node);
    } else {
      const level = findLevel(load<u32>(entry, START), load<u32>(entry, LENGTH), load<u32>(entry, LEVEL_HASH));
      node = level == 0 || load<u32>(node, LITERALS) == 0 ? 0 : findChild(edges, node, level);
    }
  }
  return node;
}

/** Frees the node and those above it that nothing needs any more. */
function prune(node: u32): void {
  while (node != root && load<u32>(node, COUNT) == 0) {
    if ((load<u32>(node, LITERALS) | load<u32>(node, PLUS) | load<u32>(node, HASH)) != 0) return;
    const parent = load<u32>(node, NODE_PARENT);
    const word = load<u32>(node, NODE_LEVEL);
    const level = word & LEVEL_MASK;
    if (level != 0) {
      removeEdge(edges, node);
      releaseLevel(level);
      store<u32>(parent, load<u32>(parent, LITERALS) - 1, LITERALS);
    } else {
      store<u32>(parent + <u32>((word & IS_HASH) != 0 ? HASH : PLUS), 0);
    }
    release(node, NODE_CLASS);
    nodes--;
    node = parent;
  }
}

/** Subscribes a sink to the filter in the input, or changes its subscription. */
export function trieAdd(length: u32, sink: u32, options: u32, identifier: u32): u32 {
  const found = findNode(length);
  if (found != 0) {
    const position = findSubscriber(found, sink);
    if (position >= 0) {
      const subscriber = subscriberAt(found, <u32>position);
      const old = load<u32>(subscriber, PLACE_OPTIONS);
      if ((old & 0xff) == options && load<u32>(subscriber, IDENTIFIER) == identifier) return SAME;
      store<u32>(subscriber, (old & ~0xff) | options, PLACE_OPTIONS);
      store<u32>(subscriber, identifier, IDENTIFIER);
      return CHANGED;
    }
  }
  const isGroup = (sink & GROUP_BIT) != 0;
  if (isHeapFull() || (!isGroup && placesOf(sink) >= MAX_PLACES)) return FULL;
  let node = found;
  if (node == 0) {
    const count = split(length);
    node = root;
    for (let i: u32 = 0; i < count; i++) node = childForAdd(node, levelEntry(i));
  }
  const place = isGroup ? 0 : addPlace(sink, node);
  appendSubscriber(node, sink, identifier, (place << 8) | options);
  subscriptions++;
  return ADDED;
}

function removeAt(node: u32, position: u32, sink: u32): void {
  const place = load<u32>(subscriberAt(node, position), PLACE_OPTIONS) >>> 8;
  if ((sink & GROUP_BIT) == 0) removePlace(sink, place);
  removeSubscriber(node, position);
  subscriptions--;
  prune(node);
}

export function trieRemove(length: u32, sink: u32): bool {
  const node = findNode(length);
  if (node == 0) return false;
  const position = findSubscriber(node, sink);
  if (position < 0) return false;
  removeAt(node, <u32>position, sink);
  return true;
}

/** Removes the sink's last subscription; its filter is in the output. Length of the filter, -1 when there is none. */
export function trieRemoveLast(sink: u32): i32 {
  const places = placesOf(sink);
  if (places == 0) return -1;
  const node = nodeAt(sink, places - 1);
  const length = writePath(node, root, IS_HASH);
  removeAt(node, <u32>findSubscriber(node, sink), sink);
  return <i32>length;
}

export let describedOptions: u32 = 0;
export let describedIdentifier: u32 = 0;

/** The sink's subscription at a place below placesOf(sink): filter in the output, its length returned. */
export function trieDescribe(sink: u32, place: u32): u32 {
  const node = nodeAt(sink, place);
  const subscriber = subscriberAt(node, <u32>findSubscriber(node, sink));
  describedOptions = load<u32>(subscriber, PLACE_OPTIONS) & 0xff;
  describedIdentifier = load<u32>(subscriber, IDENTIFIER);
  return writePath(node, root, IS_HASH);
}

function growOutput(capacity: u32): void {
  const oldWords = classFor(outCapacity << 2);
  const oldBytes = classFor(outCapacity);
  outSinks = regrow(outSinks, oldWords, capacity << 2, 0);
  outIdentifiers = regrow(outIdentifiers, oldWords, capacity << 2, 0);
  outOptions = regrow(outOptions, oldBytes, capacity, 0);
  outCapacity = capacity;
}

/** Makes room for that many more hits. */
function reserveHits(more: u32): void {
  if ((hitCount + more) << 4 <= <u32>(1 << hitsClass)) return;
  const bytes = (hitCount + more) << 4;
  hits = regrow(hits, hitsClass, bytes, hitCount << 4);
  hitsClass = classFor(bytes);
}

function emitGroup(group: u32): void {
  if (outGroupCount == outGroupCapacity) {
    outGroups = regrow(outGroups, classFor(outGroupCapacity << 2), outGroupCapacity << 3, outGroupCount << 2);
    outGroupCapacity <<= 1;
  }
  store<u32>(outGroups + (outGroupCount << 2), group & ~GROUP_BIT);
  outGroupCount++;
}

@inline
function addHit(node: u32): void {
  store<u32>(hits + (hitCount << 4), node);
  hitCount++;
}

/** Copies the hits' subscribers out, after fetching nodes and then lists of all hits side by side. */
function emitHits(): void {
  let total: u32 = 0;
  const end = hits + (hitCount << 4);
  for (let hit = hits; hit < end; hit += 16) {
    const node = load<u32>(hit);
    const count = load<u32>(node, COUNT);
    const inline = (load<u32>(node, NODE_LEVEL) & INLINE) != 0;
    store<u32>(hit, select<u32>(node + <u32>INLINE_SUBSCRIBER, load<u32>(node, LIST) + LIST_HEADER, inline), HIT_FIRST);
    store<u32>(hit, count, HIT_COUNT);
    total += count;
  }
  if (total > outCapacity) growOutput(1 << (32 - clz<u32>(total - 1)));
  let seen: u32 = 0;
  for (let hit = hits; hit < end; hit += 16) {
    const first = load<u32>(hit, HIT_FIRST);
    const count = load<u32>(hit, HIT_COUNT);
    seen ^= load<u32>(first) ^ load<u32>(first + (count - u32(count != 0)) * SUBSCRIBER_BYTES);
  }
  touched = seen;
  let to: u32 = 0;
  for (let hit = hits; hit < end; hit += 16) {
    let at = load<u32>(hit, HIT_FIRST);
    for (const last = at + load<u32>(hit, HIT_COUNT) * SUBSCRIBER_BYTES; at < last; at += SUBSCRIBER_BYTES) {
      const sink = load<u32>(at, SINK);
      if ((sink & GROUP_BIT) != 0) {
        emitGroup(sink);
      } else {
        store<u32>(outSinks + (to << 2), sink);
        store<u32>(outIdentifiers + (to << 2), load<u32>(at, IDENTIFIER));
        store<u8>(outOptions + to, load<u32>(at, PLACE_OPTIONS));
        to++;
      }
    }
  }
  outCount = to;
}

function growReached(): void {
  const old = reachedClass;
  reached = regrow(reached, old, 2 << old, 1 << old);
  reachedNext = regrow(reachedNext, old, 2 << old, 0);
  reachedClass = old + 1;
}

@inline
function touch(node: u32): u32 {
  const hash = select<u32>(0, load<u32>(node, HASH), isInline(node));
  return load<u32>(node, COUNT) ^ load<u32>(hash, COUNT);
}

/**
 * Fetches what the walk will need, guessing every look-up from the first slot it would try. Among a million
 * subscriptions nearly every look is a cache miss; the walk itself has to wait for each before it can decide on the
 * next, while a guess needs only the slots one after another and leaves nodes, `#` children and level records to
 * arrive side by side. A wrong guess costs a useless load and nothing else: any address read is a slot's or 0.
 */
function touchAhead(levels: u32): void {
  const depth = min<u32>(levels, AHEAD_LEVELS);
  let seen: u32 = 0;
  let node = root;
  for (let i: u32 = 0; i < depth; i++) {
    const level = load<u32>(levelEntry(i), FOUND);
    const child = probableChild(edges, node, level);
    seen ^= touch(child) ^ load<u32>(level);
    if (i < AHEAD_BRANCHES) {
      let branch = plusOf(node);
      if (branch != 0) {
        for (let k = i + 1; k < depth; k++) {
          branch = probableChild(edges, branch, load<u32>(levelEntry(k), FOUND));
          seen ^= touch(branch);
        }
      }
    }
    node = child;
  }
  touched = seen;
}

/** Number of subscribers of the topic in the input; they are in the out arrays, groups in outGroups. */
export function trieMatch(length: u32): u32 {
  outGroupCount = 0;
  hitCount = 0;
  const levels = split(length);
  guessLevels(levels);
  touchAhead(levels);
  findLevels(levels);
  const hidden = length != 0 && load<u8>(inputText) == DOLLAR;
  store<u32>(reached, root);
  let count: u32 = 1;
  for (let i: u32 = 0; i < levels && count != 0; i++) {
    if (count << 3 > <u32>(1 << reachedClass)) growReached();
    reserveHits(count);
    const level = load<u32>(levelEntry(i), FOUND);
    const wildcards = !(i == 0 && hidden);
    let next = reachedNext;
    for (let at = reached, end = reached + (count << 2); at < end; at += 4) {
      const node = load<u32>(at);
      if (wildcards && !isInline(node)) {
        const hash = load<u32>(node, HASH);
        if (hash != 0) addHit(hash);
        const plus = load<u32>(node, PLUS);
        if (plus != 0) {
          store<u32>(next, plus);
          next += 4;
        }
      }
      if (level != 0 && load<u32>(node, LITERALS) != 0) {
        const child = findChild(edges, node, level);
        if (child != 0) {
          store<u32>(next, child);
          next += 4;
        }
      }
    }
    count = (next - reachedNext) >>> 2;
    const swap = reached;
    reached = reachedNext;
    reachedNext = swap;
  }
  reserveHits(count * 2);
  for (let at = reached, end = reached + (count << 2); at < end; at += 4) {
    const node = load<u32>(at);
    addHit(node);
    const hash = hashOf(node);
    if (hash != 0) addHit(hash);
  }
  emitHits();
  return outCount;
}
