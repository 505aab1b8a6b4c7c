/**
 * The metadata of one process, in its data directory: the engine for a broker without a cluster. Everything passes
 * through one queue; all that wait are one write and one sync, and nobody is shown what is not durable yet.
 */
import type { Clock } from '../kernel/clock.ts';
import { createMetaHistory } from './meta-history.ts';
import { type MetaLog, openMetaLog } from './meta-log.ts';
import { type Change, createMetaState, type MetaState, type StateSnapshot } from './meta-state.ts';
import {
  checkTxn,
  type Lease,
  LeaseLost,
  type MetaEvent,
  type MetaStore,
  MetaStoreError,
  type Revision,
  type TxnResult,
} from './meta-store.ts';

interface Options {
  readonly folder: string;
  readonly clock: Clock;
  /** A log larger than this, and than what it changes, is replaced by a snapshot. */
  readonly snapshotAfterBytes?: number;
  readonly openLog?: (folder: string) => Promise<MetaLog>;
}

/** Of keys and values; a put beyond it is refused, a delete is not. */
const MAX_HELD_CHARS = 64 * 1024 * 1024;
const MAX_LEASES = 65_536;
const MIN_LEASE_TTL_MS = 1_000;
const MAX_LEASE_TTL_MS = 24 * 60 * 60 * 1000;
const LEASE_CHECK_MS = 100;
const MAX_WAITING = 8_192;
const MAX_GROUP = 256;
const SNAPSHOT_AFTER_BYTES = 4 * 1024 * 1024;

interface Request {
  /** Returns what is to be logged; throws to refuse. Called in order, just before the write. */
  readonly decide: () => Change | undefined;
  /** Called when everything decided up to here is durable. */
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

interface LiveLease {
  deadlineMs: number;
  hasEnded: boolean;
  readonly lost: Promise<void>;
  readonly end: () => void;
}

/** What the log holds is applied; the events of it are history that can be watched. */
function recover(log: MetaLog): {
  readonly state: MetaState;
  readonly events: readonly (readonly MetaEvent[])[];
} {
  const state = createMetaState(log.snapshot as StateSnapshot | undefined);
  const events: (readonly MetaEvent[])[] = [];
  for (const group of log.groups as readonly (readonly Change[])[]) {
    for (const change of group) {
      const made = state.apply(change);
      if (made.length > 0) events.push(made);
    }
  }
  return { state, events };
}

export async function openEmbeddedMetaStore({
  folder,
  clock,
  snapshotAfterBytes = SNAPSHOT_AFTER_BYTES,
  openLog = openMetaLog,
}: Options): Promise<MetaStore> {
  const log = await openLog(folder);
  const { state, events } = recover(log);
  const firstKnown = state.revision - BigInt(events.length) + 1n;
  // Of a new store, revision 1 is known as well: nothing happened before it.
  const history = createMetaHistory(log.snapshot === undefined ? 1n : firstKnown);
  events.forEach((each, index) => {
    history.push(firstKnown + BigInt(index), each);
  });

  const live = new Map<bigint, LiveLease>();
  let waiting: Request[] = [];
  let worker: Promise<void> | undefined;
  let failure: Error | undefined;
  let isClosed = false;

  const adopt = (id: bigint, ttlMs: number): LiveLease => {
    let end = (): void => {};
    const lost = new Promise<void>((resolve) => {
      end = resolve;
    });
    const lease = { deadlineMs: clock.monotonicMs() + ttlMs, hasEnded: false, lost, end };
    live.set(id, lease);
    return lease;
  };
  // How long their holders were silent while the store was closed is not known: they get their whole time.
  for (const [id, { ttlMs }] of state.leases) adopt(id, ttlMs);

  const fail = (cause: unknown): void => {
    failure = new MetaStoreError(`the metadata in ${folder} cannot be written and takes no more`, { cause });
    history.end(failure);
  };

  async function serveGroup(group: readonly Request[]): Promise<void> {
    const changes: Change[] = [];
    const published: { readonly revision: Revision; readonly events: readonly MetaEvent[] }[] = [];
    const decided: Request[] = [];
    for (const request of group) {
      let change: Change | undefined;
      try {
        change = request.decide();
      } catch (error) {
        request.failed(error instanceof Error ? error : new Error(String(error)));
        continue;
      }
      decided.push(request);
      if (change === undefined) continue;
      const made = state.apply(change);
      changes.push(change);
      if (made.length > 0) published.push({ revision: state.revision, events: made });
    }
    try {
      if (changes.length > 0) await log.append(changes);
    } catch (cause) {
      fail(cause);
    }
    for (const each of published) if (failure === undefined) history.push(each.revision, each.events);
    for (const request of decided) {
      if (failure === undefined) request.done();
      else request.failed(failure);
    }
    if (failure !== undefined || log.logBytes <= Math.max(snapshotAfterBytes, state.heldChars)) return;
    // What was answered above is durable in the old log, also if this fails half-way.
    await log.replace(state.snapshot()).catch(fail);
  }

  async function serve(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.slice(0, MAX_GROUP);
      waiting = waiting.slice(MAX_GROUP);
      if (failure === undefined) await serveGroup(group);
      else for (const request of group) request.failed(failure);
    }
    worker = undefined;
  }

  /** Resolves with the result when everything decided up to then is durable. */
  function enqueue<T>(
    decide: () => { readonly change?: Change | undefined; readonly result: T },
  ): Promise<T> {
    if (failure !== undefined) return Promise.reject(failure);
    if (isClosed) return Promise.reject(new MetaStoreError('the metadata store is closed'));
    if (waiting.length >= MAX_WAITING) {
      return Promise.reject(new MetaStoreError(`${waiting.length} metadata requests wait already`));
    }
    return new Promise<T>((resolve, reject) => {
      let result: T;
      waiting.push({
        decide: () => {
          const decision = decide();
          result = decision.result;
          return decision.change;
        },
        done: () => resolve(result),
        failed: reject,
      });
      worker ??= Promise.resolve().then(serve);
    });
  }

  function endLease(id: bigint): Promise<void> {
    const lease = live.get(id);
    if (lease !== undefined) {
      lease.hasEnded = true;
      live.delete(id);
      // Before anybody can see its keys gone: the holder must know first.
      lease.end();
    }
    return enqueue(() => ({
      change: state.leases.has(id) ? { type: 'revoke', id: `${id}` } : undefined,
      result: undefined,
    }));
  }

  const stopChecking = clock.every(LEASE_CHECK_MS, () => {
    const nowMs = clock.monotonicMs();
    for (const [id, { deadlineMs }] of live) {
      // Should this fail, so has the store, and every caller is told.
      if (deadlineMs <= nowMs) endLease(id).catch(() => {});
    }
  });

  function leaseOf(id: bigint, ttlMs: number, lease: LiveLease): Lease {
    return {
      id,
      ttlMs,
      lost: lease.lost,
      revoke: () => endLease(id),
      async keepAlive() {
        const nowMs = clock.monotonicMs();
        if (failure !== undefined) throw failure;
        if (lease.hasEnded || lease.deadlineMs <= nowMs) throw new LeaseLost(`lease ${id} has ended`);
        lease.deadlineMs = nowMs + ttlMs;
      },
    };
  }

  return {
    get: (key) => enqueue(() => ({ result: state.get(key) })),
    range: (prefix) =>
      enqueue(() => ({ result: { entries: state.range(prefix), revision: state.revision } })),

    async txn(compare, then, orElse = []) {
      checkTxn(compare, then, orElse);
      return enqueue<TxnResult>(() => {
        const { succeeded, found, ops } = state.plan(compare, then, orElse);
        const addedChars = ops.reduce(
          (sum, op) => sum + (op[0] === 'put' ? op[1].length + op[2].length : 0),
          0,
        );
        if (addedChars > 0 && state.heldChars + addedChars > MAX_HELD_CHARS) {
          throw new MetaStoreError(
            `the metadata is full: ${state.heldChars} of ${MAX_HELD_CHARS} characters`,
          );
        }
        const revision = state.revision + (ops.length > 0 ? 1n : 0n);
        const change: Change | undefined = ops.length > 0 ? { type: 'ops', ops } : undefined;
        return { change, result: { succeeded, revision, found } };
      });
    },

    watch(prefix, fromRevision) {
      if (isClosed) throw new MetaStoreError('the metadata store is closed');
      return history.watch(prefix, fromRevision);
    },

    async lease(ttlMs) {
      if (!Number.isInteger(ttlMs) || ttlMs < MIN_LEASE_TTL_MS || ttlMs > MAX_LEASE_TTL_MS) {
        throw new RangeError(`not a time to live: ${ttlMs} ms`);
      }
      const id = await enqueue<bigint>(() => {
        if (state.leases.size >= MAX_LEASES)
          throw new MetaStoreError(`${MAX_LEASES} leases are held already`);
        const next = state.nextLeaseId;
        return { change: { type: 'grant', id: `${next}`, ttlMs }, result: next };
      });
      return leaseOf(id, ttlMs, adopt(id, ttlMs));
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      stopChecking();
      await worker;
      history.end();
      for (const { end } of live.values()) end();
      live.clear();
      await log.close();
    },
  };
}
