/** What every engine of the metadata store must do, told once: the embedded one, and later its twin on etcd. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  Compacted,
  type Compare,
  LeaseLost,
  type MetaEvent,
  type MetaStore,
} from '../../src/scheduling/meta-store.ts';

export interface MetaStoreUnderTest {
  readonly store: MetaStore;
  /** The same data, as the next start of the process finds them. */
  reopen(): Promise<MetaStore>;
  /** Lets time pass for leases. */
  advance(ms: number): Promise<void>;
  /** Makes more changes than are kept for those who watch. */
  readonly changesKept: number;
  stop(): Promise<void>;
}

export const describeEvents = (events: readonly MetaEvent[]): string[] =>
  events.map((event) => (event.type === 'put' ? `${event.entry.key}=${event.entry.value}` : `-${event.key}`));

export function metaStoreConformance(name: string, start: () => Promise<MetaStoreUnderTest>): void {
  describe(`metadata store: ${name}`, () => {
    let made: MetaStoreUnderTest;
    let store: MetaStore;
    beforeEach(async () => {
      made = await start();
      store = made.store;
    });
    afterEach(() => made.stop());

    const put = (key: string, value: string, leaseId?: bigint) =>
      store.txn([], [leaseId === undefined ? { op: 'put', key, value } : { op: 'put', key, value, leaseId }]);
    const remove = (key: string) => store.txn([], [{ op: 'delete', key }]);
    const revision = async (): Promise<bigint> => (await store.range('/none')).revision;

    it('counts revisions and versions of a key as etcd does', async () => {
      const before = await revision();
      await put('/a', '1');
      await put('/b', '1');
      const { revision: after } = await put('/a', '2');
      expect(after).toBe(before + 3n);
      expect(await store.get('/a')).toEqual({
        key: '/a',
        value: '2',
        createRevision: before + 1n,
        modRevision: before + 3n,
        version: 2n,
        leaseId: undefined,
      });
      await remove('/a');
      expect(await store.get('/a')).toBeUndefined();
      await put('/a', '3');
      expect(await store.get('/a')).toMatchObject({ createRevision: before + 5n, version: 1n });
    });

    it('makes no revision of what changes nothing', async () => {
      await put('/a', '1');
      const before = await revision();
      await remove('/none');
      await store.txn([], [{ op: 'get', key: '/a' }]);
      await store.txn([{ key: '/a', target: 'value', is: '=', value: '2' }], [{ op: 'delete', key: '/a' }]);
      expect((await store.txn([], [])).revision).toBe(before);
      await put('/a', '1');
      expect(await revision()).toBe(before + 1n);
    });

    it('compares values, revisions and versions, those of missing keys being 0', async () => {
      await put('/a', 'x');
      await put('/a', 'y');
      const modRevision = (await store.get('/a'))?.modRevision ?? 0n;
      const holds = async (...compare: Compare[]): Promise<boolean> =>
        (await store.txn(compare, [])).succeeded;
      const a = { key: '/a' } as const;
      const none = { key: '/none' } as const;
      expect(await holds()).toBe(true);
      expect(await holds({ ...a, target: 'value', is: '=', value: 'y' })).toBe(true);
      expect(await holds({ ...a, target: 'value', is: '=', value: 'x' })).toBe(false);
      expect(await holds({ ...a, target: 'value', is: '!=', value: 'x' })).toBe(true);
      expect(await holds({ ...a, target: 'version', is: '=', value: 2n })).toBe(true);
      expect(await holds({ ...a, target: 'version', is: '<', value: 2n })).toBe(false);
      expect(await holds({ ...a, target: 'version', is: '>', value: 1n })).toBe(true);
      expect(await holds({ ...a, target: 'modRevision', is: '=', value: modRevision })).toBe(true);
      expect(await holds({ ...a, target: 'createRevision', is: '<', value: modRevision })).toBe(true);
      expect(await holds({ ...a, target: 'createRevision', is: '!=', value: 0n })).toBe(true);
      expect(await holds({ ...none, target: 'createRevision', is: '=', value: 0n })).toBe(true);
      expect(await holds({ ...none, target: 'value', is: '=', value: '' })).toBe(false);
      expect(await holds({ ...none, target: 'value', is: '!=', value: 'x' })).toBe(false);
      const yes = { ...a, target: 'value', is: '=', value: 'y' } as const;
      expect(await holds(yes, { ...yes, value: 'x' }, yes)).toBe(false);
    });

    it('does one branch whole, in order, in one revision', async () => {
      const before = await revision();
      const compare: Compare[] = [{ key: '/a', target: 'version', is: '=', value: 0n }];
      const first = await store.txn(
        compare,
        [
          { op: 'get', key: '/a' },
          { op: 'put', key: '/a', value: 'then' },
          { op: 'get', key: '/a' },
          { op: 'put', key: '/b', value: 'then' },
        ],
        [{ op: 'put', key: '/a', value: 'else' }],
      );
      expect(first).toMatchObject({ succeeded: true, revision: before + 1n });
      expect(first.found.map((entry) => entry?.value)).toEqual([undefined, 'then']);
      const second = await store.txn(
        compare,
        [],
        [
          { op: 'delete', key: '/a' },
          { op: 'get', key: '/a' },
          { op: 'get', key: '/b' },
        ],
      );
      expect(second).toMatchObject({ succeeded: false, revision: before + 2n });
      expect(second.found.map((entry) => entry?.modRevision)).toEqual([undefined, before + 1n]);
    });

    it('refuses whole: more than 128 operations, a key changed twice, keys and values that are none', async () => {
      const many = Array.from(
        { length: 129 },
        (_, index) => ({ op: 'put', key: `/${index}`, value: '' }) as const,
      );
      await store.txn([], many.slice(0, 128));
      const before = await revision();
      await expect(store.txn([], many)).rejects.toThrow(/129 operations/);
      await expect(store.txn([], [], many)).rejects.toThrow(RangeError);
      const twice = [{ op: 'put', key: '/x', value: '' } as const, { op: 'delete', key: '/x' } as const];
      await expect(store.txn([], twice)).rejects.toThrow('changes "/x" twice');
      for (const key of ['', 'a b', 'ä', 'a\n', 'x'.repeat(1025)])
        await expect(put(key, '')).rejects.toThrow(RangeError);
      await expect(put('/x', 'x'.repeat(300_000))).rejects.toThrow(RangeError);
      await expect(put('/x', 'a\ud800')).rejects.toThrow(RangeError);
      await expect(put('/x', '', 999n)).rejects.toThrow(/no lease 999/);
      expect(await store.get('/x')).toBeUndefined();
      expect(await revision()).toBe(before);
    });

    it('lets exactly one of many win a compare-and-set', async () => {
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          store.txn(
            [{ key: '/lock', target: 'createRevision', is: '=', value: 0n }],
            [{ op: 'put', key: '/lock', value: `${index}` }],
          ),
        ),
      );
      const winners = results.flatMap(({ succeeded }, index) => (succeeded ? [`${index}`] : []));
      expect(winners).toEqual([(await store.get('/lock'))?.value]);
    });

    it('lists a prefix in the order of keys, and the revision that it is of', async () => {
      for (const key of ['/b/2', '/a', '/b/10', '/b', '/b/1', '/c']) await put(key, key);
      const { entries, revision: at } = await store.range('/b/');
      expect(entries.map(({ key }) => key)).toEqual(['/b/1', '/b/10', '/b/2']);
      expect(at).toBe(await revision());
      expect((await store.range('')).entries).toHaveLength(6);
    });

    it('shows a watch the past from its revision on, then what happens, a transaction at a time', async () => {
      const { revision: from } = await put('/w/a', '1');
      await put('/other', '1');
      await store.txn(
        [],
        [
          { op: 'put', key: '/w/b', value: '2' },
          { op: 'delete', key: '/w/a' },
          { op: 'put', key: '/x', value: '2' },
        ],
      );
      const watch = store.watch('/w/', from);
      expect(describeEvents((await watch.next()).value)).toEqual(['/w/a=1']);
      expect(describeEvents((await watch.next()).value)).toEqual(['/w/b=2', '-/w/a']);
      const waiting = watch.next();
      await put('/other', '2');
      const { revision: at } = await put('/w/c', '3');
      const { value } = await waiting;
      expect(value).toMatchObject([{ type: 'put', entry: { key: '/w/c', value: '3', modRevision: at } }]);
      const future = store.watch('/w/', at + 2n);
      await put('/w/c', '4');
      await put('/w/c', '5');
      expect(describeEvents((await future.next()).value)).toEqual(['/w/c=5']);
      const abandoned = future.next();
      await future.return?.();
      expect(await abandoned).toMatchObject({ done: true });
    });

    it('tells a watch that asks for what is compacted, or that fell too far behind', async () => {
      const { revision: from } = await put('/w', 'first');
      const slow = store.watch('/w', from);
      expect(describeEvents((await slow.next()).value)).toEqual(['/w=first']);
      const keys = Array.from(
        { length: 128 },
        (_, index) => ({ op: 'put', key: `/k/${index}`, value: '' }) as const,
      );
      for (let changes = 0; changes <= made.changesKept + 128; changes += 128) await store.txn([], keys);
      await expect(slow.next()).rejects.toThrow(Compacted);
      expect(await slow.next()).toMatchObject({ done: true });
      const error = await store
        .watch('/w', from)
        .next()
        .catch((thrown: unknown) => thrown);
      if (!(error instanceof Compacted)) return expect.unreachable(String(error));
      expect(describeEvents((await store.watch('/k/0', error.firstRevision).next()).value)).toEqual([
        '/k/0=',
      ]);
    });

    it('removes the keys of a lease with it, in one transaction, and no key that left it', async () => {
      const lease = await store.lease(5_000);
      await put('/l/b', '1', lease.id);
      await put('/l/a', '1', lease.id);
      await put('/l/stays', '1', lease.id);
      const { revision: at } = await put('/l/stays', '2');
      expect(await store.get('/l/a')).toMatchObject({ leaseId: lease.id });
      const watch = store.watch('/l/', at + 1n);
      await made.advance(6_000);
      await lease.lost;
      expect(describeEvents((await watch.next()).value)).toEqual(['-/l/a', '-/l/b']);
      expect((await store.range('/l/')).entries.map(({ key }) => key)).toEqual(['/l/stays']);
      await expect(lease.keepAlive()).rejects.toThrow(LeaseLost);
      await expect(put('/l/a', '1', lease.id)).rejects.toThrow(/no lease/);
      expect((await store.lease(5_000)).id).not.toBe(lease.id);
    });

    it('keeps a lease for as long as it is kept alive, and ends it when it is revoked', async () => {
      const lease = await store.lease(5_000);
      await put('/l', '1', lease.id);
      for (let round = 0; round < 4; round++) {
        await made.advance(3_000);
        await lease.keepAlive();
      }
      expect(await store.get('/l')).toBeDefined();
      await lease.revoke();
      await lease.lost;
      expect(await store.get('/l')).toBeUndefined();
      await lease.revoke();
      for (const ttlMs of [0, 999, 1.5, 1e12]) await expect(store.lease(ttlMs)).rejects.toThrow(RangeError);
    });

    it('finds everything again at the next start, leases included', async () => {
      const lease = await store.lease(5_000);
      await put('/a', 'ä€😀', lease.id);
      await put('/b', '1');
      await put('/b', '2');
      const before = await store.range('');
      store = await made.reopen();
      expect(await store.range('')).toEqual(before);
      await made.advance(6_000);
      expect((await store.range('')).entries.map(({ key }) => key)).toEqual(['/b']);
      expect((await store.lease(5_000)).id).not.toBe(lease.id);
    });

    it('ends its watches and refuses everything when it is closed', async () => {
      const waiting = store.watch('/', (await revision()) + 1n).next();
      const last = put('/a', '1');
      await store.close();
      expect((await last).succeeded).toBe(true);
      expect(describeEvents((await waiting).value)).toEqual(['/a=1']);
      await expect(store.get('/a')).rejects.toThrow('closed');
      await expect(store.lease(5_000)).rejects.toThrow('closed');
      expect(() => store.watch('/', 1n)).toThrow('closed');
    });
  });
}
