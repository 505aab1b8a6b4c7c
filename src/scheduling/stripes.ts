/**
 * Stripes are what is owned: everything durable belongs to one, by the hash of its tenant, kind and key, and each has one
 * owner at a time, with an epoch that only grows. Their number is fixed when a data directory is made. Who lost an
 * epoch is fenced by it; no clock decides who owns what.
 */
import type { MetaEntry, MetaStore } from './meta-store.ts';
import { MAX_TXN_OPS, MetaStoreError } from './meta-store.ts';

/** What can be owned; each kind has its own keys. */
export type StripedKind = 'log' | 'queue' | 'session' | 'group' | 'transaction' | 'timer';

export interface StripeOwner {
  readonly owner: string;
  readonly epoch: bigint;
}

export type Acquired =
  | { readonly status: 'acquired'; readonly epoch: bigint }
  /** Somebody was faster. */
  | { readonly status: 'conflict'; readonly current: StripeOwner };

export interface Stripes {
  readonly count: number;
  /** 0 … count - 1; the same on every host and in every version. */
  of(tenant: string, kind: StripedKind, key: string): number;
  owner(stripe: number): Promise<StripeOwner | undefined>;
  /** Makes `owner` the owner in the next epoch, if the stripe's epoch is still `expected` (0 for never owned). */
  acquire(stripe: number, owner: string, expected: bigint): Promise<Acquired>;
  /** One process as the only one: owns all stripes in a new epoch, which fences whoever was before. */
  acquireAll(owner: string): Promise<ReadonlyMap<number, bigint>>;
}

const DEFAULT_COUNT = 1024;
const MAX_COUNT = 65_536;
const COUNT_KEY = '/stripes/count';
const FORMAT = 1;
const ACQUIRES_PER_TXN = MAX_TXN_OPS;
const MAX_ATTEMPTS = 16;

const keyOf = (stripe: number): string => `/stripes/owner/${`${stripe}`.padStart(5, '0')}`;

/** 32-bit FNV-1a with a finalizer: part of the format, for a stripe is where data was put. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** The lengths keep apart what a separator could not: any string may be a tenant or a key. */
export function stripeOf(tenant: string, kind: StripedKind, key: string, count: number): number {
  return hash(`${tenant.length} ${tenant} ${kind} ${key}`) & (count - 1);
}

function parseOwner({ key, value }: MetaEntry): StripeOwner {
  const [format, epoch = '', ...owner] = value.split(' ');
  if (format !== `${FORMAT}` || !/^\d+$/.test(epoch)) {
    throw new MetaStoreError(`the metadata at ${key} has a format that this version does not know: ${value}`);
  }
  return { epoch: BigInt(epoch), owner: owner.join(' ') };
}

const isPowerOfTwo = (count: number): boolean =>
  Number.isInteger(count) && count >= 1 && count <= MAX_COUNT && (count & (count - 1)) === 0;

/** The number that was written first, by whoever it was. */
async function agreeOnCount(meta: MetaStore, wished: number): Promise<number> {
  if (!isPowerOfTwo(wished)) throw new RangeError(`a number of stripes that is no power of two: ${wished}`);
  const { found } = await meta.txn(
    [{ key: COUNT_KEY, target: 'createRevision', is: '=', value: 0n }],
    [
      { op: 'put', key: COUNT_KEY, value: `${wished}` },
      { op: 'get', key: COUNT_KEY },
    ],
    [{ op: 'get', key: COUNT_KEY }],
  );
  const count = Number(found[0]?.value);
  if (!isPowerOfTwo(count)) {
    throw new MetaStoreError(`the metadata at ${COUNT_KEY} is no number of stripes: ${found[0]?.value}`);
  }
  return count;
}

export async function openStripes(meta: MetaStore, countIfNew: number = DEFAULT_COUNT): Promise<Stripes> {
  const count = await agreeOnCount(meta, countIfNew);

  const check = (stripe: number): void => {
    if (!Number.isInteger(stripe) || stripe < 0 || stripe >= count)
      throw new RangeError(`no stripe: ${stripe}`);
  };
  const ownerNow = async (stripe: number): Promise<StripeOwner | undefined> => {
    const entry = await meta.get(keyOf(stripe));
    return entry && parseOwner(entry);
  };

  /** All of `stripes` or none; false when one of them changed since `entries` were read. */
  async function acquireSome(
    stripes: readonly number[],
    owner: string,
    entries: ReadonlyMap<string, MetaEntry>,
    epochs: Map<number, bigint>,
  ): Promise<boolean> {
    const next = stripes.map((stripe) => {
      const entry = entries.get(keyOf(stripe));
      return { stripe, epoch: (entry === undefined ? 0n : parseOwner(entry).epoch) + 1n, entry };
    });
    const { succeeded } = await meta.txn(
      next.map(({ stripe, entry }) => ({
        key: keyOf(stripe),
        target: 'modRevision',
        is: '=',
        value: entry?.modRevision ?? 0n,
      })),
      next.map(({ stripe, epoch }) => ({
        op: 'put',
        key: keyOf(stripe),
        value: `${FORMAT} ${epoch} ${owner}`,
      })),
    );
    if (succeeded) for (const { stripe, epoch } of next) epochs.set(stripe, epoch);
    return succeeded;
  }

  async function readOwners(): Promise<ReadonlyMap<string, MetaEntry>> {
    const { entries } = await meta.range('/stripes/owner/');
    return new Map(entries.map((entry) => [entry.key, entry]));
  }

  return {
    count,
    of: (tenant, kind, key) => stripeOf(tenant, kind, key, count),

    async owner(stripe) {
      check(stripe);
      return ownerNow(stripe);
    },

    async acquire(stripe, owner, expected) {
      check(stripe);
      const key = keyOf(stripe);
      const entry = await meta.get(key);
      const current = entry === undefined ? undefined : parseOwner(entry);
      if ((current?.epoch ?? 0n) === expected) {
        const epoch = expected + 1n;
        const { succeeded, found } = await meta.txn(
          [{ key, target: 'modRevision', is: '=', value: entry?.modRevision ?? 0n }],
          [{ op: 'put', key, value: `${FORMAT} ${epoch} ${owner}` }],
          [{ op: 'get', key }],
        );
        if (succeeded) return { status: 'acquired', epoch };
        const [winner] = found;
        return { status: 'conflict', current: winner ? parseOwner(winner) : { owner: '', epoch: 0n } };
      }
      return { status: 'conflict', current: current ?? { owner: '', epoch: 0n } };
    },

    async acquireAll(owner) {
      const epochs = new Map<number, bigint>();
      let entries = await readOwners();
      for (let from = 0; from < count; from += ACQUIRES_PER_TXN) {
        const to = Math.min(from + ACQUIRES_PER_TXN, count);
        const stripes = Array.from({ length: to - from }, (_, index) => from + index);
        for (let attempt = 1; !(await acquireSome(stripes, owner, entries, epochs)); attempt++) {
          if (attempt === MAX_ATTEMPTS) throw new MetaStoreError('another process keeps taking the stripes');
          entries = await readOwners();
        }
      }
      return epochs;
    },
  };
}
