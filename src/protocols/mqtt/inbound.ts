/** A PUBLISH as it came in: from a row of the data plane, whose bytes are borrowed, to something that can be kept. */
import type { Message } from '../../kernel/message.ts';
import { type DataPlane, PublishFlag, ROW_FIELDS, RowField } from '../../wasm/data-plane.ts';
import type { PublishPacket } from './codec/packets.ts';

export interface Inbound {
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  /** Without expiry and alias. */
  readonly properties: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly packetId: number;
  /** 0 = none. */
  readonly topicAlias: number;
  readonly expirySeconds: number | undefined;
  readonly payloadNotUtf8: boolean;
  /** A QoS 2 identifier that the data plane has recorded. */
  readonly isRecorded: boolean;
}

const NOTHING = new Uint8Array(0);
const MESSAGE_EXPIRY = 0x02;
const TOPIC_ALIAS = 0x23;

/** `topic` overrides that of the row where an array for it exists already. */
export function inboundFromRow(dataPlane: DataPlane, row: number, topic?: Uint8Array): Inbound {
  const { rows, memory } = dataPlane;
  const at = row * ROW_FIELDS;
  const field = (index: number): number => rows[at + index] as number;
  const frame = field(RowField.Frame);
  const end = frame + field(RowField.FrameLength);
  const flags = memory[frame] as number;
  const start = field(RowField.Topic);
  const payloadFrom = field(RowField.Payload) - start;
  // Topic, identifier, properties and payload lie in a row: one copy, with views for each.
  const bytes = new Uint8Array(memory.subarray(start, end));
  const propertiesFrom = field(RowField.Properties) - start;
  const propertiesLength = field(RowField.PropertiesLength);
  const split =
    propertiesLength === 0
      ? NONE
      : splitProperties(bytes.subarray(propertiesFrom, propertiesFrom + propertiesLength));
  const isPublishRow = topic === undefined;
  return {
    topic: topic ?? bytes.subarray(0, field(RowField.TopicLength)),
    payload: bytes.subarray(payloadFrom),
    properties: split.properties,
    qos: ((flags >> 1) & 3) as 0 | 1 | 2,
    retain: (flags & 1) !== 0,
    packetId: field(RowField.PacketId),
    topicAlias: split.topicAlias,
    expirySeconds: split.expirySeconds,
    payloadNotUtf8: isPublishRow && (field(RowField.Extra) & PublishFlag.PayloadNotUtf8) !== 0,
    isRecorded: isPublishRow && (field(RowField.Extra) & PublishFlag.Recorded) !== 0,
  };
}

export function inboundFromPacket(packet: PublishPacket): Inbound {
  const { topic, payload, qos, retain, packetId, payloadNotUtf8, properties } = packet;
  return {
    topic,
    payload,
    properties: packet.messageProperties,
    qos,
    retain,
    packetId,
    topicAlias: properties.topicAlias ?? 0,
    expirySeconds: properties.messageExpiryIntervalSeconds,
    payloadNotUtf8,
    isRecorded: false,
  };
}

export function toMessage(
  inbound: Inbound,
  topic: Uint8Array,
  publisher: number,
  nowMs: number,
  maxExpirySeconds: number,
): Message {
  let seconds = inbound.expirySeconds;
  if (maxExpirySeconds > 0) seconds = Math.min(seconds ?? maxExpirySeconds, maxExpirySeconds);
  return {
    topic,
    payload: inbound.payload,
    properties: inbound.properties,
    qos: inbound.qos,
    retain: inbound.retain,
    expiresAtMs: seconds === undefined ? 0 : nowMs + seconds * 1000,
    publisher,
  };
}

interface SplitProperties {
  readonly properties: Uint8Array;
  readonly topicAlias: number;
  readonly expirySeconds: number | undefined;
}

const NONE: SplitProperties = { properties: NOTHING, topicAlias: 0, expirySeconds: undefined };

/**
 * Takes the properties of this hop, and the expiry, out of the list. Precondition: the list is valid for a PUBLISH
 * from a client; the data plane has checked it.
 */
export function splitProperties(list: Uint8Array): SplitProperties {
  const view = new DataView(list.buffer, list.byteOffset, list.length);
  let topicAlias = 0;
  let expirySeconds: number | undefined;
  let kept: Uint8Array | undefined;
  let keptBytes = 0;
  let at = 0;
  while (at < list.length) {
    const from = at;
    const id = list[at++];
    switch (id) {
      case MESSAGE_EXPIRY:
        expirySeconds = view.getUint32(at);
        at += 4;
        break;
      case TOPIC_ALIAS:
        topicAlias = view.getUint16(at);
        at += 2;
        break;
      case 0x01: // payload format indicator
        at += 1;
        break;
      case 0x26: // user property: two strings
        at += 2 + view.getUint16(at);
        at += 2 + view.getUint16(at);
        break;
      default: // content type, response topic, correlation data: all with a length in front
        at += 2 + view.getUint16(at);
    }
    if (id === MESSAGE_EXPIRY || id === TOPIC_ALIAS) {
      if (kept === undefined) {
        kept = new Uint8Array(list.length);
        kept.set(list.subarray(0, from));
        keptBytes = from;
      }
    } else if (kept !== undefined) {
      kept.set(list.subarray(from, at), keptBytes);
      keptBytes += at - from;
    }
  }
  return { properties: kept === undefined ? list : kept.subarray(0, keptBytes), topicAlias, expirySeconds };
}
