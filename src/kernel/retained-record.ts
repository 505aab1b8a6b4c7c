/**
 * The bytes of a retained message, the same in memory, in entries of the journal and in pages: u16 topic length, u32
 * lengths of properties and payload, i32 publisher, f64 expiry, u8 of QoS and flags; then topic, properties, payload.
 * All numbers are big-endian. The number of the publishing session means nothing after a restart: what is read back
 * has the broker as its publisher.
 */
import type { Message } from './message.ts';

export const RECORD_HEADER_BYTES = 23;
const PROPERTIES_AT = 2;
const PAYLOAD_AT = 6;
const PUBLISHER_AT = 10;
const EXPIRY_AT = 14;
const FLAGS_AT = 22;
const VOLATILE = 4;
const BROKER = -1;

export function recordBytes({ topic, properties, payload }: Message): number {
  return RECORD_HEADER_BYTES + topic.length + properties.length + payload.length;
}

/** Without the payload the record says how long it is all the same. */
export function writeRecord(
  to: Uint8Array,
  at: number,
  message: Message,
  isVolatile: boolean,
  hasPayload: boolean,
): void {
  const { topic, properties, payload } = message;
  const view = new DataView(to.buffer, to.byteOffset + at, RECORD_HEADER_BYTES);
  view.setUint16(0, topic.length);
  view.setUint32(PROPERTIES_AT, properties.length);
  view.setUint32(PAYLOAD_AT, payload.length);
  view.setInt32(PUBLISHER_AT, message.publisher);
  view.setFloat64(EXPIRY_AT, message.expiresAtMs);
  view.setUint8(FLAGS_AT, message.qos | (isVolatile ? VOLATILE : 0));
  const propertiesAt = at + RECORD_HEADER_BYTES + topic.length;
  to.set(topic, at + RECORD_HEADER_BYTES);
  to.set(properties, propertiesAt);
  if (hasPayload) to.set(payload, propertiesAt + properties.length);
}

/** Of a record that lies in `view`. */
export const topicLengthAt = (view: DataView, at: number): number => view.getUint16(at);
export const propertiesLengthAt = (view: DataView, at: number): number => view.getUint32(at + PROPERTIES_AT);
export const payloadLengthAt = (view: DataView, at: number): number => view.getUint32(at + PAYLOAD_AT);
export const publisherAt = (view: DataView, at: number): number => view.getInt32(at + PUBLISHER_AT);
export const expiresAtMsAt = (view: DataView, at: number): number => view.getFloat64(at + EXPIRY_AT);
export const isVolatileAt = (view: DataView, at: number): boolean =>
  (view.getUint8(at + FLAGS_AT) & VOLATILE) !== 0;

export function qosAt(view: DataView, at: number): 0 | 1 | 2 {
  const qos = view.getUint8(at + FLAGS_AT) & 3;
  return qos === 2 ? 2 : qos === 1 ? 1 : 0;
}

/** How long the record is with its payload; 0 when no whole record lies there. */
export function wholeRecordAt(view: DataView, at: number): number {
  if (at + RECORD_HEADER_BYTES > view.byteLength) return 0;
  const length =
    RECORD_HEADER_BYTES + topicLengthAt(view, at) + propertiesLengthAt(view, at) + payloadLengthAt(view, at);
  return topicLengthAt(view, at) > 0 && at + length <= view.byteLength ? length : 0;
}

export function forgetPublisher(view: DataView, at: number): void {
  view.setInt32(at + PUBLISHER_AT, BROKER);
}
