/**
 * Retained messages: the last message of each topic, listed by filter in pages, and their table for the state log.
 *
 * Messages handed out are copies; those of a page share arrays. What has expired is never handed out, and is removed
 * when it is met or swept. A message that is journaled is asked about first (`wouldRefuse` promises its room) and set
 * when it is committed. Not here: deciding what to retain, delivering, where the bytes lie (retained-slots.ts).
 */
import { DEFAULT_LIMIT_BYTES, type TopicsOptions, type TreeCursor } from '../wasm/topics.ts';
import type { Clock } from './clock.ts';
import type { Message } from './message.ts';
import { BLOCK_HEADER_BYTES } from './message-block.ts';
import { newChunk, RetainedSlots } from './retained-slots.ts';
import { createRetainedTable } from './retained-table.ts';
import type { Table } from './state/table.ts';
import { withAccessors } from './with-accessors.ts';

export { encodeRetainedDelete, encodeRetainedSet } from './retained-table.ts';

export interface RetainedLimits {
  readonly maxMessages: number;
  /** Of topics, properties and payloads together. */
  readonly maxBytes: number;
  readonly maxPayloadBytes: number;
}

export type RetainedRefusal = 'full' | 'too-large';

/** Opaque; good for the filter it was given with. It needs no closing. */
export type RetainedCursor = TreeCursor;

export interface RetainedStore {
  /**
   * An empty payload removes the topic's message ('removed', also when there was none). 'full' and 'too-large' leave
   * what was there. A volatile message is in no page of the table.
   */
  set(message: Message, isVolatile?: boolean): 'stored' | 'removed' | RetainedRefusal;
  /** Undefined is a promise of room: `setPromised` or `forgo` must follow, once, with the same message. */
  wouldRefuse(message: Message): RetainedRefusal | undefined;
  /** As `set`, of a message whose room was promised. */
  setPromised(message: Message, isVolatile?: boolean): void;
  /** The message was not committed. */
  forgo(message: Message): void;
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
  /** Called with the topic of each message that is removed because it has expired. */
  onExpired: (topic: Uint8Array) => void;
  readonly count: number;
  readonly bytes: number;
  readonly table: Table;
}

/** Topics a page visits for each message it may return: what bounds a page that finds little. */
const VISITS_PER_MESSAGE = 16;
const MIN_VISITS = 2048;
/** Expired messages that make room for a new one before it is refused. */
const SWEEP_WHEN_FULL = 64;
/** Most memory of the tree that a level of a new topic takes beyond its text: a node, an edge, a record of the level. */
const LEVEL_BYTES = 256;
const SLASH = 0x2f;

/** Upper estimate of what a message takes of the memory of the tree, whose blocks are powers of two. */
function treeBytes(message: Message): number {
  let levels = 1;
  for (const byte of message.topic) if (byte === SLASH) levels++;
  return 2 * (BLOCK_HEADER_BYTES + sizeOf(message) + message.topic.length) + levels * LEVEL_BYTES;
}

function sizeOf({ topic, properties, payload }: Message): number {
  return topic.length + properties.length + payload.length;
}

export function createRetainedStore(
  limits: RetainedLimits,
  clock: Clock,
  options: TopicsOptions = {},
): RetainedStore {
  const slots = new RetainedSlots(options);
  const { tree, expiries } = slots;
  const treeLimit = options.limitBytes ?? DEFAULT_LIMIT_BYTES;
  let promisedCount = 0;
  let promisedBytes = 0;
  let promisedTreeBytes = 0;

  const remove = (topic: Uint8Array): void => {
    const slot = slots.slotOf(topic);
    if (slot >= 0) slots.remove(slot);
  };

  const expire = (slot: number): void => {
    const topic = slots.topicOf(slot);
    slots.remove(slot);
    store.onExpired(topic);
  };

  const isExpired = (message: Message): boolean =>
    message.expiresAtMs !== 0 && message.expiresAtMs <= clock.wallMs();

  const sweepExpired = (limit: number): number => {
    const nowMs = clock.wallMs();
    for (let removed = 0; removed < limit; removed++) {
      const slot = expiries.firstDue(nowMs);
      if (slot === undefined) return removed;
      expire(slot);
    }
    return limit;
  };

  const refusal = (message: Message): RetainedRefusal | undefined => {
    if (message.payload.length > limits.maxPayloadBytes) return 'too-large';
    const size = sizeOf(message);
    const isFull = (): boolean => slots.count + promisedCount >= limits.maxMessages;
    if (isFull() || slots.bytes + promisedBytes + size > limits.maxBytes) sweepExpired(SWEEP_WHEN_FULL);
    const known = slots.slotOf(message.topic);
    if (known < 0 && isFull()) return 'full';
    const added = size - (known < 0 ? 0 : slots.sizeOf(known));
    return slots.bytes + promisedBytes + added > limits.maxBytes ? 'full' : undefined;
  };

  const promise = (message: Message, sign: 1 | -1): void => {
    promisedCount += sign;
    promisedBytes += sign * sizeOf(message);
    promisedTreeBytes += sign * treeBytes(message);
  };

  const set = (message: Message, isVolatile: boolean): 'stored' | 'removed' | 'full' => {
    if (message.payload.length === 0) {
      remove(message.topic);
      return 'removed';
    }
    return slots.set(message, isVolatile) ? 'stored' : 'full';
  };

  const store: RetainedStore = withAccessors<RetainedStore, 'count' | 'bytes'>(
    {
      get count() {
        return slots.count;
      },
      get bytes() {
        return slots.bytes;
      },
    },
    {
      set(message, isVolatile = false) {
        if (message.payload.length === 0) return set(message, isVolatile);
        const refused = refusal(message);
        if (refused !== undefined) return refused;
        const isPromised =
          promisedTreeBytes > 0 &&
          tree.counters().liveBytes + promisedTreeBytes + treeBytes(message) > treeLimit;
        return isPromised ? 'full' : set(message, isVolatile);
      },

      wouldRefuse(message) {
        if (message.payload.length > 0) {
          const refused = refusal(message);
          if (refused !== undefined) return refused;
          const treeAfter = tree.counters().liveBytes + promisedTreeBytes + treeBytes(message);
          if (treeAfter > treeLimit) return 'full';
        }
        promise(message, 1);
        return undefined;
      },

      setPromised(message, isVolatile = false) {
        promise(message, -1);
        if (set(message, isVolatile) === 'full')
          throw new Error('promised room for a retained message is gone');
      },

      forgo(message) {
        promise(message, -1);
      },

      get(topic) {
        const slot = slots.slotOf(topic);
        if (slot < 0) return undefined;
        const message = slots.read(slot);
        if (!isExpired(message)) return message;
        expire(slot);
        return undefined;
      },

      page(filter, cursor, limit) {
        const visits = Math.max(MIN_VISITS, limit * VISITS_PER_MESSAGE);
        const page = tree.page(filter, cursor, limit, visits);
        const messages: Message[] = [];
        const expired: Message[] = [];
        const chunk = newChunk();
        for (const value of page.values) {
          const message = slots.read(value - 1, chunk);
          (isExpired(message) ? expired : messages).push(message);
        }
        for (const { topic } of expired) {
          remove(topic);
          store.onExpired(topic);
        }
        return { messages, cursor: page.cursor };
      },

      sweepExpired,
      onExpired: () => {},

      table: createRetainedTable(slots, clock),
    },
  );
  return store;
}
