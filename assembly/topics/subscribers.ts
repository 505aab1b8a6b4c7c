/**
 * The subscribers of one trie node.
 *
 * Node, 32 bytes: u32 parent, u32 level | flags, u32 literal children, u32 subscribers, then either (INLINE) the only
 * subscriber, or u32 list, u32 `+` child, u32 `#` child; last u32 the index of a long list.
 * Subscriber, 12 bytes: u32 sink, u32 identifier, u32 place in its sink's table << 8 | options.
 * List: u32 size class, then subscribers in no order. From INDEXED_CLASS on a table of positions finds a sink in it.
 */
import { allocate, allocateZeroed, classFor, release } from '../lib/heap';
import { NODE_LEVEL } from './edges';

export const NODE_CLASS: u32 = 5;
export const LITERALS: usize = 8;
export const COUNT: usize = 12;
export const INLINE_SUBSCRIBER: usize = 16;
export const LIST: usize = 16;
export const PLUS: usize = 20;
export const HASH: usize = 24;
export const INDEX: usize = 28;

/** Flags in the level word; IS_HASH tells the two wildcards, which have no level record, apart. */
export const INLINE: u32 = 1;
export const IS_HASH: u32 = 2;

export const SINK: usize = 0;
export const IDENTIFIER: usize = 4;
export const PLACE_OPTIONS: usize = 8;
export const SUBSCRIBER_BYTES: u32 = 12;
export const LIST_HEADER: u32 = 4;
/** Lists of 512 bytes and more (from 22 subscribers on) are searched through an index, shorter ones directly. */
const INDEXED_CLASS: u32 = 9;

@inline
export function isInline(node: u32): bool {
  return (load<u32>(node, NODE_LEVEL) & INLINE) != 0;
}

@inline
export function firstSubscriber(node: u32): u32 {
  return isInline(node) ? node + <u32>INLINE_SUBSCRIBER : load<u32>(node, LIST) + LIST_HEADER;
}

@inline
export function subscriberAt(node: u32, position: u32): u32 {
  return firstSubscriber(node) + position * SUBSCRIBER_BYTES;
}

@inline
function capacityOf(sizeClass: u32): u32 {
  return ((1 << sizeClass) - LIST_HEADER) / SUBSCRIBER_BYTES;
}

// The index of a list of class c is a table of 2^(c-3) positions + 1: at most two thirds full.

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
export function findSubscriber(node: u32, sink: u32): i32 {
  const count = load<u32>(node, COUNT);
  if (count == 0) return -1;
  const first = firstSubscriber(node);
  const index = isInline(node) ? 0 : load<u32>(node, INDEX);
  if (index != 0) {
    const mask = indexMask(load<u32>(first - LIST_HEADER));
    let i = home(sink, mask);
    while (true) {
      const entry = load<u32>(index + (i << 2));
      if (entry == 0) return -1;
      if (load<u32>(first + (entry - 1) * SUBSCRIBER_BYTES, SINK) == sink) return <i32>(entry - 1);
      i = (i + 1) & mask;
    }
  }
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(first + i * SUBSCRIBER_BYTES, SINK) == sink) return <i32>i;
  }
  return -1;
}

function dropIndex(node: u32): void {
  const index = load<u32>(node, INDEX);
  if (index == 0) return;
  release(index, load<u32>(load<u32>(node, LIST)) - 1);
  store<u32>(node, 0, INDEX);
}

/** Moves the subscribers to a list of the given class. */
function relocate(node: u32, sizeClass: u32): void {
  const count = load<u32>(node, COUNT);
  const list = allocate(sizeClass);
  store<u32>(list, sizeClass);
  memory.copy(list + LIST_HEADER, firstSubscriber(node), count * SUBSCRIBER_BYTES);
  if (isInline(node)) {
    store<u32>(node, load<u32>(node, NODE_LEVEL) & ~INLINE, NODE_LEVEL);
    store<u32>(node, 0, PLUS);
    store<u32>(node, 0, HASH);
  } else {
    const old = load<u32>(node, LIST);
    dropIndex(node);
    release(old, load<u32>(old));
  }
  store<u32>(node, list, LIST);
  if (sizeClass >= INDEXED_CLASS) {
    const index = allocateZeroed(sizeClass - 1);
    store<u32>(node, index, INDEX);
    const mask = indexMask(sizeClass);
    for (let i: u32 = 0; i < count; i++) indexInsert(index, mask, i, load<u32>(subscriberAt(node, i), SINK));
  }
}

/** Makes room in the node for wildcard children. */
export function leaveInline(node: u32): void {
  if (isInline(node)) relocate(node, classFor(LIST_HEADER + SUBSCRIBER_BYTES));
}

/** Adds a subscriber whose sink has none here; the caller fills in the place. */
export function appendSubscriber(node: u32, sink: u32, identifier: u32, placeOptions: u32): void {
  const count = load<u32>(node, COUNT);
  if (count == 0) {
    if ((load<u32>(node, PLUS) | load<u32>(node, HASH)) == 0) {
      store<u32>(node, load<u32>(node, NODE_LEVEL) | INLINE, NODE_LEVEL);
    } else {
      const sizeClass = classFor(LIST_HEADER + SUBSCRIBER_BYTES);
      const list = allocate(sizeClass);
      store<u32>(list, sizeClass);
      store<u32>(node, list, LIST);
    }
  } else if (isInline(node)) {
    relocate(node, classFor(LIST_HEADER + 2 * SUBSCRIBER_BYTES));
  } else {
    const sizeClass = load<u32>(load<u32>(node, LIST));
    if (count == capacityOf(sizeClass)) relocate(node, sizeClass + 1);
  }
  const subscriber = subscriberAt(node, count);
  store<u32>(subscriber, sink, SINK);
  store<u32>(subscriber, identifier, IDENTIFIER);
  store<u32>(subscriber, placeOptions, PLACE_OPTIONS);
  store<u32>(node, count + 1, COUNT);
  if (!isInline(node)) {
    const index = load<u32>(node, INDEX);
    if (index != 0) indexInsert(index, indexMask(load<u32>(load<u32>(node, LIST))), count, sink);
  }
}

/** The last subscriber takes the place of the removed one. */
export function removeSubscriber(node: u32, position: u32): void {
  const last = load<u32>(node, COUNT) - 1;
  if (isInline(node)) {
    store<u32>(node, load<u32>(node, NODE_LEVEL) & ~INLINE, NODE_LEVEL);
    store<u32>(node, 0, LIST);
    store<u32>(node, 0, PLUS);
    store<u32>(node, 0, HASH);
    store<u32>(node, 0, COUNT);
    return;
  }
  const list = load<u32>(node, LIST);
  const first = list + LIST_HEADER;
  const sizeClass = load<u32>(list);
  const index = load<u32>(node, INDEX);
  if (index != 0) {
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
  store<u32>(node, last, COUNT);
  if (last == 0) {
    dropIndex(node);
    release(list, sizeClass);
    store<u32>(node, 0, LIST);
  } else if (last == 1 && (load<u32>(node, PLUS) | load<u32>(node, HASH)) == 0) {
    const sink = load<u32>(first, SINK);
    const identifier = load<u32>(first, IDENTIFIER);
    const placeOptions = load<u32>(first, PLACE_OPTIONS);
    dropIndex(node);
    release(list, sizeClass);
    store<u32>(node, load<u32>(node, NODE_LEVEL) | INLINE, NODE_LEVEL);
    store<u32>(node + <u32>INLINE_SUBSCRIBER, sink, SINK);
    store<u32>(node + <u32>INLINE_SUBSCRIBER, identifier, IDENTIFIER);
    store<u32>(node + <u32>INLINE_SUBSCRIBER, placeOptions, PLACE_OPTIONS);
  } else if (sizeClass > NODE_CLASS && last * 4 <= capacityOf(sizeClass)) {
    relocate(node, sizeClass - 1);
  }
}
