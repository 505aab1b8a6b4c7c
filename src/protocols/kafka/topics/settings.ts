/** What the configuration of a topic means to those who store and read its records. */
import type { RetentionPolicy } from '../../../kernel/log/partitions.ts';
import type { Storage } from '../../../kernel/state/state-log.ts';
import type { CodecName } from '../compression/compression.ts';

export interface TopicSettings {
  readonly cleanup: RetentionPolicy['cleanup'];
  /** Of a batch, as it is stored. */
  readonly maxMessageBytes: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  /** How far a timestamp may lie behind, or in front of, our clock; Infinity is any. */
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** Infinity is for ever. */
  readonly retentionMs: number;
  /** Of a partition; 0 is no limit. */
  readonly retentionBytes: number;
  /** What every group has passed that has committed an offset goes, too. */
  readonly removesSettled: boolean;
  /** Whether records may be delayed by a header. */
  readonly delays: boolean;
  /** Empty: none. */
  readonly deadLetterTopic: string;
  readonly tombstoneMs: number;
  /** When compaction runs, and over what: as the kernel has it. */
  readonly minDirtyRatio: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  /** No batch is larger. */
  readonly segmentBytes: number;
  /** Of batches as they are stored; `producer` is as they come. */
  readonly compression: 'producer' | 'none' | CodecName;
  /** Compressed records are opened before they are stored. */
  readonly isStrict: boolean;
  /** What is acknowledged is on the disk, whatever kafka.durability says. */
  readonly isSynced: boolean;
  /** What the partitions of the topic are made in. */
  readonly storage: Storage;
}

export const policyOf = (settings: TopicSettings, settledFloor: () => number): Partial<RetentionPolicy> => ({
  ...(settings.removesSettled && { settledFloor }),
  cleanup: settings.cleanup,
  ageMs: settings.retentionMs,
  maxBytes: settings.retentionBytes,
  tombstoneMs: settings.tombstoneMs,
  minDirtyRatio: settings.minDirtyRatio,
  minCompactionLagMs: settings.minCompactionLagMs,
  maxCompactionLagMs: settings.maxCompactionLagMs,
});

export const isSame = (one: TopicSettings, other: TopicSettings): boolean =>
  Object.entries(one).every(([name, value]) => other[name as keyof TopicSettings] === value);
