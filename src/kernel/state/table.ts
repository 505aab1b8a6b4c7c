/**
 * What the state log keeps durable: tables. A table is a part of the broker's state that changes by entries and can be
 * written down in pages. Entries rebuild it from the journal; pages make that short, as snapshot entries in the journal
 * and as views in the key-value store. The bytes of entries and pages are the table's own, with a version in each page.
 */
import type { JournalRecord } from '../../storage/journal/group.ts';

/** `memory` is a journal that ends with the process; `object` one whose blocks are objects of a store. */
export type Storage = 'memory' | 'journal' | 'object';

/**
 * Where an entry lies: the frame's position in the journal, and the entry's offset in the frame's payload. One object
 * serves for many entries: keep the numbers, not the object.
 */
export interface EntryPlace {
  readonly position: number;
  readonly offset: number;
}

export interface Table {
  /** 1 to 255; stands in front of each entry and in the keys of views. Never given to another table. */
  readonly id: number;
  readonly name: string;

  /**
   * Replays an entry. It may have been applied already (a page that was loaded can be newer than the entry), and it may
   * concern what is not there at all: both must change nothing that is right. Marks its page as changed, as the change
   * itself did. `entry` is borrowed.
   */
  apply(entry: Uint8Array, place: EntryPlace): void;
  /**
   * Replays a record of a log that is not the state log's: for tables that index logs. Those of the journal come in
   * its order among the entries, a frame before the records of its append; those of the object storage behind all.
   */
  observe?(record: JournalRecord, storage: Storage): void;
  /**
   * Takes the place of what the page `key` held; all pages come before the first entry. `position`: all entries below
   * it are in the page, which holds if a change is in the table at the latest when the `done` of its commit has run.
   * Both are borrowed.
   */
  load(key: Uint8Array, page: Uint8Array, position: number): void;
  /** After all pages and entries. */
  recovered?(): void;

  /** Keys of all pages that are not empty. May be iterated slowly while the table changes. */
  pageKeys(): Iterable<Uint8Array>;
  /** The page as it is now; undefined when it is empty: its view is removed. */
  page(key: Uint8Array): Uint8Array | undefined;
  /** Keys of pages that changed since they were last taken, at most `max`. */
  takeDirty(max: number): Uint8Array[];

  /**
   * For the audit: how this table differs from one rebuilt another way, in sentences. Without it their pages are
   * compared byte by byte.
   */
  differences?(other: Table): Iterable<string>;

  /** Bytes in `[start, end)` of the journal that the table needs beyond its pages (bodies of messages, records). */
  liveBytes?(start: number, end: number): number;
  /** Appends again what it needs of `[start, end)`, so that nothing of it lies there any more. */
  evacuate?(start: number, end: number): Promise<void>;
}

/** Numbers of the tables. A number that was given is never given again. */
export const TableId = {
  Messages: 1,
  Sessions: 2,
  SharedGroups: 3,
  Retained: 4,
  Delayed: 5,
  Deduplication: 6,
  Partitions: 7,
  KafkaTopics: 8,
  KafkaGroups: 9,
  KafkaProducers: 10,
  /** Access control lists, credentials, quotas, and configurations that are not a topic's. */
  KafkaSettings: 11,
  /** Users, roles, keys, bans: what security keeps for every protocol. */
  Security: 12,
  /** How far records that crossed late have crossed to other protocols. */
  Crossings: 13,
  /** Records of Kafka's topics that wait for their time. */
  KafkaDelayed: 14,
  /** What share groups have not acknowledged. */
  KafkaShares: 15,
} as const;
