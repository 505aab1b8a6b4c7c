/** Bounds of partitions, and how fine their index is. */
import type { IndexLimits } from './offset-index.ts';

export interface PartitionLimits extends IndexLimits {
  readonly maxPartitions: number;
  /** Of one pass of compaction. */
  readonly maxKeys: number;
  readonly maxKeyBytes: number;
}

export const DEFAULT_PARTITION_LIMITS: PartitionLimits = {
  intervalBytes: 64 * 1024,
  maxEvenRows: 2048,
  maxSpanBytes: 16 * 1024 * 1024,
  intervalMs: 3_600_000,
  maxPartitions: 262_144,
  maxKeys: 1_000_000,
  maxKeyBytes: 64 * 1024 * 1024,
};
