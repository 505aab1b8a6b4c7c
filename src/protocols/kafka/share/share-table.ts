/**
 * What is durable of share groups, as a table of the state log: pieces of state that their coordinator writes and reads as it likes,
 * and for each group and partition of a topic the queue of what is not acknowledged yet. Both are changed first and the change added to
 * the log in the same turn. Of pieces the last writer wins. Changes of queues have an order that rises with each of them, as pages have,
 * so that an entry is passed over where a page has it already.
 */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import { decodeQueueEntry, encodeQueueEntry, type QueueEntry } from '../../../kernel/log-queue/entries.ts';
import type { QueuePolicy } from '../../../kernel/log-queue/policy.ts';
import { LogQueue } from '../../../kernel/log-queue/queue.ts';
import { type Table, TableId } from '../../../kernel/state/table.ts';

export interface SharePlace {
  readonly group: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface ShareState extends SharePlace {
  readonly queue: LogQueue;
  /** Rises when an administrator, or the loss of records, makes the group start elsewhere. */
  readonly epoch: number;
}

export interface ShareTable {
  /** Pieces of each group, by their names. */
  readonly parts: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
  /** Without bytes the piece goes. */
  put(group: string, part: string, bytes: Uint8Array | undefined): Uint8Array;
  get(place: SharePlace): ShareState | undefined;
  ofGroup(group: string): Iterable<ShareState>;
  list(): Iterable<ShareState>;
  readonly count: number;
  /** Below it every group has settled everything; undefined where no group reads the partition. */
  floorOf(topicId: string, partition: number): number | undefined;
  /** A queue from `start` on, with nothing in it, instead of the one that there was: that state is none any more. */
  begin(place: SharePlace, start: number): { readonly state: ShareState; readonly entry: Uint8Array };
  /** The entry of what the queue of a state has just done; undefined where it is no more that of its group. */
  note(state: ShareState, changes: readonly QueueEntry[]): Uint8Array | undefined;
  /** undefined where there is none. */
  drop(place: SharePlace): Uint8Array | undefined;
  readonly table: Table;
}

interface Kept extends ShareState {
  queue: LogQueue;
  epoch: number;
  /** Of the last change that is in the queue. */
  order: number;
}

const VERSION = 1;
const KINDS = ['begin', 'change', 'drop', 'part'] as const;
/** Kinds of pages. */
const QUEUE = 0;
const PART = 1;
/**
 * Bounds of the bits that a queue may have between what is not acknowledged and what is; limits of what is out are the groups' own, and
 * never above this many.
 */
const POLICY: Partial<QueuePolicy> = { maxInFlight: 65_536, maxInFlightPerHolder: 65_536, maxSpan: 2 ** 20 };

const queueKey = (place: SharePlace): Uint8Array => writePlace(new ByteWriter().u8(QUEUE), place).finish();
const partKey = (group: string, part: string): Uint8Array =>
  new ByteWriter().u8(PART).text(group).text(part).finish();
const idOf = ({ topicId, partition }: SharePlace): string => `${partition} ${topicId}`;

const writePlace = (to: ByteWriter, { group, topicId, partition }: SharePlace): ByteWriter =>
  to.text(group).text(topicId).uint(partition);
const readPlace = (from: ByteReader): SharePlace => ({
  group: from.text(),
  topicId: from.text(),
  partition: from.uint(),
});

export function createShareTable(): ShareTable {
  const groups = new Map<string, Map<string, Kept>>();
  const parts = new Map<string, Map<string, Uint8Array>>();
  /** Their keys are made when they are taken: most pages change many times until then. */
  const dirty = new Map<string, () => Uint8Array>();
  let count = 0;
  let lastOrder = 0;

  const find = (place: SharePlace): Kept | undefined => groups.get(place.group)?.get(idOf(place));
  const mark = (place: SharePlace): void => {
    const id = `${QUEUE} ${place.group.length} ${place.group}${idOf(place)}`;
    if (!dirty.has(id)) dirty.set(id, () => queueKey(place));
  };

  const setPart = (group: string, part: string, bytes: Uint8Array | undefined): void => {
    const known = parts.get(group) ?? new Map<string, Uint8Array>();
    if (bytes === undefined) known.delete(part);
    else known.set(part, bytes);
    if (known.size === 0) parts.delete(group);
    else parts.set(group, known);
    const id = `${PART} ${group.length} ${group}${part}`;
    if (!dirty.has(id)) dirty.set(id, () => partKey(group, part));
  };

  const putQueue = (place: SharePlace, queue: LogQueue, epoch: number, order: number): Kept => {
    lastOrder = Math.max(lastOrder, order);
    mark(place);
    const { group, topicId, partition } = place;
    if (find(place) === undefined) count++;
    const kept: Kept = { group, topicId, partition, queue, epoch, order };
    let ofGroup = groups.get(group);
    if (ofGroup === undefined) {
      ofGroup = new Map();
      groups.set(group, ofGroup);
    }
    ofGroup.set(idOf(place), kept);
    return kept;
  };

  const remove = (place: SharePlace): void => {
    const ofGroup = groups.get(place.group);
    if (ofGroup?.delete(idOf(place)) !== true) return;
    count--;
    mark(place);
    if (ofGroup.size === 0) groups.delete(place.group);
  };

  const entryOf = (kind: (typeof KINDS)[number], place: SharePlace, order: number): ByteWriter =>
    writePlace(new ByteWriter(128).u8(VERSION).u8(KINDS.indexOf(kind)), place).uint(order);

  const apply = (entry: Uint8Array): void => {
    const from = new ByteReader(entry);
    const version = from.u8();
    if (version !== VERSION) throw new Error(`share groups: version ${version} is unknown`);
    const kind = from.oneOf(KINDS);
    if (kind === 'part') {
      const [group, part, hasBytes] = [from.text(), from.text(), from.u8() === 1];
      const bytes = hasBytes ? from.bytes() : undefined;
      if (!from.isComplete) throw new Error('share groups: an entry is damaged');
      setPart(group, part, bytes);
      return;
    }
    const place = readPlace(from);
    const order = from.uint();
    const known = find(place);
    const isOld = known !== undefined && order <= known.order;
    lastOrder = Math.max(lastOrder, order);
    if (kind === 'begin') {
      const [epoch, start] = [from.uint(), from.uint()];
      if (!isOld && from.isComplete) putQueue(place, new LogQueue(POLICY, start), epoch, order);
    } else if (kind === 'drop') {
      if (!isOld) remove(place);
    } else {
      for (let left = from.count(2); left > 0; left--) {
        const change = decodeQueueEntry(from.bytes());
        if (change === undefined) from.fail();
        else if (!isOld) known?.queue.apply(change);
      }
      if (!isOld && known !== undefined) {
        known.order = order;
        mark(known);
      }
    }
    if (!from.isComplete) throw new Error('share groups: an entry is damaged');
  };

  const writePart = (from: ByteReader, to: ByteWriter): boolean => {
    const bytes = parts.get(from.text())?.get(from.text());
    if (bytes !== undefined) to.bytes(bytes);
    return bytes !== undefined;
  };
  const writeQueue = (from: ByteReader, to: ByteWriter): boolean => {
    const kept = find(readPlace(from));
    if (kept !== undefined) to.uint(kept.order).uint(kept.epoch).bytes(kept.queue.snapshot());
    return kept !== undefined;
  };

  return {
    parts,
    put(group, part, bytes) {
      setPart(group, part, bytes);
      const to = new ByteWriter(64).u8(VERSION).u8(KINDS.indexOf('part')).text(group).text(part);
      return (bytes === undefined ? to.u8(0) : to.u8(1).bytes(bytes)).finish();
    },
    get: find,
    ofGroup: (group) => groups.get(group)?.values() ?? [],
    *list() {
      for (const ofGroup of groups.values()) yield* ofGroup.values();
    },
    get count() {
      return count;
    },
    floorOf(topicId, partition) {
      let floor: number | undefined;
      for (const ofGroup of groups.values()) {
        const kept = ofGroup.get(idOf({ group: '', topicId, partition }));
        if (kept !== undefined) floor = Math.min(floor ?? Number.POSITIVE_INFINITY, kept.queue.stats.floor);
      }
      return floor;
    },
    begin(place, start) {
      const epoch = (find(place)?.epoch ?? -1) + 1;
      const state = putQueue(place, new LogQueue(POLICY, start), epoch, ++lastOrder);
      return { state, entry: entryOf('begin', place, lastOrder).uint(epoch).uint(start).finish() };
    },
    note(state, changes) {
      const kept = find(state);
      if (kept === undefined || kept !== state) return undefined;
      kept.order = ++lastOrder;
      mark(state);
      const to = entryOf('change', state, lastOrder).uint(changes.length);
      for (const change of changes) to.bytes(encodeQueueEntry(change));
      return to.finish();
    },
    drop(place) {
      if (find(place) === undefined) return undefined;
      remove(place);
      return entryOf('drop', place, ++lastOrder).finish();
    },
    table: {
      id: TableId.KafkaShares,
      name: 'kafka share groups',
      apply,
      load(key, page) {
        const from = new ByteReader(page);
        const version = from.u8();
        if (version !== VERSION) throw new Error(`share groups: version ${version} of a page is unknown`);
        const name = new ByteReader(key);
        if (name.u8() === PART) {
          setPart(name.text(), name.text(), from.bytes());
          if (!from.isComplete || !name.isComplete) throw new Error('share groups: a page is damaged');
          return;
        }
        const place = readPlace(name);
        const [order, epoch] = [from.uint(), from.uint()];
        const queue = LogQueue.restore(POLICY, from.bytes());
        if (queue === undefined || !from.isComplete || !name.isComplete) {
          throw new Error('share groups: a page is damaged');
        }
        putQueue(place, queue, epoch, order);
      },
      *pageKeys() {
        for (const ofGroup of groups.values()) {
          for (const kept of ofGroup.values()) yield queueKey(kept);
        }
        for (const [group, pieces] of parts) for (const part of pieces.keys()) yield partKey(group, part);
      },
      page(key) {
        const from = new ByteReader(key);
        const to = new ByteWriter(256).u8(VERSION);
        const isThere = from.u8() === PART ? writePart(from, to) : writeQueue(from, to);
        return isThere ? to.finish() : undefined;
      },
      takeDirty(max) {
        const keys: Uint8Array[] = [];
        for (const [id, keyOf] of dirty) {
          if (keys.length >= max) break;
          dirty.delete(id);
          keys.push(keyOf());
        }
        return keys;
      },
    },
  };
}
