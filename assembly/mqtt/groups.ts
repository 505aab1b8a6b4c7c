// A group: one encoding of a message and the connections that get it. Members of a QoS 0 group share the encoded bytes:
// each member is attached to the group once a turn, and from then on a message costs one encoding, however many members.
//
//   attached + skipped == count   every member follows the group or was found unable to take more this turn:
//                                 the next message needs no walk over the members
//
// A group's region lives for one turn: `closeTouchedGroups` closes every member's span and lets the region go, so that
// an idle group holds no output memory.

import { allocateSlab, freeSlab } from '../lib/slab';
import { copyBytes } from '../lib/bytes';
import { cutRegion, extendRegion, regionEnd, release, trimRegion } from './blocks';
import {
  C_GROUP,
  C_GROUP_START,
  C_MAX_HELD,
  C_MAX_PACKET_OUT,
  connectionOf,
  isEstablished,
} from './connections';
import { countGroups } from './counters';
import { closeRegionSpan, detach, heldBytes, markDirty } from './egress';
import {
  GROUP_DEAD,
  GROUP_NO_LOCAL,
  GROUP_TOUCHED,
  G_ALIAS,
  G_ATTACHED,
  G_BYTES,
  G_COUNT,
  G_END,
  G_FLAGS,
  G_HEAD_BYTES,
  G_HINT,
  G_IDS_LENGTH,
  G_LEAST_MAX_PACKET,
  G_NEXT_TOUCHED,
  G_POSITION,
  G_QOS,
  G_SKIPPED,
  G_VERSION,
  membersOf,
} from './group-record';
import { BLOCK_BYTES } from './layout';

const HINT_MIN: i32 = 512;

let touchedHead: usize = 0;

export function initGroups(): void {
  touchedHead = 0;
}

/** `from` holds the identifier bytes, then (aligned to 4) the members' slots as u32. Returns 0 when there is no room. */
export function createGroup(version: u8, qos: u8, noLocal: bool, alias: u16, idsLength: u8, from: usize, count: i32): usize {
  const idsRoom = (<i32>idsLength + 3) & ~3;
  const bytes = G_HEAD_BYTES + idsRoom + (count << 2);
  const g = allocateSlab(<u32>bytes);
  if (g == 0) return 0;
  memory.fill(g, 0, G_HEAD_BYTES);
  store<u8>(g, version, G_VERSION);
  store<u8>(g, qos, G_QOS);
  store<u8>(g, noLocal ? GROUP_NO_LOCAL : 0, G_FLAGS);
  store<u8>(g, idsLength, G_IDS_LENGTH);
  store<u16>(g, alias, G_ALIAS);
  store<u32>(g, count, G_COUNT);
  store<u32>(g, bytes, G_BYTES);
  store<u32>(g, HINT_MIN, G_HINT);
  copyBytes(g + G_HEAD_BYTES, from, idsRoom + (count << 2));
  let least: u32 = u32.MAX_VALUE;
  const members = membersOf(g);
  for (let i = 0; i < count; i++) {
    const c = connectionOf(load<u32>(members + (<usize>i << 2)));
    least = min(least, load<u32>(c, C_MAX_PACKET_OUT));
  }
  store<u32>(g, least, G_LEAST_MAX_PACKET);
  countGroups(1);
  return g;
}

function freeGroup(g: usize): void {
  countGroups(-1);
  freeSlab(g, load<u32>(g, G_BYTES));
}

/** The caller has no flow left that names it. It is freed at the end of the turn where bytes of it are still open. */
export function releaseGroup(g: usize): void {
  const flags = load<u8>(g, G_FLAGS);
  if ((flags & GROUP_TOUCHED) != 0) store<u8>(g, flags | GROUP_DEAD, G_FLAGS);
  else freeGroup(g);
}

function touch(g: usize): void {
  const flags = load<u8>(g, G_FLAGS);
  if ((flags & GROUP_TOUCHED) != 0) return;
  store<u8>(g, flags | GROUP_TOUCHED, G_FLAGS);
  store<u32>(g, <u32>touchedHead, G_NEXT_TOUCHED);
  touchedHead = g;
}

function dropGroupRegion(g: usize): void {
  const end = <usize>load<u32>(g, G_END);
  if (end == 0) return;
  trimRegion(<usize>load<u32>(g, G_POSITION), end);
  release(end - 1);
  store<u32>(g, 0, G_END);
  store<u32>(g, 0, G_POSITION);
}

/** Closes the open span of every member; none follows the group any more. */
function closeMembers(g: usize): void {
  if (load<u32>(g, G_ATTACHED) == 0) return;
  const members = membersOf(g);
  const count = <i32>load<u32>(g, G_COUNT);
  for (let i = 0; i < count; i++) {
    const c = connectionOf(load<u32>(members + (<usize>i << 2)));
    if (<usize>load<u32>(c, C_GROUP) == g) detach(c);
  }
}

/** End of the turn for all groups. */
export function closeTouchedGroups(): void {
  let g = touchedHead;
  touchedHead = 0;
  while (g != 0) {
    const next = <usize>load<u32>(g, G_NEXT_TOUCHED);
    closeMembers(g);
    dropGroupRegion(g);
    store<u32>(g, 0, G_SKIPPED);
    store<u32>(g, max(HINT_MIN, <i32>load<u32>(g, G_HINT) >> 1), G_HINT);
    const flags = load<u8>(g, G_FLAGS);
    if ((flags & GROUP_DEAD) != 0) freeGroup(g);
    else store<u8>(g, flags & ~GROUP_TOUCHED, G_FLAGS);
    g = next;
  }
}

/** Attaches every member that can take more; returns how many follow the group now. */
function attachMembers(g: usize, position: usize): i32 {
  const members = membersOf(g);
  const count = <i32>load<u32>(g, G_COUNT);
  let attached: u32 = 0;
  let skipped: u32 = 0;
  for (let i = 0; i < count; i++) {
    const c = connectionOf(load<u32>(members + (<usize>i << 2)));
    if (<usize>load<u32>(c, C_GROUP) == g) {
      attached++;
      continue;
    }
    if (!isEstablished(c) || heldBytes(c) > load<u32>(c, C_MAX_HELD) || !detach(c) || !closeRegionSpan(c)) {
      skipped++;
      continue;
    }
    store<u32>(c, <u32>g, C_GROUP);
    store<u32>(c, <u32>position, C_GROUP_START);
    attached++;
    markDirty(c);
  }
  store<u32>(g, attached, G_ATTACHED);
  store<u32>(g, skipped, G_SKIPPED);
  return <i32>attached;
}

/**
 * Room for one packet of `length` bytes that all members will share; the caller writes it there and calls `shared`.
 * 0 = out of memory. Precondition: length is at most a quarter of a block.
 */
export function reserveShared(g: usize, length: i32): usize {
  touch(g);
  let end = <usize>load<u32>(g, G_END);
  const position = <usize>load<u32>(g, G_POSITION);
  if (<i32>(end - position) >= length) return position;
  const hint = <i32>load<u32>(g, G_HINT);
  if (end != 0) {
    end = extendRegion(end, max(length, hint));
    store<u32>(g, <u32>end, G_END);
    if (<i32>(end - position) >= length) return position;
    closeMembers(g);
    dropGroupRegion(g);
  }
  const start = cutRegion(max(length, hint), length, false);
  if (start == 0) return 0;
  store<u32>(g, <u32>start, G_POSITION);
  store<u32>(g, <u32>regionEnd, G_END);
  store<u32>(g, min(hint << 1, BLOCK_BYTES), G_HINT);
  return start;
}

/** The packet at the group's position is complete: its members get it. Returns how many do; the others were skipped. */
export function shared(g: usize, length: i32): i32 {
  const position = <usize>load<u32>(g, G_POSITION);
  const count = load<u32>(g, G_COUNT);
  let attached = <i32>load<u32>(g, G_ATTACHED);
  if (<u32>attached + load<u32>(g, G_SKIPPED) != count) attached = attachMembers(g, position);
  store<u32>(g, <u32>(position + length), G_POSITION);
  return attached;
}
