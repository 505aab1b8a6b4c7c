/** A partition with producers and transactions as arrays, and what a reader of committed records makes of the real one. */
import type { Partition, ProducerView } from '../../../src/kernel/log/partitions.ts';
import { type CodecName, loadedCodec } from '../../../src/protocols/kafka/compression/compression.ts';
import { buildBatch } from '../../../src/protocols/kafka/records/build.ts';
import { readHeader } from '../../../src/protocols/kafka/records/header.ts';
import { buildMarker, readMarker } from '../../../src/protocols/kafka/records/marker.ts';
import { createBatchOpener } from '../../../src/protocols/kafka/records/opener.ts';
import type { LogRecord } from '../../../src/storage/records/record.ts';
import { kernel, type Opened } from './support.ts';

export interface Transaction {
  readonly producerId: number;
  readonly firstOffset: number;
  outcome: 'open' | 'commit' | 'abort';
  markerOffset: number;
}

export interface Stored {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
  readonly transaction: Transaction | undefined;
}

/** By offset; undefined where a mark is. */
export interface TransactionalModel {
  readonly records: (Stored | undefined)[];
  readonly transactions: Transaction[];
  /** Last offset and last sequence number. */
  readonly newest: Map<number, { lastOffset: number; lastSequence: number }>;
  start: number;
}

export const createModel = (): TransactionalModel => ({
  records: [],
  transactions: [],
  newest: new Map(),
  start: 0,
});

export const stableEnd = ({ transactions, records }: TransactionalModel): number =>
  transactions.reduce(
    (least, each) => (each.outcome === 'open' ? Math.min(least, each.firstOffset) : least),
    records.length,
  );

export const viewOf = (model: TransactionalModel): ProducerView => ({
  lastStableOffset: () => stableEnd(model),
  aborted: (_, from, to) =>
    model.transactions
      .filter((each) => each.outcome === 'abort' && each.firstOffset < to && each.markerOffset >= from)
      .map(({ producerId, firstOffset, markerOffset: lastOffset }) => ({
        producerId,
        firstOffset,
        lastOffset,
      }))
      .sort((a, b) => a.firstOffset - b.firstOffset),
  newestOffset: (_, producerId) => model.newest.get(producerId)?.lastOffset,
});

export interface Batch {
  readonly records: readonly { key: string | null; value: string | null; timestampMs: number }[];
  readonly producerId?: number;
  readonly isTransactional?: boolean;
  readonly codec?: CodecName | undefined;
}

const bytesOf = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text));

/** Appends to both. */
export function append(
  { partitions }: Opened,
  partition: Partition,
  model: TransactionalModel,
  batch: Batch,
): void {
  const { records, producerId = -1, isTransactional = false } = batch;
  const base = model.records.length;
  const codec = batch.codec && loadedCodec(batch.codec);
  const before = model.newest.get(producerId);
  const baseSequence = producerId < 0 ? -1 : (before?.lastSequence ?? -1) + 1;
  const bytes = buildBatch(
    kernel,
    records.map(
      ({ key, value, timestampMs }): LogRecord => ({
        timestampMs,
        key: bytesOf(key),
        value: bytesOf(value),
        headers: { count: 0, bytes: new Uint8Array() },
      }),
    ),
    {
      ...(producerId >= 0 && { producer: { id: producerId, epoch: 0, baseSequence } }),
      isTransactional,
      ...(batch.codec !== undefined && codec !== undefined && { compression: { name: batch.codec, codec } }),
    },
  );
  const offset = partitions.appendBatch(partition, bytes);
  if (offset !== base) throw new Error(`offset ${offset} instead of ${base}`);
  let transaction: Transaction | undefined;
  if (isTransactional) {
    transaction = model.transactions.find(
      (each) => each.producerId === producerId && each.outcome === 'open',
    );
    if (transaction === undefined) {
      transaction = { producerId, firstOffset: base, outcome: 'open', markerOffset: -1 };
      model.transactions.push(transaction);
    }
  }
  for (const each of records) model.records.push({ ...each, transaction });
  if (producerId >= 0) {
    const lastSequence = baseSequence + records.length - 1;
    model.newest.set(producerId, { lastOffset: model.records.length - 1, lastSequence });
  }
}

export function end(
  { partitions }: Opened,
  partition: Partition,
  model: TransactionalModel,
  transaction: Transaction,
  type: 'commit' | 'abort',
  timestampMs: number,
): void {
  const { producerId } = transaction;
  const marker = { type, producerId, producerEpoch: 0, coordinatorEpoch: 0 };
  const offset = partitions.appendBatch(partition, buildMarker(kernel, marker, timestampMs));
  if (offset !== model.records.length) throw new Error(`offset ${offset}`);
  transaction.outcome = type;
  transaction.markerOffset = offset;
  model.records.push(undefined);
}

export interface Seen {
  /** Committed and below the last stable offset. */
  readonly committed: Map<number, { key: string | null; value: string | null; timestampMs: number }>;
  readonly marks: Set<number>;
  /** Producer, last offset, last sequence and first offset of each data batch with a producer. */
  readonly batches: { producerId: number; baseOffset: number; lastOffset: number; lastSequence: number }[];
  /** Offsets of all records, whatever became of them. */
  readonly present: Set<number>;
}

/** Reads like a consumer at `read_committed`, by the rules of the protocol. */
export async function readCommitted(
  { partitions }: Opened,
  partition: Partition,
  model: TransactionalModel,
): Promise<Seen> {
  const opener = createBatchOpener(kernel);
  const seen: Seen = { committed: new Map(), marks: new Set(), batches: [], present: new Set() };
  const stable = stableEnd(model);
  const aborted = viewOf(model)
    .aborted(partition, partition.startOffset, stable)
    .filter(({ lastOffset }) => !partitions.isRemoved(partition, lastOffset));
  const aborting = new Set<number>();
  let behind = partition.startOffset;
  const text = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString();
  for await (const stored of partitions.batches(partition, partition.startOffset)) {
    const header = readHeader(stored.bytes);
    const { batch } = await opener.open(stored.bytes);
    if (header === undefined || batch === undefined) throw new Error('a batch that cannot be read');
    if (stored.lastOffset < behind || (stored.baseOffset < behind && behind !== partition.startOffset)) {
      throw new Error(`offsets ${stored.baseOffset} to ${stored.lastOffset} behind ${behind}`);
    }
    behind = stored.lastOffset + 1;
    const { producerId } = header;
    while (aborted[0] !== undefined && aborted[0].firstOffset <= stored.lastOffset) {
      aborting.add(aborted.shift()?.producerId ?? -1);
    }
    if (batch.isControl) {
      seen.marks.add(stored.baseOffset);
      if (readMarker(batch)?.type === 'abort') aborting.delete(producerId);
      continue;
    }
    if (producerId >= 0) {
      const lastSequence = header.baseSequence + stored.lastOffset - stored.baseOffset;
      const { baseOffset, lastOffset } = stored;
      seen.batches.push({ producerId, baseOffset, lastOffset, lastSequence });
    }
    for (let i = 0; i < batch.length; i++) {
      const offset = batch.offset(i);
      if (offset < partition.startOffset) continue;
      seen.present.add(offset);
      if (stored.lastOffset >= stable || (batch.isTransactional && aborting.has(producerId))) continue;
      seen.committed.set(offset, {
        key: text(batch.key(i)),
        value: text(batch.value(i)),
        timestampMs: batch.timestampMs(i),
      });
    }
  }
  return seen;
}
