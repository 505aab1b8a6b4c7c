/**
 * Local materialized views: an ordered map from bytes to bytes that knows, stripe by stripe, up to which position of the
 * journal it holds the journal's changes. Here are the interface, the layout of keys and what every engine checks; what
 * the tables mean is the kernel's business, and the truth is the journal's: a view that is lost is built again.
 *
 * An engine guarantees: a write is applied whole, with its positions, or not at all, also when the process is killed in
 * the middle; writes take effect in the order of the calls; what is read back after any crash is the state after some
 * earlier write, never an older one than the last completed checkpoint. After a failed write the store takes no more.
 */

/** Where in the journal; grows with every change of the stripe. Unsigned, 64 bits. */
export type JournalPosition = bigint;

export interface KvOp {
  /** Made by `kvKey`. */
  readonly key: Uint8Array;
  /** Undefined removes the key. */
  readonly value: Uint8Array | undefined;
}

export interface KvEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface KeyRange {
  /** Inclusive. */
  readonly start: Uint8Array;
  /** Exclusive. */
  readonly end: Uint8Array;
}

export interface KvStore {
  readonly engine: 'memory' | 'rocksdb';
  /** For each stripe that has state: the position of its last completed write. */
  applied(): ReadonlyMap<number, JournalPosition>;
  /**
   * `applied` names every stripe that an operation touches; no stripe's position goes back. Keys and values are borrowed
   * until the promise settles.
   */
  write(ops: readonly KvOp[], applied: ReadonlyMap<number, JournalPosition>): Promise<void>;
  /** In the order of the keys asked for. What is returned must not be changed. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Entries in the order of their keys, as they are at the first step, in batches of bounded size. */
  scan(range: KeyRange): AsyncIterable<readonly KvEntry[]>;
  /** Removes everything of the stripe, its position included. */
  dropStripe(stripe: number): Promise<void>;
  /** Makes durable what was written before the call. The journal may be trimmed below the positions returned. */
  checkpoint(): Promise<ReadonlyMap<number, JournalPosition>>;
  /** Waits for writes under way. Does not checkpoint. */
  close(): Promise<void>;
}

/** The message is a sentence for the operator. */
export class KvStoreError extends Error {
  override readonly name = 'KvStoreError';
}

export const KV_FORMAT_VERSION = 1;
/** The last stripe number is the store's own: positions and format. */
export const MAX_STRIPE = 0xffff_fffe;
export const MAX_KEY_BYTES = 256 * 1024;
export const MAX_VALUE_BYTES = 16 * 1024 * 1024;
export const MAX_WRITES_WAITING = 8_192;
export const SCAN_BATCH_ENTRIES = 256;
export const SCAN_BATCH_BYTES = 1024 * 1024;

const PREFIX_BYTES = 5;
const OWN_STRIPE = 0xffff_ffff;
const POSITION_TABLE = 0;
const FORMAT_TABLE = 1;
const MAX_POSITION = 0xffff_ffff_ffff_ffffn;

function layKey(stripe: number, table: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + key.byteLength);
  new DataView(bytes.buffer).setUint32(0, stripe);
  bytes[4] = table;
  bytes.set(key, PREFIX_BYTES);
  return bytes;
}

const NOTHING = new Uint8Array(0);

function checkStripe(stripe: number): void {
  if (!Number.isInteger(stripe) || stripe < 0 || stripe > MAX_STRIPE) {
    throw new RangeError(`not a stripe: ${stripe}`);
  }
}

function checkTable(table: number): void {
  if (!Number.isInteger(table) || table < 0 || table > 255) throw new RangeError(`not a table: ${table}`);
}

/** Stripe, table and key, so that a stripe and each of its tables are one range. */
export function kvKey(stripe: number, table: number, key: Uint8Array): Uint8Array {
  checkStripe(stripe);
  checkTable(table);
  return layKey(stripe, table, key);
}

/** The first key behind all that start with `prefix`, which must not be all ones. */
function behind(prefix: Uint8Array): Uint8Array {
  let length = prefix.byteLength;
  while (length > 0 && prefix[length - 1] === 255) length--;
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/** All keys of a table, or those that start with `prefix`. */
export function tableRange(stripe: number, table: number, prefix: Uint8Array = NOTHING): KeyRange {
  const start = kvKey(stripe, table, prefix);
  return { start, end: behind(start) };
}

export function stripeRange(stripe: number): KeyRange {
  checkStripe(stripe);
  return {
    start: layKey(stripe, 0, NOTHING).subarray(0, 4),
    end: layKey(stripe + 1, 0, NOTHING).subarray(0, 4),
  };
}

/** Every stripe's keys, without what the store notes for itself. */
export const ALL_STRIPES: KeyRange = {
  start: layKey(0, 0, NOTHING).subarray(0, 4),
  end: layKey(OWN_STRIPE, 0, NOTHING).subarray(0, 4),
};

export const stripeOfKey = (key: Uint8Array): number =>
  new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0);

export const FORMAT_KEY = layKey(OWN_STRIPE, FORMAT_TABLE, NOTHING);
export const POSITIONS: KeyRange = {
  start: layKey(OWN_STRIPE, POSITION_TABLE, NOTHING),
  end: layKey(OWN_STRIPE, FORMAT_TABLE, NOTHING),
};

export function positionKey(stripe: number): Uint8Array {
  return layKey(OWN_STRIPE, POSITION_TABLE, layKey(stripe, 0, NOTHING).subarray(0, 4));
}

export function encodePosition(position: JournalPosition): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, position);
  return bytes;
}

export function decodePosition({
  key,
  value,
}: KvEntry): readonly [stripe: number, position: JournalPosition] {
  const at = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return [at.getUint32(PREFIX_BYTES), view.getBigUint64(0)];
}

/** What must hold of a write before any of it is applied; returns the bytes that it holds. */
export function checkWrite(
  ops: readonly KvOp[],
  applied: ReadonlyMap<number, JournalPosition>,
  before: ReadonlyMap<number, JournalPosition>,
): number {
  for (const [stripe, position] of applied) {
    checkStripe(stripe);
    const last = before.get(stripe) ?? 0n;
    if (position < last || position > MAX_POSITION) {
      throw new RangeError(`stripe ${stripe} is at position ${last}, which cannot become ${position}`);
    }
  }
  let sizeBytes = 0;
  for (const { key, value } of ops) {
    if (key.byteLength < PREFIX_BYTES || key.byteLength > MAX_KEY_BYTES) {
      throw new RangeError(`a key of ${key.byteLength} bytes`);
    }
    if (!applied.has(stripeOfKey(key))) {
      throw new RangeError(`a change of stripe ${stripeOfKey(key)} without the position it belongs to`);
    }
    if (value !== undefined && value.byteLength > MAX_VALUE_BYTES) {
      throw new RangeError(`a value of ${value.byteLength} bytes, more than the ${MAX_VALUE_BYTES} allowed`);
    }
    sizeBytes += key.byteLength + (value?.byteLength ?? 0);
  }
  return sizeBytes;
}
