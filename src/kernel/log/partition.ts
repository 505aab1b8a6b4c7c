/** A partition as everybody sees it, and as this folder keeps it. */
import type { RecordBatchBuilder } from '../../storage/records/batch-builder.ts';
import type { Listeners } from '../listeners.ts';
import type { Storage } from '../state/state-log.ts';
import type { EpochStart } from './epochs.ts';
import type { OffsetIndex } from './offset-index.ts';
import type { ReadHints } from './read-hints.ts';

export interface Partition {
  /** Its log in the journal: given once, never again. */
  readonly logId: number;
  readonly stripe: number;
  readonly name: string;
  readonly number: number;
  readonly storage: Storage;
  /** The lowest offset that can be read. */
  readonly startOffset: number;
  /** Behind the last committed record: the high-water mark. */
  readonly endOffset: number;
  /** What the next record gets. */
  readonly nextOffset: number;
  /** Of its batches in the journal, estimated to a batch or so. */
  readonly bytes: number;
  /** Largest timestamp of its newest run of batches; -1 without one. */
  readonly newestMs: number;
  readonly isDeleted: boolean;
}

export type AppendRefusal = 'failed' | 'full' | 'deleted' | 'too-large' | 'no-memory' | 'invalid';
export type CreateRefusal = 'exists' | 'full' | 'no-storage';

/** What retention may remove. Whole runs of batches go, so that a little more than the policy allows may stay. */
export interface RetentionPolicy {
  /** `both` compacts, and removes what is beyond the limits all the same. */
  readonly cleanup: 'delete' | 'compact' | 'both';
  /** Infinity, or 0 for bytes and records, is no limit. */
  readonly ageMs: number;
  readonly maxBytes: number;
  readonly maxRecords: number;
  /** Offset below which everybody has settled everything: what lies below it goes. */
  readonly settledFloor?: () => number;
  /** How long a tombstone, or the mark of a transaction, stays in a compacted partition once compaction has met it. */
  readonly tombstoneMs: number;
  /** Part of the bytes that compaction has not seen, from which on it runs. */
  readonly minDirtyRatio: number;
  /** Records are not compacted before they are so old. */
  readonly minCompactionLagMs: number;
  /** Compaction runs at the latest when a record that it has not seen is so old, however few there are. */
  readonly maxCompactionLagMs: number;
}

export const KEEP_ALL: RetentionPolicy = {
  cleanup: 'delete',
  ageMs: Number.POSITIVE_INFINITY,
  maxBytes: 0,
  maxRecords: 0,
  tombstoneMs: 86_400_000,
  minDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.POSITIVE_INFINITY,
};

export interface PartitionState extends Partition {
  startOffset: number;
  nextOffset: number;
  isDeleted: boolean;
  index: OffsetIndex;
  /** Rising in both. */
  readonly epochs: EpochStart[];
  /** Of a partition in memory: where its offsets go on after a restart. */
  reserved: number;
  /** Compaction has seen every record below. */
  cleanedBelow: number;
  /** Time of the oldest batch of this process's that compaction has not seen, or of the last pass; undefined without. */
  dirtySinceMs: number | undefined;
  policy: RetentionPolicy;
  /** What this turn brought. */
  builder: RecordBatchBuilder | undefined;
  /** This turn brought something. */
  isTouched: boolean;
  watchers: Listeners<() => void> | undefined;
  hints: ReadHints | undefined;
}

/** The journal has something else, or nothing, where the index says that a record is. */
export class PartitionDamaged extends Error {
  override readonly name = 'PartitionDamaged';
  /** The next offset that may be there: who wants to lose what is between goes on from here. */
  readonly resumeAt: number;
  constructor({ name, number }: Partition, from: number, resumeAt: number, reason: string) {
    super(`${name}/${number}: offsets ${from} to ${resumeAt - 1} ${reason}`);
    this.resumeAt = resumeAt;
  }
}

export interface NewPartition {
  readonly logId: number;
  readonly stripe: number;
  readonly name: string;
  readonly number: number;
  readonly storage: Storage;
}

/** One class for all: ten thousand of them with accessors of their own would have ten thousand shapes. */
class KeptPartition implements PartitionState {
  readonly logId: number;
  readonly stripe: number;
  readonly name: string;
  readonly number: number;
  readonly storage: Storage;
  startOffset = 0;
  nextOffset: number;
  isDeleted = false;
  index: OffsetIndex;
  readonly epochs: EpochStart[] = [];
  reserved = 0;
  cleanedBelow = 0;
  dirtySinceMs: number | undefined = undefined;
  policy: RetentionPolicy = KEEP_ALL;
  builder: RecordBatchBuilder | undefined = undefined;
  isTouched = false;
  watchers: Listeners<() => void> | undefined = undefined;
  hints: ReadHints | undefined = undefined;

  constructor({ logId, stripe, name, number, storage }: NewPartition, index: OffsetIndex) {
    this.logId = logId;
    this.stripe = stripe;
    this.name = name;
    this.number = number;
    this.storage = storage;
    this.nextOffset = index.end;
    this.index = index;
  }

  get endOffset(): number {
    return this.index.end;
  }

  get bytes(): number {
    return this.index.bytes;
  }

  get newestMs(): number {
    return this.index.newestMs;
  }
}

export function createPartitionState(made: NewPartition, index: OffsetIndex): PartitionState {
  return new KeptPartition(made, index);
}
