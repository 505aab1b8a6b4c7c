/**
 * What is durable of groups, as a table of the state log: pieces of state that the coordinators write and read as they like, the
 * offsets that were committed, and those that wait for the end of a transaction. A change is applied when it is committed, so that
 * nobody reads an offset that a crash could take back. The last writer wins, so entries may be replayed on newer pages.
 */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import { type Table, TableId } from '../../../kernel/state/table.ts';
import {
  decodeChange,
  encodeChange,
  type GroupChange,
  type Offsets,
  readOffsets,
  readPartitionOffsets,
  writeOffsets,
  writePartitionOffsets,
} from './changes.ts';

export interface GroupRecord {
  readonly parts: ReadonlyMap<string, Uint8Array>;
  readonly offsets: Offsets;
  /** Of transactions that have not ended, by producer. */
  readonly staged: ReadonlyMap<number, Offsets>;
}

export interface StagedChange {
  readonly entry: Uint8Array;
  /** When it is committed, in the order of `stage`. */
  settle(): void;
}

export interface GroupsTable {
  readonly records: ReadonlyMap<string, GroupRecord>;
  /** Committed and waiting for a transaction. */
  readonly offsetCount: number;
  /** For the offsets of the next change. */
  nextOrder(): number;
  stage(change: GroupChange): StagedChange;
  readonly table: Table;
}

interface Kept extends GroupRecord {
  readonly parts: Map<string, Uint8Array>;
  readonly staged: Map<number, Offsets>;
}

const VERSION = 1;
const PART = 0;
const OFFSETS = 1;
const STAGED = 2;

interface PageName {
  readonly kind: typeof PART | typeof OFFSETS | typeof STAGED;
  readonly group: string;
  /** The part, the topic, or the number of the producer. */
  readonly name: string;
}

const keyOf = ({ kind, group, name }: PageName): Uint8Array =>
  new ByteWriter().u8(kind).text(group).text(name).finish();

const countOf = (offsets: Offsets): number => {
  let count = 0;
  for (const partitions of offsets.values()) count += partitions.size;
  return count;
};

/** Takes out what has a lower order. */
function takeBefore(offsets: Offsets, order: number): Offsets {
  const taken: Offsets = new Map();
  for (const [topic, partitions] of offsets) {
    for (const [partition, each] of partitions) {
      if (each.order >= order) continue;
      partitions.delete(partition);
      const ofTopic = taken.get(topic) ?? new Map();
      taken.set(topic, ofTopic.set(partition, each));
    }
    if (partitions.size === 0) offsets.delete(topic);
  }
  return taken;
}

export function createGroupsTable(): GroupsTable {
  const records = new Map<string, Kept>();
  /** Groups in which a producer has offsets that wait. */
  const groupsOf = new Map<number, Set<string>>();
  const dirty = new Map<string, PageName>();
  let offsetCount = 0;
  let lastOrder = 0;

  /** Their keys are made when they are taken: most pages change many times until then. */
  const mark = (kind: PageName['kind'], group: string, name: string): void => {
    const id = `${kind}${group.length} ${group}${name}`;
    if (!dirty.has(id)) dirty.set(id, { kind, group, name });
  };

  const recordOf = (group: string): Kept => {
    const known = records.get(group);
    if (known !== undefined) return known;
    const record: Kept = { parts: new Map(), offsets: new Map(), staged: new Map() };
    records.set(group, record);
    return record;
  };

  const dropIfEmpty = (group: string, { parts, offsets, staged }: Kept): void => {
    if (parts.size + offsets.size + staged.size === 0) records.delete(group);
  };

  /** Into `into`, where nothing newer is there. */
  const merge = (from: Offsets, into: Offsets, atMs?: number): void => {
    for (const [topic, partitions] of from) {
      let known = into.get(topic);
      if (known === undefined) {
        known = new Map();
        into.set(topic, known);
      }
      for (const [partition, each] of partitions) {
        lastOrder = Math.max(lastOrder, each.order);
        const before = known.get(partition);
        if (before !== undefined && before.order > each.order) continue;
        if (before === undefined) offsetCount++;
        known.set(partition, atMs === undefined ? each : { ...each, committedAtMs: atMs });
      }
    }
  };

  const addOffsets = (group: string, producerId: number, offsets: Offsets): void => {
    const record = recordOf(group);
    if (producerId < 0) {
      merge(offsets, record.offsets);
      for (const topic of offsets.keys()) mark(OFFSETS, group, topic);
      return;
    }
    let staged = record.staged.get(producerId);
    if (staged === undefined) {
      staged = new Map();
      record.staged.set(producerId, staged);
      const groups = groupsOf.get(producerId) ?? new Set();
      groupsOf.set(producerId, groups.add(group));
    }
    merge(offsets, staged);
    mark(STAGED, group, String(producerId));
  };

  /** Ends what was staged before it: a page may be newer, and have what belongs to the next transaction. */
  const end = (producerId: number, order: number, isCommit: boolean, atMs: number): void => {
    lastOrder = Math.max(lastOrder, order);
    const groups = groupsOf.get(producerId);
    for (const group of groups ?? []) {
      const record = records.get(group);
      const staged = record?.staged.get(producerId);
      if (record === undefined || staged === undefined) continue;
      const ended = takeBefore(staged, order);
      offsetCount -= countOf(ended);
      mark(STAGED, group, String(producerId));
      if (staged.size === 0) {
        record.staged.delete(producerId);
        groups?.delete(group);
      }
      if (isCommit) {
        merge(ended, record.offsets, atMs);
        for (const topic of ended.keys()) mark(OFFSETS, group, topic);
      }
      dropIfEmpty(group, record);
    }
    if (groups?.size === 0) groupsOf.delete(producerId);
  };

  const forget = (group: string, partitions: ReadonlyMap<string, readonly number[]>): void => {
    const record = records.get(group);
    if (record === undefined) return;
    for (const [topic, numbers] of partitions) {
      const known = record.offsets.get(topic);
      for (const number of numbers) if (known?.delete(number)) offsetCount--;
      if (known?.size === 0) record.offsets.delete(topic);
      mark(OFFSETS, group, topic);
    }
    dropIfEmpty(group, record);
  };

  const remove = (group: string): void => {
    const record = records.get(group);
    if (record === undefined) return;
    for (const part of record.parts.keys()) mark(PART, group, part);
    for (const topic of record.offsets.keys()) mark(OFFSETS, group, topic);
    offsetCount -= countOf(record.offsets);
    for (const [producerId, staged] of record.staged) {
      mark(STAGED, group, String(producerId));
      offsetCount -= countOf(staged);
      groupsOf.get(producerId)?.delete(group);
    }
    records.delete(group);
  };

  const apply = (change: GroupChange): void => {
    if (change.kind === 'part') {
      const record = recordOf(change.group);
      if (change.bytes.length > 0) record.parts.set(change.part, change.bytes);
      else record.parts.delete(change.part);
      mark(PART, change.group, change.part);
      dropIfEmpty(change.group, record);
    } else if (change.kind === 'offsets') addOffsets(change.group, change.producerId, change.offsets);
    else if (change.kind === 'forget') forget(change.group, change.partitions);
    else if (change.kind === 'remove') remove(change.group);
    else end(change.producerId, change.order, change.isCommit, change.atMs);
  };

  /** The page's bytes behind its version. */
  const write = (key: Uint8Array, to: ByteWriter): boolean => {
    const from = new ByteReader(key);
    const kind = from.u8();
    const record = records.get(from.text());
    if (record === undefined) return false;
    const name = from.text();
    if (kind === STAGED) {
      const staged = record.staged.get(Number(name));
      if (staged !== undefined) writeOffsets(to, staged);
      return staged !== undefined;
    }
    if (kind === PART) {
      const bytes = record.parts.get(name);
      if (bytes !== undefined) to.bytes(bytes);
      return bytes !== undefined;
    }
    const partitions = record.offsets.get(name);
    if (partitions !== undefined) writePartitionOffsets(to, partitions);
    return partitions !== undefined;
  };

  const load = (key: Uint8Array, page: Uint8Array): void => {
    const from = new ByteReader(page);
    const version = from.u8();
    if (version !== VERSION) throw new Error(`groups: version ${version} of a page is unknown`);
    const name = new ByteReader(key);
    const kind = name.u8();
    const group = name.text();
    const record = recordOf(group);
    if (kind === PART) record.parts.set(name.text(), from.bytes());
    else if (kind === OFFSETS) {
      const topic = name.text();
      offsetCount -= record.offsets.get(topic)?.size ?? 0;
      record.offsets.delete(topic);
      merge(new Map([[topic, readPartitionOffsets(from)]]), record.offsets);
    } else {
      const producerId = Number(name.text());
      offsetCount -= countOf(record.staged.get(producerId) ?? new Map());
      record.staged.delete(producerId);
      addOffsets(group, producerId, readOffsets(from));
    }
    if (!from.isComplete || !name.isComplete) throw new Error('groups: a page is damaged');
  };

  return {
    records,
    get offsetCount() {
      return offsetCount;
    },
    nextOrder: () => ++lastOrder,
    stage: (change) => ({ entry: encodeChange(change), settle: () => apply(change) }),
    table: {
      id: TableId.KafkaGroups,
      name: 'kafka groups',
      apply: (entry) => apply(decodeChange(entry)),
      load,
      recovered() {
        for (const [group, record] of records) dropIfEmpty(group, record);
      },
      *pageKeys() {
        for (const [group, record] of records) {
          for (const part of record.parts.keys()) yield keyOf({ kind: PART, group, name: part });
          for (const topic of record.offsets.keys()) yield keyOf({ kind: OFFSETS, group, name: topic });
          for (const producerId of record.staged.keys()) {
            yield keyOf({ kind: STAGED, group, name: String(producerId) });
          }
        }
      },
      page(key) {
        const to = new ByteWriter(256).u8(VERSION);
        return write(key, to) ? to.finish() : undefined;
      },
      takeDirty(max) {
        const keys: Uint8Array[] = [];
        for (const [id, page] of dirty) {
          if (keys.length >= max) break;
          dirty.delete(id);
          keys.push(keyOf(page));
        }
        return keys;
      },
    },
  };
}
