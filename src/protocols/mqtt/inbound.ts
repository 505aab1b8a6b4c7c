/** A PUBLISH as it came in: from a row of the data plane, whose bytes are borrowed, to something that can be kept. */
import type { Clock } from '../../kernel/clock.ts';
import type { Message } from '../../kernel/message.ts';
import { type DataPlane, PublishFlag, ROW_FIELDS, Row, RowField } from '../../wasm/data-plane.ts';
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
/** Up to here a loop is faster than a view and its copy. */
const SHORT_BYTES = 64;
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
  const propertiesFrom = field(RowField.Properties);
  const propertiesLength = field(RowField.PropertiesLength);
  const split =
    propertiesLength === 0
      ? NONE
      : splitProperties(copyOf(memory, propertiesFrom, propertiesFrom + propertiesLength));
  const kind = field(RowField.Kind);
  const publishFlags = kind === Row.Publish ? field(RowField.Extra) : 0;
  return {
    topic:
      topic ?? copyOf(memory, field(RowField.Topic), field(RowField.Topic) + field(RowField.TopicLength)),
    payload: copyOf(memory, field(RowField.Payload), end),
    properties: split.properties,
    qos: ((flags >> 1) & 3) as 0 | 1 | 2,
    retain: (flags & 1) !== 0,
    packetId: field(RowField.PacketId),
    topicAlias: split.topicAlias,
    expirySeconds: split.expirySeconds,
    payloadNotUtf8: (publishFlags & PublishFlag.PayloadNotUtf8) !== 0,
    isRecorded: kind === Row.HostPart || (publishFlags & PublishFlag.Recorded) !== 0,
  };
}

/**
 * Copies of their own for topic, properties and payload: short arrays live in the heap of the engine, but a view of one
 * moves it out, which costs more than the copies.
 */
function copyOf(memory: Uint8Array, from: number, to: number): Uint8Array {
  const length = to - from;
  if (length === 0) return NOTHING;
  if (length > SHORT_BYTES) return new Uint8Array(memory.subarray(from, to));
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = memory[from + i] as number;
  return bytes;
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

/** Of a message that has nothing for its hop alone. */
export function inboundFromMessage(message: Message, packetId: number): Inbound {
  const { topic, payload, properties, qos, retain } = message;
  const hop = { packetId, topicAlias: 0, expirySeconds: undefined, payloadNotUtf8: false, isRecorded: true };
  return { topic, payload, properties, qos, retain, ...hop };
}

export function toMessage(
  inbound: Inbound,
  topic: Uint8Array,
  publisher: number,
  clock: Clock,
  delayMs: number,
  maxExpirySeconds: number,
): Message {
  return {
    topic,
    payload: inbound.payload,
    properties: inbound.properties,
    qos: inbound.qos,
    retain: inbound.retain,
    expiresAtMs: expiryOf(inbound.expirySeconds, clock, delayMs, maxExpirySeconds),
    publisher,
  };
}

/** What the publisher asks for begins now; what the broker allows for waiting, when it is due. */
function expiryOf(
  seconds: number | undefined,
  clock: Clock,
  delayMs: number,
  maxExpirySeconds: number,
): number {
  if (seconds === undefined && maxExpirySeconds === 0) return 0;
  const askedMs = (seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const allowedMs = maxExpirySeconds === 0 ? Number.POSITIVE_INFINITY : delayMs + maxExpirySeconds * 1000;
  return clock.wallMs() + Math.min(askedMs, allowedMs);
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
