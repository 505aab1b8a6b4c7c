/** Collects records into batches, one batch at a time. */
import type { LogKernel, OpenBatch } from '../../wasm/log.ts';
import type { LogRecord } from './record.ts';

/**
 * `full`: finish the batch, then append again. `too-large`: no batch can hold this record. `no-memory`: all open batches
 * and indexes of the kernel together are at its limit. The batch is unchanged unless the record was appended.
 */
export type AppendOutcome = 'appended' | 'full' | 'too-large' | 'no-memory';

/**
 * Holds kernel memory only from the first record to `finish` or `discard`, so a builder for each of many logs costs
 * little while there is nothing to write.
 */
export class RecordBatchBuilder {
  readonly #batch: OpenBatch;

  constructor(kernel: LogKernel) {
    this.#batch = kernel.createBatch();
  }

  get recordCount(): number {
    return this.#batch.recordCount;
  }

  /** Of the batch that `finish` would return now; 0 without records. */
  get byteLength(): number {
    return this.#batch.byteLength;
  }

  append(record: LogRecord): AppendOutcome {
    const { timestampMs, key, value, headers } = record;
    const outcome = this.#batch.append(timestampMs, key, value, headers.count, headers.bytes);
    return outcome === 'full' && this.#batch.recordCount === 0 ? 'too-large' : outcome;
  }

  /** The batch, owned by the caller; undefined without records. The records get the offsets from `baseOffset` on. */
  finish(baseOffset: number, leaderEpoch: number): Uint8Array | undefined {
    return this.#batch.finish(baseOffset, leaderEpoch);
  }

  discard(): void {
    this.#batch.discard();
  }
}
