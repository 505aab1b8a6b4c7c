// Output of a connection: a queue of spans (address, length) over shared blocks, in the order in which the bytes
// were put out. Three ways lead in:
//
//   append     bytes are copied to the connection's own region
//   pushSpan   a reference to bytes that others share (a large payload, a closed group span)
//   attach     the connection follows a group: what the group appends from now on is its output, without any work per
//              message and member, until something else is put out to it (then the span so far is closed)
//
// The host writes each connection once per turn: takeDirty, then collect, and complete when the write has ended.

import { allocateSlab, freeSlab } from '../lib/slab';
import { copyBytes } from '../lib/bytes';
import { cutRegion, extendRegion, regionEnd, release, retain, trimRegion } from './blocks';
import {
  C_FLAGS,
  C_GROUP,
  C_GROUP_START,
  C_HELD,
  C_HINT,
  C_POSITION,
  C_REGION,
  C_REGION_END,
  C_STATE,
  C_WAITING_HEAD,
  C_WAITING_TAIL,
  C_WRITING_BYTES,
  C_WRITING_HEAD,
  FLAG_BROKEN,
  FLAG_DIRTY,
  FLAG_WRITING,
  STATE_CLOSING,
  STATE_FREE,
  clearFlag,
  connectionOf,
  hasFlag,
  setFlag,
  slotOf,
} from './connections';
import { countDroppedNoMemory, countOutput } from './counters';
import { groupPosition, leaveGroup } from './group-record';
import { BLOCK_BYTES, SPANS_OUT_MAX, connections, dirtyLists, maxConnections, spansOut } from './layout';

const CHUNK_BYTES: u32 = 128;
const CHUNK_SPANS: u32 = 15;
const CH_NEXT: usize = 0;
const CH_COUNT: usize = 4;
const CH_SPANS: usize = 8;

const HINT_MIN: i32 = 128;
/** Packets up to this are kept in one piece. */
export const SHORT_BYTES: i32 = 4096;

let dirtyCount: i32 = 0;
let dirtyHalf: i32 = 0;

export function initEgress(): void {
  dirtyCount = 0;
  dirtyHalf = 0;
}

/** Lists the connection for the next `takeDirty`, once, unless a write is under way (its completion asks again). */
export function markDirty(c: usize): void {
  const flags = load<u16>(c, C_FLAGS);
  if ((flags & (FLAG_DIRTY | FLAG_WRITING)) != 0) return;
  store<u16>(c, flags | FLAG_DIRTY, C_FLAGS);
  store<u32>(dirtyLists + (<usize>(dirtyHalf * maxConnections + dirtyCount) << 2), <u32>slotOf(c));
  dirtyCount++;
}

/** Queues shared bytes behind what is queued; takes a reference on their block. False = no memory for the queue. */
export function pushSpan(c: usize, address: usize, length: i32): bool {
  let chunk = <usize>load<u32>(c, C_WAITING_TAIL);
  let count: u32 = chunk == 0 ? CHUNK_SPANS : load<u32>(chunk, CH_COUNT);
  if (chunk != 0 && count > 0) {
    // Neighbours become one span: a group's members get theirs in pieces, one per close.
    const last = chunk + CH_SPANS + (<usize>(count - 1) << 3);
    const start = <usize>load<u32>(last);
    const size = load<u32>(last, 4);
    if (start + size == address && (start & ~(<usize>BLOCK_BYTES - 1)) == (address & ~(<usize>BLOCK_BYTES - 1))) {
      store<u32>(last, size + length, 4);
      store<u32>(c, load<u32>(c, C_HELD) + length, C_HELD);
      return true;
    }
  }
  if (count == CHUNK_SPANS) {
    const fresh = allocateSlab(CHUNK_BYTES);
    if (fresh == 0) return false;
    store<u32>(fresh, 0, CH_NEXT);
    store<u32>(fresh, 0, CH_COUNT);
    if (chunk == 0) store<u32>(c, <u32>fresh, C_WAITING_HEAD);
    else store<u32>(chunk, <u32>fresh, CH_NEXT);
    store<u32>(c, <u32>fresh, C_WAITING_TAIL);
    chunk = fresh;
    count = 0;
  }
  const at = chunk + CH_SPANS + (<usize>count << 3);
  store<u32>(at, <u32>address);
  store<u32>(at, length, 4);
  store<u32>(chunk, count + 1, CH_COUNT);
  retain(address);
  store<u32>(c, load<u32>(c, C_HELD) + length, C_HELD);
  return true;
}

/** Queues what the connection's own region holds so far. The bytes were counted as held when they were appended. */
export function closeRegionSpan(c: usize): bool {
  const start = <usize>load<u32>(c, C_REGION);
  const position = <usize>load<u32>(c, C_POSITION);
  const length = <i32>(position - start);
  if (length == 0) return true;
  if (!pushSpan(c, start, length)) return false;
  store<u32>(c, load<u32>(c, C_HELD) - length, C_HELD);
  store<u32>(c, <u32>position, C_REGION);
  return true;
}

/** Ends the connection's region; its block stays while queued spans lie in it. */
function dropRegion(c: usize): void {
  const end = <usize>load<u32>(c, C_REGION_END);
  if (end == 0) return;
  trimRegion(<usize>load<u32>(c, C_POSITION), end);
  release(end - 1);
  store<u32>(c, 0, C_REGION);
  store<u32>(c, 0, C_POSITION);
  store<u32>(c, 0, C_REGION_END);
}

/**
 * Closes the span of the group that the connection follows, if any. False = no memory to queue it: those QoS 0 packets
 * are dropped, whole, and counted.
 */
export function detach(c: usize): bool {
  const group = <usize>load<u32>(c, C_GROUP);
  if (group == 0) return true;
  const start = <usize>load<u32>(c, C_GROUP_START);
  const length = <i32>(groupPosition(group) - start);
  store<u32>(c, 0, C_GROUP);
  leaveGroup(group);
  if (length == 0 || pushSpan(c, start, length)) return true;
  countDroppedNoMemory(1);
  return false;
}

/** Makes room for `least` contiguous bytes (at most a block) at C_POSITION. False = out of memory. */
export function reserve(c: usize, least: i32): bool {
  if (load<u32>(c, C_GROUP) != 0 && !detach(c)) return false;
  let end = <usize>load<u32>(c, C_REGION_END);
  const position = <usize>load<u32>(c, C_POSITION);
  if (<i32>(end - position) >= least) return true;
  const hint = <i32>load<u32>(c, C_HINT);
  if (end != 0) {
    end = extendRegion(end, max(least, hint));
    store<u32>(c, <u32>end, C_REGION_END);
    if (<i32>(end - position) >= least) return true;
    if (!closeRegionSpan(c)) return false;
    dropRegion(c);
  }
  const start = cutRegion(max(least, hint), least, hasFlag(c, FLAG_WRITING));
  if (start == 0) return false;
  store<u32>(c, <u32>start, C_REGION);
  store<u32>(c, <u32>start, C_POSITION);
  store<u32>(c, <u32>regionEnd, C_REGION_END);
  store<u32>(c, min(hint << 1, BLOCK_BYTES), C_HINT);
  return true;
}

/** Counts `length` bytes that were written at C_POSITION after `reserve`. */
// @ts-ignore: decorator
@inline
export function commit(c: usize, length: i32): void {
  store<u32>(c, load<u32>(c, C_POSITION) + length, C_POSITION);
  store<u32>(c, load<u32>(c, C_HELD) + length, C_HELD);
  markDirty(c);
}

/** The output ends inside a packet: nothing may follow. `collect` tells the host. */
export function breakOff(c: usize): void {
  setFlag(c, FLAG_BROKEN);
  markDirty(c);
}

/** Copies bytes to the connection's output, across blocks where needed. False = out of memory; if a part is in, the connection is broken. */
export function append(c: usize, from: usize, length: i32): bool {
  let left = length;
  while (left > 0) {
    if (!reserve(c, left <= SHORT_BYTES ? left : 1)) {
      if (left != length) breakOff(c);
      return false;
    }
    const room = <i32>(load<u32>(c, C_REGION_END) - load<u32>(c, C_POSITION));
    const part = min(room, left);
    copyBytes(<usize>load<u32>(c, C_POSITION), from + (length - left), part);
    commit(c, part);
    left -= part;
  }
  return true;
}

/** Puts bytes that lie in a block already behind the output so far, without copying them. False = no memory. */
export function appendShared(c: usize, address: usize, length: i32): bool {
  if (!detach(c) || !closeRegionSpan(c) || !pushSpan(c, address, length)) return false;
  markDirty(c);
  return true;
}

/** Slots with output and no write under way: how many stand at `dirtyOffset`. Precondition: no group is followed. */
export function takeDirty(): i32 {
  const count = dirtyCount;
  const list = dirtyLists + (<usize>(dirtyHalf * maxConnections) << 2);
  for (let i = 0; i < count; i++) clearFlag(connectionOf(load<u32>(list + (<usize>i << 2))), FLAG_DIRTY);
  dirtyHalf ^= 1;
  dirtyCount = 0;
  return count;
}

/** Where the list of the last `takeDirty` lies. */
export function dirtyOffset(): usize {
  return dirtyLists + (<usize>((dirtyHalf ^ 1) * maxConnections) << 2);
}

function nextPowerOfTwo(value: i32): i32 {
  return value <= 1 ? 1 : 1 << (32 - clz<i32>(value - 1));
}

/** Moves what waits to the write under way and lists it in spansOut; returns the number of spans, 0 = nothing to do, -1 = broken. */
export function collect(slot: i32): i32 {
  const c = connectionOf(slot);
  if (hasFlag(c, FLAG_WRITING) || load<u8>(c, C_STATE) == STATE_FREE) return 0;
  detach(c);
  if (hasFlag(c, FLAG_BROKEN) || !closeRegionSpan(c)) return -1;
  dropRegion(c);
  const head = <usize>load<u32>(c, C_WAITING_HEAD);
  if (head == 0) return 0;
  let spans = 0;
  let bytes: u32 = 0;
  let chunk = head;
  let last: usize = 0;
  while (chunk != 0) {
    const count = load<u32>(chunk, CH_COUNT);
    if (spans + <i32>count > SPANS_OUT_MAX) break;
    copyBytes(spansOut + (<usize>spans << 3), chunk + CH_SPANS, <i32>count << 3);
    for (let i: u32 = 0; i < count; i++) bytes += load<u32>(chunk + CH_SPANS + (<usize>i << 3), 4);
    spans += <i32>count;
    last = chunk;
    chunk = <usize>load<u32>(chunk, CH_NEXT);
  }
  store<u32>(last, 0, CH_NEXT);
  store<u32>(c, <u32>head, C_WRITING_HEAD);
  store<u32>(c, <u32>chunk, C_WAITING_HEAD);
  if (chunk == 0) store<u32>(c, 0, C_WAITING_TAIL);
  store<u32>(c, bytes, C_WRITING_BYTES);
  store<u32>(c, max(HINT_MIN, min(BLOCK_BYTES, nextPowerOfTwo(<i32>bytes))), C_HINT);
  store<u16>(c, load<u16>(c, C_FLAGS) | FLAG_WRITING, C_FLAGS);
  countOutput(<i32>bytes);
  return spans;
}

function freeChunks(head: usize): void {
  let chunk = head;
  while (chunk != 0) {
    const count = load<u32>(chunk, CH_COUNT);
    for (let i: u32 = 0; i < count; i++) release(<usize>load<u32>(chunk + CH_SPANS + (<usize>i << 3)));
    const next = <usize>load<u32>(chunk, CH_NEXT);
    freeSlab(chunk, CHUNK_BYTES);
    chunk = next;
  }
}

/** The write under way has ended. Returns whether more output waits (it is then listed as dirty). */
export function complete(slot: i32): bool {
  const c = connectionOf(slot);
  if (!hasFlag(c, FLAG_WRITING)) return false;
  freeChunks(<usize>load<u32>(c, C_WRITING_HEAD));
  store<u32>(c, 0, C_WRITING_HEAD);
  store<u32>(c, load<u32>(c, C_HELD) - load<u32>(c, C_WRITING_BYTES), C_HELD);
  store<u32>(c, 0, C_WRITING_BYTES);
  clearFlag(c, FLAG_WRITING);
  if (load<u8>(c, C_STATE) == STATE_CLOSING) {
    store<u8>(c, STATE_FREE, C_STATE);
    return false;
  }
  const waits =
    load<u32>(c, C_WAITING_HEAD) != 0 || load<u32>(c, C_POSITION) != load<u32>(c, C_REGION) || load<u32>(c, C_GROUP) != 0;
  if (waits) markDirty(c);
  return waits;
}

/** Bytes waiting or being written, the open group span included. */
export function heldBytes(c: usize): u32 {
  const group = <usize>load<u32>(c, C_GROUP);
  const following: u32 = group == 0 ? 0 : <u32>(groupPosition(group) - <usize>load<u32>(c, C_GROUP_START));
  return load<u32>(c, C_HELD) + following;
}

/** Forgets everything that is not being written. */
export function dropOutput(c: usize): void {
  const group = <usize>load<u32>(c, C_GROUP);
  if (group != 0) {
    store<u32>(c, 0, C_GROUP);
    leaveGroup(group);
  }
  dropRegion(c);
  freeChunks(<usize>load<u32>(c, C_WAITING_HEAD));
  store<u32>(c, 0, C_WAITING_HEAD);
  store<u32>(c, 0, C_WAITING_TAIL);
  store<u32>(c, load<u32>(c, C_WRITING_BYTES), C_HELD);
}

/** Whether the table holds this record (debug builds assert it at the module's border). */
export function isConnection(c: usize): bool {
  return c >= connections && slotOf(c) < maxConnections;
}
