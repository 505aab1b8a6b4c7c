// The properties of an MQTT 5 PUBLISH from a client: checked in one pass, never copied here.

import { readU16, readU32 } from '../lib/bytes';
import { isUtf8 } from '../lib/utf8';
import { isPolicyKey } from './policy-keys';
import { isPlainText } from './text';

export const REASON_OK: i32 = 0;
export const REASON_MALFORMED: i32 = 0x81;
export const REASON_PROTOCOL_ERROR: i32 = 0x82;
export const REASON_TOPIC_NAME_INVALID: i32 = 0x90;
export const REASON_RECEIVE_MAXIMUM_EXCEEDED: i32 = 0x93;
export const REASON_TOPIC_ALIAS_INVALID: i32 = 0x94;
export const REASON_PACKET_TOO_LARGE: i32 = 0x95;
export const REASON_QUOTA_EXCEEDED: i32 = 0x97;

// What `scanPublishProperties` found.
/** -1 = no Message Expiry Interval. */
export let messageExpiry: i64 = -1;
/** 0 = no Topic Alias. */
export let topicAlias: i32 = 0;
/** Payload Format Indicator 1. */
export let payloadIsText: bool = false;
/** A user property that asks something of the broker. */
export let asksPolicy: bool = false;

export function resetPublishProperties(): void {
  messageExpiry = -1;
  topicAlias = 0;
  payloadIsText = false;
  asksPolicy = false;
}

/** A length-prefixed string at `p` that ends by `end`: its total length, or -1. */
function stringAt(p: usize, end: usize): i32 {
  if (p + 2 > end) return -1;
  const length = readU16(p);
  if (p + 2 + length > end) return -1;
  if (!isUtf8(p + 2, length, false) || !isPlainText(p + 2, length)) return -1;
  return 2 + length;
}

/** Precondition: [p, end) is the property list without its length. Returns a reason code, REASON_OK when it is legal. */
export function scanPublishProperties(from: usize, end: usize): i32 {
  resetPublishProperties();
  let seen: u64 = 0;
  let p = from;
  while (p < end) {
    const id = load<u8>(p);
    p++;
    if (id != 0x26) {
      const bit = <u64>1 << (id & 63);
      if (id < 64 && (seen & bit) != 0) return REASON_PROTOCOL_ERROR;
      seen |= bit;
    }
    switch (id) {
      case 0x01: {
        if (p >= end) return REASON_MALFORMED;
        const indicator = load<u8>(p);
        if (indicator > 1) return REASON_PROTOCOL_ERROR;
        payloadIsText = indicator == 1;
        p++;
        break;
      }
      case 0x02: {
        if (p + 4 > end) return REASON_MALFORMED;
        messageExpiry = <i64>readU32(p);
        p += 4;
        break;
      }
      case 0x03: {
        const length = stringAt(p, end);
        if (length < 0) return REASON_MALFORMED;
        p += length;
        break;
      }
      case 0x08: {
        const length = stringAt(p, end);
        if (length < 0) return REASON_MALFORMED;
        if (length == 2) return REASON_PROTOCOL_ERROR;
        for (let i = 2; i < length; i++) {
          const letter = load<u8>(p + i);
          if (letter == 0x2b || letter == 0x23) return REASON_PROTOCOL_ERROR;
        }
        p += length;
        break;
      }
      case 0x09: {
        if (p + 2 > end) return REASON_MALFORMED;
        p += 2 + readU16(p);
        if (p > end) return REASON_MALFORMED;
        break;
      }
      case 0x0b: // Subscription Identifier: only from server to client
        return REASON_PROTOCOL_ERROR;
      case 0x23: {
        if (p + 2 > end) return REASON_MALFORMED;
        topicAlias = readU16(p);
        if (topicAlias == 0) return REASON_TOPIC_ALIAS_INVALID;
        p += 2;
        break;
      }
      case 0x26: {
        const name = stringAt(p, end);
        if (name < 0) return REASON_MALFORMED;
        const value = stringAt(p + name, end);
        if (value < 0) return REASON_MALFORMED;
        if (isPolicyKey(p + 2, name - 2)) asksPolicy = true;
        p += name + value;
        break;
      }
      default:
        return REASON_MALFORMED;
    }
  }
  return REASON_OK;
}
