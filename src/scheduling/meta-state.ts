/** The metadata in memory: what a change does, the same when it is made and when it is read back from the log. */
import {
  type Compare,
  holds,
  type MetaEntry,
  type MetaEvent,
  type MetaOp,
  MetaStoreError,
  type Revision,
} from './meta-store.ts';

/** As written to the log: bigints as decimal strings. */
export type Change =
  | { readonly type: 'ops'; readonly ops: readonly ChangeOp[] }
  | { readonly type: 'grant'; readonly id: string; readonly ttlMs: number }
  | { readonly type: 'revoke'; readonly id: string };

type ChangeOp =
  | readonly ['put', key: string, value: string, leaseId?: string]
  | readonly ['delete', key: string];

export interface StateSnapshot {
  readonly revision: string;
  readonly nextLeaseId: string;
  readonly leases: readonly (readonly [id: string, ttlMs: number])[];
  readonly entries: readonly (readonly [
    key: string,
    value: string,
    create: string,
    mod: string,
    version: string,
    leaseId?: string,
  ])[];
}

export interface LeaseState {
  readonly ttlMs: number;
  readonly keys: Set<string>;
}

export interface Outcome {
  readonly succeeded: boolean;
  readonly found: readonly (MetaEntry | undefined)[];
  readonly ops: readonly ChangeOp[];
}

export interface MetaState {
  readonly revision: Revision;
  readonly heldChars: number;
  readonly nextLeaseId: bigint;
  readonly leases: ReadonlyMap<bigint, LeaseState>;
  get(key: string): MetaEntry | undefined;
  range(prefix: string): MetaEntry[];
  /** What a transaction would find and change. Changes nothing. */
  plan(compare: readonly Compare[], then: readonly MetaOp[], orElse: readonly MetaOp[]): Outcome;
  /** Does it; the events are those of one revision, none when there is no new one. */
  apply(change: Change): readonly MetaEvent[];
  snapshot(): StateSnapshot;
}

const costOf = ({ key, value }: MetaEntry): number => key.length + value.length;

/** What etcd calls its revision before the first change. */
const FIRST_REVISION = 1n;

export function createMetaState(from: StateSnapshot | undefined): MetaState {
  const entries = new Map<string, MetaEntry>();
  const leases = new Map<bigint, LeaseState>();
  let revision = from === undefined ? FIRST_REVISION : BigInt(from.revision);
  let nextLeaseId = from === undefined ? 1n : BigInt(from.nextLeaseId);
  let heldChars = 0;

  const hold = (entry: MetaEntry): void => {
    entries.set(entry.key, entry);
    heldChars += costOf(entry);
    if (entry.leaseId !== undefined) leases.get(entry.leaseId)?.keys.add(entry.key);
  };
  const letGo = (entry: MetaEntry): void => {
    entries.delete(entry.key);
    heldChars -= costOf(entry);
    if (entry.leaseId !== undefined) leases.get(entry.leaseId)?.keys.delete(entry.key);
  };

  for (const [id, ttlMs] of from?.leases ?? []) leases.set(BigInt(id), { ttlMs, keys: new Set() });
  for (const [key, value, create, mod, version, leaseId] of from?.entries ?? []) {
    hold({
      key,
      value,
      createRevision: BigInt(create),
      modRevision: BigInt(mod),
      version: BigInt(version),
      leaseId: leaseId === undefined ? undefined : BigInt(leaseId),
    });
  }

  const next = (op: ChangeOp, before: MetaEntry | undefined, at: Revision): MetaEntry | undefined => {
    if (op[0] === 'delete') return undefined;
    const [, key, value, leaseId] = op;
    return {
      key,
      value,
      createRevision: before?.createRevision ?? at,
      modRevision: at,
      version: (before?.version ?? 0n) + 1n,
      leaseId: leaseId === undefined ? undefined : BigInt(leaseId),
    };
  };

  function applyOps(ops: readonly ChangeOp[]): readonly MetaEvent[] {
    if (ops.length === 0) return [];
    revision++;
    return ops.map((op): MetaEvent => {
      const before = entries.get(op[1]);
      const after = next(op, before, revision);
      if (before !== undefined) letGo(before);
      if (after === undefined) return { type: 'delete', key: op[1], revision };
      hold(after);
      return { type: 'put', entry: after };
    });
  }

  return {
    get revision() {
      return revision;
    },
    get heldChars() {
      return heldChars;
    },
    get nextLeaseId() {
      return nextLeaseId;
    },
    leases,
    get: (key) => entries.get(key),

    range: (prefix) =>
      [...entries.values()]
        .filter(({ key }) => key.startsWith(prefix))
        .sort((a, b) => (a.key < b.key ? -1 : 1)),

    plan(compare, then, orElse) {
      const succeeded = compare.every((each) => holds(each, entries.get(each.key)));
      const ops: ChangeOp[] = [];
      const found: (MetaEntry | undefined)[] = [];
      // A `get` sees what stands before it in the same transaction.
      const changed = new Map<string, MetaEntry | undefined>();
      const look = (key: string): MetaEntry | undefined =>
        changed.has(key) ? changed.get(key) : entries.get(key);
      for (const each of succeeded ? then : orElse) {
        if (each.op === 'get') {
          found.push(look(each.key));
          continue;
        }
        if (each.op === 'delete' && look(each.key) === undefined) continue;
        const leaseId = each.op === 'put' ? each.leaseId : undefined;
        if (leaseId !== undefined && !leases.has(leaseId)) {
          throw new MetaStoreError(`there is no lease ${leaseId}`);
        }
        const op: ChangeOp =
          each.op === 'delete'
            ? ['delete', each.key]
            : leaseId === undefined
              ? ['put', each.key, each.value]
              : ['put', each.key, each.value, `${leaseId}`];
        changed.set(each.key, next(op, look(each.key), revision + 1n));
        ops.push(op);
      }
      return { succeeded, found, ops };
    },

    apply(change) {
      if (change.type === 'ops') return applyOps(change.ops);
      const id = BigInt(change.id);
      if (change.type === 'grant') {
        leases.set(id, { ttlMs: change.ttlMs, keys: new Set() });
        nextLeaseId = id + 1n;
        return [];
      }
      const keys = [...(leases.get(id)?.keys ?? [])].sort();
      const events = applyOps(keys.map((key): ChangeOp => ['delete', key]));
      leases.delete(id);
      return events;
    },

    snapshot: () => ({
      revision: `${revision}`,
      nextLeaseId: `${nextLeaseId}`,
      leases: [...leases].map(([id, { ttlMs }]) => [`${id}`, ttlMs]),
      entries: [...entries.values()].map(({ key, value, createRevision, modRevision, version, leaseId }) => {
        const fields = [key, value, `${createRevision}`, `${modRevision}`, `${version}`] as const;
        return leaseId === undefined ? fields : [...fields, `${leaseId}`];
      }),
    }),
  };
}
