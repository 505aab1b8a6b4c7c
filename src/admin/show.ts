/** How bytes that clients wrote are shown: as text where they are text, in base64 otherwise, and never without bound. */
import { isUtf8 } from 'node:buffer';
import { integer } from './schema.ts';
import type {
  MessageContent,
  PayloadView,
  Property,
  PropertyView,
  RecordView,
  StreamRecord,
} from './views.ts';

export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
export const DEFAULT_PAYLOAD_BYTES = 64 * 1024;
export const payloadBytes = integer('Longer payloads are cut.', { max: MAX_PAYLOAD_BYTES });

export function showMessage<T extends MessageContent>(
  message: T,
  maxBytes: number,
): Omit<T, 'payload' | 'properties'> & PayloadView & { readonly properties: PropertyView[] } {
  const { payload, properties, ...rest } = message;
  return { ...rest, properties: properties.map(showProperty), ...showPayload(payload, maxBytes) };
}

export function showRecord(partition: number, record: StreamRecord, maxBytes: number): RecordView {
  const { offset, timeMs, key, headers, payload } = record;
  return {
    partition,
    offset,
    timeMs,
    ...(key === null ? {} : isUtf8(key) ? { key: text(key) } : { keyBase64: base64(key) }),
    headers: headers.map(showProperty),
    ...(payload === null ? { payloadBytes: 0, payloadIsCut: false } : showPayload(payload, maxBytes)),
  };
}

function showPayload(payload: Uint8Array, maxBytes: number): PayloadView {
  const cut = payload.subarray(0, maxBytes);
  const size = { payloadBytes: payload.byteLength, payloadIsCut: cut.byteLength < payload.byteLength };
  return isUtf8(payload) ? { ...size, payload: text(cut) } : { ...size, payloadBase64: base64(cut) };
}

function showProperty({ name, value }: Property): PropertyView {
  if (value === null) return { name };
  if (typeof value === 'string') return { name, value };
  return isUtf8(value) ? { name, value: text(value) } : { name, valueBase64: base64(value) };
}

/** Of text that was cut: a character whose end is missing is left out. */
const text = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
