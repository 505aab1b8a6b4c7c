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
 * nothing while there is nothing to write.
 */
export class RecordBatchBuilder {
  readonly #kernel: LogKernel;
  #batch: OpenBatch | undefined;

  constructor(kernel: LogKernel) {
    this.#kernel = kernel;
  }

  get recordCount(): number {
    return this.#batch?.recordCount ?? 0;
  }

  /** Of the batch that `finish` would return now; 0 without records. */
  get byteLength(): number {
    return this.#batch?.byteLength ?? 0;
  }

  append(record: LogRecord): AppendOutcome {
    const batch = this.#batch ?? this.#kernel.beginBatch();
    if (batch === undefined) return 'no-memory';
    const { count, bytes } = record.headers;
    let outcome: AppendOutcome = 'no-memory';
    try {
      outcome = batch.append(record.timestampMs, record.key, record.value, count, bytes);
    } finally {
      // A batch is kept only with records in it, also when the record was not one (and `append` threw).
      if (batch.recordCount === 0) batch.discard();
      else this.#batch = batch;
    }
    return outcome === 'full' && this.#batch === undefined ? 'too-large' : outcome;
  }

  /** The batch, owned by the caller; undefined without records. The records get the offsets from `baseOffset` on. */
  finish(baseOffset: number, leaderEpoch: number): Uint8Array | undefined {
    const bytes = this.#batch?.finish(baseOffset, leaderEpoch);
    this.#batch = undefined;
    return bytes;
  }

  discard(): void {
    this.#batch?.discard();
    this.#batch = undefined;
  }
}
