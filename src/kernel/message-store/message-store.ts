/**
 * Messages that wait for durable sessions, each once, however many sessions wait for it. In memory are some 80 bytes for
 * a message, and the bodies of the newest; the rest is read back from the journal. Who waits is not known here: only how
 * many references there are. What is without references is freed, and needs no entry: the sessions' entries say it.
 *
 * The life of a message: `put` gives a slot with one reference, the caller's; `stage` adds the body to the state log;
 * sessions take references of their own; `placed` is called when the frame is written; then the caller releases its own.
 * A slot is given again when it is freed; an id never is. While the tables are rebuilt (until `recovered`) slots are found
 * by id, also those whose body comes later, and nothing is freed; `recovered` frees what nobody references.
 *
 * Guaranteed: a body that is referenced is not lost by evacuation, by pages that are older or newer than entries, or by
 * what is replayed twice, because the newest place of an id wins. A slot whose body is gone (it was volatile) is `isLost`.
 */
import type { Message } from '../message.ts';
import type { StateLog } from '../state/state-log.ts';
import { type EntryPlace, type Table, TableId } from '../state/table.ts';
import { withAccessors } from '../with-accessors.ts';
import {
  bodyBytes,
  decodeBody,
  decodeHead,
  encodeBody,
  encodeVolatileId,
  isBatch,
  walkBatch,
} from './body.ts';
import { type BodyBatch, fillBatch } from './body-batch.ts';
import { BodyCache } from './body-cache.ts';
import { BodySlabs, type Slab } from './body-slabs.ts';
import { evacuateBodies } from './evacuation.ts';
import { MessageUnreadable, readEntries } from './loader.ts';
import {
  decodeNextId,
  decodePage,
  encodeNextId,
  encodePage,
  IDS_PER_PAGE,
  type PageEntry,
  PageTracker,
  pageOfKey,
} from './pages.ts';
import { SlotTable, State } from './slot-table.ts';

export interface MessageStoreOptions {
  /** Below 2^31. */
  readonly maxMessages: number;
  /** Of the bodies as they lie in the journal, and of volatile ones. */
  readonly maxBytes: number;
  /** Of volatile bodies, which stay in memory. Default 256 MiB. */
  readonly maxVolatileBytes?: number;
  /** Bodies kept in memory that are in the journal, too. Default 64 MiB. */
  readonly maxCacheBytes?: number;
  /** Bodies read back and not taken yet; beyond it the oldest of them go. Default 64 MiB. */
  readonly maxLoadedBytes?: number;
}

export interface MessageStore {
  readonly table: Table;
  /** What bodies are staged to and read from. */
  attach(log: StateLog): void;

  /** A slot with one reference; -1 when a bound is reached, and while the tables are rebuilt. */
  put(message: Message): number;
  /** As `put`, for a message that ends with the process. */
  putVolatile(message: Message): number;
  /**
   * As `put`, for messages that come together, with that many references each besides the caller's; false when a bound is
   * reached. `bodies` is borrowed: as the data plane's Batch rows have them. The batch is filled anew.
   */
  putBatch(batch: BodyBatch, bodies: Uint8Array, count: number, references: number): boolean;
  stageBatch(batch: BodyBatch): number;
  placedBatch(batch: BodyBatch, position: number, offset: number): void;
  releaseBatch(batch: BodyBatch): void;
  /** Where the body of a batch is in memory: `lengths` bytes from `startOf` on. Undefined = not there, or it was put alone. */
  slabOf(slot: number): Slab | undefined;
  startOf(slot: number): number;

  /** Adds the entry to the current change; returns its offset, for `placed`. */
  stage(slot: number): number;
  /** In `done` of the change, when it was written. A volatile message stays where it is. */
  placed(slot: number, position: number, offset: number): void;
  /** The body is written, or is volatile and will not be. */
  isCommitted(slot: number): boolean;

  addReference(slot: number, count?: number): void;
  /** The last reference frees the slot. */
  release(slot: number, count?: number): void;
  referencesOf(slot: number): number;

  idOf(slot: number): number;
  /** What the next message gets. */
  readonly nextId: number;
  /** The lowest id that has a body in the journal; `nextId` when none has. */
  oldestId(): number;
  /** -1 when there is none; while the tables are rebuilt there always is one. */
  slotOfId(id: number): number;
  /** 0 = never. */
  expiresAtMs(slot: number): number;
  /** Of the body as it is stored; 0 when it is lost. */
  bytesOf(slot: number): number;
  /** The body is gone for ever: there is nothing to load. */
  isLost(slot: number): boolean;

  /** Undefined when the body is not in memory. */
  get(slot: number): Message | undefined;
  /**
   * Reads bodies back, for `get`; each stays until it is taken, or until `maxLoadedBytes` of others came after it. What is
   * lost, or is freed meanwhile, is passed over. Rejects with `MessageUnreadable` after all others are there.
   * A body that `get` does not have afterwards, and that is not lost, is to be loaded again.
   */
  load(slots: readonly number[]): Promise<void>;

  readonly count: number;
  readonly bytes: number;
  readonly memoryBytes: number;
}

const MiB = 1024 * 1024;
/** Ids are below 2^48. */
const MAX_ID = 2 ** 48;
const COLUMN_BYTES = 80;

export function createMessageStore(options: MessageStoreOptions): MessageStore {
  const { maxMessages, maxBytes, maxVolatileBytes = 256 * MiB } = options;
  const table = new SlotTable();
  const pages = new PageTracker();
  const maxCacheBytes = options.maxCacheBytes ?? 64 * MiB;
  const slabs = new BodySlabs(maxCacheBytes / 2);
  const cache = new BodyCache(maxCacheBytes, options.maxLoadedBytes ?? 64 * MiB);
  /** Reads under way, by slot; of the same slot's next message, too, which then is loaded the next time. */
  const loading = new Map<number, Promise<void>>();
  let nextId = 1;
  let volatileBytes = 0;
  let isRecovering = true;
  let log: StateLog | undefined;

  const attached = (): StateLog => {
    if (log === undefined) throw new TypeError('the message store has no state log yet');
    return log;
  };

  const putAs = (message: Message, state: number): number => {
    if (isRecovering || table.count >= maxMessages || nextId >= MAX_ID) return -1;
    const bytes = bodyBytes(nextId, message);
    if (table.bytes + bytes > maxBytes) return -1;
    if (state === State.Volatile) {
      if (volatileBytes + bytes > maxVolatileBytes) return -1;
      volatileBytes += bytes;
    }
    const slot = table.allocate(nextId++, state);
    table.setLength(slot, bytes);
    table.expiries[slot] = message.expiresAtMs;
    table.references[slot] = 1;
    cache.pin(slot, message);
    pages.nextIdChanged();
    return slot;
  };

  const free = (slot: number): void => {
    const state = table.states[slot];
    if (state === State.Volatile) volatileBytes -= table.lengths[slot];
    if (state === State.Placed) pages.changed(table.ids[slot], -1);
    cache.remove(slot);
    slabs.remove(slot, state === State.New);
    table.free(slot);
  };

  const place = (slot: number, position: number, offset: number): void => {
    pages.changed(table.ids[slot], table.states[slot] === State.Placed ? 0 : 1);
    table.place(slot, position, offset);
  };

  const seen = (id: number): void => {
    if (id < nextId) return;
    nextId = id + 1;
    pages.nextIdChanged();
  };

  const recoveredSlot = (id: number): number => {
    const slot = table.slotOf(id);
    if (slot !== -1) return slot;
    seen(id);
    return table.allocate(id, State.Lost);
  };

  /** The newest place wins, in whatever order they come. */
  const recoverPlace = ({ id, position, offset, length, expiresAtMs }: PageEntry): void => {
    const slot = recoveredSlot(id);
    const state = table.states[slot];
    if (state === State.New || state === State.Volatile) return;
    if (!table.isNewerPlace(slot, position, offset)) return;
    if (state === State.Lost) table.setLength(slot, length);
    table.expiries[slot] = expiresAtMs;
    place(slot, position, offset);
  };

  const loadMissing = (slots: readonly number[]): Promise<void> => {
    const reading = readEntries(attached(), table, slots, (slot, entry) => {
      const message = decodeBody(table.ids[slot], entry);
      if (message === undefined) return false;
      cache.load(slot, message);
      return true;
    }).finally(() => {
      for (const slot of slots) loading.delete(slot);
    });
    for (const slot of slots) loading.set(slot, reading);
    return reading;
  };

  const durable: Table = {
    id: TableId.Messages,
    name: 'messages',

    apply(entry, { position, offset }: EntryPlace) {
      if (isBatch(entry)) {
        const isWhole = walkBatch(entry, (id, at, length, expiresAtMs) => {
          seen(id);
          recoverPlace({ id, position, offset: offset + at, length, expiresAtMs });
        });
        if (!isWhole) throw new MessageUnreadable(position, offset, [], 'its form is not known');
        return;
      }
      const head = decodeHead(entry);
      if (head === undefined) throw new MessageUnreadable(position, offset, [], 'its form is not known');
      seen(head.id);
      if (head.expiresAtMs === undefined) return;
      recoverPlace({
        id: head.id,
        position,
        offset,
        length: entry.length,
        expiresAtMs: head.expiresAtMs,
      });
    },

    load(key, page) {
      const number = pageOfKey(key);
      const next = number === undefined ? decodeNextId(page) : undefined;
      if (next !== undefined) seen(next - 1);
      const isRead = number === undefined ? next !== undefined : decodePage(number, page, recoverPlace);
      if (!isRead) throw new TypeError('a page of the table of messages has no form that is known here');
    },

    recovered() {
      isRecovering = false;
      for (let slot = 0; slot < table.used; slot++) {
        if (table.states[slot] !== State.Free && table.references[slot] === 0) free(slot);
      }
    },

    pageKeys: () => pages.keys(),

    page(key) {
      const number = pageOfKey(key);
      return number === undefined ? encodeNextId(nextId) : encodePage(table, number);
    },

    takeDirty: (max) => pages.takeDirty(max),
    liveBytes: (start, end) => table.places.liveBytes(start, end, table.positions, table.lengths),
    evacuate: (start, end) => evacuateBodies(attached(), table, start, end, place),
  };

  return withAccessors<MessageStore, 'nextId' | 'count' | 'bytes' | 'memoryBytes'>(
    {
      get nextId() {
        return nextId;
      },
      get count() {
        return table.count;
      },
      get bytes() {
        return table.bytes;
      },
      get memoryBytes() {
        return table.count * COLUMN_BYTES + cache.bytes + slabs.bytes;
      },
    },
    {
      table: durable,

      attach(to) {
        log = to;
      },

      put: (message) => putAs(message, State.New),
      putVolatile: (message) => putAs(message, State.Volatile),

      putBatch(batch, bodies, count, references) {
        if (isRecovering || table.count + count > maxMessages || nextId + count > MAX_ID) return false;
        if (table.bytes + bodies.length > maxBytes) return false;
        const before = slabs.bytes;
        fillBatch(batch, table, slabs, { bodies, count, firstId: nextId, references: references + 1 });
        nextId += count;
        pages.nextIdChanged();
        if (slabs.bytes !== before) cache.limit(maxCacheBytes - slabs.bytes);
        return true;
      },
      stageBatch: (batch) => attached().add(TableId.Messages, batch.entry),
      placedBatch({ slots, count, begin }, position, offset) {
        const ahead = offset - begin;
        for (let i = 0; i < count; i++) {
          const slot = slots[i];
          place(slot, position, ahead + slabs.startOf(slot));
          slabs.unpin(slot);
        }
      },
      releaseBatch({ slots, count }) {
        for (let i = 0; i < count; i++) {
          const slot = slots[i];
          if (--table.references[slot] === 0) free(slot);
        }
      },
      slabOf: (slot) => slabs.slabOf(slot),
      startOf: (slot) => slabs.startOf(slot),

      stage(slot) {
        const message = cache.peek(slot);
        const id = table.ids[slot];
        if (message === undefined) throw new RangeError(`there is no message to stage in slot ${slot}`);
        const isVolatile = table.states[slot] === State.Volatile;
        return attached().add(TableId.Messages, isVolatile ? encodeVolatileId(id) : encodeBody(id, message));
      },

      placed(slot, position, offset) {
        if (table.states[slot] !== State.New) return;
        place(slot, position, offset);
        cache.cache(slot);
      },

      isCommitted: (slot) => table.states[slot] === State.Placed || table.states[slot] === State.Volatile,

      addReference(slot, count = 1) {
        table.references[slot] += count;
      },

      release(slot, count = 1) {
        const left = table.references[slot] - count;
        if (table.states[slot] === State.Free || left < 0) {
          throw new RangeError(`slot ${slot} has no ${count} references`);
        }
        table.references[slot] = left;
        if (left === 0 && !isRecovering) free(slot);
      },

      referencesOf: (slot) => table.references[slot],
      idOf: (slot) => table.ids[slot],
      oldestId() {
        const page = pages.first();
        for (let id = page * IDS_PER_PAGE; page >= 0 && id < nextId; id++) {
          const slot = table.slotOf(id);
          if (slot >= 0 && table.states[slot] === State.Placed) return id;
        }
        return nextId;
      },
      slotOfId: (id) => (isRecovering ? recoveredSlot(id) : table.slotOf(id)),
      expiresAtMs: (slot) => table.expiries[slot],
      bytesOf: (slot) => table.lengths[slot],
      isLost: (slot) => table.states[slot] === State.Lost,
      get(slot) {
        const slab = slabs.slabOf(slot);
        if (slab?.bytes === undefined) return cache.get(slot);
        const start = slabs.startOf(slot);
        return decodeBody(table.ids[slot], slab.bytes.subarray(start, start + table.lengths[slot]));
      },

      async load(slots) {
        const wanted = new Set<number>();
        const under = new Set<Promise<void>>();
        for (const slot of slots) {
          const running = loading.get(slot);
          if (slabs.slabOf(slot) !== undefined || cache.keep(slot)) continue;
          if (running !== undefined) under.add(running);
          else if (table.states[slot] === State.Placed) wanted.add(slot);
        }
        if (wanted.size > 0) under.add(loadMissing([...wanted]));
        for (const result of await Promise.allSettled(under)) {
          if (result.status === 'rejected') throw result.reason;
        }
      },
    },
  );
}
