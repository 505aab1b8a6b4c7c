/** What compaction asks those who keep the state of producers: how far a partition is decided, and what was aborted. */
import type { RecordBatch } from '../../storage/records/record-batch.ts';
import type { Partition } from './partition.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface AbortedRange extends AbortedTransaction {
  /** Of the mark. */
  readonly lastOffset: number;
}

export interface ProducerView {
  /** Everything below is decided: committed, aborted, or of no transaction. At most the end of the partition. */
  lastStableOffset(partition: Partition): number;
  /** Transactions that were aborted and have records in `[from, to)`, in the order of their first offsets. */
  aborted(partition: Partition, from: number, to: number): readonly AbortedRange[];
  /**
   * Last offset of the newest batch of a producer that is still remembered: it stays, without records perhaps, since its
   * sequence number is that from which the producer goes on.
   */
  newestOffset(partition: Partition, producerId: number): number | undefined;
}

/** Nobody is idempotent or transactional. */
export const NO_PRODUCERS: ProducerView = {
  lastStableOffset: (partition) => partition.endOffset,
  aborted: () => [],
  newestOffset: () => undefined,
};

const MARKS = ['abort', 'commit'] as const;
const MARK_KEY_BYTES = 4;
const MARK_TYPE_AT = 2;

/** What a control batch says; undefined where it says something else, or nothing any more. */
export function markOf(batch: RecordBatch): (typeof MARKS)[number] | undefined {
  const key = batch.length === 0 ? null : batch.key(0);
  if (key === null || key.byteLength < MARK_KEY_BYTES) return undefined;
  return MARKS[new DataView(key.buffer, key.byteOffset, key.byteLength).getInt16(MARK_TYPE_AT)];
}

/** Follows transactions over the batches of a partition, which are told to it in the order of their offsets. */
export interface Outcomes {
  /** Whether the batch belongs to a transaction that was aborted. */
  isAborted(batch: RecordBatch): boolean;
  /** The mark of a transaction: whether none of its batches was met. */
  endsNothing(mark: RecordBatch): boolean;
}

export function createOutcomes(aborted: readonly AbortedRange[]): Outcomes {
  /** The mark of the transaction that each producer aborted last. Marks may be gone: their places are what counts. */
  const abortedBelow = new Map<number, number>();
  /** Producers with batches of the transaction that they are in. */
  const met = new Set<number>();
  let next = 0;

  function begin(offset: number): void {
    for (let each = aborted[next]; each !== undefined && each.firstOffset <= offset; each = aborted[++next]) {
      abortedBelow.set(each.producerId, each.lastOffset);
    }
  }

  return {
    isAborted({ header, isTransactional }) {
      begin(header.lastOffset);
      if (!isTransactional) return false;
      met.add(header.producerId);
      return header.lastOffset < (abortedBelow.get(header.producerId) ?? 0);
    },
    endsNothing(mark) {
      // What was emptied before has no mark to tell, and nothing that it ends.
      if (mark.length === 0) return true;
      return markOf(mark) !== undefined && !met.delete(mark.header.producerId);
    },
  };
}
