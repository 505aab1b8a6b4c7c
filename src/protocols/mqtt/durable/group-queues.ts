/**
 * What waits for shared groups that have durable members: a message that no member could be given yet, or that an
 * ephemeral member was given and has not acknowledged. Given to a durable member it moves into that member's queue.
 */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import type { MessageStore } from '../../../kernel/message-store/message-store.ts';
import { createReferencePools } from '../../../kernel/reference-queue/chunk-pool.ts';
import { decodeReferenceQueue, ReferenceQueue } from '../../../kernel/reference-queue/reference-queue.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { type Table, TableId } from '../../../kernel/state/table.ts';
import { EntryWriter } from './entry-writer.ts';

export interface GroupQueue {
  /** `$share/name/filter`. */
  readonly key: string;
  readonly queue: ReferenceQueue;
  /** Without those that are leaving. */
  bytes: number;
  /** Given to ephemeral members. */
  readonly leased: Set<number>;
  /** Given up, and settled when their dead letters are published (dead-letters.ts). */
  readonly leaving: Set<number>;
  stamp: number;
  /** A drain step is in the turn's queue, or bodies are being read. */
  isDraining: boolean;
}

export interface GroupQueues extends Table {
  get(key: string): GroupQueue | undefined;
  all(): IterableIterator<GroupQueue>;
  /** One more reference, which the caller has counted; to be journaled with `writeEnqueue`. */
  push(key: string, slot: number, options: number): number;
  writeEnqueue(key: string, messageId: number, options: number, seq: number): void;
  /** Adds the entry; false when it was settled already. */
  settle(key: string, seq: number): boolean;
  /** The group is no more, or has nobody to keep for. Returns how many messages it kept. */
  drop(key: string): number;
}

const VERSION = 1;
const Entry = { Enqueue: 1, Settle: 2, Drop: 3 } as const;

export function createGroupQueues(store: MessageStore, logOf: () => StateLog): GroupQueues {
  const pools = createReferencePools();
  const groups = new Map<string, GroupQueue>();
  const dirty = new Set<string>();
  const to = new EntryWriter();

  function groupOf(key: string): GroupQueue {
    let group = groups.get(key);
    if (group === undefined) {
      group = fresh(key, new ReferenceQueue(pools));
      groups.set(key, group);
    }
    return group;
  }

  function fresh(key: string, queue: ReferenceQueue): GroupQueue {
    return { key, queue, bytes: 0, leased: new Set(), leaving: new Set(), stamp: 0, isDraining: false };
  }

  function push(key: string, slot: number, options: number): number {
    const group = groupOf(key);
    group.bytes += store.bytesOf(slot);
    dirty.add(key);
    return group.queue.push(slot, options);
  }

  function settleIn(group: GroupQueue, seq: number): boolean {
    const slot = group.queue.slotAt(seq);
    if (slot === -1) return false;
    if (!group.leaving.delete(seq)) group.bytes -= store.bytesOf(slot);
    group.queue.settle(seq);
    group.leased.delete(seq);
    store.release(slot);
    dirty.add(group.key);
    return true;
  }

  function remove(key: string): number {
    const group = groups.get(key);
    if (group === undefined) return 0;
    const { queue } = group;
    const count = queue.length;
    for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
      store.release(queue.slotAt(seq));
    }
    queue.clear();
    groups.delete(key);
    dirty.add(key);
    return count;
  }

  return {
    id: TableId.SharedGroups,
    name: 'shared groups',
    get: (key) => groups.get(key),
    all: () => groups.values(),
    push,
    writeEnqueue(key, messageId, options, seq) {
      to.begin(Entry.Enqueue).text(key).uint(messageId).uint(options).uint(seq);
      logOf().add(TableId.SharedGroups, to.view());
    },
    settle(key, seq) {
      const group = groups.get(key);
      if (group === undefined || !settleIn(group, seq)) return false;
      logOf().add(TableId.SharedGroups, to.begin(Entry.Settle).text(key).uint(seq).view());
      return true;
    },
    drop(key) {
      if (!groups.has(key)) return 0;
      logOf().add(TableId.SharedGroups, to.begin(Entry.Drop).text(key).view());
      return remove(key);
    },
    apply(entry, place) {
      const from = new ByteReader(entry);
      const kind = from.u8();
      const key = from.text();
      const known = groups.get(key);
      if (known !== undefined && place.position < known.stamp) return;
      if (kind === Entry.Enqueue) {
        const slot = store.slotOfId(from.uint());
        const options = from.uint();
        if (!groupOf(key).queue.advanceTo(from.uint())) return;
        store.addReference(slot);
        push(key, slot, options);
      } else if (kind === Entry.Settle && known !== undefined) settleIn(known, from.uint());
      else if (kind === Entry.Drop) remove(key);
      if (from.failed) throw new Error(`an entry of the shared groups table at ${place.position} is damaged`);
    },
    load(_key, page, position) {
      const from = new ByteReader(page);
      const version = from.u8();
      if (version !== VERSION) {
        throw new Error(
          `a page of the shared groups table has version ${version}; this program knows ${VERSION}: start the version that wrote it`,
        );
      }
      const key = from.text();
      remove(key);
      const queue = decodeReferenceQueue(from, pools, (id) => store.slotOfId(id));
      if (!from.isComplete) throw new Error(`the page of shared group ${key} is damaged`);
      const group = fresh(key, queue);
      group.stamp = position;
      groups.set(key, group);
      for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
        store.addReference(queue.slotAt(seq));
      }
    },
    recovered() {
      for (const group of groups.values()) {
        const { queue } = group;
        group.bytes = 0;
        for (let seq = queue.nextFrom(queue.floor); seq < queue.end; seq = queue.nextFrom(seq + 1)) {
          group.bytes += store.bytesOf(queue.slotAt(seq));
        }
      }
    },
    *pageKeys() {
      for (const key of groups.keys()) yield Buffer.from(key);
    },
    page(key) {
      const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString();
      const group = groups.get(name);
      if (group === undefined) return undefined;
      const page = new ByteWriter(256).u8(VERSION).text(name);
      group.queue.encode(page, (slot) => store.idOf(slot));
      return page.finish();
    },
    takeDirty(max) {
      const taken: Uint8Array[] = [];
      for (const key of dirty) {
        if (taken.length >= max) break;
        dirty.delete(key);
        taken.push(Buffer.from(key));
      }
      return taken;
    },
  };
}
