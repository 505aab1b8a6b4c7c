/**
 * What a partition knows of its producers: the epoch and the last batches of each, and where its open transaction begins. All of it
 * follows from the batches of the partition, in their order; nothing here decides how a transaction ends.
 */
import { ErrorCode } from '../messages/errors.ts';
import { Attribute, type HeaderFields } from '../records/header.ts';

export type SequencedHeader = Pick<
  HeaderFields,
  'producerId' | 'producerEpoch' | 'baseSequence' | 'baseOffset' | 'lastOffset' | 'attributes'
>;

export interface KnownBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  /** -1 where the times are the producer's. */
  readonly appendTimeMs: number;
}

export interface Producer {
  readonly id: number;
  epoch: number;
  /** Of the last marker; -1 before the first. */
  coordinatorEpoch: number;
  /** The latest of this epoch, oldest first. */
  batches: KnownBatch[];
  /** First offset of its open transaction; -1 without one. */
  openFrom: number;
  lastMs: number;
}

export interface PartitionProducers {
  readonly byId: Map<number, Producer>;
  /** Behind the last batch of a producer; batches below it are in here. */
  appliedBelow: number;
  /** First offsets of open transactions by producer, ascending. */
  readonly open: Map<number, number>;
  /** Transactions that have ended, and whose markers may not be committed yet; ascending by marker. */
  ending: { readonly firstOffset: number; readonly markerOffset: number }[];
}

export interface Marked {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
}

/** As many as a producer may have in flight. */
export const KNOWN_BATCHES = 5;
const SEQUENCES = 2 ** 31;

export const createPartitionProducers = (): PartitionProducers => ({
  byId: new Map(),
  appliedBelow: 0,
  open: new Map(),
  ending: [],
});

export const isTransactional = ({ attributes }: Pick<HeaderFields, 'attributes'>): boolean =>
  (attributes & Attribute.transactional) !== 0;

export const lastSequenceOf = ({ baseSequence, baseOffset, lastOffset }: SequencedHeader): number =>
  (baseSequence + lastOffset - baseOffset) % SEQUENCES;

/** Of the newest batch of a producer; undefined where none is remembered. */
export function newestOffset({ batches }: Producer): number | undefined {
  const last = batches.at(-1);
  if (last === undefined) return undefined;
  const { firstSequence, lastSequence, baseOffset } = last;
  return baseOffset + ((lastSequence - firstSequence + SEQUENCES) % SEQUENCES);
}

/** The same batch, if it is among the last ones of its producer. */
export function duplicateOf(producer: Producer, header: SequencedHeader): KnownBatch | undefined {
  if (producer.epoch !== header.producerEpoch) return undefined;
  const lastSequence = lastSequenceOf(header);
  for (const batch of producer.batches) {
    if (batch.firstSequence === header.baseSequence && batch.lastSequence === lastSequence) return batch;
  }
  return undefined;
}

export interface Refusal {
  readonly kind: 'error';
  readonly error: ErrorCode;
  readonly message: string;
}

export const refuse = (error: ErrorCode, message: string): Refusal => ({ kind: 'error', error, message });

export function epochRefusal(known: Producer | undefined, header: SequencedHeader): Refusal | undefined {
  if (known === undefined || header.producerEpoch >= known.epoch) return undefined;
  const { producerId, producerEpoch } = header;
  return refuse(
    ErrorCode.INVALID_PRODUCER_EPOCH,
    `producer ${producerId} has epoch ${known.epoch}, and this batch ${producerEpoch}`,
  );
}

/**
 * Whether the batch follows on. Of a producer that is not known any sequence does, since it may have been forgotten; `startsAtZero`
 * says that this cannot be, because each of its transactions has an epoch of its own.
 */
export function sequenceRefusal(
  known: Producer | undefined,
  header: SequencedHeader,
  startsAtZero: boolean,
): Refusal | undefined {
  const { producerId, producerEpoch, baseSequence } = header;
  let expected = 0;
  if (known === undefined) {
    if (!startsAtZero) return undefined;
  } else if (known.epoch === producerEpoch) {
    const last = known.batches.at(-1);
    if (last !== undefined) expected = (last.lastSequence + 1) % SEQUENCES;
  }
  if (baseSequence === expected) return undefined;
  return refuse(
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    `producer ${producerId} with epoch ${producerEpoch}: sequence ${baseSequence} where ${expected} is due`,
  );
}

function producerFor(state: PartitionProducers, id: number, epoch: number): Producer {
  let producer = state.byId.get(id);
  if (producer === undefined) {
    producer = { id, epoch, coordinatorEpoch: -1, batches: [], openFrom: -1, lastMs: 0 };
    state.byId.set(id, producer);
  } else if (producer.epoch !== epoch) {
    producer.epoch = epoch;
    producer.batches = [];
  }
  return producer;
}

/** The header is that of the stored batch. */
export function applyBatch(
  state: PartitionProducers,
  header: SequencedHeader,
  baseOffset: number,
  appendTimeMs: number,
  nowMs: number,
): void {
  const producer = producerFor(state, header.producerId, header.producerEpoch);
  if (producer.batches.length === KNOWN_BATCHES) producer.batches.shift();
  producer.batches.push({
    firstSequence: header.baseSequence,
    lastSequence: lastSequenceOf(header),
    baseOffset,
    appendTimeMs,
  });
  producer.lastMs = nowMs;
  if (isTransactional(header) && producer.openFrom < 0) {
    producer.openFrom = baseOffset;
    state.open.set(producer.id, baseOffset);
  }
  state.appliedBelow = baseOffset + header.lastOffset - header.baseOffset + 1;
}

/** Returns the first offset of the transaction that it ends; -1 where none was open. */
export function applyMarker(
  state: PartitionProducers,
  marker: Marked,
  markerOffset: number,
  nowMs: number,
): number {
  const producer = producerFor(state, marker.producerId, marker.producerEpoch);
  const firstOffset = producer.openFrom;
  if (firstOffset >= 0) {
    state.open.delete(producer.id);
    state.ending.push({ firstOffset, markerOffset });
  }
  producer.openFrom = -1;
  producer.coordinatorEpoch = marker.coordinatorEpoch;
  producer.lastMs = nowMs;
  state.appliedBelow = markerOffset + 1;
  return firstOffset;
}

/** Where the oldest transaction begins that has no marker yet. */
export function firstOpenOffset(state: PartitionProducers): number {
  for (const firstOffset of state.open.values()) return firstOffset;
  return Number.POSITIVE_INFINITY;
}

/** What is below has been decided, and everybody may know. `endOffset`: behind what is committed. */
export function stableOffset(state: PartitionProducers, endOffset: number): number {
  let stable = Math.min(firstOpenOffset(state), endOffset);
  const { ending } = state;
  if (ending.length === 0) return stable;
  let settled = 0;
  while (settled < ending.length && (ending[settled]?.markerOffset ?? 0) < endOffset) settled++;
  if (settled > 0) ending.splice(0, settled);
  for (const { firstOffset } of ending) stable = Math.min(stable, firstOffset);
  return stable;
}

/** What was read of a page is in the order of the producers. */
export function sortOpen(state: PartitionProducers): void {
  const ordered = [...state.open].sort((a, b) => a[1] - b[1]);
  state.open.clear();
  for (const [id, firstOffset] of ordered) state.open.set(id, firstOffset);
}

/** Forgets what was noted and never became durable. Returns whether there was anything. */
export function forgetLost(state: PartitionProducers, endOffset: number): boolean {
  if (state.appliedBelow <= endOffset) return false;
  state.appliedBelow = endOffset;
  for (const producer of state.byId.values()) {
    producer.batches = producer.batches.filter(({ baseOffset }) => baseOffset < endOffset);
    if (producer.openFrom >= endOffset) {
      producer.openFrom = -1;
      state.open.delete(producer.id);
    }
    if (producer.batches.length === 0 && producer.openFrom < 0) state.byId.delete(producer.id);
  }
  return true;
}

/** Forgets who has been idle since, but for those with an open transaction. Returns how many. */
export function forgetIdle(state: PartitionProducers, sinceMs: number): number {
  const before = state.byId.size;
  for (const [id, { openFrom, lastMs }] of state.byId) {
    if (openFrom < 0 && lastMs <= sinceMs) state.byId.delete(id);
  }
  return before - state.byId.size;
}

/** Makes room for one more by forgetting those that were idle for longest, many at once so that this is rare. */
export function makeRoom(state: PartitionProducers, max: number): void {
  if (state.byId.size < max) return;
  const idle = [...state.byId.values()]
    .filter(({ openFrom }) => openFrom < 0)
    .sort((a, b) => a.lastMs - b.lastMs);
  for (const { id } of idle.slice(0, Math.ceil(max / 8))) state.byId.delete(id);
}
