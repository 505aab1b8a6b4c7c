// The MQTT data plane: what the host calls. src/wasm/data-plane.ts is the contract; every function here states its
// precondition there. Malformed input is a reason code, never a trap.

import { initSlabs } from '../lib/slab';
import { putAcknowledgements, settle as settleOne } from './acknowledgements';
import { initBlocks } from './blocks';
import {
  C_CLASS,
  C_FLAGS,
  C_HINT,
  C_IN_FLIGHT,
  C_MAX_HELD,
  C_MAX_PACKET_IN,
  C_MAX_PACKET_OUT,
  C_RECEIVED_COUNT,
  C_RECEIVE_MAX,
  C_SEEN,
  C_STATE,
  C_TOPIC_PREFIX,
  C_VERSION,
  C_WINDOW,
  FLAG_DIRTY,
  FLAG_DURABLE,
  FLAG_FAST,
  FLAG_HOST_MODE,
  FLAG_OWES,
  FLAG_WANTS_WINDOW,
  FLAG_WRITING,
  STATE_CLOSING,
  STATE_ESTABLISHED,
  STATE_FREE,
  STATE_OPEN,
  clearFlag,
  connectionOf,
  hasFlag,
  setFlag,
} from './connections';
import { append as appendBytes, breakOff, dropOutput, heldBytes as heldBytesOf, initEgress, takeDirty as takeDirtySlots } from './egress';
import { FLOW_BATCHED, FLOW_HOST_PART, dropFlow as dropFlowAt, flowOf, initFlows, installFlow as installFlowAt, isLiveFlow, placeFlow } from './flows';
import { closeTouchedGroups, createGroup as createGroupAt, initGroups, releaseGroup as releaseGroupAt } from './groups';
import * as layout from './layout';
import {
  dropSentId,
  forgetReceivedId,
  freePacketIds,
  isReceived,
  listReceivedIds,
  recordReceivedId,
  restoreSentId,
  takeSentId,
} from './packet-ids';

export { collect, complete, dirtyOffset } from './egress';
export { invalidateAll, invalidateFilter } from './flows';
export { ingest, setTick } from './ingest';
export { putStored } from './stored';
export { readCounters } from './counters';
export { setPolicyKeys } from './policy-keys';
export { setStrictText } from './text';
export { isUtf8 } from '../lib/utf8';
export { hashBytes } from '../lib/bytes';

/** Lays out the memory; 0 = done, else the number of bytes the memory would need at least. */
export function init(memoryBytes: u32, maxConnections: i32, flowEntries: i32): u32 {
  const missing = layout.initLayout(memoryBytes, maxConnections, flowEntries);
  if (missing != 0) return missing;
  initSlabs(layout.slabStart, layout.slabEnd);
  initBlocks(layout.blockStart, layout.blockCount, layout.blockReferences);
  initEgress();
  initFlows();
  initGroups();
  return 0;
}

/** Where regions lie, by the order of src/wasm/create-data-plane.ts. */
export function regionOffset(region: i32): usize {
  switch (region) {
    case 0:
      return layout.resultBlock;
    case 1:
      return layout.rowsBase;
    case 2:
      return layout.spansOut;
    case 3:
      return layout.scratch;
    case 4:
      return layout.carry;
    case 5:
      return layout.readWindow;
    default:
      return layout.connections;
  }
}

export function open(slot: i32, maxPacketBytesIn: u32): void {
  const c = connectionOf(slot);
  assert(load<u8>(c, C_STATE) == STATE_FREE);
  const dirty = load<u16>(c, C_FLAGS) & FLAG_DIRTY;
  memory.fill(c, 0, layout.CONNECTION_BYTES);
  store<u8>(c, STATE_OPEN, C_STATE);
  store<u16>(c, dirty, C_FLAGS);
  store<u32>(c, maxPacketBytesIn, C_MAX_PACKET_IN);
  store<u32>(c, u32.MAX_VALUE, C_MAX_PACKET_OUT);
  store<u32>(c, 128, C_HINT);
}

export function establish(
  slot: i32,
  version: i32,
  classId: u32,
  fastIngress: bool,
  sendWindow: u32,
  receiveMaximum: u32,
  maxPacketBytesOut: u32,
  maxHeldBytes: u32,
  isDurable: bool,
  topicPrefix: i32,
): void {
  const c = connectionOf(slot);
  assert(load<u8>(c, C_STATE) == STATE_OPEN);
  store<u8>(c, STATE_ESTABLISHED, C_STATE);
  store<u8>(c, <u8>version, C_VERSION);
  if (fastIngress && layout.maxFlows > 0) setFlag(c, FLAG_FAST);
  if (isDurable) setFlag(c, FLAG_DURABLE);
  store<u16>(c, <u16>topicPrefix, C_TOPIC_PREFIX);
  store<u32>(c, classId, C_CLASS);
  store<u32>(c, min<u32>(sendWindow, 65535), C_WINDOW);
  store<u32>(c, receiveMaximum, C_RECEIVE_MAX);
  store<u32>(c, maxPacketBytesOut, C_MAX_PACKET_OUT);
  store<u32>(c, maxHeldBytes, C_MAX_HELD);
}

/** Rules have changed: whom it shares flows with from now on. */
export function setClass(slot: i32, classId: u32): void {
  store<u32>(connectionOf(slot), classId, C_CLASS);
}

export function close(slot: i32): void {
  const c = connectionOf(slot);
  const state = load<u8>(c, C_STATE);
  if (state == STATE_FREE || state == STATE_CLOSING) return;
  dropOutput(c);
  freePacketIds(c);
  store<u8>(c, hasFlag(c, FLAG_WRITING) ? STATE_CLOSING : STATE_FREE, C_STATE);
}

export function isFree(slot: i32): bool {
  return load<u8>(connectionOf(slot), C_STATE) == STATE_FREE;
}

export function append(slot: i32, from: usize, length: i32): bool {
  const c = connectionOf(slot);
  const state = load<u8>(c, C_STATE);
  if (state == STATE_FREE || state == STATE_CLOSING) return true; // nobody to write to: nothing is missing
  return appendBytes(c, from, length);
}

/** The host had no room for the rest of a packet. */
export function breakOutput(slot: i32): void {
  const c = connectionOf(slot);
  const state = load<u8>(c, C_STATE);
  if (state != STATE_FREE && state != STATE_CLOSING) breakOff(c);
}

/** Ends the turn: closes what groups share, then lists what is to be written. */
export function takeDirty(): i32 {
  closeTouchedGroups();
  return takeDirtySlots();
}

export function heldBytes(slot: i32): u32 {
  return heldBytesOf(connectionOf(slot));
}

export function inFlight(slot: i32): u32 {
  return load<u32>(connectionOf(slot), C_IN_FLIGHT);
}

export function lastSeen(slot: i32): u32 {
  return load<u32>(connectionOf(slot), C_SEEN);
}

export function takePacketId(slot: i32, qos: i32, host: bool): i32 {
  const c = connectionOf(slot);
  const id = takeSentId(c, <u32>qos, host);
  if (id == 0) setFlag(c, FLAG_WANTS_WINDOW);
  return id;
}

export function restorePacketId(slot: i32, id: i32, state: i32, host: bool): bool {
  return restoreSentId(connectionOf(slot), <u32>id, <u32>state, host);
}

export function settle(slot: i32, type: i32, id: i32, reason: i32): i32 {
  return settleOne(connectionOf(slot), type, id, reason);
}

export function releasePacketId(slot: i32, id: i32): bool {
  return dropSentId(connectionOf(slot), <u32>id);
}

/** Writes the incoming QoS 2 identifiers as u16 to the scratch area; returns how many. */
export function exportReceived(slot: i32): i32 {
  return listReceivedIds(connectionOf(slot), layout.scratch);
}

/** 0 = recorded, 1 = was there, 2 = no memory. */
export function recordReceived(slot: i32, id: i32): i32 {
  return recordReceivedId(connectionOf(slot), <u32>id);
}

export function forgetReceived(slot: i32, id: i32): bool {
  return forgetReceivedId(connectionOf(slot), <u32>id);
}

/** How many incoming QoS 2 identifiers are not released. */
export function receivedCount(slot: i32): u32 {
  return load<u32>(connectionOf(slot), C_RECEIVED_COUNT);
}

export function hasReceived(slot: i32, id: i32): bool {
  return isReceived(connectionOf(slot), <u32>id);
}

/** `count` identifiers from `id` on. */
export function acknowledge(slot: i32, type: i32, id: i32, count: i32, reason: i32): bool {
  return putAcknowledgements(connectionOf(slot), type, id, count, reason);
}

/** See `DataPlane.setOwes`. */
export function setOwes(slot: i32, on: bool): void {
  const c = connectionOf(slot);
  if (on) setFlag(c, FLAG_OWES);
  else clearFlag(c, FLAG_OWES);
}

export function setHostMode(slot: i32, on: bool): void {
  const c = connectionOf(slot);
  if (on) setFlag(c, FLAG_HOST_MODE);
  else clearFlag(c, FLAG_HOST_MODE);
}

/** The scratch area holds the identifiers' bytes, then, aligned to 4, the members' slots. */
export function createGroup(version: i32, qos: i32, noLocal: bool, alias: i32, idsLength: i32, count: i32): usize {
  return createGroupAt(<u8>version, <u8>qos, noLocal, <u16>alias, <u8>idsLength, layout.scratch, count);
}

export function releaseGroup(group: usize): void {
  releaseGroupAt(group);
}

/** Chooses the record for a flow; the topic is at the start of the scratch area, its prefix with it. -1 = there is no flow cache. */
export function chooseFlow(classId: u32, topicLength: i32, prefix: i32): i32 {
  return placeFlow(classId, layout.scratch + prefix, topicLength - prefix);
}

export function isFlow(id: i32): bool {
  return isLiveFlow(id);
}

export function dropFlow(id: i32): void {
  dropFlowAt(flowOf(id));
}

/** The scratch area holds the topic, then, aligned to 4, the groups. */
export function installFlow(id: i32, classId: u32, topicLength: i32, groupCount: i32, rows: i32, hostPart: bool, batched: bool, prefix: i32): bool {
  const groups = layout.scratch + ((<usize>topicLength + 3) & ~3);
  const hostFlags: u16 = (hostPart ? FLOW_HOST_PART : 0) | (hostPart && batched ? FLOW_BATCHED : 0);
  return installFlowAt(id, classId, layout.scratch, topicLength, prefix, groups, groupCount, rows, hostFlags);
}
