// The connection table: one record of 128 bytes per slot. This file owns the record and its life; output is egress.ts,
// packet identifiers are packet-ids.ts.

import { CONNECTION_BYTES, connections } from './layout';

export const STATE_FREE: u8 = 0;
/** Connected, not established: every packet is the host's. */
export const STATE_OPEN: u8 = 1;
export const STATE_ESTABLISHED: u8 = 2;
/** Closed by the host while a write was under way; free when that has completed. */
export const STATE_CLOSING: u8 = 3;

export const FLAG_FAST: u16 = 1;
/** QoS 1 and 2 deliveries go to the host. */
export const FLAG_HOST_MODE: u16 = 2;
/** Listed in the dirty list. */
export const FLAG_DIRTY: u16 = 4;
/** A write is under way. */
export const FLAG_WRITING: u16 = 8;
/** The host waits for room in the send window. */
export const FLAG_WANTS_WINDOW: u16 = 16;
/** Memory ran out in the middle of a packet: nothing more may be written, the host must close it. */
export const FLAG_BROKEN: u16 = 32;
/** Its session outlives it: the host keeps QoS 2 state, and answers PUBREC and PUBREL once that is durable. */
export const FLAG_DURABLE: u16 = 64;
/** The host owes it acknowledgements: those of later messages are the host's as well, so that none overtakes another. */
export const FLAG_OWES: u16 = 128;

export const C_STATE: usize = 0; // u8
export const C_VERSION: usize = 1; // u8: 3, 4, 5
export const C_FLAGS: usize = 2; // u16
export const C_CLASS: usize = 4;
export const C_SEEN: usize = 8;
export const C_MAX_PACKET_OUT: usize = 12;
export const C_WINDOW: usize = 16;
export const C_IN_FLIGHT: usize = 20;
export const C_LAST_ID: usize = 24;
export const C_SENT_MAP: usize = 28; // outgoing identifiers
export const C_SENT_CAPACITY: usize = 32;
export const C_RECEIVED_MAP: usize = 36; // incoming QoS 2 identifiers
export const C_RECEIVED_CAPACITY: usize = 40;
export const C_RECEIVED_COUNT: usize = 44;
export const C_RECEIVE_MAX: usize = 48;
export const C_HELD: usize = 52; // bytes waiting or being written, without the open group span
export const C_MAX_HELD: usize = 56;
export const C_MAX_PACKET_IN: usize = 60;
export const C_WAITING_HEAD: usize = 64; // span chunks
export const C_WAITING_TAIL: usize = 68;
export const C_WRITING_HEAD: usize = 72;
export const C_REGION: usize = 76; // start of the span that is being filled
export const C_POSITION: usize = 80; // where the next byte goes
export const C_REGION_END: usize = 84; // 0 = no region
export const C_GROUP: usize = 88; // group this connection is attached to, 0 = none
export const C_GROUP_START: usize = 92;
export const C_WRITING_BYTES: usize = 96;
export const C_HINT: usize = 100; // size of the next region
export const C_TOPIC_PREFIX: usize = 104; // u16: bytes of stored topics that it does not see

// @ts-ignore: decorator
@inline
export function connectionOf(slot: i32): usize {
  return connections + <usize>slot * <usize>CONNECTION_BYTES;
}

// @ts-ignore: decorator
@inline
export function slotOf(c: usize): i32 {
  return <i32>((c - connections) / <usize>CONNECTION_BYTES);
}

// @ts-ignore: decorator
@inline
export function hasFlag(c: usize, flag: u16): bool {
  return (load<u16>(c, C_FLAGS) & flag) != 0;
}

// @ts-ignore: decorator
@inline
export function setFlag(c: usize, flag: u16): void {
  store<u16>(c, load<u16>(c, C_FLAGS) | flag, C_FLAGS);
}

// @ts-ignore: decorator
@inline
export function clearFlag(c: usize, flag: u16): void {
  store<u16>(c, load<u16>(c, C_FLAGS) & ~flag, C_FLAGS);
}

/** Whether packets can still be put out to it. */
// @ts-ignore: decorator
@inline
export function isEstablished(c: usize): bool {
  return load<u8>(c, C_STATE) == STATE_ESTABLISHED;
}
