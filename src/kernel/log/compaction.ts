/**
 * Compaction: of the records below the last stable offset the newest of each key stays, and what was aborted goes. A
 * tombstone, and the mark of a transaction without records, first get the moment from which on they may go written into
 * their batch, so that readers have the time to learn of them. Compressed batches are opened, and compressed again when
 * something was taken out: otherwise a partition could grow by being compacted. Offsets never change.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Journal } from '../../storage/journal/journal.ts';
import { type RecordBatch, readRecordBatch } from '../../storage/records/record-batch.ts';
import type { LogKernel } from '../../wasm/log.ts';
import type { BatchOpener } from './batch-opener.ts';
import { withoutAnyRecord, withRecords } from './compacted-batch.ts';
import { PartitionDamaged, type PartitionState } from './partition.ts';
import { createOutcomes, type Outcomes, type ProducerView } from './producer-view.ts';
import { readBatches, type StoredBatch } from './reader.ts';
import type { Rewriter } from './rewrite.ts';

const PIECE_BYTES = 1024 * 1024;
/** Times that count from a horizon have to be numbers that can be doubled exactly. */
const MAX_DELTA_MS = 2 ** 51;

export interface CompactionOptions {
  readonly kernel: LogKernel;
  readonly journalOf: (partition: PartitionState) => Journal;
  readonly rewriter: Rewriter;
  readonly opener: BatchOpener;
  readonly producers: () => ProducerView;
  /** Of one pass: all keys with what a map costs. Above it the pass covers less. */
  readonly maxKeys: number;
  readonly maxKeyBytes: number;
  /** Resolves when so many bytes more may be read or written. */
  readonly pace: (bytes: number) => Promise<void>;
  /** Adds an entry: compaction left nothing of these offsets. What it returns applies the entry. */
  readonly addRemoved: (partition: PartitionState, from: number, end: number) => () => void;
  readonly changed: (partition: PartitionState) => void;
}

/** A batch as it is stored, and open where that is possible. */
interface Met {
  readonly stored: StoredBatch;
  readonly closed: RecordBatch;
  /** undefined: it is compressed, and cannot be opened. */
  readonly open: RecordBatch | undefined;
}

/** What becomes of a batch: new bytes, nothing at all, or what it is. */
type Fate = Uint8Array | 'removed' | 'kept';

const textOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');

export function createCompaction(
  options: CompactionOptions,
): (partition: PartitionState, nowMs: number) => Promise<void> {
  const { kernel, journalOf, rewriter, opener, producers, pace } = options;

  async function meet(partition: PartitionState, stored: StoredBatch): Promise<Met> {
    const { batch, fault } = readRecordBatch(kernel, stored.bytes);
    if (batch === undefined) {
      const { baseOffset, lastOffset } = stored;
      throw new PartitionDamaged(partition, baseOffset, lastOffset + 1, `are damaged: ${fault}`);
    }
    if (!batch.isCompressed) return { stored, closed: batch, open: batch };
    // What opening costs is too much to do many of them without letting others in.
    await turn();
    return { stored, closed: batch, open: (await opener.open(stored.bytes)).batch };
  }

  /** Each batch from `from` to below `end`. */
  async function* met(partition: PartitionState, from: number, end: number): AsyncGenerator<Met> {
    for (let at = from; at < end && !partition.isDeleted; ) {
      const { batches, next } = await readBatches(journalOf(partition), partition, at, PIECE_BYTES);
      if (next <= at) return;
      for (const stored of batches) {
        if (stored.baseOffset >= end) return;
        yield await meet(partition, stored);
      }
      await pace(batches.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
      at = Math.max(next, partition.startOffset);
    }
  }

  const outcomesOf = (partition: PartitionState, from: number, end: number): Outcomes =>
    createOutcomes(producers().aborted(partition, from, end));

  /** The newest offset of each key in what compaction has not seen; `end` is behind the last batch that fitted. */
  async function newestOf(partition: PartitionState, from: number, stableEnd: number, youngestMs: number) {
    const newest = new Map<string, number>();
    const outcomes = outcomesOf(partition, from, stableEnd);
    let keyBytes = 0;
    let end = from;
    for await (const { stored, closed, open } of met(partition, from, stableEnd)) {
      if (stored.lastOffset >= stableEnd || stored.maxTimestampMs > youngestMs) break;
      end = stored.lastOffset + 1;
      if (closed.isControl) outcomes.endsNothing(closed);
      else if (!outcomes.isAborted(closed) && open !== undefined) {
        for (let i = 0; i < open.length; i++) {
          const key = open.key(i);
          if (key === null) continue;
          const text = textOf(key);
          if (!newest.has(text)) keyBytes += text.length;
          newest.set(text, open.offset(i));
        }
      }
      // One batch more than fits, so that every pass gets on.
      if (newest.size >= options.maxKeys || keyBytes >= options.maxKeyBytes) break;
    }
    return { newest, end };
  }

  function markFate(mark: RecordBatch, outcomes: Outcomes, nowMs: number, horizonMs: number): Fate {
    if (!outcomes.endsNothing(mark)) return 'kept';
    if (mark.length === 0) return 'removed';
    if (mark.hasDeleteHorizon) return mark.header.baseTimestampMs <= nowMs ? 'removed' : 'kept';
    return withHorizon(mark, () => true, horizonMs) ?? 'kept';
  }

  /** undefined where no horizon can be written into the batch. */
  function withHorizon(
    batch: RecordBatch,
    keeps: (index: number) => boolean,
    horizonMs: number,
  ): Uint8Array | undefined {
    for (let i = 0; i < batch.length; i++) {
      if (Math.abs(batch.timestampMs(i) - horizonMs) > MAX_DELTA_MS) return undefined;
    }
    const bytes = withRecords(kernel, batch, keeps, horizonMs);
    return bytes.byteLength > kernel.maxBatchBytes ? undefined : bytes;
  }

  async function compact(partition: PartitionState, nowMs: number): Promise<void> {
    const { cleanedBelow, startOffset, policy } = partition;
    const stableEnd = Math.min(producers().lastStableOffset(partition), partition.endOffset);
    const youngestMs =
      policy.minCompactionLagMs > 0 ? nowMs - policy.minCompactionLagMs : Number.POSITIVE_INFINITY;
    const from = Math.max(cleanedBelow, startOffset);
    const { newest, end } = await newestOf(partition, from, stableEnd, youngestMs);
    if (end <= from) return;
    const horizonMs = nowMs + policy.tombstoneMs;
    const outcomes = outcomesOf(partition, startOffset, end);
    let mayDropTombstones = true;
    let copies: [StoredBatch, Uint8Array][] = [];
    let removals: { from: number; end: number }[] = [];
    let bytes = 0;

    /** All in one change, which nobody else's may come between. */
    const write = async (): Promise<void> => {
      if (bytes === 0 || partition.isDeleted) return;
      for (const [stored, smaller] of copies) rewriter.copy(partition, stored, smaller);
      const apply = removals.map((each) => options.addRemoved(partition, each.from, each.end));
      copies = [];
      removals = [];
      bytes = 0;
      await rewriter.commit(partition, () => {
        for (const each of apply) each();
      });
    };

    const isKept = (open: RecordBatch, i: number): boolean => {
      const key = open.key(i);
      if (key === null) return true;
      const offset = open.offset(i);
      if (offset < (newest.get(textOf(key)) ?? 0)) return false;
      // Only a pass before this one has surely removed what the tombstone deletes.
      const isOver = open.hasDeleteHorizon && open.header.baseTimestampMs <= nowMs && offset < cleanedBelow;
      return open.value(i) !== null || !isOver || !mayDropTombstones;
    };

    async function dataFate({ closed, open }: Met): Promise<Fate> {
      if (outcomes.isAborted(closed)) return 'removed';
      if (open === undefined) {
        // It may hold an older value of any key, which a tombstone behind it keeps dead.
        mayDropTombstones = false;
        return 'kept';
      }
      const kept = Array.from({ length: open.length }, (_, i) => isKept(open, i));
      const count = kept.filter(Boolean).length;
      if (count === 0) return 'removed';
      const isNewlyDead =
        !open.hasDeleteHorizon &&
        kept.some((stays, i) => stays && open.key(i) !== null && open.value(i) === null);
      if (count === open.length && !isNewlyDead) return 'kept';
      const keeps = (i: number): boolean => kept[i] === true;
      const marked = isNewlyDead ? withHorizon(open, keeps, horizonMs) : undefined;
      if (marked === undefined && count === open.length) return 'kept';
      const smaller = marked ?? withRecords(kernel, open, keeps);
      const bytes = closed.isCompressed ? await opener.close(smaller, closed.codec) : smaller;
      if (bytes.byteLength <= kernel.maxBatchBytes) return bytes;
      mayDropTombstones = false;
      return 'kept';
    }

    /** The newest batch of a producer stays, so that whoever reads the log finds where its numbers go on. */
    function lastOfItsProducer({ header }: RecordBatch): boolean {
      if (header.producerId < 0) return false;
      return producers().newestOffset(partition, header.producerId) === header.lastOffset;
    }

    for await (const each of met(partition, startOffset, end)) {
      const { stored, closed } = each;
      let fate = closed.isControl ? markFate(closed, outcomes, nowMs, horizonMs) : await dataFate(each);
      if (fate === 'removed' && lastOfItsProducer(closed)) {
        const isLeft = closed.isControl || closed.header.recordCount === 0;
        fate = isLeft ? 'kept' : withoutAnyRecord(kernel, closed);
      }
      if (fate === 'kept' || partition.isDeleted) continue;
      const last = removals.at(-1);
      if (fate !== 'removed') copies.push([stored, fate]);
      else if (last?.end === stored.baseOffset) last.end = stored.lastOffset + 1;
      else removals.push({ from: stored.baseOffset, end: stored.lastOffset + 1 });
      bytes += stored.bytes.byteLength;
      if (bytes >= PIECE_BYTES) await write();
    }
    await write();
    partition.cleanedBelow = Math.max(partition.cleanedBelow, end);
    partition.dirtySinceMs = end >= partition.endOffset ? undefined : nowMs;
    options.changed(partition);
  }

  return compact;
}
