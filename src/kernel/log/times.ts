/** Records by their time: the first that is not older, and the newest. Whole batches are passed over by their headers. */
import type { Journal } from '../../storage/journal/journal.ts';
import type { BatchOpener } from './batch-opener.ts';
import type { PartitionState } from './partition.ts';
import { readBatches, type StoredBatch } from './reader.ts';

const PIECE_BYTES = 64 * 1024;

export interface FoundTime {
  readonly offset: number;
  readonly timestampMs: number;
}

/** The first record of the batch, at or behind the start of the partition, that is not older than that. */
async function firstIn(
  opener: BatchOpener,
  { bytes, baseOffset, maxTimestampMs }: StoredBatch,
  startOffset: number,
  timestampMs: number,
): Promise<FoundTime | undefined> {
  const { batch } = await opener.open(bytes);
  // What cannot be opened counts as a whole.
  if (batch === undefined) return { offset: Math.max(baseOffset, startOffset), timestampMs: maxTimestampMs };
  for (let i = 0; i < batch.length; i++) {
    const found = { offset: batch.offset(i), timestampMs: batch.timestampMs(i) };
    if (found.timestampMs >= timestampMs && found.offset >= startOffset) return found;
  }
  return undefined;
}

/** The first record that is not older; undefined when all are. */
export async function findTime(
  journal: Journal,
  opener: BatchOpener,
  partition: PartitionState,
  timestampMs: number,
): Promise<FoundTime | undefined> {
  const { index } = partition;
  for (let at = partition.startOffset; at < partition.endOffset && !partition.isDeleted; ) {
    const row = index.row(index.find(at));
    if (row.timeMs < timestampMs) {
      at = row.end;
      continue;
    }
    const { batches, next } = await readBatches(journal, partition, at, PIECE_BYTES);
    for (const each of batches) {
      if (each.maxTimestampMs < timestampMs) continue;
      const found = await firstIn(opener, each, partition.startOffset, timestampMs);
      if (found !== undefined) return found;
    }
    if (next <= at) break;
    at = Math.max(next, partition.startOffset);
  }
  return undefined;
}

/** The first record of the batch with the largest time of those above `aboveMs`. */
async function newestIn(
  opener: BatchOpener,
  each: StoredBatch,
  startOffset: number,
  aboveMs: number,
): Promise<FoundTime | undefined> {
  const { batch } = await opener.open(each.bytes);
  if (batch === undefined) return firstIn(opener, each, startOffset, aboveMs + 1);
  let newest: FoundTime | undefined;
  for (let i = 0; i < batch.length; i++) {
    const timestampMs = batch.timestampMs(i);
    if (batch.offset(i) < startOffset || timestampMs <= (newest?.timestampMs ?? aboveMs)) continue;
    newest = { offset: batch.offset(i), timestampMs };
  }
  return newest;
}

/** The first record with the largest time of all; undefined without one that has a time. */
export async function findNewest(
  journal: Journal,
  opener: BatchOpener,
  partition: PartitionState,
): Promise<FoundTime | undefined> {
  const { index } = partition;
  const rows = Array.from({ length: index.count }, (_, i) => index.row(i)).sort(
    (a, b) => b.timeMs - a.timeMs,
  );
  let newest: FoundTime | undefined;
  for (const row of rows) {
    // A row may say more than its records have, where some of them were taken out.
    if (row.timeMs <= (newest?.timestampMs ?? -1)) break;
    for (let at = Math.max(row.offset, partition.startOffset); at < row.end && !partition.isDeleted; ) {
      const { batches, next } = await readBatches(journal, partition, at, PIECE_BYTES);
      for (const each of batches.toSorted((a, b) => b.maxTimestampMs - a.maxTimestampMs)) {
        const aboveMs = newest?.timestampMs ?? -1;
        if (each.maxTimestampMs <= aboveMs) break;
        newest = (await newestIn(opener, each, partition.startOffset, aboveMs)) ?? newest;
      }
      if (next <= at) break;
      at = Math.max(next, partition.startOffset);
    }
  }
  return newest;
}
