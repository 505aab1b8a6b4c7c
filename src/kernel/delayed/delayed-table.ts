/**
 * Delayed messages as a table of the state log: an entry schedules one or ends some. Since an id means one message for
 * ever, entries may be repeated, and what an entry has ended no page brings back.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import * as format from '../message-block.ts';
import type { Table } from '../state/table.ts';
import { DONE, isLarge, SCHEDULE, VERSION, type Waiting, type WaitingMessages } from './waiting.ts';

const MANY = 0;
const LARGE = 1;
/** Ended ones that a later page may still have: it has all that it had when it was made. */
const MAX_ENDED = 2 ** 18;

function keyOf(kind: number, number: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = kind;
  new DataView(key.buffer).setBigUint64(1, BigInt(number));
  return key;
}

function readKey(key: Uint8Array): { kind: number; number: number } {
  if (key.length !== 9 || (key[0] !== MANY && key[0] !== LARGE))
    throw new Error('delayed messages: no such page');
  return { kind: key[0], number: Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1)) };
}

function checkVersion(version: number): void {
  if (version !== VERSION) throw new Error(`delayed messages: version ${version} is unknown`);
}

export function createDelayedTable(
  identity: Pick<Table, 'id' | 'name'>,
  waiting: WaitingMessages,
  onRecovered: () => void,
): Table {
  /** What entries have said, while the table is rebuilt. */
  const ended = new Map<number, number>();
  const scheduled = new Set<number>();

  const isInPage = (each: Waiting, kind: number): boolean =>
    each.isStored && (kind === LARGE) === isLarge(each);

  const membersOf = (kind: number, number: number): Waiting[] => {
    if (kind === MANY) return waiting.group(number).filter((each) => isInPage(each, MANY));
    const each = waiting.get(number);
    return each !== undefined && isInPage(each, LARGE) ? [each] : [];
  };

  const waitingFrom = (id: number, dueMs: number, bytes: Uint8Array): Waiting => {
    const block = bytes.slice();
    const view = new DataView(block.buffer);
    if (format.wholeBlockAt(view, 0) !== block.length)
      throw new Error('delayed messages: a message is damaged');
    return { id, dueMs, block, isVolatile: false, isStored: true, isEnding: false, timer: 0, timerMs: dueMs };
  };

  return {
    ...identity,

    apply(entry, { position }) {
      const from = new ByteReader(entry);
      checkVersion(from.u8());
      const change = from.u8();
      if (change === SCHEDULE) {
        const id = from.uint();
        const dueMs = from.uint();
        const each = waitingFrom(id, dueMs, entry.subarray(entry.length - from.bytesLeft));
        ended.delete(id);
        scheduled.add(id);
        if (waiting.get(id) === undefined) waiting.add(each);
        return;
      }
      const ids = from.ascending();
      if (change !== DONE || !from.isComplete) throw new Error('delayed messages: an entry is damaged');
      for (const id of ids) {
        waiting.remove(id);
        waiting.nextId = Math.max(waiting.nextId, id + 1);
        scheduled.delete(id);
        ended.delete(id);
        ended.set(id, position);
      }
      for (const id of ended.keys()) {
        if (ended.size <= MAX_ENDED) break;
        ended.delete(id);
      }
    },

    load(key, page, position) {
      const { kind, number } = readKey(key);
      const from = new ByteReader(page);
      checkVersion(from.u8());
      for (const [id, endedPosition] of ended) {
        if (endedPosition >= position) break;
        ended.delete(id);
      }
      const dirty = kind === MANY ? waiting.dirtyPages : waiting.dirtyLarge;
      const before = membersOf(kind, number);
      // A view of this page, where there is one, may hold something else.
      let isExact = before.length === 0 && !dirty.has(number);
      for (const { id } of before) if (!scheduled.has(id)) waiting.remove(id);
      for (let count = from.count(3); count > 0; count--) {
        const id = from.uint();
        const each = waitingFrom(id, from.uint(), from.bytes());
        const isFresh = !ended.has(id) && waiting.get(id) === undefined;
        if (isFresh) waiting.add(each);
        isExact &&= isFresh;
      }
      if (!from.isComplete) throw new Error('delayed messages: a page is damaged');
      if (isExact) dirty.delete(number);
      else dirty.add(number);
    },

    recovered() {
      ended.clear();
      scheduled.clear();
      onRecovered();
    },

    *pageKeys() {
      for (const number of waiting.groups.keys()) {
        const group = waiting.group(number);
        if (group.some((each) => isInPage(each, MANY))) yield keyOf(MANY, number);
        for (const each of group) if (isInPage(each, LARGE)) yield keyOf(LARGE, each.id);
      }
    },

    page(key) {
      const { kind, number } = readKey(key);
      const members = membersOf(kind, number);
      if (members.length === 0) return undefined;
      const bytes = members.reduce((sum, { block }) => sum + block.length + 24, 16);
      const to = new ByteWriter(bytes).u8(VERSION).uint(members.length);
      for (const { id, dueMs, block } of members) to.uint(id).uint(dueMs).bytes(block);
      return to.finish();
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
      take(MANY, waiting.dirtyPages);
      take(LARGE, waiting.dirtyLarge);
      return keys;
    },
  };
}
