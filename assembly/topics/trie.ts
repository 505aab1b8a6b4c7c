/**
 * The subscription trie: topic filters -> subscribers (sink, options, identifier). Here it is changed and looked up by
 * filter; matching is in match.ts.
 *
 * A sink number with the top bit set is a shared subscription's group: it has no places (see sinks.ts) and is reported
 * apart.
 */
import { isHeapFull } from '../lib/heap';
import { childHash, findChild, initChildren, insertChild, removeChild } from './children';
import { internLevel } from './levels';
import {
  LITERALS, OF_HASH, OWN_LIST, PARENT, PATH_HASH, PLUS, ADDRESS_MASK, createNode, freeNode, initNodes, isBare, isInline,
  literalsOf, plusOf, root, writeFilter,
} from './nodes';
import {
  HASH, LENGTH, NAME, NAME_BYTES, NAME_END, START, isSingle, levelEntry, nameLongLevels, split,
} from './path';
import { MAX_PLACES, addPlace, holderAt, placesOf, removePlace } from './sinks';
import {
  IDENTIFIER, PLACE_OPTIONS, appendSubscriber, becomeInline, findSubscriber, leaveInline, removeSubscriber, subscriberAt,
} from './subscribers';

export const GROUP_BIT: u32 = 0x80000000;
const PLUS_BYTE: u32 = 0x2b;
const HASH_BYTE: u32 = 0x23;

export const ADDED: u32 = 0;
export const CHANGED: u32 = 1;
export const SAME: u32 = 2;
export const FULL: u32 = 3;

let subscriptions: u32 = 0;

export function initTrie(): void {
  initNodes();
  initChildren();
}

export function trieSubscriptions(): u32 {
  return subscriptions;
}

/** The filter in the input, split: levels with nodes, and whether it ends in `#`. */
let filterLevels: u32 = 0;
let filterSide: u32 = 0;

function splitFilter(length: u32): void {
  const count = split(length);
  const endsInHash = isSingle(levelEntry(count - 1), HASH_BYTE);
  filterLevels = endsInHash ? count - 1 : count;
  filterSide = endsInHash ? OF_HASH : 0;
  nameLongLevels(filterLevels);
}

function createChild(parent: u32, entry: u32): u32 {
  const length = load<u32>(entry, LENGTH);
  const hash = load<u32>(entry, HASH);
  if (length > NAME_BYTES) {
    store<u64>(entry, <u64>internLevel(load<u32>(entry, START), length, hash), NAME);
  }
  const path = childHash(load<u32>(parent, PATH_HASH), hash);
  return createNode(parent, path, load<u64>(entry, NAME), load<u64>(entry, NAME_END), length);
}

function childForAdd(parent: u32, entry: u32): u32 {
  leaveInline(parent);
  if (isSingle(entry, PLUS_BYTE)) {
    let child = load<u32>(parent, PLUS);
    if (child == 0) {
      child = createChild(parent, entry);
      store<u32>(parent, child, PLUS);
    }
    return child;
  }
  const found = findChild(parent, childHash(load<u32>(parent, PATH_HASH), load<u32>(entry, HASH)), entry);
  if (found != 0) return found;
  const child = createChild(parent, entry);
  insertChild(child);
  store<u32>(parent, load<u32>(parent, LITERALS) + 1, LITERALS);
  return child;
}

/** The node of the split filter, 0 if none. */
function findNode(): u32 {
  let node = root;
  for (let i: u32 = 0; i < filterLevels && node != 0; i++) {
    const entry = levelEntry(i);
    if (isSingle(entry, PLUS_BYTE)) {
      node = plusOf(node);
    } else {
      const hash = childHash(load<u32>(node, PATH_HASH), load<u32>(entry, HASH));
      node = literalsOf(node) == 0 ? 0 : findChild(node, hash, entry);
    }
  }
  return node;
}

/** Frees the node and those above it that nothing needs any more. */
function prune(from: u32): void {
  let node = from;
  while (node != root && !isInline(node) && load<u32>(node, OWN_LIST) == 0 && isBare(node)) {
    const parent = load<u32>(node, PARENT);
    if (load<u32>(parent, PLUS) == node) {
      store<u32>(parent, 0, PLUS);
    } else {
      removeChild(node);
      store<u32>(parent, load<u32>(parent, LITERALS) - 1, LITERALS);
    }
    freeNode(node);
    node = parent;
  }
  becomeInline(node);
}

/** Subscribes a sink to the filter in the input, or changes its subscription. */
export function trieAdd(length: u32, sink: u32, options: u32, identifier: u32): u32 {
  splitFilter(length);
  let node = findNode();
  if (node != 0) {
    const position = findSubscriber(node | filterSide, sink);
    if (position >= 0) {
      const subscriber = subscriberAt(node | filterSide, <u32>position);
      const old = load<u32>(subscriber, PLACE_OPTIONS);
      if ((old & 0xff) == options && load<u32>(subscriber, IDENTIFIER) == identifier) return SAME;
      store<u32>(subscriber, (old & ~0xff) | options, PLACE_OPTIONS);
      store<u32>(subscriber, identifier, IDENTIFIER);
      return CHANGED;
    }
  }
  const isGroup = (sink & GROUP_BIT) != 0;
  if (isHeapFull() || (!isGroup && placesOf(sink) >= MAX_PLACES)) return FULL;
  if (node == 0) {
    node = root;
    for (let i: u32 = 0; i < filterLevels; i++) node = childForAdd(node, levelEntry(i));
  }
  const holder = node | filterSide;
  const place = isGroup ? 0 : addPlace(sink, holder);
  appendSubscriber(holder, sink, identifier, (place << 8) | options);
  subscriptions++;
  return ADDED;
}

function removeAt(holder: u32, position: u32, sink: u32): void {
  const place = load<u32>(subscriberAt(holder, position), PLACE_OPTIONS) >>> 8;
  if ((sink & GROUP_BIT) == 0) removePlace(sink, place);
  removeSubscriber(holder, position);
  subscriptions--;
  prune(holder & ADDRESS_MASK);
}

export function trieRemove(length: u32, sink: u32): bool {
  splitFilter(length);
  const node = findNode();
  if (node == 0) return false;
  const holder = node | filterSide;
  const position = findSubscriber(holder, sink);
  if (position < 0) return false;
  removeAt(holder, <u32>position, sink);
  return true;
}

/** Removes the sink's last subscription; its filter is in the output. Length of the filter, -1 when there is none. */
export function trieRemoveLast(sink: u32): i32 {
  const places = placesOf(sink);
  if (places == 0) return -1;
  const holder = holderAt(sink, places - 1);
  const length = writeFilter(holder);
  removeAt(holder, <u32>findSubscriber(holder, sink), sink);
  return <i32>length;
}

export let describedOptions: u32 = 0;
export let describedIdentifier: u32 = 0;

/** The sink's subscription at a place below placesOf(sink): filter in the output, its length returned. */
export function trieDescribe(sink: u32, place: u32): u32 {
  const holder = holderAt(sink, place);
  const subscriber = subscriberAt(holder, <u32>findSubscriber(holder, sink));
  describedOptions = load<u32>(subscriber, PLACE_OPTIONS) & 0xff;
  describedIdentifier = load<u32>(subscriber, IDENTIFIER);
  return writeFilter(holder);
}
