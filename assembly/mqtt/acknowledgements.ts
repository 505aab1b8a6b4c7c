// Acknowledgements in both directions: four bytes in the common case, five with a reason code (MQTT 5).

import { writeU16 } from '../lib/bytes';
import {
  C_IN_FLIGHT,
  C_POSITION,
  C_VERSION,
  C_WINDOW,
  FLAG_DURABLE,
  FLAG_WANTS_WINDOW,
  clearFlag,
  hasFlag,
  slotOf,
} from './connections';
import { countAnswer } from './counters';
import { commit, reserve } from './egress';
import {
  SENT_QOS1,
  SENT_QOS2,
  SENT_RELEASED,
  dropSentId,
  forgetReceivedId,
  isHostEntry,
  sentEntry,
  setSentReleased,
  stateOfEntry,
} from './packet-ids';
import { R_A, R_B, R_COUNT, ROW_ACK, ROW_RELEASE, ROW_WINDOW, addRow, lastRunUpTo } from './rows';

export const PUBACK: i32 = 4;
export const PUBREC: i32 = 5;
export const PUBREL: i32 = 6;
export const PUBCOMP: i32 = 7;

const REASON_ID_NOT_FOUND: i32 = 0x92;

/** Puts out an acknowledgement; a reason other than 0 is carried to MQTT 5 clients only. False = no memory. */
export function putAcknowledgement(c: usize, type: i32, id: i32, reason: i32): bool {
  if (!reserve(c, 5)) return false;
  const to = <usize>load<u32>(c, C_POSITION);
  const withReason = reason != 0 && load<u8>(c, C_VERSION) == 5;
  store<u8>(to, <u8>(type << 4) | (type == PUBREL ? 2 : 0));
  store<u8>(to, withReason ? 3 : 2, 1);
  writeU16(to + 2, id);
  if (withReason) store<u8>(to, <u8>reason, 4);
  commit(c, withReason ? 5 : 4);
  countAnswer();
  return true;
}

/** The same acknowledgement for `count` identifiers in a row. False = no memory. */
export function putAcknowledgements(c: usize, type: i32, firstId: i32, count: i32, reason: i32): bool {
  for (let i = 0; i < count; i++) if (!putAcknowledgement(c, type, firstId + i, reason)) return false;
  return true;
}

// What `settle` answers.
/** Nothing for the host to know. */
export const SETTLED: i32 = 0;
/** The identifier was the host's. */
export const SETTLED_HOST: i32 = 1;
/** Out of memory for the answer: the connection must be closed. */
export const SETTLED_NO_MEMORY: i32 = 2;

/** Takes an acknowledgement of one of our deliveries (PUBACK, PUBREC, PUBCOMP). An unknown identifier is no violation. */
export function settle(c: usize, type: i32, id: i32, reason: i32): i32 {
  const entry = sentEntry(c, <u32>id);
  const state = stateOfEntry(entry);
  let answered = true;
  if (type == PUBACK) {
    if (state != SENT_QOS1) return SETTLED;
    dropSentId(c, <u32>id);
  } else if (type == PUBREC) {
    if (state == SENT_QOS2 && reason >= 0x80) {
      dropSentId(c, <u32>id);
    } else if (state == SENT_QOS2 || state == SENT_RELEASED) {
      setSentReleased(c, <u32>id);
      // The host says PUBREL when that is durable, each time it is asked.
      if (isHostEntry(entry) && hasFlag(c, FLAG_DURABLE)) return SETTLED_HOST;
      answered = putAcknowledgement(c, PUBREL, id, 0);
      if (state == SENT_RELEASED) return answered ? SETTLED : SETTLED_NO_MEMORY;
    } else if (reason < 0x80) {
      return putAcknowledgement(c, PUBREL, id, REASON_ID_NOT_FOUND) ? SETTLED : SETTLED_NO_MEMORY;
    } else {
      return SETTLED;
    }
  } else {
    if (state != SENT_RELEASED) return SETTLED;
    dropSentId(c, <u32>id);
  }
  if (!answered) return SETTLED_NO_MEMORY;
  return isHostEntry(entry) ? SETTLED_HOST : SETTLED;
}

/** The same for a scanned packet, with the rows that the host gets. Precondition: room for two rows. */
export function settleScanned(c: usize, type: i32, id: i32, reason: i32): bool {
  const outcome = settle(c, type, id, reason);
  if (outcome == SETTLED_NO_MEMORY) return false;
  if (outcome == SETTLED_HOST) tellSettled(c, type, id, reason);
  tellWindow(c);
  return true;
}

/** Clients acknowledge what they got in order: a run of identifiers is one row. Precondition: room for one row. */
function tellSettled(c: usize, type: i32, id: i32, reason: i32): void {
  const run = lastRunUpTo(ROW_ACK, id);
  if (run != 0 && load<i32>(run, R_A) == type && load<i32>(run, R_B) == reason) {
    store<i32>(run, load<i32>(run, R_COUNT) + 1, R_COUNT);
    return;
  }
  store<i32>(addRow(ROW_ACK, type, reason, id, slotOf(c)), 1, R_COUNT);
}

/** A row once the window has room again and the host waits for that. Precondition: room for one row. */
export function tellWindow(c: usize): void {
  if (!hasFlag(c, FLAG_WANTS_WINDOW) || load<u32>(c, C_IN_FLIGHT) >= load<u32>(c, C_WINDOW)) return;
  clearFlag(c, FLAG_WANTS_WINDOW);
  addRow(ROW_WINDOW, 0, 0, 0, slotOf(c));
}

/** The sender releases a QoS 2 identifier. False = no memory for the answer. Precondition: room for one row. */
export function releaseReceived(c: usize, id: i32): bool {
  const known = forgetReceivedId(c, <u32>id);
  if (hasFlag(c, FLAG_DURABLE)) {
    addRow(ROW_RELEASE, 0, known ? 0 : REASON_ID_NOT_FOUND, id, slotOf(c));
    return true;
  }
  return putAcknowledgement(c, PUBCOMP, id, known ? 0 : REASON_ID_NOT_FOUND);
}
