/**
 * The entries of the table of messages. A body: form, id, expiry, flags, lengths of topic and properties, topic,
 * properties, and the payload up to the end. A volatile message leaves its id only, so that no other message gets it.
 * Bodies with ids in a row can share an entry: form, first id, count, and each with its length in front, of a form
 * without id; it is found by its own place all the same.
 */
import { ByteReader } from '../binary.ts';
import type { Message } from '../message.ts';

const BODY = 1;
const VOLATILE_ID = 2;
const BATCH = 3;
/** As assembly/mqtt/staging.ts writes them. */
const BATCHED_BODY = 4;
/** Of what is in front of the bodies of a batch, at most. */
export const BATCH_HEAD_BYTES = 16;
const RETAIN = 4;
const KEPT_SCRATCH_BYTES = 65_536;
const VIEWS_KEPT = 1024;
/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 32;

let scratch = new Uint8Array(4096);
/** Of the scratch area, by length: making a view costs more than writing a short body. */
let views: (Uint8Array | undefined)[] = [];

function uintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function writeUint(to: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 0x80) {
    to[next++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  to[next++] = rest;
  return next;
}

export function bodyBytes(id: number, message: Message): number {
  const { topic, properties, payload, expiresAtMs } = message;
  const head = 2 + uintBytes(id) + uintBytes(expiresAtMs);
  const lengths = uintBytes(topic.length) + uintBytes(properties.length);
  return head + lengths + topic.length + properties.length + payload.length;
}

/** Good until the next call. */
export function encodeBody(id: number, message: Message): Uint8Array {
  const { topic, properties, payload, expiresAtMs, qos, retain } = message;
  const length = bodyBytes(id, message);
  let to = scratch;
  if (length > to.length) {
    to = new Uint8Array(length);
    if (length <= KEPT_SCRATCH_BYTES) {
      scratch = to;
      views = [];
    }
  }
  to[0] = BODY;
  let at = writeUint(to, 1, id);
  at = writeUint(to, at, expiresAtMs);
  to[at++] = qos | (retain ? RETAIN : 0);
  at = writeUint(to, at, topic.length);
  at = writeUint(to, at, properties.length);
  at = writeBytes(to, at, topic);
  at = writeBytes(to, at, properties);
  writeBytes(to, at, payload);
  return viewOf(to, length);
}

function writeBytes(to: Uint8Array, at: number, bytes: Uint8Array): number {
  const { length } = bytes;
  if (length > SHORT_BYTES) to.set(bytes, at);
  else for (let i = 0; i < length; i++) to[at + i] = bytes[i] as number;
  return at + length;
}

function viewOf(to: Uint8Array, length: number): Uint8Array {
  if (to !== scratch || length >= VIEWS_KEPT) return to.subarray(0, length);
  const known = views[length];
  if (known !== undefined) return known;
  const view = to.subarray(0, length);
  views[length] = view;
  return view;
}

export function encodeVolatileId(id: number): Uint8Array {
  scratch[0] = VOLATILE_ID;
  return scratch.subarray(0, writeUint(scratch, 1, id));
}

/** Writes what is in front of the bodies of a batch; returns its end. */
export function writeBatchHead(to: Uint8Array, at: number, firstId: number, count: number): number {
  to[at] = BATCH;
  return writeUint(to, writeUint(to, at + 1, firstId), count);
}

export const isBatch = (entry: Uint8Array): boolean => entry[0] === BATCH;

/** Its id is not in it, but in the entry that it is a part of. */
export const isBatchedBody = (body: Uint8Array): boolean => body[0] === BATCHED_BODY;

/** One body of a batch as an entry of its own; the body ends with it. */
export function encodeBatchOfOne(id: number, body: Uint8Array): Uint8Array {
  const entry = new Uint8Array(BATCH_HEAD_BYTES + body.length);
  const at = writeUint(entry, writeBatchHead(entry, 0, id, 1), body.length);
  entry.set(body, at);
  return entry.subarray(0, at + body.length);
}

/** False when the bytes are not a batch. `offset`: of the body in the entry. */
export function walkBatch(
  entry: Uint8Array,
  each: (id: number, offset: number, length: number, expiresAtMs: number) => void,
): boolean {
  const from = new ByteReader(entry);
  if (from.u8() !== BATCH) return false;
  const firstId = from.uint();
  const count = from.count(2);
  for (let i = 0; i < count; i++) {
    const length = from.count();
    const offset = entry.length - from.bytesLeft;
    const form = from.u8();
    const expiresAtMs = from.uint();
    if (from.failed || form !== BATCHED_BODY || !from.skipTo(offset + length)) return false;
    each(firstId + i, offset, length, expiresAtMs);
  }
  return from.isComplete;
}

/** Bodies of a batch, each with its length in front, as messages with bytes of their own. */
export function decodeBodies(bodies: Uint8Array): Message[] {
  const messages: Message[] = [];
  const from = new ByteReader(bodies);
  while (from.bytesLeft > 0) {
    const length = from.count();
    const at = bodies.length - from.bytesLeft;
    const message = decodeBody(0, bodies.subarray(at, at + length));
    if (message === undefined || !from.skipTo(at + length))
      throw new TypeError('bodies that are not well-formed');
    messages.push(message);
  }
  return messages;
}

export interface EntryHead {
  readonly id: number;
  /** Undefined for a volatile message. */
  readonly expiresAtMs: number | undefined;
}

/** Undefined when the bytes are not an entry of a known form. */
export function decodeHead(entry: Uint8Array): EntryHead | undefined {
  const from = new ByteReader(entry);
  const form = from.u8();
  const id = from.uint();
  const expiresAtMs = form === BODY ? from.uint() : undefined;
  const isKnown = form === BODY || (form === VOLATILE_ID && from.isComplete);
  return isKnown && !from.failed ? { id, expiresAtMs } : undefined;
}

/** A message with bytes of its own; undefined when the bytes are not the body of `id`. */
export function decodeBody(id: number, entry: Uint8Array): Message | undefined {
  const from = new ByteReader(entry);
  const form = from.u8();
  if (form !== BATCHED_BODY && (form !== BODY || from.uint() !== id)) return undefined;
  const expiresAtMs = from.uint();
  const flags = from.u8();
  const qos = flags & 3;
  const topicBytes = from.uint();
  const propertiesBytes = from.uint();
  const isWhole = !from.failed && topicBytes + propertiesBytes <= from.bytesLeft;
  if (!isWhole || flags > 7 || (qos !== 0 && qos !== 1 && qos !== 2)) return undefined;
  // Not `slice`: that of a Buffer copies nothing, and all that was read would stay in memory.
  const bytes = new Uint8Array(entry.subarray(entry.length - from.bytesLeft));
  return {
    topic: bytes.subarray(0, topicBytes),
    properties: bytes.subarray(topicBytes, topicBytes + propertiesBytes),
    payload: bytes.subarray(topicBytes + propertiesBytes),
    qos,
    retain: (flags & RETAIN) !== 0,
    expiresAtMs,
    publisher: -1,
  };
}
