/**
 * The scheduling tier: who owns what, by whose authority. This module is the contract of the agreed metadata: a small
 * ordered map with revisions, compare-and-set transactions, watches and leases, as etcd has them, so that one process with
 * a file and a cluster with etcd are the same to everything above. Stripes and epochs are built on it next door.
 *
 * A store guarantees: a transaction is atomic and durable when it resolves; each that changes anything has the next
 * revision; a watch sees every change from its revision on, in order and once, or is told that they are compacted away.
 * Low rates and small values only: nothing here is done per message.
 */

export type Revision = bigint;

export interface MetaEntry {
  readonly key: string;
  readonly value: string;
  /** Of the transaction that made the key; the entry of a key removed and made again has a new one. */
  readonly createRevision: Revision;
  /** Of the last transaction that put it. */
  readonly modRevision: Revision;
  /** How often it was put since it was made, from 1. */
  readonly version: bigint;
  /** The lease with which it ends; undefined for none. */
  readonly leaseId: bigint | undefined;
}

/** Holds when the key's entry is so; a key that is not there has revisions and version 0, and no value equals it. */
export type Compare =
  | { readonly key: string; readonly target: 'value'; readonly is: '=' | '!='; readonly value: string }
  | {
      readonly key: string;
      readonly target: 'createRevision' | 'modRevision' | 'version';
      readonly is: '=' | '!=' | '<' | '>';
      readonly value: bigint;
    };

export type MetaOp =
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'put'; readonly key: string; readonly value: string; readonly leaseId?: bigint }
  | { readonly op: 'delete'; readonly key: string };

export interface TxnResult {
  /** All comparisons held, and `then` was done; else `orElse` was. */
  readonly succeeded: boolean;
  /** Of the store, after the transaction. */
  readonly revision: Revision;
  /** For each `get` done, in order: what it found. */
  readonly found: readonly (MetaEntry | undefined)[];
}

export type MetaEvent =
  | { readonly type: 'put'; readonly entry: MetaEntry }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision };

/** A lease keeps the keys put with it, until it is revoked or not kept alive for `ttlMs`. */
export interface Lease {
  readonly id: bigint;
  readonly ttlMs: number;
  /** Rejects with a `LeaseLost` when it is too late. */
  keepAlive(): Promise<void>;
  revoke(): Promise<void>;
  /** Resolves when the lease has ended, however it did. */
  readonly lost: Promise<void>;
}

export interface MetaStore {
  get(key: string): Promise<MetaEntry | undefined>;
  /** Entries whose keys start with `prefix`, in the order of their keys, all as of `revision`. */
  range(prefix: string): Promise<{ readonly entries: readonly MetaEntry[]; readonly revision: Revision }>;
  /** At most `MAX_TXN_OPS` in each list; a key is changed at most once. */
  txn(compare: readonly Compare[], then: readonly MetaOp[], orElse?: readonly MetaOp[]): Promise<TxnResult>;
  /**
   * The changes of each transaction from `fromRevision` on, those still to come included; ends with the store. Throws
   * `Compacted` when that far back is not known any more, also to a reader who is too slow: read the range, and watch on.
   */
  watch(prefix: string, fromRevision: Revision): AsyncIterableIterator<readonly MetaEvent[]>;
  lease(ttlMs: number): Promise<Lease>;
  close(): Promise<void>;
}

/** The message is a sentence for the operator. */
export class MetaStoreError extends Error {
  override readonly name: string = 'MetaStoreError';
}

export class Compacted extends MetaStoreError {
  override readonly name = 'Compacted';
  /** The first revision that can be watched from. */
  readonly firstRevision: Revision;

  constructor(asked: Revision, firstRevision: Revision) {
    super(
      `the metadata's changes from revision ${asked} on are compacted; they are kept from ${firstRevision} on`,
    );
    this.firstRevision = firstRevision;
  }
}

export class LeaseLost extends MetaStoreError {
  override readonly name = 'LeaseLost';
}

export const MAX_TXN_OPS = 128;
export const MAX_META_KEY_CHARS = 1024;
export const MAX_META_VALUE_CHARS = 256 * 1024;

function checkKey(key: string): void {
  if (key === '' || key.length > MAX_META_KEY_CHARS || !/^[!-~]*$/.test(key)) {
    throw new RangeError(`not a metadata key: ${JSON.stringify(key.slice(0, 80))}`);
  }
}

/** What must hold of a transaction before anything of it is looked at. Keys are printable ASCII, as paths are. */
export function checkTxn(
  compare: readonly Compare[],
  then: readonly MetaOp[],
  orElse: readonly MetaOp[],
): void {
  for (const list of [compare, then, orElse]) {
    if (list.length > MAX_TXN_OPS) {
      throw new RangeError(
        `a transaction of ${list.length} operations, more than the ${MAX_TXN_OPS} allowed`,
      );
    }
    for (const { key } of list) checkKey(key);
  }
  for (const ops of [then, orElse]) {
    const changed = new Set<string>();
    for (const each of ops) {
      if (each.op === 'get') continue;
      if (changed.has(each.key)) throw new RangeError(`a transaction changes "${each.key}" twice`);
      changed.add(each.key);
      if (each.op === 'put' && each.value.length > MAX_META_VALUE_CHARS) {
        throw new RangeError(`a metadata value of ${each.value.length} characters`);
      }
      if (each.op === 'put' && /\p{Surrogate}/u.test(each.value)) {
        throw new RangeError(`the value of "${each.key}" is not well-formed Unicode`);
      }
    }
  }
}

export function holds(compare: Compare, entry: MetaEntry | undefined): boolean {
  if (compare.target === 'value') {
    return entry !== undefined && (entry.value === compare.value) === (compare.is === '=');
  }
  const actual = entry?.[compare.target] ?? 0n;
  if (compare.is === '<') return actual < compare.value;
  if (compare.is === '>') return actual > compare.value;
  return (actual === compare.value) === (compare.is === '=');
}
