/**
 * The encoder of PUBLISH for deliveries that the data plane does not encode itself: writes everything in front of the
 * payload into a buffer of the caller's, without allocating. The message's own properties go out as the bytes they came
 * in as, which keeps their order.
 */

import { encodeProperties } from './encode-properties.ts';
import { PacketType, type ProtocolVersion, type PublishPacket, type Qos } from './packets.ts';
import { varintBytes, writeVarint } from './writer.ts';

const MESSAGE_EXPIRY = 0x02;
const SUBSCRIPTION_IDENTIFIER = 0x0b;
const TOPIC_ALIAS = 0x23;
const NONE = new Uint8Array(0);

/** The caller may keep one of these and change its fields from delivery to delivery. */
export interface PublishHead {
  readonly version: ProtocolVersion;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Ignored with QoS 0. */
  readonly packetId: number;
  /** Empty where an alias that the receiver knows stands for it. */
  readonly topic: Uint8Array;
  readonly payloadBytes: number;
  // What follows is for MQTT 5 only and ignored below it.
  /** Pass-through properties in wire form (Message.properties). */
  readonly messageProperties: Uint8Array;
  /** 0 = none. */
  readonly topicAlias: number;
  /** Seconds left; undefined = the message does not expire. */
  readonly expirySeconds: number | undefined;
  /** As encodeSubscriptionIds gives them; empty = none. */
  readonly subscriptionIds: Uint8Array;
}

function propertyBytes(head: PublishHead): number {
  const expiry = head.expirySeconds === undefined ? 0 : 5;
  const alias = head.topicAlias === 0 ? 0 : 3;
  return expiry + alias + head.messageProperties.length + head.subscriptionIds.length;
}

function remainingBytes(head: PublishHead): number {
  const bytes = 2 + head.topic.length + (head.qos > 0 ? 2 : 0) + head.payloadBytes;
  if (head.version !== 5) return bytes;
  const properties = propertyBytes(head);
  return bytes + varintBytes(properties) + properties;
}

/** Length of the whole packet, payload included: what the receiver's Maximum Packet Size is compared with. */
export function publishBytes(head: PublishHead): number {
  const remaining = remainingBytes(head);
  return 1 + varintBytes(remaining) + remaining;
}

/**
 * Writes fixed header, topic, packet identifier and properties at `offset` and returns how many bytes that were; the
 * payload belongs right behind. Writes nothing and returns 0 if there is not that much room behind `offset`.
 */
export function encodePublishHead(target: Uint8Array, offset: number, head: PublishHead): number {
  const remaining = remainingBytes(head);
  if (offset + 1 + varintBytes(remaining) + remaining - head.payloadBytes > target.length) return 0;
  const flags = (head.dup ? 0x08 : 0) | (head.qos << 1) | (head.retain ? 0x01 : 0);
  let at = offset;
  target[at++] = (PacketType.Publish << 4) | flags;
  at = writeVarint(target, at, remaining);
  at = writeUint16(target, at, head.topic.length);
  target.set(head.topic, at);
  at += head.topic.length;
  if (head.qos > 0) at = writeUint16(target, at, head.packetId);
  if (head.version === 5) at = writePublishProperties(target, at, head);
  return at - offset;
}

function writePublishProperties(target: Uint8Array, offset: number, head: PublishHead): number {
  let at = writeVarint(target, offset, propertyBytes(head));
  if (head.expirySeconds !== undefined) {
    target[at++] = MESSAGE_EXPIRY;
    at = writeUint16(target, at, head.expirySeconds >>> 16);
    at = writeUint16(target, at, head.expirySeconds & 0xffff);
  }
  if (head.topicAlias !== 0) {
    target[at++] = TOPIC_ALIAS;
    at = writeUint16(target, at, head.topicAlias);
  }
  target.set(head.messageProperties, at);
  at += head.messageProperties.length;
  target.set(head.subscriptionIds, at);
  return at + head.subscriptionIds.length;
}

function writeUint16(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 8;
  target[at + 1] = value;
  return at + 2;
}

/** Where the packet identifier is in an encoded PUBLISH of QoS 1 or 2 that begins at `offset`: to patch it per receiver. */
export function packetIdOffset(encoded: Uint8Array, offset: number): number {
  let at = offset + 1;
  while ((encoded[at] ?? 0) >= 0x80) at++;
  const topicBytes = ((encoded[at + 1] ?? 0) << 8) | (encoded[at + 2] ?? 0);
  return at + 3 + topicBytes;
}

/** The wire form of subscription identifiers, as PublishHead and the data plane's groups take them. */
export function encodeSubscriptionIds(ids: readonly number[]): Uint8Array {
  if (ids.length === 0) return NONE;
  const bytes = new Uint8Array(ids.reduce((sum, id) => sum + 1 + varintBytes(id), 0));
  let at = 0;
  for (const id of ids) {
    bytes[at++] = SUBSCRIPTION_IDENTIFIER;
    at = writeVarint(bytes, at, id);
  }
  return bytes;
}

/** The wire form of message properties as a decoder gives them: without expiry, alias and identifiers. */
export function encodeMessageProperties(properties: PublishPacket['properties']): Uint8Array {
  return encodeProperties(
    {
      ...properties,
      messageExpiryIntervalSeconds: undefined,
      topicAlias: undefined,
      subscriptionIdentifiers: undefined,
    },
    PacketType.Publish,
  );
}

/** A whole PUBLISH in a buffer of its own. */
export function encodePublish(packet: PublishPacket, version: ProtocolVersion): Uint8Array {
  const { qos, retain, dup, packetId, topic, payload, messageProperties, properties } = packet;
  const head: PublishHead = {
    ...{ version, qos, retain, dup, packetId, topic, messageProperties },
    payloadBytes: payload.length,
    topicAlias: properties.topicAlias ?? 0,
    expirySeconds: properties.messageExpiryIntervalSeconds,
    subscriptionIds: encodeSubscriptionIds(properties.subscriptionIdentifiers ?? []),
  };
  const bytes = new Uint8Array(publishBytes(head));
  bytes.set(payload, encodePublishHead(bytes, 0, head));
  return bytes;
}
