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

const MAX_NAME_BYTES = 20;
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
function isNotTopic(value: Uint8Array): boolean {
  if (value.length === 0 || isTooLong(value)) return true;
  let isAscii = true;
  for (let i = 0; i < value.length; i++) {
    const byte = value[i] as number;
    if (byte === 0 || byte === 0x23 || byte === 0x2b) return true;
    if (byte > 0x7f) isAscii = false;
  }
  return !isAscii && !isUtf8(value);
}
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

function startsWith(bytes: Uint8Array, prefix: string): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix.charCodeAt(i)) return false;
  return true;
}

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
const QOS = [0, 1, 2] as const;
const qosHeaders = QOS.map((qos) => header(Name.qos, digit(qos)));
const retainHeader = header(Name.retain, digit(1));

function fixedHeaders(qos: number, retain: boolean): RecordHeader[] {
  const first = qosHeaders[qos] as RecordHeader;
  return retain ? [first, retainHeader] : [first];
}

/** Headers of messages without properties and expiry, which most are: by QoS, and by QoS + 3 with retain. */
const plainHeaders: readonly RecordHeaders[] = [false, true].flatMap((retain) =>
  QOS.map((qos) => encodeHeaders(fixedHeaders(qos, retain))),
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
    return this.#parts.length === 0 ? NOTHING : new Uint8Array(Buffer.concat(this.#parts));
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

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The index in `plainHeaders`, or -1: most messages need no more look at their headers. */
function plainIndex(headers: RecordHeaders): number {
  return headers.count > 2 ? -1 : plainHeaders.findIndex(({ bytes }) => equal(bytes, headers.bytes));
}

/** A header's name if it may be one of those with a meaning of their own, by its first letter and length; '' otherwise. */
function knownName(name: Uint8Array): string {
  const first = name[0];
  const isCandidate = first === 0x6d || first === 0x63 || first === 0x72;
  if (!isCandidate || name.length > MAX_NAME_BYTES) return '';
  const text = String.fromCharCode(...name);
  return nameBytes.has(text) ? text : '';
}

const decimal = (value: Uint8Array): number => {
  const text = value.length <= 16 ? Buffer.from(value).toString('latin1') : '';
  const number = /^[1-9]\d*$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(number) ? number : 0;
};

interface Described {
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly expiresAtMs: number;
  readonly properties: Uint8Array;
}
/** What `plainHeaders` say. */
const PLAIN: readonly Described[] = [false, true].flatMap((retain) =>
  QOS.map((qos) => ({ qos, retain, expiresAtMs: 0, properties: NOTHING })),
);

function readHeaders(headers: RecordHeaders): Described | RecordFault {
  const writer = new PropertyWriter();
  const seen: string[] = [];
  let qos: 0 | 1 | 2 | undefined;
  let retain = false;
  let expiresAtMs = 0;
  for (const { name, value } of decodeHeaders(headers)) {
    const known = knownName(name);
    if (known !== '') {
      if (seen.includes(known)) return 'repeated';
      seen.push(known);
    }
    const property = byName.get(known);
    const first = value?.length === 1 ? value[0] : undefined;
    if (known === Name.qos) {
      qos = first === undefined ? undefined : QOS[first - 0x30];
      if (qos === undefined) return 'qos';
    } else if (known === Name.retain) {
      if (first !== 0x31) return 'retain';
      retain = true;
    } else if (known === Name.expiresAt) {
      expiresAtMs = value === null ? 0 : decimal(value);
      if (expiresAtMs === 0) return 'expires-at';
    } else if (value === null) {
      return 'property';
    } else if (
      property === undefined
        ? !writeUserProperty(writer, name, value)
        : !writeProperty(writer, property, value)
    ) {
      return 'property';
    }
  }
  return qos === undefined ? 'not-mqtt' : { qos, retain, expiresAtMs, properties: writer.bytes() };
}

/**
 * Reads what `messageToRecord` wrote, from whoever may have written it: everything is validated in MQTT's terms. Headers
 * without a meaning of their own are user properties. The message shares topic and payload
 * with the record: who keeps it longer than the batch copies it.
 */
export function recordToMessage(record: LogRecord): ReadMessage {
  const { key, value } = record;
  const plain = plainIndex(record.headers);
  const read = plain < 0 ? readHeaders(record.headers) : (PLAIN[plain] as Described);
  if (typeof read === 'string') return { fault: read };
  if (key === null || isNotTopic(key)) return { fault: 'topic' };
  const { qos, retain, expiresAtMs, properties } = read;
  return {
    message: { topic: key, payload: value ?? NOTHING, properties, qos, retain, expiresAtMs, publisher: -1 },
  };
}
