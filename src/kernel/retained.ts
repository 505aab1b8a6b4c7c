/**
 * Retained messages: the last message of each topic, listed by filter in pages.
 *
 * A message lies as one block of bytes in the memory of the topic tree, so that a million of them are no objects of the
 * collector; payloads from 4 KiB on stay outside as arrays of their own. Messages handed out are copies; those of a page
 * share arrays. What has expired is never handed out, and is removed when it is met or swept. Not here: deciding what to
 * retain, delivering.
 */
import { createTopicTree, type TopicsOptions, type TreeCursor } from '../wasm/topics.ts';
import type { Clock } from './clock.ts';
import { createDeadlineHeap } from './deadline-heap.ts';
import type { Message } from './message.ts';

export interface RetainedLimits {
  readonly maxMessages: number;
  /** Of topics, properties and payloads together. */
  readonly maxBytes: number;
  readonly maxPayloadBytes: number;
}

/** Opaque; good for the filter it was given with. It needs no closing. */
export type RetainedCursor = TreeCursor;

export interface RetainedStore {
  /**
   * An empty payload removes the topic's message ('removed', also when there was none). 'full' and 'too-large' leave
   * what was there.
   */
  set(message: Message): 'stored' | 'removed' | 'full' | 'too-large';
  get(topic: Uint8Array): Message | undefined;
  /**
   * Up to `limit` messages whose topics match, and where to go on; no cursor = no more. A page looks at a bounded number
   * of topics, so it may be empty and still have a cursor. Each message that stays is listed once; one that is set or
   * removed between pages may be listed or not.
   */
  page(
    filter: Uint8Array,
    cursor: RetainedCursor | undefined,
    limit: number,
  ): { messages: Message[]; cursor: RetainedCursor | undefined };
  /** Removes up to `limit` expired messages; returns how many. */
  sweepExpired(limit: number): number;
  readonly count: number;
  readonly bytes: number;
}

/** Block: u32 topic, properties and payload lengths, i32 publisher, f64 expiry, u8 QoS; then the bytes. */
const HEADER_BYTES = 32;
const OUTSIDE_BYTES = 4096;
/** Topics a page visits for each message it may return: what bounds a page that finds little. */
const VISITS_PER_MESSAGE = 16;
const MIN_VISITS = 2048;
/** Expired messages that make room for a new one before it is refused. */
const SWEEP_WHEN_FULL = 64;

/** Messages of a page share arrays of so many bytes: more than one message keeps alive, far fewer arrays to collect. */
const CHUNK_BYTES = 8192;

interface Chunk {
  bytes: Uint8Array;
  used: number;
}

function copyTo(chunk: Chunk, source: Uint8Array): Uint8Array {
  if (source.length > CHUNK_BYTES >> 1) return source.slice();
  if (chunk.used + source.length > chunk.bytes.length) {
    chunk.bytes = new Uint8Array(CHUNK_BYTES);
    chunk.used = 0;
  }
  const start = chunk.used;
  chunk.bytes.set(source, start);
  chunk.used += source.length;
  return chunk.bytes.subarray(start, chunk.used);
}

function concat(message: Message): Uint8Array {
  const { topic, properties, payload } = message;
  const inside = payload.length < OUTSIDE_BYTES ? payload.length : 0;
  const bytes = new Uint8Array(HEADER_BYTES + topic.length + properties.length + inside);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, topic.length);
  view.setUint32(4, properties.length);
  view.setUint32(8, payload.length);
  view.setInt32(12, message.publisher);
  view.setFloat64(16, message.expiresAtMs);
  view.setUint8(24, message.qos);
  bytes.set(topic, HEADER_BYTES);
  bytes.set(properties, HEADER_BYTES + topic.length);
  if (inside !== 0) bytes.set(payload, HEADER_BYTES + topic.length + properties.length);
  return bytes;
}

export function createRetainedStore(
  limits: RetainedLimits,
  clock: Clock,
  options: TopicsOptions = {},
): RetainedStore {
  const tree = createTopicTree(options);
  const outside = new Map<number, Uint8Array>();
  const expiries = createDeadlineHeap();
  const freeSlots: number[] = [];
  /** By slot: where the block is, and its length. The tree's value is the slot + 1. */
  const blocks: number[] = [];
  const lengths: number[] = [];
  let count = 0;
  let totalBytes = 0;

  const sizeOf = (slot: number) => (lengths[slot] ?? 0) - HEADER_BYTES + (outside.get(slot)?.length ?? 0);

  /** Headers are read in place, through one view for as long as the memory does not grow. */
  let headers: DataView = new DataView(new ArrayBuffer(0));
  let memory: Uint8Array = new Uint8Array(0);
  const read = (slot: number, chunk?: Chunk): Message => {
    if (memory !== tree.bytes()) {
      memory = tree.bytes();
      headers = new DataView(memory.buffer);
    }
    const at = blocks[slot] ?? 0;
    const propertiesAt = headers.getUint32(at);
    const payloadAt = propertiesAt + headers.getUint32(at + 4);
    const qos = headers.getUint8(at + 24);
    const expiresAtMs = headers.getFloat64(at + 16);
    const publisher = headers.getInt32(at + 12);
    const from = at + HEADER_BYTES;
    const to = at + (lengths[slot] ?? 0);
    const bytes = chunk === undefined ? memory.slice(from, to) : copyTo(chunk, memory.subarray(from, to));
    return {
      topic: bytes.subarray(0, propertiesAt),
      properties: bytes.subarray(propertiesAt, payloadAt),
      payload: outside.get(slot) ?? bytes.subarray(payloadAt),
      qos: qos === 2 ? 2 : qos === 1 ? 1 : 0,
      retain: true,
      expiresAtMs,
      publisher,
    };
  };

  const free = (slot: number): void => {
    count--;
    totalBytes -= sizeOf(slot);
    expiries.remove(slot);
    outside.delete(slot);
    tree.release(blocks[slot] ?? 0, lengths[slot] ?? 0);
    freeSlots.push(slot);
  };

  const remove = (topic: Uint8Array): void => {
    const value = tree.remove(topic);
    if (value !== 0) free(value - 1);
  };

  const isExpired = (message: Message): boolean =>
    message.expiresAtMs !== 0 && message.expiresAtMs <= clock.wallMs();

  const sweepExpired = (limit: number): number => {
    const nowMs = clock.wallMs();
    for (let removed = 0; removed < limit; removed++) {
      const slot = expiries.firstDue(nowMs);
      if (slot === undefined) return removed;
      remove(read(slot).topic);
    }
    return limit;
  };

  const store = (message: Message): 'stored' | 'full' => {
    const largest = message.topic.length + message.properties.length + message.payload.length;
    if (count >= limits.maxMessages || totalBytes + largest > limits.maxBytes) sweepExpired(SWEEP_WHEN_FULL);
    const previous = tree.get(message.topic);
    const bytes = concat(message);
    const kept = message.payload.length >= OUTSIDE_BYTES ? message.payload.length : 0;
    const added = bytes.length - HEADER_BYTES + kept - (previous === 0 ? 0 : sizeOf(previous - 1));
    if (previous === 0 && count >= limits.maxMessages) return 'full';
    if (totalBytes + added > limits.maxBytes) return 'full';
    const block = tree.allocate(bytes.length);
    if (block === 0) return 'full';
    const slot = freeSlots.pop() ?? blocks.length;
    if (tree.set(message.topic, slot + 1) === undefined) {
      tree.release(block, bytes.length);
      if (slot === blocks.length) {
        blocks.push(0);
        lengths.push(0);
      }
      freeSlots.push(slot);
      return 'full';
    }
    if (previous !== 0) free(previous - 1);
    blocks[slot] = block;
    lengths[slot] = bytes.length;
    tree.bytes().set(bytes, block);
    if (kept !== 0) outside.set(slot, message.payload);
    if (message.expiresAtMs !== 0) expiries.set(slot, message.expiresAtMs);
    count++;
    totalBytes += sizeOf(slot);
    return 'stored';
  };

  return {
    set(message) {
      if (message.payload.length === 0) {
        remove(message.topic);
        return 'removed';
      }
      if (message.payload.length > limits.maxPayloadBytes) return 'too-large';
      return store(message);
    },

    get(topic) {
      const value = tree.get(topic);
      if (value === 0) return undefined;
      const message = read(value - 1);
      if (!isExpired(message)) return message;
      remove(topic);
      return undefined;
    },

    page(filter, cursor, limit) {
      const visits = Math.max(MIN_VISITS, limit * VISITS_PER_MESSAGE);
      const page = tree.page(filter, cursor, limit, visits);
      const messages: Message[] = [];
      const expired: Message[] = [];
      const chunk: Chunk = { bytes: new Uint8Array(0), used: 0 };
      for (const value of page.values) {
        const message = read(value - 1, chunk);
        (isExpired(message) ? expired : messages).push(message);
      }
      for (const { topic } of expired) remove(topic);
      return { messages, cursor: page.cursor };
    },

    sweepExpired,

    get count() {
      return count;
    },
    get bytes() {
      return totalBytes;
    },
  };
}
