/** Entries and pages of producers and transactions, as bytes. */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import {
  createPartitionProducers,
  KNOWN_BATCHES,
  type PartitionProducers,
  sortOpen,
} from './partition-producers.ts';
import { createTransaction, TRANSACTION_STATES, type Transaction } from './transaction.ts';

/** How a transaction ended in a partition. */
export interface EndedPart {
  readonly logId: number;
  /** -1: its producer had written nothing there. */
  readonly firstOffset: number;
  readonly markerOffset: number;
  readonly stableOffset: number;
}

export type ProducerEntry =
  /** Producer ids below have been set aside. */
  | { readonly kind: 'ids'; readonly below: number }
  /** All of a transactional id, with what its end did to partitions. */
  | { readonly kind: 'state'; readonly transaction: Transaction; readonly ended: readonly EndedPart[] }
  | {
      readonly kind: 'join';
      readonly id: string;
      readonly producerId: number;
      readonly epoch: number;
      readonly isV2: boolean;
      readonly atMs: number;
      /** Log and offset. */
      readonly partitions: readonly (readonly [number, number])[];
      readonly groups: readonly string[];
    }
  /** The id has not been used for long. */
  | { readonly kind: 'forget'; readonly id: string }
  /** A start has found that the partition ends there: what a page has behind it never became durable. */
  | { readonly kind: 'lost'; readonly logId: number; readonly endOffset: number }
  /** Markers without a transaction. */
  | { readonly kind: 'aborted'; readonly producerId: number; readonly ended: readonly EndedPart[] };

const VERSION = 1;
const KINDS: readonly ProducerEntry['kind'][] = ['ids', 'state', 'join', 'forget', 'aborted', 'lost'];

export class ProducerBytesUnknown extends Error {
  override readonly name = 'ProducerBytesUnknown';
}

function list<T>(from: ByteReader, bytesEach: number, read: () => T): T[] {
  const items: T[] = [];
  for (let left = from.count(bytesEach); left > 0 && !from.failed; left--) items.push(read());
  return items;
}

const writeFlag = (to: ByteWriter, flag: boolean): ByteWriter => to.u8(flag ? 1 : 0);

function writeJoined(
  to: ByteWriter,
  partitions: Iterable<readonly [number, number]>,
  groups: Iterable<string>,
): void {
  const pairs = [...partitions];
  to.uint(pairs.length);
  for (const [logId, from] of pairs) to.uint(logId).uint(from);
  const names = [...groups];
  to.uint(names.length);
  for (const name of names) to.text(name);
}

const readPairs = (from: ByteReader): [number, number][] => list(from, 2, () => [from.uint(), from.uint()]);
const readNames = (from: ByteReader): string[] => list(from, 1, () => from.text());

function writeTransaction(to: ByteWriter, transaction: Transaction): void {
  const { id, producerId, epoch, lastProducerId, lastEpoch, timeoutMs, state, startMs, updatedMs } =
    transaction;
  to.text(id)
    .uint(producerId)
    .uint(epoch)
    .uint(lastProducerId + 1)
    .uint(lastEpoch + 1)
    .uint(timeoutMs)
    .u8(TRANSACTION_STATES.indexOf(state));
  writeFlag(to, transaction.isV2)
    .uint(startMs + 1)
    .uint(updatedMs);
  writeJoined(to, transaction.partitions, transaction.groups);
}

function readTransaction(from: ByteReader): Transaction {
  const transaction = createTransaction(from.text(), { producerId: from.uint(), epoch: from.uint() }, 0);
  transaction.lastProducerId = from.uint() - 1;
  transaction.lastEpoch = from.uint() - 1;
  transaction.timeoutMs = from.uint();
  transaction.state = from.oneOf(TRANSACTION_STATES);
  transaction.isV2 = from.u8() === 1;
  transaction.startMs = from.uint() - 1;
  transaction.updatedMs = from.uint();
  for (const [logId, offset] of readPairs(from)) transaction.partitions.set(logId, offset);
  for (const name of readNames(from)) transaction.groups.add(name);
  return transaction;
}

function writeEnded(to: ByteWriter, ended: readonly EndedPart[]): void {
  to.uint(ended.length);
  for (const { logId, firstOffset, markerOffset, stableOffset } of ended) {
    to.uint(logId)
      .uint(firstOffset + 1)
      .uint(markerOffset)
      .uint(stableOffset);
  }
}

const readEnded = (from: ByteReader): EndedPart[] =>
  list(from, 4, () => ({
    logId: from.uint(),
    firstOffset: from.uint() - 1,
    markerOffset: from.uint(),
    stableOffset: from.uint(),
  }));

export function encodeEntry(entry: ProducerEntry): Uint8Array {
  const to = new ByteWriter(128).u8(VERSION).u8(KINDS.indexOf(entry.kind));
  switch (entry.kind) {
    case 'ids':
      to.uint(entry.below);
      break;
    case 'state':
      writeTransaction(to, entry.transaction);
      writeEnded(to, entry.ended);
      break;
    case 'aborted':
      writeEnded(to.uint(entry.producerId), entry.ended);
      break;
    case 'join':
      to.text(entry.id).uint(entry.producerId).uint(entry.epoch);
      writeFlag(to, entry.isV2).uint(entry.atMs);
      writeJoined(to, entry.partitions, entry.groups);
      break;
    case 'lost':
      to.uint(entry.logId).uint(entry.endOffset);
      break;
    case 'forget':
      to.text(entry.id);
  }
  return to.finish();
}

function readEntry(from: ByteReader): ProducerEntry {
  const kind = from.oneOf(KINDS);
  switch (kind) {
    case 'ids':
      return { kind, below: from.uint() };
    case 'state':
      return { kind, transaction: readTransaction(from), ended: readEnded(from) };
    case 'lost':
      return { kind, logId: from.uint(), endOffset: from.uint() };
    case 'aborted':
      return { kind, producerId: from.uint(), ended: readEnded(from) };
    case 'join':
      return {
        kind,
        id: from.text(),
        producerId: from.uint(),
        epoch: from.uint(),
        isV2: from.u8() === 1,
        atMs: from.uint(),
        partitions: readPairs(from),
        groups: readNames(from),
      };
    default:
      return { kind, id: from.text() };
  }
}

function opened(bytes: Uint8Array): ByteReader {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (version !== VERSION) throw new ProducerBytesUnknown(`producers: version ${version} is unknown`);
  return from;
}

function closed(from: ByteReader): void {
  if (!from.isComplete) throw new ProducerBytesUnknown('producers: an entry or a page is damaged');
}

export function decodeEntry(bytes: Uint8Array): ProducerEntry {
  const from = opened(bytes);
  const entry = readEntry(from);
  closed(from);
  return entry;
}

export const encodeIds = (below: number): Uint8Array => new ByteWriter().u8(VERSION).uint(below).finish();

export function decodeIds(page: Uint8Array): number {
  const from = opened(page);
  const below = from.uint();
  closed(from);
  return below;
}

export function encodeTransactions(transactions: Iterable<Transaction>): Uint8Array {
  const to = new ByteWriter(256).u8(VERSION);
  for (const transaction of transactions) writeTransaction(to, transaction);
  return to.finish();
}

export function decodeTransactions(page: Uint8Array): Transaction[] {
  const from = opened(page);
  const transactions: Transaction[] = [];
  while (from.bytesLeft > 0 && !from.failed) transactions.push(readTransaction(from));
  closed(from);
  return transactions;
}

export function encodePartition({ appliedBelow, byId }: PartitionProducers): Uint8Array {
  const to = new ByteWriter(64 + byId.size * 64).u8(VERSION).uint(appliedBelow).uint(byId.size);
  for (const { id, epoch, coordinatorEpoch, batches, openFrom, lastMs } of byId.values()) {
    to.uint(id)
      .uint(epoch)
      .uint(coordinatorEpoch + 1)
      .uint(openFrom + 1)
      .uint(lastMs)
      .u8(batches.length);
    for (const { firstSequence, lastSequence, baseOffset, appendTimeMs } of batches) {
      to.uint(firstSequence)
        .uint(lastSequence)
        .uint(baseOffset)
        .uint(appendTimeMs + 1);
    }
  }
  return to.finish();
}

export function decodePartition(page: Uint8Array): PartitionProducers {
  const from = opened(page);
  const state = createPartitionProducers();
  state.appliedBelow = from.uint();
  for (let left = from.count(6); left > 0 && !from.failed; left--) {
    const id = from.uint();
    const epoch = from.uint();
    const coordinatorEpoch = from.uint() - 1;
    const openFrom = from.uint() - 1;
    const lastMs = from.uint();
    const count = from.u8();
    if (count > KNOWN_BATCHES) from.fail();
    const batches = Array.from({ length: Math.min(count, KNOWN_BATCHES) }, () => ({
      firstSequence: from.uint(),
      lastSequence: from.uint(),
      baseOffset: from.uint(),
      appendTimeMs: from.uint() - 1,
    }));
    state.byId.set(id, { id, epoch, coordinatorEpoch, batches, openFrom, lastMs });
    if (openFrom >= 0) state.open.set(id, openFrom);
  }
  sortOpen(state);
  closed(from);
  return state;
}
