// Input of one connection: scan frames, serve what can be served here, describe the rest in rows.
//
// Work stops behind a frame that only the host can handle: what follows may depend on it. Rows before that one are
// notices of what was served here.

import { readU16 } from '../lib/bytes';
import { HEADER_INCOMPLETE, HEADER_MALFORMED, readFrameHeader, remainingLength } from '../lib/frame-header';
import { isUtf8 } from '../lib/utf8';
import { PUBACK, PUBCOMP, PUBREC, PUBREL, putAcknowledgement, releaseReceived, settleScanned } from './acknowledgements';
import {
  C_CLASS,
  C_MAX_PACKET_IN,
  C_POSITION,
  C_RECEIVED_COUNT,
  C_RECEIVE_MAX,
  C_SEEN,
  C_STATE,
  C_VERSION,
  FLAG_DURABLE,
  FLAG_FAST,
  FLAG_OWES,
  STATE_ESTABLISHED,
  STATE_OPEN,
  connectionOf,
  hasFlag,
} from './connections';
import { countAnswer, countFlowHit, countFlowMiss, countInput, countReceived } from './counters';
import { deliverFlow } from './deliver';
import { commit, reserve } from './egress';
import { FLOW_BATCHED, FLOW_HOST_PART, F_FLAGS, F_GROUP_COUNT, F_ROWS, hashFlow, idOfFlow, lookupFlow, sight } from './flows';
import { resultBlock } from './layout';
import * as message from './message';
import { RECEIVED_NO_MEMORY, isReceived, recordReceivedId } from './packet-ids';
import {
  REASON_MALFORMED,
  REASON_OK,
  REASON_PACKET_TOO_LARGE,
  REASON_PROTOCOL_ERROR,
  REASON_QUOTA_EXCEEDED,
  REASON_RECEIVE_MAXIMUM_EXCEEDED,
  REASON_TOPIC_NAME_INVALID,
  asksPolicy,
  messageExpiry,
  payloadIsText,
  resetPublishProperties,
  scanPublishProperties,
  topicAlias,
} from './properties';
import { clearStage, hasStageRoom, isStageable, stageMessage } from './staging';
import { ROW_CONTROL, ROW_HOST_PART, ROW_PUBLISH, addRow, clearRows, hasRoomFor, rowCount } from './rows';
import { isPlainText } from './text';

const STATUS_NEED_MORE: i32 = 0;
const STATUS_AGAIN: i32 = 1;
const STATUS_VIOLATION: i32 = 2;

const PUBLISH_ADMIT: i32 = 1;
const PUBLISH_PAYLOAD_NOT_UTF8: i32 = 2;
const PUBLISH_RECORDED: i32 = 4;
const PUBLISH_DUPLICATE: i32 = 8;

/** Topic and properties longer than this are the host's: the scratch area takes no longer head. */
const HEAD_BYTES_MAX: i32 = 200_000;
const REASON_NO_SUBSCRIBERS: i32 = 0x10;

// What serving a frame says.
const SERVED: i32 = 0;
/** The frame is in the last row; it is done as far as scanning goes. */
const HOST: i32 = -1;
/** The frame must be scanned again after the host has walked the rows. */
const LATER: i32 = -2;
// Any positive value: a violation, by its reason code.

let tick: u32 = 0;
/** A row of this call awaits the host's acknowledgement: acknowledgements of later frames must not overtake it. */
let hostOwesAck: bool = false;

export function setTick(now: u32): void {
  tick = now;
}

function finish(status: i32, consumed: i32, reason: i32, needBytes: i32): i32 {
  store<i32>(resultBlock, consumed);
  store<i32>(resultBlock, status, 4);
  store<i32>(resultBlock, reason, 8);
  store<i32>(resultBlock, needBytes, 12);
  return rowCount;
}

/** Whether flags of the fixed header are legal for the type, as far as they are fixed. */
function hasLegalFlags(type: i32, flags: i32, version: u8): bool {
  if (type == 3) {
    const qos = (flags >> 1) & 3;
    return qos != 3 && !(qos == 0 && (flags & 8) != 0);
  }
  if (type != 6 && type != 8 && type != 10) return flags == 0;
  // MQTT 3.1 has DUP on these, for packets that are sent again.
  return flags == 2 || (flags == 10 && version == 3);
}

/** Reason why a packet of this type may not come now, REASON_OK when it may. */
function checkType(state: u8, version: u8, type: i32): i32 {
  if (state == STATE_OPEN) {
    if (type == 1 || type == 15) return REASON_OK;
    return REASON_PROTOCOL_ERROR;
  }
  if (type == 0) return REASON_MALFORMED;
  if (type == 1 || type == 2 || type == 9 || type == 11 || type == 13) return REASON_PROTOCOL_ERROR;
  if (type == 15 && version != 5) return REASON_PROTOCOL_ERROR;
  return REASON_OK;
}

/** See `DataPlane.ingest`. */
export function ingest(slot: i32, offset: usize, length: i32): i32 {
  const c = connectionOf(slot);
  const end = offset + length;
  clearRows();
  clearStage();
  hostOwesAck = false;
  let p = offset;
  let packetCount = 0;
  let status = STATUS_NEED_MORE;
  let reason = 0;
  let needBytes = 0;
  const state = load<u8>(c, C_STATE);
  const version = load<u8>(c, C_VERSION);
  const maxPacket = load<u32>(c, C_MAX_PACKET_IN);

  while (p < end) {
    const first = <i32>load<u8>(p);
    const type = first >> 4;
    reason = checkType(state, version, type);
    if (reason == REASON_OK && !hasLegalFlags(type, first & 15, version)) reason = REASON_MALFORMED;
    if (reason != REASON_OK) {
      status = STATUS_VIOLATION;
      break;
    }
    const headerLength = readFrameHeader(p, end);
    if (headerLength == HEADER_INCOMPLETE) break;
    if (headerLength == HEADER_MALFORMED) {
      status = STATUS_VIOLATION;
      reason = REASON_MALFORMED;
      break;
    }
    const remaining = remainingLength;
    const total = headerLength + remaining;
    if (<u32>total > maxPacket) {
      status = STATUS_VIOLATION;
      reason = REASON_PACKET_TOO_LARGE;
      break;
    }
    if (p + total > end) {
      needBytes = total;
      break;
    }
    if (!hasRoomFor(3)) {
      status = STATUS_AGAIN;
      break;
    }
    let outcome: i32;
    if (state != STATE_ESTABLISHED) {
      addRow(ROW_CONTROL, <i32>p, total, 0, first);
      outcome = HOST;
    } else if (type == 3) {
      outcome = publish(c, slot, version, p, headerLength, remaining, first);
    } else if (type >= 4 && type <= 7) {
      outcome = acknowledgement(c, version, p, total, headerLength, remaining, type, first);
    } else if (type == 12) {
      outcome = remaining != 0 ? REASON_MALFORMED : pong(c);
    } else {
      addRow(ROW_CONTROL, <i32>p, total, 0, first);
      outcome = HOST;
    }
    if (outcome > 0) {
      status = STATUS_VIOLATION;
      reason = outcome;
      break;
    }
    if (outcome == LATER) {
      status = STATUS_AGAIN;
      break;
    }
    p += total;
    packetCount++;
    if (outcome == HOST) {
      status = STATUS_AGAIN;
      break;
    }
  }
  const consumed = <i32>(p - offset);
  if (packetCount > 0) {
    store<u32>(c, tick, C_SEEN);
    countInput(packetCount, consumed);
  }
  return finish(status, consumed, reason, needBytes);
}

function pong(c: usize): i32 {
  if (!reserve(c, 2)) return REASON_QUOTA_EXCEEDED;
  store<u16>(<usize>load<u32>(c, C_POSITION), 0x00d0);
  commit(c, 2);
  countAnswer();
  return SERVED;
}

function acknowledgement(
  c: usize,
  version: u8,
  p: usize,
  total: i32,
  headerLength: i32,
  remaining: i32,
  type: i32,
  first: i32,
): i32 {
  const body = p + headerLength;
  if (remaining > 3 && version == 5) {
    // Properties: the host checks them and calls `settle`.
    addRow(ROW_CONTROL, <i32>p, total, 0, first);
    return HOST;
  }
  if (remaining != 2 && !(remaining == 3 && version == 5)) return REASON_MALFORMED;
  const id = readU16(body);
  if (id == 0) return REASON_PROTOCOL_ERROR;
  const reason = remaining == 3 ? <i32>load<u8>(body, 2) : 0;
  if (reason != 0 && !isAckReason(type, reason)) return REASON_PROTOCOL_ERROR;
  if (type == PUBREL) return releaseReceived(c, id) ? SERVED : REASON_QUOTA_EXCEEDED;
  return settleScanned(c, type, id, reason) ? SERVED : REASON_QUOTA_EXCEEDED;
}

/** Reason codes that the specification allows in PUBACK and PUBREC, or in PUBREL and PUBCOMP (3.4.2.1 to 3.7.2.1). */
function isAckReason(type: i32, reason: i32): bool {
  if (type == PUBREL || type == PUBCOMP) return reason == 0x92;
  return (
    reason == 0x10 ||
    reason == 0x80 ||
    reason == 0x83 ||
    reason == 0x87 ||
    reason == 0x90 ||
    reason == 0x91 ||
    reason == 0x97 ||
    reason == 0x99
  );
}

/** Length of a minimal varint at p, its value in `varintValue`; -1 = malformed or cut off. */
let varintValue: i32 = 0;
function varintAt(p: usize, end: usize): i32 {
  let value = 0;
  let shift = 0;
  for (let i = 0; i < 4; i++) {
    if (p + i >= end) return -1;
    const byte = <i32>load<u8>(p + i);
    value |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      if (byte == 0 && i > 0) return -1;
      varintValue = value;
      return i + 1;
    }
  }
  return -1;
}

function publish(c: usize, slot: i32, version: u8, p: usize, headerLength: i32, remaining: i32, first: i32): i32 {
  const body = p + headerLength;
  const end = body + remaining;
  const qos = (first >> 1) & 3;
  if (remaining < 2) return REASON_MALFORMED;
  const topicLength = readU16(body);
  const topic = body + 2;
  let at = topic + topicLength;
  let id = 0;
  if (qos > 0) {
    if (at + 2 > end) return REASON_MALFORMED;
    id = readU16(at);
    if (id == 0) return REASON_PROTOCOL_ERROR;
    at += 2;
  } else if (at > end) {
    return REASON_MALFORMED;
  }
  message.setFrame(p, headerLength + remaining, version == 5 ? 5 : 3, qos);
  message.setTopic(topic, topicLength, id);
  if (version == 5) {
    const prefix = varintAt(at, end);
    if (prefix < 0) return REASON_MALFORMED;
    at += prefix;
    if (at + varintValue > end) return REASON_MALFORMED;
    message.setProperties(at, varintValue);
    if (varintValue == 0) {
      resetPublishProperties();
    } else {
      const reason = scanPublishProperties(at, at + varintValue);
      if (reason != REASON_OK) return reason;
    }
    at += message.propertiesLength;
  } else {
    message.setProperties(at, 0);
    resetPublishProperties();
  }
  message.setPayload(at, <i32>(end - at));
  if (topicLength == 0 && topicAlias == 0) return version == 5 ? REASON_PROTOCOL_ERROR : REASON_TOPIC_NAME_INVALID;

  if (qos == 2) {
    if (isReceived(c, <u32>id)) {
      // Delivered when it came first: only the answer again, and not ahead of the first one.
      if (hostOwesAck) return LATER;
      if (hasFlag(c, FLAG_OWES)) {
        countReceived(2);
        message.addMessageRow(ROW_PUBLISH, PUBLISH_DUPLICATE);
        return HOST;
      }
      countReceived(2);
      return putAcknowledgement(c, PUBREC, id, 0) ? SERVED : REASON_QUOTA_EXCEEDED;
    }
    if (load<u32>(c, C_RECEIVED_COUNT) >= load<u32>(c, C_RECEIVE_MAX)) return REASON_RECEIVE_MAXIMUM_EXCEEDED;
  }

  const textIsBad = payloadIsText && !isUtf8(message.payload, message.payloadLength, true);
  const headLength = topicLength + message.propertiesLength;
  const isSimple = (first & 1) == 0 && topicAlias == 0 && messageExpiry != 0 && !textIsBad && !asksPolicy && headLength <= HEAD_BYTES_MAX;
  let flags = textIsBad ? PUBLISH_PAYLOAD_NOT_UTF8 : 0;
  if (isSimple && hasFlag(c, FLAG_FAST)) {
    const classId = load<u32>(c, C_CLASS);
    const hash = hashFlow(classId, topic, topicLength);
    const f = lookupFlow(hash, classId, topic, topicLength);
    if (f != 0) return serve(c, slot, f, qos, id);
    countFlowMiss();
    if (sight(hash, classId, topic, topicLength)) flags |= PUBLISH_ADMIT;
  }
  if (topicLength > 0) {
    if (!isUtf8(topic, topicLength, false) || !isPlainText(topic, topicLength)) return REASON_MALFORMED;
    for (let i = 0; i < topicLength; i++) {
      const letter = load<u8>(topic + i);
      if (letter == 0x2b || letter == 0x23) return REASON_TOPIC_NAME_INVALID;
    }
  }
  // An admitted frame comes here again once its flow is installed, so nothing of it is recorded or counted yet.
  if ((flags & PUBLISH_ADMIT) == 0) {
    if (qos == 2) {
      if (recordReceivedId(c, <u32>id) == RECEIVED_NO_MEMORY) return REASON_QUOTA_EXCEEDED;
      flags |= PUBLISH_RECORDED;
    }
    countReceived(qos);
  }
  message.addMessageRow(ROW_PUBLISH, flags);
  return HOST;
}

/** Serves the current message by its flow. */
function serve(c: usize, slot: i32, f: usize, qos: i32, id: i32): i32 {
  const isHosts = qos > 0 && (hasFlag(c, FLAG_OWES) || (qos == 2 && hasFlag(c, FLAG_DURABLE)));
  const flags = load<u16>(f, F_FLAGS);
  const hostPart = isHosts || (flags & FLOW_HOST_PART) != 0;
  const isStaged = qos == 1 && (flags & FLOW_BATCHED) != 0 && isStageable(f);
  if (isStaged && !hasStageRoom()) return LATER;
  if (!hasRoomFor(<i32>load<u32>(f, F_ROWS) + 3)) return LATER;
  if (qos > 0 && !hostPart && hostOwesAck) return LATER;
  if (qos == 2 && recordReceivedId(c, <u32>id) == RECEIVED_NO_MEMORY) return REASON_QUOTA_EXCEEDED;
  countFlowHit();
  countReceived(qos);
  deliverFlow(f, slot);
  if (hostPart) {
    if (isStaged) stageMessage(f);
    else message.addMessageRow(ROW_HOST_PART, idOfFlow(f));
    hostOwesAck = hostOwesAck || qos > 0;
    return SERVED;
  }
  if (qos == 0) return SERVED;
  const reason = load<u32>(f, F_GROUP_COUNT) == 0 ? REASON_NO_SUBSCRIBERS : 0;
  return putAcknowledgement(c, qos == 1 ? PUBACK : PUBREC, id, reason) ? SERVED : REASON_QUOTA_EXCEEDED;
}
