/**
 * A message as one block of bytes, the same in memory, in entries of the journal and in pages: u16 topic length, u32
 * lengths of properties and payload, f64 publisher, f64 expiry, u8 of QoS and flags; then topic, properties, payload.
 * All numbers are big-endian.
 */
import type { Message } from './message.ts';

export const BLOCK_HEADER_BYTES = 27;
const PROPERTIES_AT = 2;
const PAYLOAD_AT = 6;
const PUBLISHER_AT = 10;
const EXPIRY_AT = 18;
const FLAGS_AT = 26;
/** Beside the QoS. */
export const VOLATILE = 4;
export const RETAIN = 8;

export function blockBytes({ topic, properties, payload }: Message): number {
  return BLOCK_HEADER_BYTES + topic.length + properties.length + payload.length;
}

/** Without the payload the block says how long it is all the same. */
export function writeBlock(
  to: Uint8Array,
  at: number,
  message: Message,
  flags: number,
  hasPayload: boolean,
): void {
  const { topic, properties, payload } = message;
  const view = new DataView(to.buffer, to.byteOffset + at, BLOCK_HEADER_BYTES);
  view.setUint16(0, topic.length);
  view.setUint32(PROPERTIES_AT, properties.length);
  view.setUint32(PAYLOAD_AT, payload.length);
  view.setFloat64(PUBLISHER_AT, message.publisher);
  view.setFloat64(EXPIRY_AT, message.expiresAtMs);
  view.setUint8(FLAGS_AT, message.qos | flags);
  const propertiesAt = at + BLOCK_HEADER_BYTES + topic.length;
  to.set(topic, at + BLOCK_HEADER_BYTES);
  to.set(properties, propertiesAt);
  if (hasPayload) to.set(payload, propertiesAt + properties.length);
}

/** Of a block that lies in `view`. */
export const topicLengthAt = (view: DataView, at: number): number => view.getUint16(at);
export const propertiesLengthAt = (view: DataView, at: number): number => view.getUint32(at + PROPERTIES_AT);
export const payloadLengthAt = (view: DataView, at: number): number => view.getUint32(at + PAYLOAD_AT);
export const publisherAt = (view: DataView, at: number): number => view.getFloat64(at + PUBLISHER_AT);
export const expiresAtMsAt = (view: DataView, at: number): number => view.getFloat64(at + EXPIRY_AT);
export const flagsAt = (view: DataView, at: number): number => view.getUint8(at + FLAGS_AT);

export function qosAt(view: DataView, at: number): 0 | 1 | 2 {
  const qos = view.getUint8(at + FLAGS_AT) & 3;
  return qos === 2 ? 2 : qos === 1 ? 1 : 0;
}

/** How long the block is with its payload; 0 when no whole block lies there. */
export function wholeBlockAt(view: DataView, at: number): number {
  if (at + BLOCK_HEADER_BYTES > view.byteLength) return 0;
  const length =
    BLOCK_HEADER_BYTES + topicLengthAt(view, at) + propertiesLengthAt(view, at) + payloadLengthAt(view, at);
  return topicLengthAt(view, at) > 0 && at + length <= view.byteLength ? length : 0;
}

/** Views of a whole block with the payload. */
export function readBlock(bytes: Uint8Array, view: DataView, at: number): Message {
  const topicAt = at + BLOCK_HEADER_BYTES;
  const propertiesAt = topicAt + topicLengthAt(view, at);
  const payloadAt = propertiesAt + propertiesLengthAt(view, at);
  return {
    topic: bytes.subarray(topicAt, propertiesAt),
    properties: bytes.subarray(propertiesAt, payloadAt),
    payload: bytes.subarray(payloadAt, payloadAt + payloadLengthAt(view, at)),
    qos: qosAt(view, at),
    retain: (flagsAt(view, at) & RETAIN) !== 0,
    expiresAtMs: expiresAtMsAt(view, at),
    publisher: publisherAt(view, at),
  };
}
