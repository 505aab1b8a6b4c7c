/** What partitions are made with, and how a batch is appended to one. */
import type { Journal } from '../../storage/journal/journal.ts';
import type { LogKernel } from '../../wasm/log.ts';
import type { Clock } from '../clock.ts';
import type { Storage } from '../state/state-log.ts';
import type { BatchOpener } from './batch-opener.ts';
import type { PartitionLimits } from './limits.ts';
import type { PartitionDamaged } from './partition.ts';

export interface PartitionsOptions {
  /** Of the storages that there are; `journal` is the one of the state log. */
  readonly journals: Readonly<Partial<Record<Storage, Journal>>>;
  readonly kernel: LogKernel;
  readonly clock: Clock;
  /** Rises with every start. */
  readonly leaderEpoch: number;
  /** Without it compressed batches stay as they are, and count as one record for their time. */
  readonly opener?: BatchOpener;
  readonly limits?: Partial<PartitionLimits>;
  /** Delays compaction and evacuation to their bandwidth. */
  readonly pace?: (bytes: number) => Promise<void>;
  /** What replay found missing. */
  readonly onProblem?: (problem: PartitionDamaged) => void;
}

export interface AppendHow {
  /** It ignores `full`. */
  readonly isSettlement?: boolean;
  readonly isBorrowed?: boolean;
}
