/** The entries and pages of the table of partitions, as bytes. A page is all of one partition. */
import { ByteReader, ByteWriter } from '../binary.ts';
import type { Storage } from '../state/state-log.ts';
import type { EpochStart } from './epochs.ts';
import { Hole, type IndexLimits, OffsetIndex } from './offset-index.ts';
import { createPartitionState, type NewPartition, type PartitionState } from './partition.ts';

export type PartitionEntry =
  | ({ readonly kind: 'create' } & NewPartition)
  | { readonly kind: 'delete'; readonly logId: number }
  /** Records below are gone. */
  | { readonly kind: 'start'; readonly logId: number; readonly offset: number }
  /** Compaction has left nothing of `[from, end)`. */
  | { readonly kind: 'removed'; readonly logId: number; readonly from: number; readonly end: number }
  /** A partition in memory gives no offset at or above without another such entry. */
  | { readonly kind: 'reserve'; readonly logId: number; readonly offset: number };

const VERSION = 1;
/** Pages of version 1 end behind the rows. */
const PAGE_VERSION = 2;
const KINDS = ['create', 'delete', 'start', 'removed', 'reserve'] as const;
const STORAGES: readonly Storage[] = ['memory', 'journal', 'object'];
const KEY_BYTES = 8;

/** The first of two holes, then runs whose position is above or below that of the run before. */
const ROW_KINDS = ['removed', 'missing', 'above', 'below'] as const;

export class PartitionPageUnknown extends Error {
  override readonly name = 'PartitionPageUnknown';
}

export function writePartition(
  to: ByteWriter,
  { logId, stripe, name, number, storage }: NewPartition,
): ByteWriter {
  return to.uint(logId).uint(stripe).text(name).uint(number).u8(STORAGES.indexOf(storage));
}

export function readPartition(from: ByteReader): NewPartition {
  return {
    logId: from.uint(),
    stripe: from.uint(),
    name: from.text(),
    number: from.uint(),
    storage: from.oneOf(STORAGES),
  };
}

export function encodeEntry(entry: PartitionEntry): Uint8Array {
  const to = new ByteWriter().u8(VERSION).u8(KINDS.indexOf(entry.kind));
  if (entry.kind === 'create') return writePartition(to, entry).finish();
  to.uint(entry.logId);
  if (entry.kind === 'removed') to.uint(entry.from).uint(entry.end);
  else if (entry.kind !== 'delete') to.uint(entry.offset);
  return to.finish();
}

/** undefined when the bytes are no entry of this version. */
export function decodeEntry(bytes: Uint8Array): PartitionEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const kind = from.oneOf(KINDS);
  let entry: PartitionEntry;
  if (kind === 'create') entry = { kind, ...readPartition(from) };
  else if (kind === 'delete') entry = { kind, logId: from.uint() };
  else if (kind === 'removed') entry = { kind, logId: from.uint(), from: from.uint(), end: from.uint() };
  else entry = { kind, logId: from.uint(), offset: from.uint() };
  return from.isComplete ? entry : undefined;
}

/** The page of a log; that of log 0 has the id that is given next. */
export function pageKey(logId: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  new DataView(key.buffer).setBigUint64(0, BigInt(logId));
  return key;
}

export function logOfKey(key: Uint8Array): number {
  if (key.byteLength !== KEY_BYTES) throw new PartitionPageUnknown('a page of no partition');
  return Number(new DataView(key.buffer, key.byteOffset, KEY_BYTES).getBigUint64(0));
}

export function encodeNextLog(logId: number): Uint8Array {
  return new ByteWriter().u8(VERSION).uint(logId).finish();
}

export function decodeNextLog(page: Uint8Array): number {
  const from = new ByteReader(page);
  const version = from.u8();
  const logId = from.uint();
  if (version !== VERSION || !from.isComplete)
    throw new PartitionPageUnknown('the ids of logs are not readable');
  return logId;
}

export function encodePage(partition: PartitionState): Uint8Array {
  const { index, epochs } = partition;
  const to = new ByteWriter(256 + index.count * 24).u8(PAGE_VERSION);
  writePartition(to, partition);
  to.uint(partition.startOffset).uint(partition.reserved).uint(partition.cleanedBelow);
  // What lies in memory is lost with the process, and an index of it with it.
  const count = partition.storage === 'memory' ? 0 : index.count;
  to.uint(index.end).uint(count);
  let offset = 0;
  let position = 0;
  for (let i = 0; i < count; i++) {
    const row = index.row(i);
    if (row.position < 0) to.u8(row.position === Hole.Removed ? 0 : 1).uint(row.offset - offset);
    else {
      to.u8(row.position >= position ? 2 : 3).uint(row.offset - offset);
      to.uint(Math.abs(row.position - position)).uint(row.last - row.position);
      to.uint(Math.min(row.timeMs, Number.MAX_SAFE_INTEGER - 1) + 1).uint(row.bytes);
      position = row.position;
    }
    offset = row.offset;
  }
  writeEpochs(to, partition.storage === 'memory' ? [] : epochs);
  return to.finish();
}

function writeEpochs(to: ByteWriter, epochs: readonly EpochStart[]): void {
  to.uint(epochs.length);
  for (const { epoch, startOffset } of epochs) to.uint(epoch).uint(startOffset);
}

function readEpochs(from: ByteReader): EpochStart[] {
  return Array.from({ length: from.count(2) }, () => ({ epoch: from.uint(), startOffset: from.uint() }));
}

export function decodePage(page: Uint8Array, limits: IndexLimits): PartitionState {
  const from = new ByteReader(page);
  const version = from.u8();
  if (version !== 1 && version !== PAGE_VERSION) {
    throw new PartitionPageUnknown('the page of a partition has an unknown version');
  }
  const made = readPartition(from);
  const [startOffset, reserved, cleanedBelow] = [from.uint(), from.uint(), from.uint()];
  const end = from.uint();
  const count = from.count(2);
  const rows = [];
  let offset = 0;
  let position = 0;
  for (let i = 0; i < count; i++) {
    const kind = from.oneOf(ROW_KINDS);
    offset += from.uint();
    if (kind === 'removed' || kind === 'missing') {
      const at = kind === 'removed' ? Hole.Removed : Hole.Missing;
      rows.push({ offset, position: at, last: at, timeMs: -1, bytes: 0 });
      continue;
    }
    position += kind === 'above' ? from.uint() : -from.uint();
    rows.push({
      offset,
      position,
      last: position + from.uint(),
      timeMs: from.uint() - 1,
      bytes: from.uint(),
    });
  }
  const epochs = version === 1 ? [] : readEpochs(from);
  if (!from.isComplete) throw new PartitionPageUnknown('the page of a partition is cut or too long');
  const index = new OffsetIndex(limits, end);
  index.load(rows);
  return Object.assign(createPartitionState(made, index), { startOffset, reserved, cleanedBelow, epochs });
}
