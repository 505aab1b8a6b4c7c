/**
 * Retained messages as a table of the state log. An entry sets the message of a topic or deletes it; the last one wins,
 * so that replay may repeat them. A page holds the messages of 256 slots, or one large message.
 *
 * While it is rebuilt, pages and entries come in the order of the journal, and a page may lack what was journaled from
 * its position on: such a newer entry of a topic wins over the page, also when it deleted the topic. What an entry put
 * into a slot that a page claims moves to another one.
 */
import type { Clock } from './clock.ts';
import type { Message } from './message.ts';
import * as format from './message-block.ts';
import { NO_ROOM, PAGE_SLOTS, type RetainedSlots } from './retained-slots.ts';
import { type Table, TableId } from './state/table.ts';

const VERSION = 2;
const SET = 1;
const DELETE = 2;
const MANY = 0;
const LARGE = 1;
const MAX_SLOTS = 2 ** 27;
/** Deletions that a later page might not know yet; a page knows all but what waited to be written when it was made. */
const MAX_DELETIONS = 2 ** 18;
const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

/** Of a message that is not empty. */
export function encodeRetainedSet(message: Message): Uint8Array {
  const entry = new Uint8Array(2 + format.blockBytes(message));
  entry[0] = VERSION;
  entry[1] = SET;
  format.writeBlock(entry, 2, message, 0, true);
  return entry;
}

export function encodeRetainedDelete(topic: Uint8Array): Uint8Array {
  const entry = new Uint8Array(2 + topic.length);
  entry[0] = VERSION;
  entry[1] = DELETE;
  entry.set(topic, 2);
  return entry;
}

function keyOf(kind: number, number: number): Uint8Array {
  const key = new Uint8Array(5);
  key[0] = kind;
  new DataView(key.buffer).setUint32(1, number);
  return key;
}

function readKey(key: Uint8Array): { kind: number; number: number } {
  const kind = key[0];
  const number = key.length === 5 ? new DataView(key.buffer, key.byteOffset).getUint32(1) : MAX_SLOTS;
  const limit = kind === LARGE ? MAX_SLOTS : kind === MANY ? MAX_SLOTS / PAGE_SLOTS : 0;
  if (number >= limit) throw new Error('retained messages: no such page');
  return { kind: kind as number, number };
}

function checkVersion(version: number | undefined): void {
  if (version !== VERSION) throw new Error(`retained messages: version ${version} is unknown`);
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export function createRetainedTable(slots: RetainedSlots, clock: Clock): Table {
  /** By slot: position of the last entry that set it, + 1; 0 = none. Only while the table is rebuilt. */
  let setAt = new Float64Array(0);
  const deletedAt = new Map<string, number>();

  const noteSet = (slot: number, position: number): void => {
    if (slot >= setAt.length) {
      const grown = new Float64Array(Math.max(1024, 2 * setAt.length, slot + 1));
      grown.set(setAt);
      setAt = grown;
    }
    setAt[slot] = position + 1;
  };

  const forgetSet = (slot: number): void => {
    if (slot < setAt.length) setAt[slot] = 0;
  };

  const remove = (slot: number): void => {
    forgetSet(slot);
    slots.remove(slot);
  };

  const moveAway = (slot: number): void => {
    const to = slots.freeSlot();
    slots.move(slot, to);
    noteSet(to, (setAt[slot] as number) - 1);
    forgetSet(slot);
  };

  const noteDeletion = (topic: string, position: number): void => {
    deletedAt.delete(topic);
    deletedAt.set(topic, position);
    if (deletedAt.size <= MAX_DELETIONS) return;
    for (const oldest of deletedAt.keys()) {
      deletedAt.delete(oldest);
      return;
    }
  };

  const isGone = (expiresAtMs: number): boolean => expiresAtMs !== 0 && expiresAtMs <= clock.wallMs();

  const vacate = (slot: number): void => {
    if ((setAt[slot] ?? 0) > 0) moveAway(slot);
    else remove(slot);
  };

  /** What the page replaces goes; what entries put there makes room. False when there was nothing. */
  const clear = (from: number, to: number, kind: number): boolean => {
    let found = false;
    for (let slot = from; slot < Math.min(to, slots.end); slot++) {
      if (!slots.isTaken(slot) || (kind === MANY && slots.isLarge(slot))) continue;
      vacate(slot);
      found = true;
    }
    return found;
  };

  const topicAt = (bytes: Uint8Array, view: DataView, at: number): Uint8Array => {
    const from = at + format.BLOCK_HEADER_BYTES;
    return bytes.subarray(from, from + format.topicLengthAt(view, at));
  };

  /** Each block of a page; `use` gets the slot within the page. */
  const eachBlock = (
    page: Uint8Array,
    view: DataView,
    use: (slot: number, at: number, length: number) => void,
  ): void => {
    for (let at = 1; at < page.length; ) {
      const slot = page[at++] as number;
      const length = format.wholeBlockAt(view, at);
      if (length === 0) throw new Error('retained messages: a page is damaged');
      use(slot, at, length);
      at += length;
    }
  };

  const load = (key: Uint8Array, page: Uint8Array, position: number): void => {
    const { kind, number } = readKey(key);
    checkVersion(page[0]);
    // Later pages know all that is below this one's position.
    for (const [topic, deletedPosition] of deletedAt) {
      if (deletedPosition >= position) break;
      deletedAt.delete(topic);
    }
    const first = kind === MANY ? number * PAGE_SLOTS : number;
    let isExact = !clear(first, kind === MANY ? first + PAGE_SLOTS : first + 1, kind);
    const view = viewOf(page);
    const staged = slots.stage(page);
    const place = (slot: number, at: number, length: number): boolean =>
      slots.place(slot, page, staged, at, length);
    const nowMs = clock.wallMs();

    /** False when it was passed over: it has expired, or there is something newer. */
    const loadBlock = (slot: number, at: number, length: number): boolean => {
      const expiresAtMs = format.expiresAtMsAt(view, at);
      if (expiresAtMs !== 0 && expiresAtMs <= nowMs) return false;
      if (deletedAt.size > 0 && (deletedAt.get(latin1(topicAt(page, view, at))) ?? -1) >= position)
        return false;
      if (slots.isTaken(slot)) vacate(slot);
      if (place(slot, at, length)) return true;
      const other = slots.occupied();
      if (other < 0) throw new Error(NO_ROOM);
      if ((setAt[other] ?? 0) > position) return false;
      remove(other);
      if (!place(slot, at, length)) throw new Error(NO_ROOM);
      return true;
    };

    eachBlock(page, view, (slot, at, length) => {
      isExact = loadBlock(first + slot, at, length) && isExact;
    });
    slots.unstage(staged, page.length);
    // A view of this page, where there is one, may hold something else.
    if (!isExact) (kind === MANY ? slots.dirtyPages : slots.dirtyLarge).add(number);
  };

  const apply = (entry: Uint8Array, position: number): void => {
    checkVersion(entry[0]);
    if (entry[1] === DELETE) {
      const topic = entry.subarray(2);
      const slot = slots.slotOf(topic);
      if (slot >= 0) remove(slot);
      noteDeletion(latin1(topic), position);
      return;
    }
    // Read where it was staged: a view of each entry would cost more than all else here.
    const staged = slots.stage(entry);
    applySet(entry, staged, position);
    slots.unstage(staged, entry.length);
  };

  const applySet = (entry: Uint8Array, staged: number, position: number): void => {
    const length = slots.stagedBlockBytes(staged + 2, entry.length - 2);
    if (entry[1] !== SET || 2 + length !== entry.length)
      throw new Error('retained messages: an entry is damaged');
    const topic = (): Uint8Array => topicAt(entry, viewOf(entry), 2);
    if (isGone(slots.stagedExpiry(staged + 2))) {
      const gone = slots.slotOf(topic());
      if (gone >= 0) remove(gone);
      noteDeletion(latin1(topic()), position);
      return;
    }
    if (deletedAt.size > 0) deletedAt.delete(latin1(topic()));
    let slot = slots.freeSlot();
    // Most topics are new: that this one is not, is found out by trying.
    if (!slots.place(slot, entry, staged, 2, length)) {
      slots.giveBack(slot);
      slot = slots.occupied();
      if (slot < 0) throw new Error(NO_ROOM);
      // Pages are made while changes go on: what is replayed on top of them is in them for a good part.
      if (slots.has(slot, entry, 2, length)) {
        noteSet(slot, position);
        return;
      }
      slots.remove(slot);
      if (!slots.place(slot, entry, staged, 2, length)) throw new Error(NO_ROOM);
    }
    noteSet(slot, position);
    slots.touch(slot);
  };

  const isIn = (slot: number): boolean =>
    slots.isTaken(slot) && !slots.isLarge(slot) && !slots.isVolatile(slot);

  const hasMany = (number: number): boolean => {
    const end = Math.min((number + 1) * PAGE_SLOTS, slots.end);
    for (let slot = number * PAGE_SLOTS; slot < end; slot++) if (isIn(slot)) return true;
    return false;
  };

  const manyPage = (number: number): Uint8Array | undefined => {
    const first = number * PAGE_SLOTS;
    const end = Math.min(first + PAGE_SLOTS, slots.end);
    let length = 1;
    for (let slot = first; slot < end; slot++) if (isIn(slot)) length += 1 + slots.recordBytes(slot);
    if (length === 1) return undefined;
    const page = new Uint8Array(length);
    page[0] = VERSION;
    let at = 1;
    for (let slot = first; slot < end; slot++) {
      if (!isIn(slot)) continue;
      page[at++] = slot - first;
      slots.copyRecord(slot, page, at);
      at += slots.recordBytes(slot);
    }
    return page;
  };

  const isLargeAt = (slot: number): boolean =>
    slots.isTaken(slot) && slots.isLarge(slot) && !slots.isVolatile(slot);

  const largePage = (slot: number): Uint8Array | undefined => {
    if (!isLargeAt(slot)) return undefined;
    const page = new Uint8Array(2 + slots.recordBytes(slot));
    page[0] = VERSION;
    slots.copyRecord(slot, page, 2);
    return page;
  };

  /** Block by topic, without what has expired. */
  const contentsOf = ({ pageKeys, page }: Pick<Table, 'pageKeys' | 'page'>): Map<string, Uint8Array> => {
    const found = new Map<string, Uint8Array>();
    for (const key of pageKeys()) {
      const bytes = page(key) ?? new Uint8Array(0);
      const view = viewOf(bytes);
      eachBlock(bytes, view, (_slot, at, length) => {
        if (isGone(format.expiresAtMsAt(view, at))) return;
        found.set(latin1(topicAt(bytes, view, at)), bytes.subarray(at, at + length));
      });
    }
    return found;
  };

  const table: Table = {
    id: TableId.Retained,
    name: 'retained',
    apply(entry, place) {
      apply(entry, place.position);
    },
    load,
    recovered() {
      setAt = new Float64Array(0);
      deletedAt.clear();
      slots.findFree();
    },
    *pageKeys() {
      for (let number = 0; number * PAGE_SLOTS < slots.end; number++) {
        if (hasMany(number)) yield keyOf(MANY, number);
      }
      for (let slot = 0; slot < slots.end; slot++) if (isLargeAt(slot)) yield keyOf(LARGE, slot);
    },
    page(key) {
      const { kind, number } = readKey(key);
      return kind === MANY ? manyPage(number) : largePage(number);
    },
    takeDirty(max) {
      const keys: Uint8Array[] = [];
      const take = (kind: number, numbers: Set<number>): void => {
        for (const number of numbers) {
          if (keys.length >= max) return;
          numbers.delete(number);
          keys.push(keyOf(kind, number));
        }
      };
      take(MANY, slots.dirtyPages);
      take(LARGE, slots.dirtyLarge);
      return keys;
    },
    /** Which slot a topic has says how it came to it, and nothing else. */
    *differences(other) {
      const right = contentsOf(table);
      for (const [topic, block] of contentsOf(other)) {
        const own = right.get(topic);
        right.delete(topic);
        if (own === undefined) yield `retained "${nameOf(topic)}": the journal does not have it`;
        else if (Buffer.compare(own, block) !== 0)
          yield `retained "${nameOf(topic)}": the journal has another message`;
      }
      for (const topic of right.keys()) yield `retained "${nameOf(topic)}": only the journal has it`;
    },
  };
  return table;
}

const nameOf = (topic: string): string => Buffer.from(topic, 'latin1').toString();
