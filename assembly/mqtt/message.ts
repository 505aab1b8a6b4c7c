// The PUBLISH that is being served, as offsets into the read window, and its encoding for one kind of subscriber.

import { copyBytes, writeU16 } from '../lib/bytes';
import { messageExpiry, topicAlias } from './properties';
import { addRow } from './rows';

export let frame: usize = 0;
export let frameLength: i32 = 0;
export let version: u8 = 0; // 3 (3.1 and 3.1.1) or 5
export let qos: i32 = 0;
export let topic: usize = 0;
export let topicLength: i32 = 0;
export let packetId: i32 = 0;
export let properties: usize = 0;
export let propertiesLength: i32 = 0;
export let payload: usize = 0;
export let payloadLength: i32 = 0;

export function setFrame(from: usize, length: i32, ofVersion: u8, ofQos: i32): void {
  frame = from;
  frameLength = length;
  version = ofVersion;
  qos = ofQos;
}

export function setTopic(from: usize, length: i32, id: i32): void {
  topic = from;
  topicLength = length;
  packetId = id;
}

export function setProperties(from: usize, length: i32): void {
  properties = from;
  propertiesLength = length;
}

export function setPayload(from: usize, length: i32): void {
  payload = from;
  payloadLength = length;
}

/** A row that describes the current message. */
export function addMessageRow(kind: i32, extra: i32): usize {
  const row = addRow(kind, <i32>frame, frameLength, packetId, extra);
  store<i32>(row, <i32>topic, 12);
  store<i32>(row, topicLength, 16);
  store<i32>(row, <i32>payload, 20);
  store<i32>(row, <i32>messageExpiry, 32);
  store<i32>(row, topicAlias, 36);
  store<i32>(row, <i32>properties, 40);
  store<i32>(row, propertiesLength, 44);
  return row;
}

// @ts-ignore: decorator
@inline
export function varintLength(value: i32): i32 {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

export function writeVarint(to: usize, value: i32): usize {
  let left = value;
  let p = to;
  while (left >= 128) {
    store<u8>(p, <u8>(left | 128));
    left >>= 7;
    p++;
  }
  store<u8>(p, <u8>left);
  return p + 1;
}

// The encoding chosen by `chooseEncoding`.
let toVersion: u8 = 0;
let toQos: i32 = 0;
let ids: usize = 0;
let idsLength: i32 = 0;
let alias: i32 = 0;
let withTopic: bool = true;
let remaining: i32 = 0;
let outProperties: i32 = 0;
/** The packet is the received one but for its flags and packet identifier. */
let asReceived: bool = false;
/** Whole packet. */
export let encodedLength: i32 = 0;
/** Up to the payload. */
export let headLength: i32 = 0;
/** Of the packet identifier in the packet; only for QoS 1 and 2. */
export let packetIdOffset: i32 = 0;

/** Fixes how the current message is written and computes its size. `outAlias` 0 = none. */
export function chooseEncoding(outVersion: u8, outQos: i32, outIds: usize, outIdsLength: i32, outAlias: i32, outTopic: bool): void {
  toVersion = outVersion;
  toQos = outQos;
  ids = outIds;
  idsLength = outIdsLength;
  alias = outAlias;
  withTopic = outTopic;
  asReceived = outVersion == version && outQos == qos && outIdsLength == 0 && outAlias == 0;
  if (asReceived) {
    encodedLength = frameLength;
    headLength = <i32>(payload - frame);
    packetIdOffset = <i32>(topic - frame) + topicLength;
    return;
  }
  let length = 2 + (outTopic ? topicLength : 0) + (outQos > 0 ? 2 : 0);
  if (outVersion == 5) {
    outProperties = propertiesLength + outIdsLength + (outAlias > 0 ? 3 : 0);
    length += varintLength(outProperties) + outProperties;
  }
  remaining = length + payloadLength;
  const fixed = 1 + varintLength(remaining);
  headLength = fixed + length;
  encodedLength = headLength + payloadLength;
  packetIdOffset = fixed + 2 + (outTopic ? topicLength : 0);
}

/** Writes everything up to the payload to `to`; packet identifier as received (the caller patches it). */
export function writeHead(to: usize): void {
  if (asReceived) {
    copyBytes(to, frame, headLength);
    store<u8>(to, 0x30 | <u8>(qos << 1));
    return;
  }
  store<u8>(to, 0x30 | <u8>(toQos << 1));
  let p = writeVarint(to + 1, remaining);
  if (withTopic) {
    writeU16(p, topicLength);
    copyBytes(p + 2, topic, topicLength);
    p += 2 + topicLength;
  } else {
    writeU16(p, 0);
    p += 2;
  }
  if (toQos > 0) {
    writeU16(p, packetId);
    p += 2;
  }
  if (toVersion == 5) {
    p = writeVarint(p, outProperties);
    if (alias > 0) {
      store<u8>(p, 0x23);
      writeU16(p + 1, alias);
      p += 3;
    }
    copyBytes(p, properties, propertiesLength);
    p += propertiesLength;
    copyBytes(p, ids, idsLength);
  }
}

/** Writes the whole packet to `to`. */
export function writePacket(to: usize): void {
  if (asReceived) {
    copyBytes(to, frame, frameLength);
    store<u8>(to, 0x30 | <u8>(qos << 1));
    return;
  }
  writeHead(to);
  copyBytes(to + headLength, payload, payloadLength);
}
