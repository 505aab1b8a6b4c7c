/** What every engine of the key-value store must do, told once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ALL_STRIPES,
  type KeyRange,
  type KvOp,
  type KvStore,
  kvKey,
  MAX_STRIPE,
  stripeRange,
  tableRange,
} from '../../../src/storage/kv/kv-store.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const hex = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('hex');
const put = (stripe: number, table: number, key: string, value: string): KvOp => ({
  key: kvKey(stripe, table, bytes(key)),
  value: bytes(value),
});
const at = (stripe: number, position: bigint): ReadonlyMap<number, bigint> => new Map([[stripe, position]]);

export async function entriesOf(store: KvStore, range: KeyRange): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of store.scan(range)) {
    for (const { key, value } of batch) found.push(`${hex(key)}=${hex(value)}`);
  }
  return found;
}

export function kvStoreConformance(name: string, open: (folder: string) => Promise<KvStore>): void {
  describe(`key-value store: ${name}`, () => {
    let folder: string;
    let store: KvStore;
    const reopen = async (): Promise<void> => {
      await store.close();
      store = await open(folder);
    };
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'robustmq-kv-'));
      store = await open(folder);
    });
    afterEach(async () => {
      await store.close();
      await rm(folder, { recursive: true });
    });

    it('starts empty and returns what was written, in the order of the question', async () => {
      expect(store.applied().size).toBe(0);
      await store.write([put(1, 2, 'a', 'first'), put(1, 2, 'b', '')], at(1, 7n));
      const keys = ['b', 'none', 'a', 'a'].map((key) => kvKey(1, 2, bytes(key)));
      expect((await store.getMany(keys)).map(hex)).toEqual([
        '',
        undefined,
        hex(bytes('first')),
        hex(bytes('first')),
      ]);
      expect(await store.getMany([])).toEqual([]);
      expect([...store.applied()]).toEqual([[1, 7n]]);
    });

    it('keeps stripes and tables apart and in order, whatever bytes a key has', async () => {
      const keys = ['', '\0', '\0\0', 'a', '\xff', '\xff\xff', '\xff\xff\xff'];
      const ops = keys.flatMap((key) => [
        put(0, 255, key, key),
        put(1, 0, key, key),
        put(MAX_STRIPE, 255, key, key),
      ]);
      await store.write(
        ops.reverse(),
        new Map([
          [0, 1n],
          [1, 1n],
          [MAX_STRIPE, 1n],
        ]),
      );
      const expected = (stripe: number, table: number, prefix = ''): string[] =>
        keys
          .filter((key) => key.startsWith(prefix))
          .map((key) => `${hex(kvKey(stripe, table, bytes(key)))}=${hex(bytes(key))}`);
      expect(await entriesOf(store, tableRange(0, 255))).toEqual(expected(0, 255));
      expect(await entriesOf(store, tableRange(1, 0))).toEqual(expected(1, 0));
      expect(await entriesOf(store, stripeRange(MAX_STRIPE))).toEqual(expected(MAX_STRIPE, 255));
      expect(await entriesOf(store, tableRange(0, 255, bytes('\xff\xff')))).toEqual(
        expected(0, 255, '\xff\xff'),
      );
      expect(await entriesOf(store, tableRange(0, 254))).toEqual([]);
      expect(await entriesOf(store, ALL_STRIPES)).toHaveLength(ops.length);
    });

    it('applies the later of two operations on a key, and of two writes that were not waited for', async () => {
      const key = kvKey(1, 1, bytes('k'));
      await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          store.write([{ key, value: undefined }, put(1, 1, 'k', `${index}`)], at(1, BigInt(index))),
        ),
      );
      expect((await store.getMany([key])).map(hex)).toEqual([hex(bytes('499'))]);
      expect(store.applied().get(1)).toBe(499n);
    });

    it('refuses a write whole: a position that goes back, a change without position, sizes out of bounds', async () => {
      await store.write([put(1, 1, 'k', 'v')], at(1, 5n));
      await store.write([], at(1, 5n));
      const wrong: [KvOp[], ReadonlyMap<number, bigint>][] = [
        [[put(1, 1, 'x', 'v')], at(1, 4n)],
        [[put(1, 1, 'x', 'v'), put(2, 1, 'x', 'v')], at(1, 6n)],
        [[put(1, 1, 'x', 'v')], at(1, 2n ** 64n)],
        [[put(1, 1, 'x', 'v'), { key: new Uint8Array(4), value: undefined }], at(1, 6n)],
        [[put(1, 1, 'x', 'v'), { key: new Uint8Array(1_000_000), value: undefined }], at(0, 6n)],
        [[put(1, 1, 'x', 'v'), { key: kvKey(1, 1, bytes('y')), value: new Uint8Array(17 << 20) }], at(1, 6n)],
      ];
      for (const [ops, applied] of wrong) await expect(store.write(ops, applied)).rejects.toThrow(RangeError);
      expect(await entriesOf(store, stripeRange(1))).toHaveLength(1);
      expect([...store.applied()]).toEqual([[1, 5n]]);
      for (const stripe of [-1, 1.5, MAX_STRIPE + 1]) {
        expect(() => kvKey(stripe, 1, bytes(''))).toThrow(RangeError);
        await expect(store.dropStripe(stripe)).rejects.toThrow(RangeError);
      }
    });

    it('drops a stripe with its position and nothing else, and takes it up again from the start', async () => {
      for (const stripe of [6, 7, 8]) {
        const ops = Array.from({ length: 700 }, (_, index) => put(stripe, index & 7, `k${index}`, 'v'));
        await store.write(ops, at(stripe, 9n));
      }
      await store.dropStripe(7);
      expect(await entriesOf(store, stripeRange(7))).toEqual([]);
      expect(await entriesOf(store, stripeRange(6))).toHaveLength(700);
      expect(await entriesOf(store, stripeRange(8))).toHaveLength(700);
      expect([...store.applied().keys()].sort()).toEqual([6, 8]);
      await store.write([put(7, 1, 'new', 'v')], at(7, 1n));
      await store.checkpoint();
      await reopen();
      expect(await entriesOf(store, stripeRange(7))).toHaveLength(1);
      expect([...store.applied()].sort()).toEqual([
        [6, 9n],
        [7, 1n],
        [8, 9n],
      ]);
    });

    it('scans one moment while writes go on, and may be left in the middle', async () => {
      const ops = Array.from({ length: 2_000 }, (_, index) => put(1, 1, `k${index}`, 'before'));
      await store.write(ops, at(1, 1n));
      let seen = 0;
      for await (const batch of store.scan(stripeRange(1))) {
        expect(batch.length).toBeLessThanOrEqual(256);
        if (seen === 0)
          await store.write(
            ops.map(({ key }) => ({ key, value: undefined })),
            at(1, 2n),
          );
        for (const { value } of batch) expect(hex(value)).toBe(hex(bytes('before')));
        seen += batch.length;
      }
      expect(seen).toBe(2_000);
      expect(await entriesOf(store, stripeRange(1))).toEqual([]);
      await store.write(ops, at(1, 3n));
      for await (const batch of store.scan(stripeRange(1))) {
        expect(batch.length).toBeGreaterThan(0);
        break;
      }
    });

    it('bounds a batch of a scan in bytes', async () => {
      const value = new Uint8Array(600_000).fill(1);
      const ops = ['a', 'b', 'c', 'd', 'e'].map((key) => ({ key: kvKey(1, 1, bytes(key)), value }));
      await store.write(ops, at(1, 1n));
      const sizes: number[] = [];
      for await (const batch of store.scan(stripeRange(1))) sizes.push(batch.length);
      expect(sizes).toEqual([2, 2, 1]);
    });

    it('has after a checkpoint what it says it covers, and the changes before it', async () => {
      await store.write([put(1, 1, 'a', 'v'), put(2, 1, 'b', 'w')], new Map([...at(1, 3n), ...at(2, 4n)]));
      const covered = await store.checkpoint();
      expect([...covered].sort()).toEqual([
        [1, 3n],
        [2, 4n],
      ]);
      await reopen();
      expect(store.applied()).toEqual(covered);
      expect(await entriesOf(store, ALL_STRIPES)).toHaveLength(2);
      expect(await Promise.all([store.checkpoint(), store.checkpoint()])).toEqual([covered, covered]);
    });

    it('refuses everything after it was closed', async () => {
      await store.close();
      await expect(store.write([], at(1, 1n))).rejects.toThrow('closed');
      await expect(store.getMany([])).rejects.toThrow('closed');
      await expect(store.checkpoint()).rejects.toThrow('closed');
      await expect(entriesOf(store, ALL_STRIPES)).rejects.toThrow('closed');
    });

    it('does what a map of strings does', async () => {
      const key = fc.tuple(fc.nat(2), fc.nat(2), fc.stringMatching(/^[ab\xff]{0,3}$/));
      const op = fc.record({ key, value: fc.option(fc.string({ maxLength: 4 }), { nil: undefined }) });
      const command = fc.oneof(
        { weight: 8, arbitrary: fc.array(op, { maxLength: 12 }) },
        { weight: 1, arbitrary: fc.nat(2) },
        { weight: 1, arbitrary: fc.constant('reopen' as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(command, { maxLength: 15 }), async (commands) => {
          for (const stripe of [0, 1, 2]) await store.dropStripe(stripe);
          const model = new Map<string, string>();
          let position = 0n;
          for (const each of commands) {
            if (each === 'reopen') {
              await store.checkpoint();
              await reopen();
            } else if (typeof each === 'number') {
              await store.dropStripe(each);
              const prefix = hex(stripeRange(each).start) ?? '';
              for (const known of [...model.keys()]) if (known.startsWith(prefix)) model.delete(known);
            } else {
              position++;
              const ops = each.map(({ key: [stripe, table, rest], value }) => ({
                key: kvKey(stripe, table, bytes(rest)),
                value: value === undefined ? undefined : Buffer.from(value),
              }));
              for (const { key: known, value } of ops) {
                if (value === undefined) model.delete(hex(known) ?? '');
                else model.set(hex(known) ?? '', hex(value) ?? '');
              }
              await store.write(ops, new Map([0, 1, 2].map((stripe) => [stripe, position])));
            }
          }
          const expected = [...model]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([known, value]) => `${known}=${value}`);
          expect(await entriesOf(store, ALL_STRIPES)).toEqual(expected);
        }),
        { numRuns: 25 },
      );
    });
  });
}
