/**
 * A record of any client as a message. What has no place of its own there travels as a user property: the key as `kafka.key`,
 * headers by their names. What is no text is base64, under the name with `.base64` behind it.
 */
import { isUtf8 } from 'node:buffer';
import { recordToMessage } from '../../storage/records/message-record.ts';
import { decodeHeaders, type LogRecord } from '../../storage/records/record.ts';
import type { Message } from '../message.ts';

const USER_PROPERTY = 0x26;
const MAX_TEXT_BYTES = 65_535;
const KEY = Buffer.from('kafka.key');
const BASE64 = Buffer.from('.base64');
const NOTHING = new Uint8Array(0);
/** At least once, as records are read. */
const QOS = 1;

const isText = (bytes: Uint8Array): boolean => !bytes.includes(0) && isUtf8(bytes);
const sized = (bytes: Uint8Array): Uint8Array[] => [
  Uint8Array.of(bytes.length >> 8, bytes.length & 255),
  bytes,
];

/** Nothing where it is too long to be a property. */
function userProperty(name: Uint8Array, value: Uint8Array): Uint8Array[] {
  const isPlain = isText(value);
  const ownName = isPlain ? name : Buffer.concat([name, BASE64]);
  const ownValue = isPlain ? value : Buffer.from(Buffer.from(value).toString('base64'));
  if (!isText(name) || ownName.length > MAX_TEXT_BYTES || ownValue.length > MAX_TEXT_BYTES) return [];
  return [Uint8Array.of(USER_PROPERTY), ...sized(ownName), ...sized(ownValue)];
}

function propertiesOf({ key, headers }: LogRecord): Uint8Array {
  if (key === null && headers.count === 0) return NOTHING;
  const parts = key === null ? [] : userProperty(KEY, key);
  for (const { name, value } of decodeHeaders(headers)) parts.push(...userProperty(name, value ?? NOTHING));
  return new Uint8Array(Buffer.concat(parts));
}

/** The message of this topic that the record was; undefined where it was none. In its key the topic is as clients write it. */
export function messageOf(record: LogRecord, topic: Uint8Array, written = topic): Message | undefined {
  const { message } = recordToMessage(record);
  if (message === undefined || Buffer.compare(message.topic, written) !== 0) return undefined;
  return written === topic ? message : { ...message, topic };
}

/** A record that was a message of this topic is that message again. */
export function recordAsMessage(record: LogRecord, topic: Uint8Array, written = topic): Message {
  const own = messageOf(record, topic, written);
  if (own !== undefined) return own;
  return {
    topic,
    payload: record.value ?? NOTHING,
    properties: propertiesOf(record),
    qos: QOS,
    retain: false,
    expiresAtMs: 0,
    publisher: -1,
  };
}
