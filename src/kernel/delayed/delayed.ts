/**
 * Messages that wait for their time. Here live the waiting messages with their bodies, and their table for the state
 * log; who may delay what (delay-request.ts reads the request), the publishing and the clock are others' business.
 *
 * Guarantees: what was scheduled and is in the journal is given out by `due` once, not before its time, in order of
 * time and then of age; after a crash again only if the entry of that `due` was not committed, so that entry belongs
 * into the change that publishes. What came due while the broker was away is due at once. A cancelled one never is.
 */
import { ByteWriter } from '../binary.ts';
import { DurableTimers } from '../durable-timers/timers.ts';
import type { Message } from '../message.ts';
import * as format from '../message-block.ts';
import { type Table, TableId } from '../state/table.ts';
import { withAccessors } from '../with-accessors.ts';
import { createDelayedTable } from './delayed-table.ts';
import { DONE, SCHEDULE, VERSION, type Waiting, WaitingMessages } from './waiting.ts';

export interface DelayedLimits {
  readonly maxMessages: number;
  /** Of all blocks together. */
  readonly maxBytes: number;
}

/** There may be more than one such table: each has a number and a name of its own. */
export type DelayedIdentity = Pick<Table, 'id' | 'name'>;

export interface Scheduled {
  readonly id: number;
  /** To be journaled before the publisher hears of it. */
  readonly entry: Uint8Array;
}

export interface DueMessage {
  readonly id: number;
  readonly dueMs: number;
  readonly message: Message;
  readonly isVolatile: boolean;
}

export interface Due {
  /** In order; those that have expired meanwhile are among them. */
  readonly messages: readonly DueMessage[];
  /** Belongs into the change that publishes them; undefined when none of them was journaled. */
  readonly entry: Uint8Array | undefined;
  /** For `ended`. */
  readonly ids: readonly number[];
}

export interface Delayed {
  /**
   * It waits from now on. Its entry is to be journaled, and `stored` called when that is committed. A volatile message is
   * lost with the process: nothing of it is journaled.
   */
  schedule(message: Message, dueMs: number, isVolatile?: boolean): Scheduled | 'full';
  stored(id: number): void;
  /**
   * At most `max` of those due. They are given out once, so ask the state log first whether it takes more; `ended` must
   * follow when the change is committed: until then they are in pages, and there again after a crash.
   */
  due(nowMs: number, max: number): Due;
  /** Whether `schedule` takes all of these, if nothing else comes before. */
  hasRoomFor(messages: readonly Message[]): boolean;
  /** One of `due` that cannot go now, and is given out again then; its end must not be journaled. */
  postpone(id: number, dueMs: number): void;
  /** The entry, which `ended` must follow like that of `due`. Undefined when it does not wait (any more). */
  cancel(id: number): Uint8Array | undefined;
  /** The end of these is committed; or their entry of `schedule` never will be. */
  ended(ids: readonly number[]): void;
  get(id: number): DueMessage | undefined;
  /** By age, those that wait now; may be iterated slowly. */
  all(): Iterable<DueMessage>;
  /** By age, from an id on. */
  list(fromId: number, max: number): readonly DueMessage[];
  /** Not after the next one is due; Infinity when none waits. */
  nextDueMs(): number;
  /** What the next one gets. */
  readonly nextId: number;
  /** The lowest id that waits; `nextId` when none does. */
  oldestId(): number;
  readonly count: number;
  readonly bytes: number;
  readonly table: Table;
}

const KIND = 0;

const MESSAGES: DelayedIdentity = { id: TableId.Delayed, name: 'delayed' };

export function createDelayed(limits: DelayedLimits, identity: DelayedIdentity = MESSAGES): Delayed {
  const waiting = new WaitingMessages();
  const newTimers = (): DurableTimers => new DurableTimers({ maxTimers: Number.MAX_SAFE_INTEGER });
  let timers = newTimers();

  const start = (each: Waiting, dueMs = each.dueMs): void => {
    const timer = timers.insert(dueMs, KIND, each.id);
    if (timer !== undefined) each.timer = timer.id;
  };

  const given = ({ id, dueMs, block, isVolatile }: Waiting): DueMessage => ({
    id,
    dueMs,
    message: format.readBlock(block, new DataView(block.buffer, block.byteOffset, block.length), 0),
    isVolatile,
  });

  return withAccessors<Delayed, 'nextId' | 'count' | 'bytes'>(
    {
      get nextId() {
        return waiting.nextId;
      },
      get count() {
        return waiting.count;
      },
      get bytes() {
        return waiting.bytes;
      },
    },
    {
      schedule(message, dueMs, isVolatile = false) {
        const length = format.blockBytes(message);
        if (waiting.count >= limits.maxMessages || waiting.bytes + length > limits.maxBytes) return 'full';
        const id = waiting.nextId;
        const head = new ByteWriter(24).u8(VERSION).u8(SCHEDULE).uint(id).uint(Math.ceil(dueMs)).finish();
        const entry = new Uint8Array(head.length + length);
        entry.set(head);
        format.writeBlock(entry, head.length, message, message.retain ? format.RETAIN : 0, true);
        const block = entry.subarray(head.length);
        const state = { isStored: false, isEnding: false, timer: 0, timerMs: Math.ceil(dueMs) };
        const each = { id, dueMs: state.timerMs, block, isVolatile, ...state };
        waiting.add(each);
        start(each);
        return { id, entry };
      },

      stored(id) {
        waiting.store(id);
      },

      due(nowMs, max) {
        const messages: DueMessage[] = [];
        const ids: number[] = [];
        const journaled: number[] = [];
        for (const { key } of timers.due(nowMs, max).timers) {
          const each = waiting.get(key);
          if (each === undefined || each.isEnding) continue;
          each.isEnding = true;
          messages.push(given(each));
          ids.push(key);
          if (!each.isVolatile) journaled.push(key);
        }
        return { messages, ids, entry: journaled.length === 0 ? undefined : encodeDone(journaled) };
      },

      hasRoomFor(messages) {
        const bytes = messages.reduce((sum, message) => sum + format.blockBytes(message), 0);
        return (
          waiting.count + messages.length <= limits.maxMessages && waiting.bytes + bytes <= limits.maxBytes
        );
      },

      postpone(id, dueMs) {
        const each = waiting.get(id);
        if (each === undefined || !each.isEnding) return;
        each.isEnding = false;
        each.timerMs = Math.ceil(dueMs);
        start(each, each.timerMs);
      },

      cancel(id) {
        const each = waiting.get(id);
        if (each === undefined || each.isEnding) return undefined;
        timers.cancel({ id: each.timer, dueMs: each.timerMs });
        each.isEnding = true;
        return encodeDone([id]);
      },

      ended(ids) {
        for (const id of ids) {
          const each = waiting.get(id);
          if (each === undefined) continue;
          if (!each.isEnding) timers.cancel({ id: each.timer, dueMs: each.timerMs });
          waiting.remove(id);
        }
      },

      get(id) {
        const each = waiting.get(id);
        return each === undefined || each.isEnding ? undefined : given(each);
      },

      *all() {
        for (const each of waiting.inOrder()) if (!each.isEnding) yield given(each);
      },

      list(fromId, max) {
        return waiting.from(fromId, max, ({ isEnding }) => !isEnding).map(given);
      },

      nextDueMs() {
        return timers.nextDueMs();
      },

      oldestId() {
        return waiting.from(0, 1, () => true)[0]?.id ?? waiting.nextId;
      },

      table: createDelayedTable(identity, waiting, () => {
        timers = newTimers();
        for (const each of waiting.inOrder()) start(each);
      }),
    },
  );
}

function encodeDone(ids: number[]): Uint8Array {
  ids.sort((a, b) => a - b);
  return new ByteWriter(2 + 4 * ids.length).u8(VERSION).u8(DONE).ascending(ids).finish();
}
