/**
 * The subscribers of one holder (see nodes.ts): up to three in the node, else a list.
 *
 * Subscriber, 12 bytes: u32 sink, u32 identifier, u32 place in its sink's table << 8 | options.
 * List: u32 subscribers | size class << 27, then subscribers in no order. From INDEXED_CLASS on the block's last word is
 * a table of positions that finds a sink in it.
 */
import { allocate, allocateZeroed, classFor, release } from '../lib/heap';
import {
  ADDRESS_MASK, HASH_LIST, HEAD, IN_NODE, IN_NODE_MASK, MAX_IN_NODE, OF_HASH, OWN_LIST, clearInNode, isBare, isInline,
} from './nodes';

export const SINK: usize = 0;
export const IDENTIFIER: usize = 4;
export const PLACE_OPTIONS: usize = 8;
export const SUBSCRIBER_BYTES: u32 = 12;
export const LIST_HEADER: u32 = 4;
export const LIST_COUNT_MASK: u32 = (1 << 27) - 1;
const LIST_CLASS_SHIFT: u32 = 27;
/** Lists of 512 bytes and more (from 22 subscribers on) are searched through an index, shorter ones directly. */
const INDEXED_CLASS: u32 = 9;
/** A list that shrinks to so many goes back into its node: one less than makes it leave. */
const RETURN_IN_NODE: u32 = 2;

@inline
function isIn(holder: u32): bool {
  return (holder & OF_HASH) == 0 && isInline(holder);
}

@inline
function listField(holder: u32): u32 {
  return (holder & ADDRESS_MASK) + <u32>((holder & OF_HASH) != 0 ? HASH_LIST : OWN_LIST);
}

@inline
function sizeClassOf(list: u32): u32 {
  return load<u32>(list) >>> LIST_CLASS_SHIFT;
}

@inline
function capacityOf(sizeClass: u32): u32 {
  return ((1 << sizeClass) - LIST_HEADER - (sizeClass >= INDEXED_CLASS ? 4 : 0)) / SUBSCRIBER_BYTES;
}

export function countOf(holder: u32): u32 {
  const node = holder & ADDRESS_MASK;
  // A node whose subscribers are in it has no lists, nor any of `#`.
  if (isInline(node)) return holder == node ? load<u32>(node, HEAD) & IN_NODE_MASK : 0;
  const list = load<u32>(listField(holder));
  return list == 0 ? 0 : load<u32>(list) & LIST_COUNT_MASK;
}

@inline
export function subscriberAt(holder: u32, position: u32): u32 {
  const first = isIn(holder) ? holder + <u32>IN_NODE : load<u32>(listField(holder)) + LIST_HEADER;
  return first + position * SUBSCRIBER_BYTES;
}

// The index of a list of class c is a table of 2^(c-3) positions + 1: at most two thirds full.

@inline
function indexOf(list: u32, sizeClass: u32): u32 {
  return load<u32>(list + (1 << sizeClass) - 4);
}

@inline
function indexMask(sizeClass: u32): u32 {
  return (1 << (sizeClass - 3)) - 1;
}

@inline
function home(sink: u32, mask: u32): u32 {
  const h = sink * 0x9e3779b1;
  return (h ^ (h >>> 15)) & mask;
}

function slotOf(index: u32, mask: u32, position: u32, sink: u32): u32 {
  let i = home(sink, mask);
  while (load<u32>(index + (i << 2)) != position + 1) i = (i + 1) & mask;
  return i;
}

function indexInsert(index: u32, mask: u32, position: u32, sink: u32): void {
  let i = home(sink, mask);
  while (load<u32>(index + (i << 2)) != 0) i = (i + 1) & mask;
  store<u32>(index + (i << 2), position + 1);
}

function indexRemove(index: u32, mask: u32, position: u32, subscribers: u32): void {
  let hole = slotOf(index, mask, position, load<u32>(subscribers + position * SUBSCRIBER_BYTES, SINK));
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const other = load<u32>(index + (i << 2));
    if (other == 0) break;
    const start = home(load<u32>(subscribers + (other - 1) * SUBSCRIBER_BYTES, SINK), mask);
    if (((i - start) & mask) >= ((i - hole) & mask)) {
      store<u32>(index + (hole << 2), other);
      hole = i;
    }
  }
  store<u32>(index + (hole << 2), 0);
}

/** Position of the sink's subscriber, -1 if it has none here. */
export function findSubscriber(holder: u32, sink: u32): i32 {
  const count = countOf(holder);
  if (count == 0) return -1;
  const first = subscriberAt(holder, 0);
  if (!isIn(holder)) {
    const list = first - LIST_HEADER;
    const sizeClass = sizeClassOf(list);
    if (sizeClass >= INDEXED_CLASS) {
      const index = indexOf(list, sizeClass);
      const mask = indexMask(sizeClass);
      let i = home(sink, mask);
      while (true) {
        const entry = load<u32>(index + (i << 2));
        if (entry == 0) return -1;
        if (load<u32>(first + (entry - 1) * SUBSCRIBER_BYTES, SINK) == sink) return <i32>(entry - 1);
        i = (i + 1) & mask;
      }
    }
  }
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(first + i * SUBSCRIBER_BYTES, SINK) == sink) return <i32>i;
  }
  return -1;
}

function createList(sizeClass: u32, from: u32, count: u32): u32 {
  const list = allocate(sizeClass);
  store<u32>(list, count | (sizeClass << LIST_CLASS_SHIFT));
  if (count != 0) memory.copy(list + LIST_HEADER, from, count * SUBSCRIBER_BYTES);
  if (sizeClass >= INDEXED_CLASS) {
    const index = allocateZeroed(sizeClass - 1);
    const mask = indexMask(sizeClass);
    for (let i: u32 = 0; i < count; i++) {
      indexInsert(index, mask, i, load<u32>(list + LIST_HEADER + i * SUBSCRIBER_BYTES, SINK));
    }
    store<u32>(list + (1 << sizeClass) - 4, index);
  }
  return list;
}

function freeList(list: u32): void {
  const sizeClass = sizeClassOf(list);
  if (sizeClass >= INDEXED_CLASS) release(indexOf(list, sizeClass), sizeClass - 1);
  release(list, sizeClass);
}

/** Moves the list to another size class. */
function resize(field: u32, list: u32, count: u32, sizeClass: u32): u32 {
  const moved = createList(sizeClass, list + LIST_HEADER, count);
  freeList(list);
  store<u32>(field, moved);
  return moved;
}

/** Makes room in the node for children and for lists. */
export function leaveInline(node: u32): void {
  const head = load<u32>(node, HEAD);
  const count = head & IN_NODE_MASK;
  if (count == 0) return;
  const list = createList(classFor(LIST_HEADER + count * SUBSCRIBER_BYTES), node + <u32>IN_NODE, count);
  clearInNode(node);
  store<u32>(node, head & ~IN_NODE_MASK, HEAD);
  store<u32>(node, list, OWN_LIST);
}

/** Takes few subscribers back into a node that has lost its children. */
export function becomeInline(node: u32): void {
  if (isInline(node) || !isBare(node)) return;
  const list = load<u32>(node, OWN_LIST);
  if (list == 0) return;
  const count = load<u32>(list) & LIST_COUNT_MASK;
  if (count > RETURN_IN_NODE) return;
  memory.copy(node + <u32>IN_NODE, list + LIST_HEADER, count * SUBSCRIBER_BYTES);
  store<u32>(node, load<u32>(node, HEAD) | count, HEAD);
  freeList(list);
}

@inline
function writeSubscriber(at: u32, sink: u32, identifier: u32, placeOptions: u32): void {
  store<u32>(at, sink, SINK);
  store<u32>(at, identifier, IDENTIFIER);
  store<u32>(at, placeOptions, PLACE_OPTIONS);
}

/** Adds a subscriber whose sink has none here. */
export function appendSubscriber(holder: u32, sink: u32, identifier: u32, placeOptions: u32): void {
  const node = holder & ADDRESS_MASK;
  if ((holder & OF_HASH) == 0) {
    const head = load<u32>(node, HEAD);
    const count = head & IN_NODE_MASK;
    const isEmpty = count == 0 && load<u32>(node, OWN_LIST) == 0 && isBare(node);
    if (isEmpty || (count != 0 && count < MAX_IN_NODE)) {
      writeSubscriber(node + <u32>IN_NODE + count * SUBSCRIBER_BYTES, sink, identifier, placeOptions);
      store<u32>(node, head + 1, HEAD);
      return;
    }
  }
  leaveInline(node);
  const field = listField(holder);
  let list = load<u32>(field);
  if (list == 0) {
    list = createList(classFor(LIST_HEADER + SUBSCRIBER_BYTES), 0, 0);
    store<u32>(field, list);
  }
  const count = load<u32>(list) & LIST_COUNT_MASK;
  if (count == capacityOf(sizeClassOf(list))) list = resize(field, list, count, sizeClassOf(list) + 1);
  const sizeClass = sizeClassOf(list);
  writeSubscriber(list + LIST_HEADER + count * SUBSCRIBER_BYTES, sink, identifier, placeOptions);
  store<u32>(list, load<u32>(list) + 1);
  if (sizeClass >= INDEXED_CLASS) indexInsert(indexOf(list, sizeClass), indexMask(sizeClass), count, sink);
}

/** The last subscriber takes the place of the removed one. */
export function removeSubscriber(holder: u32, position: u32): void {
  const node = holder & ADDRESS_MASK;
  const last = countOf(holder) - 1;
  const first = subscriberAt(holder, 0);
  if (isIn(holder)) {
    memory.copy(first + position * SUBSCRIBER_BYTES, first + last * SUBSCRIBER_BYTES, SUBSCRIBER_BYTES);
    store<u32>(node, load<u32>(node, HEAD) - 1, HEAD);
    if (last == 0) clearInNode(node);
    return;
  }
  const list = first - LIST_HEADER;
  const sizeClass = sizeClassOf(list);
  if (sizeClass >= INDEXED_CLASS) {
    const index = indexOf(list, sizeClass);
    const mask = indexMask(sizeClass);
    indexRemove(index, mask, position, first);
    if (position != last) {
      const sink = load<u32>(first + last * SUBSCRIBER_BYTES, SINK);
      store<u32>(index + (slotOf(index, mask, last, sink) << 2), position + 1);
    }
  }
  if (position != last) {
    memory.copy(first + position * SUBSCRIBER_BYTES, first + last * SUBSCRIBER_BYTES, SUBSCRIBER_BYTES);
  }
  store<u32>(list, load<u32>(list) - 1);
  if (last == 0) {
    freeList(list);
    store<u32>(listField(holder), 0);
  } else if (last * 4 <= capacityOf(sizeClass)) {
    resize(listField(holder), list, last, sizeClass - 1);
  }
  becomeInline(node);
}
