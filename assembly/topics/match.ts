/**
 * Matching a topic: walks it once, level by level, with the set of nodes reached so far. `#` matches its parent too; a
 * topic that begins with `$` is not seen by a wildcard at the first level.
 */
import { allocate, classFor, regrow } from '../lib/heap';
import { childHash, findChild, probableChild } from './children';
import { HEAD, IN_NODE, IN_NODE_MASK, HASH_LIST, LITERALS, OWN_LIST, PATH_HASH, PLUS, hashListOf, isInline, plusOf, root } from './nodes';
import { HASH, hashOfByte, inputText, levelEntry, nameLongLevels, split } from './path';
import { IDENTIFIER, LIST_COUNT_MASK, LIST_HEADER, PLACE_OPTIONS, SINK, SUBSCRIBER_BYTES } from './subscribers';
import { GROUP_BIT } from './trie';

const PLUS_BYTE: u32 = 0x2b;
const DOLLAR: u32 = 0x24;

/** How many levels are fetched ahead of the walk, and after how many of them `+` is followed too. */
const AHEAD_LEVELS: u32 = 8;
const AHEAD_BRANCHES: u32 = 3;
const ahead = memory.data(4 * <i32>(AHEAD_LEVELS * (AHEAD_BRANCHES + 1)));

/** Nodes reached at this level and the next; they change places. */
let reached: u32 = 0;
let reachedNext: u32 = 0;
let reachedClass: u32 = 10;

/** What matches: entries of u32 list of subscribers or node | 1, then u32 first subscriber, u32 behind the last, unused. */
let hits: u32 = 0;
let hitCount: u32 = 0;
let hitsClass: u32 = 12;
const HIT_FIRST: usize = 4;
const HIT_END: usize = 8;
const IN_NODE_BIT: u32 = 1;

/** Where the values of loads made ahead of need go, so that they are made. */
let touched: u32 = 0;
let plusLevel: u32 = 0;

/** Results of the last match: arrays of the same capacity, and the groups apart. */
export let outSinks: u32 = 0;
export let outIdentifiers: u32 = 0;
export let outOptions: u32 = 0;
export let outCapacity: u32 = 1024;
export let outGroups: u32 = 0;
export let outGroupCount: u32 = 0;
let outGroupCapacity: u32 = 64;

export function initMatch(): void {
  plusLevel = hashOfByte(PLUS_BYTE);
  reached = allocate(reachedClass);
  reachedNext = allocate(reachedClass);
  hits = allocate(hitsClass);
  outSinks = allocate(classFor(outCapacity << 2));
  outIdentifiers = allocate(classFor(outCapacity << 2));
  outOptions = allocate(classFor(outCapacity));
  outGroups = allocate(classFor(outGroupCapacity << 2));
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

function growReached(): void {
  const old = reachedClass;
  reached = regrow(reached, old, 2 << old, 1 << old);
  reachedNext = regrow(reachedNext, old, 2 << old, 0);
  reachedClass = old + 1;
}

@inline
function addHit(what: u32): void {
  store<u32>(hits + (hitCount << 4), what);
  hitCount++;
}

function emitGroup(group: u32): void {
  if (outGroupCount == outGroupCapacity) {
    outGroups = regrow(outGroups, classFor(outGroupCapacity << 2), outGroupCapacity << 3, outGroupCount << 2);
    outGroupCapacity <<= 1;
  }
  store<u32>(outGroups + (outGroupCount << 2), group & ~GROUP_BIT);
  outGroupCount++;
}

/** Copies the hits' subscribers out, after fetching all their lists side by side; returns how many there are. */
function emitHits(): u32 {
  let room: u32 = 0;
  let seen: u32 = 0;
  const end = hits + (hitCount << 4);
  for (let hit = hits; hit < end; hit += 16) {
    const what = load<u32>(hit);
    const inNode = (what & IN_NODE_BIT) != 0;
    const header = load<u32>(select<u32>(what - IN_NODE_BIT + <u32>HEAD, what, inNode));
    const count = select<u32>(header & IN_NODE_MASK, header & LIST_COUNT_MASK, inNode);
    const first = select<u32>(what - IN_NODE_BIT + <u32>IN_NODE, what + LIST_HEADER, inNode);
    const behind = first + count * SUBSCRIBER_BYTES;
    store<u32>(hit, first, HIT_FIRST);
    store<u32>(hit, behind, HIT_END);
    seen ^= load<u32>(behind - 4);
    room += count;
  }
  touched = seen;
  if (room > outCapacity) growOutput(1 << (32 - clz<u32>(room - 1)));
  let to: u32 = 0;
  for (let hit = hits; hit < end; hit += 16) {
    let at = load<u32>(hit, HIT_FIRST);
    for (const behind = load<u32>(hit, HIT_END); at < behind; at += SUBSCRIBER_BYTES) {
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
  return to;
}

/**
 * Fetches what the walk will need. Among a million subscriptions nearly every look is a cache miss; the walk itself has
 * to wait for each before it can decide on the next, while slots follow from the topic's hashes alone, so that all of
 * them, then all the nodes they name, then the lists of `#`, arrive side by side. A wrong guess costs a useless load and
 * nothing else: any address read is a slot's, a list's of the node found there, or 0, where memory is zero.
 */
function touchAhead(levels: u32): void {
  const depth = min<u32>(levels, AHEAD_LEVELS);
  let to = <u32>ahead;
  let hash = load<u32>(root, PATH_HASH);
  let node = root;
  for (let i: u32 = 0; i < depth; i++) {
    if (i < AHEAD_BRANCHES && plusOf(node) != 0) {
      let branch = childHash(hash, plusLevel);
      for (let k = i + 1; k < depth; k++) {
        branch = childHash(branch, load<u32>(levelEntry(k), HASH));
        store<u32>(to, probableChild(branch));
        to += 4;
      }
    }
    hash = childHash(hash, load<u32>(levelEntry(i), HASH));
    node = probableChild(hash);
    store<u32>(to, node);
    to += 4;
  }
  let seen: u32 = 0;
  for (let at = <u32>ahead; at < to; at += 4) seen ^= load<u32>(load<u32>(at), HEAD);
  for (let at = <u32>ahead; at < to; at += 4) seen ^= load<u32>(hashListOf(load<u32>(at)));
  touched = seen;
}

/** Number of subscribers of the topic in the input; they are in the out arrays, groups in outGroups. */
export function trieMatch(length: u32): u32 {
  outGroupCount = 0;
  hitCount = 0;
  const levels = split(length);
  touchAhead(levels);
  nameLongLevels(levels);
  const hidden = length != 0 && load<u8>(inputText) == DOLLAR;
  store<u32>(reached, root);
  let count: u32 = 1;
  for (let i: u32 = 0; i < levels && count != 0; i++) {
    if (count << 3 > <u32>(1 << reachedClass)) growReached();
    reserveHits(count);
    const entry = levelEntry(i);
    const levelHash = load<u32>(entry, HASH);
    const wildcards = !(i == 0 && hidden);
    let next = reachedNext;
    for (let at = reached, end = reached + (count << 2); at < end; at += 4) {
      const node = load<u32>(at);
      if ((load<u32>(node, HEAD) & IN_NODE_MASK) != 0) continue;
      if (wildcards) {
        const list = load<u32>(node, HASH_LIST);
        if (list != 0) addHit(list);
        const plus = load<u32>(node, PLUS);
        if (plus != 0) {
          store<u32>(next, plus);
          next += 4;
        }
      }
      if (load<u32>(node, LITERALS) != 0) {
        const child = findChild(node, childHash(load<u32>(node, PATH_HASH), levelHash), entry);
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
    if (isInline(node)) {
      addHit(node | IN_NODE_BIT);
      continue;
    }
    const own = load<u32>(node, OWN_LIST);
    if (own != 0) addHit(own);
    const list = load<u32>(node, HASH_LIST);
    if (list != 0) addHit(list);
  }
  return emitHits();
}
