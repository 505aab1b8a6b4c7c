/**
 * A kernel message as a record and back, by the table in docs/records.md. Both directions keep every byte that MQTT
 * gives a meaning: topic, payload, QoS, retain, expiry, and the properties in their order. The number of the publishing
 * session is not stored: it has no meaning in another process, and No Local is decided when a message is routed.
 */
import { isUtf8 } from 'node:buffer';
import type { Message } from '../../kernel/message.ts';
import {
  decodeHeaders,
  encodeHeaders,
  type LogRecord,
  type RecordHeader,
  type RecordHeaders,
} from './record.ts';

const MAX_TEXT_BYTES = 65_535;
const NOTHING = new Uint8Array(0);
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

const Name = {
  qos: 'mqtt.qos',
  retain: 'mqtt.retain',
  expiresAt: 'mqtt.expires-at',
  payloadFormat: 'mqtt.payload-format',
  contentType: 'content-type',
  responseTopic: 'response-topic',
  correlationData: 'correlation-data',
} as const;

/** A user property with a name that means something else here, or starts like one, gets this before its name. */
const RESERVED_PREFIX = 'mqtt.';
const USER_PREFIX = 'mqtt.user.';
const USER_PREFIX_BYTES = ascii(USER_PREFIX);
const RESERVED_NAMES = new Set<string>([Name.contentType, Name.responseTopic, Name.correlationData]);

const nameBytes = new Map<string, Uint8Array>(Object.values(Name).map((name) => [name, ascii(name)]));
const header = (name: string, value: Uint8Array): RecordHeader => ({
  name: nameBytes.get(name) ?? ascii(name),
  value,
});

/** MQTT 5 properties that describe a message: identifier, header name, and how the value is framed. */
interface MessageProperty {
  readonly id: number;
  readonly name: string;
  readonly isByte: boolean;
  readonly fault: (value: Uint8Array) => boolean;
}

const isTooLong = (value: Uint8Array): boolean => value.length > MAX_TEXT_BYTES;
const isNotText = (value: Uint8Array): boolean => isTooLong(value) || value.includes(0) || !isUtf8(value);
const isNotTopic = (value: Uint8Array): boolean =>
  value.length === 0 || value.includes(0x23) || value.includes(0x2b) || isNotText(value);
const isNotFlag = (value: Uint8Array): boolean =>
  value.length !== 1 || (value[0] !== 0x30 && value[0] !== 0x31);

const PROPERTIES: readonly MessageProperty[] = [
  { id: 0x01, name: Name.payloadFormat, isByte: true, fault: isNotFlag },
  { id: 0x03, name: Name.contentType, isByte: false, fault: isNotText },
  { id: 0x08, name: Name.responseTopic, isByte: false, fault: isNotTopic },
  { id: 0x09, name: Name.correlationData, isByte: false, fault: isTooLong },
];
const byId = new Map(PROPERTIES.map((property) => [property.id, property]));
const byName = new Map(PROPERTIES.map((property) => [property.name, property]));
const USER_PROPERTY = 0x26;

const startsWith = (bytes: Uint8Array, prefix: string): boolean =>
  bytes.length >= prefix.length &&
  Buffer.from(bytes.buffer, bytes.byteOffset, prefix.length).toString('latin1') === prefix;

function isReserved(name: Uint8Array): boolean {
  if (startsWith(name, RESERVED_PREFIX)) return true;
  return name.length <= 16 && RESERVED_NAMES.has(Buffer.from(name).toString('latin1'));
}

function prefixed(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(USER_PREFIX_BYTES.length + name.length);
  bytes.set(USER_PREFIX_BYTES);
  bytes.set(name, USER_PREFIX_BYTES.length);
  return bytes;
}

/** Throws a RangeError on properties that no decoder of ours lets into a message. */
function propertyHeaders(properties: Uint8Array): RecordHeader[] {
  const headers: RecordHeader[] = [];
  let at = 0;
  const take = (): Uint8Array => {
    const length = ((properties[at] ?? 0) << 8) | (properties[at + 1] ?? 0);
    at += 2 + length;
    if (at > properties.length) throw new RangeError('message properties end too early');
    return properties.subarray(at - length, at);
  };
  while (at < properties.length) {
    const id = properties[at++] as number;
    const property = byId.get(id);
    if (id === USER_PROPERTY) {
      const name = take();
      headers.push({ name: isReserved(name) ? prefixed(name) : name, value: take() });
    } else if (property?.isByte) {
      const value = properties[at++];
      if (value === undefined) throw new RangeError('message properties end too early');
      headers.push(header(property.name, Uint8Array.of(0x30 + value)));
    } else if (property !== undefined) {
      headers.push(header(property.name, take()));
    } else {
      throw new RangeError(`message property 0x${id.toString(16)}`);
    }
  }
  return headers;
}

const digit = (value: number): Uint8Array => Uint8Array.of(0x30 + value);
const qosHeaders = [0, 1, 2].map((qos) => header(Name.qos, digit(qos)));
const retainHeader = header(Name.retain, digit(1));

function fixedHeaders(qos: number, retain: boolean): RecordHeader[] {
  const first = qosHeaders[qos] as RecordHeader;
  return retain ? [first, retainHeader] : [first];
}

/** Headers of messages without properties and expiry, which most are: by QoS, and by QoS + 3 with retain. */
const plainHeaders: readonly RecordHeaders[] = [false, true].flatMap((retain) =>
  [0, 1, 2].map((qos) => encodeHeaders(fixedHeaders(qos, retain))),
);

/** The record shares the message's bytes. */
export function messageToRecord(message: Message, timestampMs: number): LogRecord {
  const { qos, retain, properties, expiresAtMs } = message;
  let headers = plainHeaders[retain ? qos + 3 : qos] as RecordHeaders;
  if (properties.length > 0 || expiresAtMs !== 0) {
    const list = fixedHeaders(qos, retain);
    if (expiresAtMs !== 0) list.push(header(Name.expiresAt, ascii(String(expiresAtMs))));
    headers = encodeHeaders(list.concat(propertyHeaders(properties)));
  }
  return { timestampMs, key: message.topic, value: message.payload, headers };
}

/** What a record is not, or has wrong, when it is no message of ours. */
export type RecordFault = 'not-mqtt' | 'topic' | 'qos' | 'retain' | 'expires-at' | 'property' | 'repeated';
export type ReadMessage =
  | { readonly message: Message; readonly fault?: undefined }
  | { readonly message?: undefined; readonly fault: RecordFault };

/** Wire form of properties, gathered piece by piece. */
class PropertyWriter {
  readonly #parts: Uint8Array[] = [];

  byte(value: number): void {
    this.#parts.push(Uint8Array.of(value));
  }

  field(value: Uint8Array): void {
    this.#parts.push(Uint8Array.of(value.length >> 8, value.length & 255), value);
  }

  bytes(): Uint8Array {
    return this.#parts.length === 0 ? NOTHING : Uint8Array.from(Buffer.concat(this.#parts));
  }
}

function writeProperty(writer: PropertyWriter, property: MessageProperty, value: Uint8Array): boolean {
  if (property.fault(value)) return false;
  writer.byte(property.id);
  if (property.isByte) writer.byte((value[0] as number) - 0x30);
  else writer.field(value);
  return true;
}

function writeUserProperty(writer: PropertyWriter, name: Uint8Array, value: Uint8Array): boolean {
  const own = startsWith(name, USER_PREFIX) ? name.subarray(USER_PREFIX.length) : name;
  if (isNotText(own) || isNotText(value)) return false;
  writer.byte(USER_PROPERTY);
  writer.field(own);
  writer.field(value);
  return true;
}

const decimal = (value: Uint8Array): number => {
  const text = value.length <= 16 ? Buffer.from(value).toString('latin1') : '';
  const number = /^[1-9]\d*$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(number) ? number : 0;
};

/**
 * Reads what `messageToRecord` wrote, from whoever may have written it: everything is validated in MQTT's terms. Headers
 * without a meaning of their own are user properties. The message owns its bytes.
 */
export function recordToMessage(record: LogRecord): ReadMessage {
  const writer = new PropertyWriter();
  const seen = new Set<string>();
  let qos: 0 | 1 | 2 | undefined;
  let retain = false;
  let expiresAtMs = 0;
  for (const { name, value } of decodeHeaders(record.headers)) {
    const text = name.length <= 24 ? Buffer.from(name).toString('latin1') : '';
    if (nameBytes.has(text)) {
      if (seen.has(text)) return { fault: 'repeated' };
      seen.add(text);
    }
    const property = byName.get(text);
    const first = value?.length === 1 ? value[0] : undefined;
    if (text === Name.qos) {
      qos = first === 0x30 ? 0 : first === 0x31 ? 1 : first === 0x32 ? 2 : undefined;
      if (qos === undefined) return { fault: 'qos' };
    } else if (text === Name.retain) {
      if (first !== 0x31) return { fault: 'retain' };
      retain = true;
    } else if (text === Name.expiresAt) {
      expiresAtMs = value === null ? 0 : decimal(value);
      if (expiresAtMs === 0) return { fault: 'expires-at' };
    } else if (value === null) {
      return { fault: 'property' };
    } else if (
      property === undefined
        ? !writeUserProperty(writer, name, value)
        : !writeProperty(writer, property, value)
    ) {
      return { fault: 'property' };
    }
  }
  if (qos === undefined) return { fault: 'not-mqtt' };
  if (record.key === null || isNotTopic(record.key)) return { fault: 'topic' };
  const topic = Uint8Array.from(record.key);
  const payload = record.value === null ? NOTHING : Uint8Array.from(record.value);
  return { message: { topic, payload, properties: writer.bytes(), qos, retain, expiresAtMs, publisher: -1 } };
}
