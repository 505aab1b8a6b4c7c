// Packet identifiers of one connection, in both directions: open-addressed tables of u32 entries keyed by the
// identifier's low bits, so that identifiers given out in order never collide.
//
//   entry = identifier | state << 16 | host << 24        0 = empty
//
// Tables start small, double while they are half full, and live in slabs until the connection closes.

import { allocateSlab, freeSlab } from '../lib/slab';
import {
  C_IN_FLIGHT,
  C_LAST_ID,
  C_RECEIVED_CAPACITY,
  C_RECEIVED_COUNT,
  C_RECEIVED_MAP,
  C_SENT_CAPACITY,
  C_SENT_MAP,
  C_WINDOW,
} from './connections';

export const SENT_QOS1: u32 = 1;
export const SENT_QOS2: u32 = 2;
/** PUBREL is out, PUBCOMP is awaited. */
export const SENT_RELEASED: u32 = 3;
const HOST: u32 = 1 << 24;

const CAPACITY_MIN: u32 = 16;

/** Slot of `id` in the table, or of the empty entry where it belongs. */
function find(map: usize, capacity: u32, id: u32): usize {
  const mask = capacity - 1;
  let i = id & mask;
  while (true) {
    const at = map + (i << 2);
    const entry = load<u32>(at);
    if (entry == 0 || (entry & 0xffff) == id) return at;
    i = (i + 1) & mask;
  }
}

/** Empties one entry and closes the gap (backward shift), so that searches need no tombstones. */
function erase(map: usize, capacity: u32, at: usize): void {
  const mask = capacity - 1;
  let hole = <u32>((at - map) >> 2);
  let i = hole;
  while (true) {
    i = (i + 1) & mask;
    const entry = load<u32>(map + (i << 2));
    if (entry == 0) break;
    const home = entry & 0xffff & mask;
    // Moves only entries whose home does not lie between the hole (exclusive) and themselves.
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      store<u32>(map + (hole << 2), entry);
      hole = i;
    }
  }
  store<u32>(map + (hole << 2), 0);
}

/** Room for one more entry in the table whose pointer and capacity are at these fields; false when memory is out. */
function reserve(c: usize, mapField: usize, capacityField: usize, count: u32): bool {
  const map = <usize>load<u32>(c + mapField);
  const capacity = load<u32>(c + capacityField);
  if (capacity != 0 && (count + 1) * 2 <= capacity) return true;
  const grown: u32 = capacity == 0 ? CAPACITY_MIN : capacity * 2;
  const fresh = allocateSlab(grown * 4);
  if (fresh == 0) return false;
  memory.fill(fresh, 0, grown * 4);
  for (let i: u32 = 0; i < capacity; i++) {
    const entry = load<u32>(map + (i << 2));
    if (entry != 0) store<u32>(find(fresh, grown, entry & 0xffff), entry);
  }
  if (map != 0) freeSlab(map, capacity * 4);
  store<u32>(c + mapField, <u32>fresh);
  store<u32>(c + capacityField, grown);
  return true;
}

/** A free identifier, entered in the given state and counted; 0 when the window (or memory) is full. */
export function takeSentId(c: usize, state: u32, host: bool): i32 {
  const inFlight = load<u32>(c, C_IN_FLIGHT);
  if (inFlight >= load<u32>(c, C_WINDOW)) return 0;
  if (!reserve(c, C_SENT_MAP, C_SENT_CAPACITY, inFlight)) return 0;
  const map = <usize>load<u32>(c, C_SENT_MAP);
  const capacity = load<u32>(c, C_SENT_CAPACITY);
  let id = load<u32>(c, C_LAST_ID);
  let at: usize;
  // Ends: fewer than 65,535 identifiers are in flight.
  do {
    id = id >= 65535 ? 1 : id + 1;
    at = find(map, capacity, id);
  } while (load<u32>(at) != 0);
  store<u32>(at, id | (state << 16) | (host ? HOST : 0));
  store<u32>(c, id, C_LAST_ID);
  store<u32>(c, inFlight + 1, C_IN_FLIGHT);
  return <i32>id;
}

/** Enters an identifier of a resumed session. Counted against the window even where it is above it. */
export function restoreSentId(c: usize, id: u32, state: u32, host: bool): bool {
  const inFlight = load<u32>(c, C_IN_FLIGHT);
  if (!reserve(c, C_SENT_MAP, C_SENT_CAPACITY, inFlight)) return false;
  const at = find(<usize>load<u32>(c, C_SENT_MAP), load<u32>(c, C_SENT_CAPACITY), id);
  if (load<u32>(at) == 0) store<u32>(c, inFlight + 1, C_IN_FLIGHT);
  store<u32>(at, id | (state << 16) | (host ? HOST : 0));
  return true;
}

/** Entry of an identifier, 0 when it is not in flight. */
export function sentEntry(c: usize, id: u32): u32 {
  const capacity = load<u32>(c, C_SENT_CAPACITY);
  if (capacity == 0) return 0;
  return load<u32>(find(<usize>load<u32>(c, C_SENT_MAP), capacity, id));
}

// @ts-ignore: decorator
@inline
export function stateOfEntry(entry: u32): u32 {
  return (entry >> 16) & 0xff;
}

// @ts-ignore: decorator
@inline
export function isHostEntry(entry: u32): bool {
  return (entry & HOST) != 0;
}

/** Precondition: the identifier is in flight. */
export function setSentReleased(c: usize, id: u32): void {
  const at = find(<usize>load<u32>(c, C_SENT_MAP), load<u32>(c, C_SENT_CAPACITY), id);
  store<u32>(at, (load<u32>(at) & ~(<u32>0xff << 16)) | (SENT_RELEASED << 16));
}

export function dropSentId(c: usize, id: u32): bool {
  const capacity = load<u32>(c, C_SENT_CAPACITY);
  if (capacity == 0) return false;
  const map = <usize>load<u32>(c, C_SENT_MAP);
  const at = find(map, capacity, id);
  if (load<u32>(at) == 0) return false;
  erase(map, capacity, at);
  store<u32>(c, load<u32>(c, C_IN_FLIGHT) - 1, C_IN_FLIGHT);
  return true;
}

export const RECEIVED_NEW: i32 = 0;
export const RECEIVED_DUPLICATE: i32 = 1;
export const RECEIVED_NO_MEMORY: i32 = 2;

export function isReceived(c: usize, id: u32): bool {
  const capacity = load<u32>(c, C_RECEIVED_CAPACITY);
  if (capacity == 0) return false;
  return load<u32>(find(<usize>load<u32>(c, C_RECEIVED_MAP), capacity, id)) != 0;
}

/** Records an incoming QoS 2 identifier until its PUBREL. */
export function recordReceivedId(c: usize, id: u32): i32 {
  const count = load<u32>(c, C_RECEIVED_COUNT);
  if (!reserve(c, C_RECEIVED_MAP, C_RECEIVED_CAPACITY, count)) return RECEIVED_NO_MEMORY;
  const at = find(<usize>load<u32>(c, C_RECEIVED_MAP), load<u32>(c, C_RECEIVED_CAPACITY), id);
  if (load<u32>(at) != 0) return RECEIVED_DUPLICATE;
  store<u32>(at, id | (1 << 16));
  store<u32>(c, count + 1, C_RECEIVED_COUNT);
  return RECEIVED_NEW;
}

export function forgetReceivedId(c: usize, id: u32): bool {
  const capacity = load<u32>(c, C_RECEIVED_CAPACITY);
  if (capacity == 0) return false;
  const map = <usize>load<u32>(c, C_RECEIVED_MAP);
  const at = find(map, capacity, id);
  if (load<u32>(at) == 0) return false;
  erase(map, capacity, at);
  store<u32>(c, load<u32>(c, C_RECEIVED_COUNT) - 1, C_RECEIVED_COUNT);
  return true;
}

/** Writes the recorded identifiers as u16 to `to`; returns how many. */
export function listReceivedIds(c: usize, to: usize): i32 {
  const map = <usize>load<u32>(c, C_RECEIVED_MAP);
  const capacity = load<u32>(c, C_RECEIVED_CAPACITY);
  let count = 0;
  for (let i: u32 = 0; i < capacity; i++) {
    const entry = load<u32>(map + (i << 2));
    if (entry == 0) continue;
    store<u16>(to + (<usize>count << 1), <u16>entry);
    count++;
  }
  return count;
}

export function freePacketIds(c: usize): void {
  const sent = <usize>load<u32>(c, C_SENT_MAP);
  if (sent != 0) freeSlab(sent, load<u32>(c, C_SENT_CAPACITY) * 4);
  const received = <usize>load<u32>(c, C_RECEIVED_MAP);
  if (received != 0) freeSlab(received, load<u32>(c, C_RECEIVED_CAPACITY) * 4);
  store<u32>(c, 0, C_SENT_MAP);
  store<u32>(c, 0, C_SENT_CAPACITY);
  store<u32>(c, 0, C_RECEIVED_MAP);
  store<u32>(c, 0, C_RECEIVED_CAPACITY);
  store<u32>(c, 0, C_RECEIVED_COUNT);
  store<u32>(c, 0, C_IN_FLIGHT);
}
