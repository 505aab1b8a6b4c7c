/** What produce and fetch ask about producers: sequences, transactions, and how far a partition is decided. */
import type { Partition } from '../../../kernel/log/partitions.ts';
import type { Principal } from '../../../security/security.ts';
import type { BatchHeader } from '../../../wasm/log.ts';
import type { ErrorCode } from '../messages/errors.ts';

export interface ProduceOrigin {
  readonly apiVersion: number;
  readonly transactionalId: string | null;
  /** undefined: the broker, or its administration. */
  readonly writer?: Principal | undefined;
}

export type Verdict =
  | { readonly kind: 'accept' }
  /** It is there already: the answer is that of the first time, and waits for the same commit. */
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly logAppendTimeMs: number }
  | { readonly kind: 'error'; readonly error: ErrorCode; readonly message: string };

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface ProducerGate {
  /**
   * Before the append, in the same turn and synchronously: `header` is the batch's, whose base offset is 0 still. Nothing
   * is to be remembered for an `accept` before `appended`, since the append may be refused.
   */
  check(partition: Partition, header: BatchHeader, origin: ProduceOrigin): Verdict;
  /**
   * The batch has its offsets and is part of the current change, which the caller commits; entries may be added to it.
   * `logAppendTimeMs`: -1 where the times are the producer's.
   */
  appended(
    partition: Partition,
    header: BatchHeader,
    baseOffset: number,
    logAppendTimeMs: number,
    origin: ProduceOrigin,
  ): void;
  /** At most the high-water mark, which is the partition's `endOffset`. */
  lastStableOffset(partition: Partition): number;
  /** Transactions that were aborted and have records in [from, to), in the order of their first offsets. */
  aborted(partition: Partition, from: number, to: number): readonly AbortedTransaction[];
}
