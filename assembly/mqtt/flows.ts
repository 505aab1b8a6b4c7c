// The flow cache: (publisher class, topic) -> the groups to deliver to, as the host decided. The topic is as publishers of
// the class write it; what the broker calls it may have a prefix in front. A flow is valid while no subscription that can
// match what the broker calls it has changed: changes are counted by hash of a topic prefix, and a flow remembers
// the sum of the counters that concern it. A false alarm (two prefixes with one hash) costs one visit to the host.
//
// A topic is worth a flow from its second sighting on; topics seen once do not push others out.

import { allocateSlab, freeSlab } from '../lib/slab';
import { copyBytes, equalBytes, hashBytes } from '../lib/bytes';
import { countFlows } from './counters';
import { FLOW_BYTES, GENERATIONS, flowIndex, flowIndexMask, flows, generations, maxFlows, sightingMask, sightings } from './layout';

const F_HASH: usize = 0;
const F_CLASS: usize = 4;
/** As publishers write it; F_PREFIX bytes belong in front, and are there. */
export const F_TOPIC: usize = 8;
const F_TOPIC_LENGTH: usize = 12; // u16
export const F_FLAGS: usize = 14; // u16
export const F_GROUPS: usize = 16; // slab of u32, or the group itself when there is one
export const F_GROUP_COUNT: usize = 20;
const F_SUM: usize = 24;
const F_CHECKED_AT: usize = 28;
const F_COUNTERS: usize = 32; // four u16: change counters of the topic and of its first one to three levels
/** Members of groups whose deliveries may need a row each (QoS 1 and 2). */
export const F_ROWS: usize = 44;
export const F_PREFIX: usize = 48; // u16

export const FLOW_HOST_PART: u16 = 1;
const FLOW_USED: u16 = 2;
const FLOW_LIVE: u16 = 4;
/** Its host part takes messages in batches. */
export const FLOW_BATCHED: u16 = 8;

const CLASS_SEED: u32 = 0x5bd1e995;
const EXACT_SEED: u32 = 0x2545f491;
const PREFIX_SEED: u32 = 0x7feb352d;
const PREFIX_LEVELS: i32 = 3;
/** Counter of filters whose first level is a wildcard. */
const COUNTER_ALL: u32 = 0;
/** A counter that never changes, for topics with fewer levels. */
const COUNTER_NONE: u32 = 1;

let changes: u32 = 0;
let hand: i32 = 0;
let live: i32 = 0;

export function initFlows(): void {
  changes = 0;
  hand = 0;
  live = 0;
}

// @ts-ignore: decorator
@inline
export function flowOf(id: i32): usize {
  return flows + <usize>id * <usize>FLOW_BYTES;
}

// @ts-ignore: decorator
@inline
export function idOfFlow(f: usize): i32 {
  return <i32>((f - flows) / <usize>FLOW_BYTES);
}

// @ts-ignore: decorator
@inline
export function hashFlow(classId: u32, topic: usize, length: i32): u32 {
  return hashBytes(topic, length, classId * CLASS_SEED);
}

// @ts-ignore: decorator
@inline
function counterAt(index: u32): u32 {
  return load<u32>(generations + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
function bump(index: u32): void {
  const at = generations + (<usize>index << 2);
  store<u32>(at, load<u32>(at) + 1);
}

function counterIndex(from: usize, length: i32, seed: u32): u32 {
  return 2 + hashBytes(from, length, seed) % (<u32>GENERATIONS - 2);
}

function sumOf(f: usize): u32 {
  let sum = counterAt(COUNTER_ALL);
  for (let i: usize = 0; i < 4; i++) sum += counterAt(load<u16>(f + F_COUNTERS + (i << 1)));
  return sum;
}

function isCurrent(f: usize): bool {
  if (load<u32>(f, F_CHECKED_AT) == changes) return true;
  if (sumOf(f) != load<u32>(f, F_SUM)) return false;
  store<u32>(f, changes, F_CHECKED_AT);
  return true;
}

/** The installed flow of this key, stale or not; 0 = none. */
function find(hash: u32, classId: u32, topic: usize, length: i32): usize {
  let i = hash & flowIndexMask;
  while (true) {
    const entry = load<u32>(flowIndex + (<usize>i << 2));
    if (entry == 0) return 0;
    const f = flowOf(entry - 1);
    if (
      load<u32>(f, F_HASH) == hash &&
      load<u32>(f, F_CLASS) == classId &&
      <i32>load<u16>(f, F_TOPIC_LENGTH) == length &&
      equalBytes(<usize>load<u32>(f, F_TOPIC), topic, length)
    ) {
      return f;
    }
    i = (i + 1) & flowIndexMask;
  }
}

/** The valid flow of this key; 0 = the host must decide. */
export function lookupFlow(hash: u32, classId: u32, topic: usize, length: i32): usize {
  if (live == 0) return 0;
  const f = find(hash, classId, topic, length);
  if (f == 0 || !isCurrent(f)) return 0;
  store<u16>(f, load<u16>(f, F_FLAGS) | FLOW_USED, F_FLAGS);
  return f;
}

/** Notes a topic without a flow; true from its second sighting on, or when a stale flow shows that it was worth one. */
export function sight(hash: u32, classId: u32, topic: usize, length: i32): bool {
  if (maxFlows == 0) return false;
  const at = sightings + (<usize>(hash & sightingMask) << 2);
  const mark = hash | 1;
  if (load<u32>(at) == mark) return true;
  store<u32>(at, mark);
  return live != 0 && find(hash, classId, topic, length) != 0;
}

function removeFromIndex(f: usize): void {
  const id = <u32>idOfFlow(f) + 1;
  let hole = load<u32>(f, F_HASH) & flowIndexMask;
  while (load<u32>(flowIndex + (<usize>hole << 2)) != id) hole = (hole + 1) & flowIndexMask;
  let i = hole;
  while (true) {
    i = (i + 1) & flowIndexMask;
    const entry = load<u32>(flowIndex + (<usize>i << 2));
    if (entry == 0) break;
    const home = load<u32>(flowOf(entry - 1), F_HASH) & flowIndexMask;
    if (((i - home) & flowIndexMask) >= ((i - hole) & flowIndexMask)) {
      store<u32>(flowIndex + (<usize>hole << 2), entry);
      hole = i;
    }
  }
  store<u32>(flowIndex + (<usize>hole << 2), 0);
}

/** Takes a flow out; the host has been told to release its groups. */
export function dropFlow(f: usize): void {
  if ((load<u16>(f, F_FLAGS) & FLOW_LIVE) == 0) return;
  removeFromIndex(f);
  const prefix = load<u16>(f, F_PREFIX);
  freeSlab(<usize>load<u32>(f, F_TOPIC) - prefix, max(1, prefix + load<u16>(f, F_TOPIC_LENGTH)));
  const count = load<u32>(f, F_GROUP_COUNT);
  if (count > 1) freeSlab(<usize>load<u32>(f, F_GROUPS), count << 2);
  store<u16>(f, 0, F_FLAGS);
  live--;
  countFlows(-1);
}

/** A flow record to use: an empty one, or the next that was not used since the hand came by. */
function victim(): usize {
  while (true) {
    const f = flowOf(hand);
    hand = hand + 1 == maxFlows ? 0 : hand + 1;
    const flags = load<u16>(f, F_FLAGS);
    if ((flags & FLOW_LIVE) == 0 || (flags & FLOW_USED) == 0) return f;
    store<u16>(f, flags & ~FLOW_USED, F_FLAGS);
  }
}

/** Which flow record `install` will write: that of the key, or one that the host must release first. -1 = no flow cache. */
export function placeFlow(classId: u32, topic: usize, length: i32): i32 {
  if (maxFlows == 0) return -1;
  if (live != 0) {
    const f = find(hashFlow(classId, topic, length), classId, topic, length);
    if (f != 0) return idOfFlow(f);
  }
  return idOfFlow(victim());
}

export function isLiveFlow(id: i32): bool {
  return (load<u16>(flowOf(id), F_FLAGS) & FLOW_LIVE) != 0;
}

/** Writes the flow into record `id`, which is empty; of `topic` the first `prefix` bytes are not in the key. `groups` is an array of u32; `hostFlags`: FLOW_HOST_PART, and with it FLOW_BATCHED. False = no room for topic or list. */
export function installFlow(id: i32, classId: u32, topic: usize, length: i32, prefix: i32, groups: usize, count: i32, rows: i32, hostFlags: u16): bool {
  const f = flowOf(id);
  assert((load<u16>(f, F_FLAGS) & FLOW_LIVE) == 0);
  const text = allocateSlab(max(1, length));
  if (text == 0) return false;
  let list = count == 0 ? 0 : <usize>load<u32>(groups);
  if (count > 1) {
    list = allocateSlab(<u32>count << 2);
    if (list == 0) {
      freeSlab(text, max(1, length));
      return false;
    }
    copyBytes(list, groups, count << 2);
  }
  copyBytes(text, topic, length);
  const hash = hashFlow(classId, topic + prefix, length - prefix);
  store<u32>(f, hash, F_HASH);
  store<u32>(f, classId, F_CLASS);
  store<u32>(f, <u32>text + prefix, F_TOPIC);
  store<u16>(f, <u16>(length - prefix), F_TOPIC_LENGTH);
  store<u16>(f, <u16>prefix, F_PREFIX);
  store<u16>(f, FLOW_LIVE | FLOW_USED | hostFlags, F_FLAGS);
  store<u32>(f, <u32>list, F_GROUPS);
  store<u32>(f, count, F_GROUP_COUNT);
  store<u32>(f, rows, F_ROWS);

  store<u16>(f, <u16>counterIndex(topic, length, EXACT_SEED), F_COUNTERS);
  let level = 0;
  for (let i = 0; i < length && level < PREFIX_LEVELS; i++) {
    if (load<u8>(topic + i) != 0x2f) continue;
    level++;
    store<u16>(f + (<usize>level << 1), <u16>counterIndex(topic, i, PREFIX_SEED), F_COUNTERS);
  }
  if (level < PREFIX_LEVELS) {
    level++;
    store<u16>(f + (<usize>level << 1), <u16>counterIndex(topic, length, PREFIX_SEED), F_COUNTERS);
  }
  while (level < PREFIX_LEVELS) {
    level++;
    store<u16>(f + (<usize>level << 1), <u16>COUNTER_NONE, F_COUNTERS);
  }
  store<u32>(f, sumOf(f), F_SUM);
  store<u32>(f, changes, F_CHECKED_AT);

  let i = hash & flowIndexMask;
  while (load<u32>(flowIndex + (<usize>i << 2)) != 0) i = (i + 1) & flowIndexMask;
  store<u32>(flowIndex + (<usize>i << 2), <u32>id + 1);
  live++;
  countFlows(1);
  return true;
}

/** The subscribers of a filter have changed: flows of topics that it can match are stale. */
export function invalidateFilter(filter: usize, length: i32): void {
  changes++;
  let levels = 0;
  let prefixEnd = -1; // end of the last literal level that counts
  let start = 0;
  for (let i = 0; i <= length; i++) {
    if (i < length && load<u8>(filter + i) != 0x2f) continue;
    const first = start < length ? load<u8>(filter + start) : <u8>0;
    const isWildcard = i - start == 1 && (first == 0x2b || first == 0x23);
    if (isWildcard) {
      if (levels == 0) bump(COUNTER_ALL);
      else bump(counterIndex(filter, prefixEnd, PREFIX_SEED));
      return;
    }
    if (levels < PREFIX_LEVELS) {
      levels++;
      prefixEnd = i;
    }
    start = i + 1;
  }
  bump(counterIndex(filter, length, EXACT_SEED));
}

export function invalidateAll(): void {
  changes++;
  bump(COUNTER_ALL);
}
