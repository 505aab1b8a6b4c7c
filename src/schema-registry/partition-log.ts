/** The log of a registry as a partition that is compacted by key, in the journal with everything else. */
import type { BatchOpener } from '../kernel/log/batch-opener.ts';
import type { Partition, Partitions } from '../kernel/log/partitions.ts';
import type { StateLog } from '../kernel/state/state-log.ts';
import type { RecordBatchBuilder } from '../storage/records/batch-builder.ts';
import { NO_HEADERS } from '../storage/records/record.ts';
import { type LogEntry, LogRefused, type SchemaLog } from './schema-log.ts';

export interface PartitionLogOptions {
  readonly partitions: Partitions;
  /** Its policy is the owner's: `cleanup` has to be `compact`. */
  readonly partition: Partition;
  readonly stateLog: StateLog;
  readonly opener: BatchOpener;
  readonly newBatch: () => RecordBatchBuilder;
  readonly wallMs: () => number;
}

export function createPartitionLog(options: PartitionLogOptions): SchemaLog {
  const { partitions, partition, stateLog, opener } = options;

  /** Whole before the first is appended: a record that fits no batch refuses them all. */
  function batchesOf(entries: readonly LogEntry[]): readonly Uint8Array[] {
    const batches: Uint8Array[] = [];
    const builder = options.newBatch();
    const finish = (): void => {
      const batch = builder.finish(0, 0);
      if (batch !== undefined) batches.push(batch);
    };
    const timestampMs = options.wallMs();
    for (const { key, value } of entries) {
      const record = {
        timestampMs,
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: NO_HEADERS,
      };
      let outcome = builder.append(record);
      if (outcome === 'full') {
        finish();
        outcome = builder.append(record);
      }
      if (outcome !== 'appended') {
        builder.discard();
        throw new LogRefused(outcome);
      }
    }
    finish();
    return batches;
  }

  return {
    async append(entries) {
      const batches = batchesOf(entries);
      const refusal = stateLog.refusal(partition.storage);
      if (refusal !== undefined) throw new LogRefused(refusal);
      for (const batch of batches) {
        const outcome = partitions.appendBatch(partition, batch);
        if (typeof outcome !== 'number') throw new LogRefused(outcome);
      }
      await new Promise<void>((resolve, reject) => {
        const done = (error: Error | undefined): void => {
          if (error === undefined) resolve();
          else reject(new LogRefused(error.message));
        };
        stateLog.commit('sync', done, false, partition.storage);
      });
    },
    async *read() {
      for await (const stored of partitions.batches(partition, partition.startOffset)) {
        const { batch } = await opener.open(stored.bytes);
        // What is damaged, and marks of transactions, are no entries.
        if (batch === undefined || batch.isControl) continue;
        for (let i = 0; i < batch.length; i++) {
          const key = batch.key(i);
          const value = batch.value(i);
          if (key !== null) yield { key: textOf(key), value: value === null ? null : textOf(value) };
        }
      }
    },
  };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
