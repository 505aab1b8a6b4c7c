import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALL_STRIPES, FORMAT_KEY, type KvOp, kvKey } from '../../../src/storage/kv/kv-store.ts';
import { openMemoryStore } from '../../../src/storage/kv/memory.ts';
import { openKvStore } from '../../../src/storage/kv/open.ts';
import { openRocksDbStore } from '../../../src/storage/kv/rocksdb.ts';
import { loadRocksDb, type RocksDb, type RocksWriteBatch } from '../../../src/storage/kv/rocksdb-binding.ts';
import { entriesOf, kvStoreConformance } from './conformance.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const openMemory = (folder: string) => openMemoryStore({ folder, maxBytes: MAX_BYTES });
const rocksDb = await loadRocksDb().then(
  () => 'loads',
  (error: Error) => error.message,
);

kvStoreConformance('memory', openMemory);
if (rocksDb === 'loads') kvStoreConformance('rocksdb', (folder) => openRocksDbStore({ folder }));
else describe.skip(`key-value store: rocksdb (${rocksDb})`, () => it('needs its library', () => {}));

const withFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'robustmq-kv-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
};
const some = (count: number, stripe = 1): KvOp[] =>
  Array.from({ length: count }, (_, index) => ({
    key: kvKey(stripe, 3, Buffer.from(`key ${index}`)),
    value: Buffer.from(`value ${index}`),
  }));

describe('the memory engine', () => {
  it('refuses whole what exceeds its bound, goes on, and takes removals to make room', () =>
    withFolder(async (folder) => {
      const store = await openMemoryStore({ folder, maxBytes: 10_000 });
      await store.write(some(70), new Map([[1, 1n]]));
      await expect(store.write(some(70, 2), new Map([[2, 1n]]))).rejects.toThrow(/full: \d+ of 10000 bytes/);
      expect(await entriesOf(store, ALL_STRIPES)).toHaveLength(70);
      expect([...store.applied()]).toEqual([[1, 1n]]);
      await store.write(
        some(70).map(({ key }) => ({ key, value: undefined })),
        new Map([[1, 2n]]),
      );
      await store.write(some(70, 2), new Map([[2, 1n]]));
      await store.dropStripe(2);
      await store.write(some(70), new Map([[1, 3n]]));
      await store.close();
    }));

  it('keeps its own copies', () =>
    withFolder(async (folder) => {
      const store = await openMemory(folder);
      const [op = { key: new Uint8Array(5), value: undefined }] = some(1);
      const key = op.key.slice();
      await store.write([op], new Map([[1, 1n]]));
      op.key.fill(0);
      op.value?.fill(0);
      expect(Buffer.from((await store.getMany([key]))[0] ?? []).toString()).toBe('value 0');
      await store.close();
    }));

  it('refuses a snapshot with any bit changed or any end cut off', () =>
    withFolder(async (folder) => {
      const store = await openMemory(folder);
      await store.write(some(5), new Map([[1, 1n]]));
      await store.checkpoint();
      await store.close();
      const path = join(folder, 'snapshot');
      const whole = await readFile(path);
      for (let at = 0; at < whole.length; at++) {
        const damaged = Buffer.from(whole);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at & 7));
        await writeFile(path, damaged);
        await expect(openMemory(folder)).rejects.toThrow(/is damaged at byte|has format/);
        if (at % 5 > 0) continue;
        await writeFile(path, whole.subarray(0, at));
        await expect(openMemory(folder)).rejects.toThrow(/is damaged at byte/);
      }
      await writeFile(path, whole);
      expect(await entriesOf(await openMemory(folder), ALL_STRIPES)).toHaveLength(5);
    }));

  it('refuses a snapshot of a format that it does not know, by its number', () =>
    withFolder(async (folder) => {
      const header = Buffer.alloc(12);
      header.write('RMQKVSNP');
      header.writeUInt32LE(9, 8);
      await writeFile(join(folder, 'snapshot'), header);
      await expect(openMemory(folder)).rejects.toThrow(/has format 9; this version reads format 1 only/);
    }));
});

describe.runIf(rocksDb === 'loads')('the engine on RocksDB', () => {
  it('takes no more after a failed write, and confirms nothing behind it', () =>
    withFolder(async (folder) => {
      const Native = await loadRocksDb();
      let isDiskBroken = false;
      class Failing extends Native {
        override write(options: Parameters<RocksDb['write']>[0]): RocksWriteBatch {
          if (isDiskBroken) throw new Error('EIO');
          return super.write(options);
        }
      }
      const store = await openRocksDbStore({ folder, load: async () => Failing });
      await store.write(some(1), new Map([[1, 1n]]));
      isDiskBroken = true;
      const writes = [2n, 3n].map((position) => store.write(some(2), new Map([[1, position]])));
      for (const write of writes)
        await expect(write).rejects.toThrow(/takes no more until it is opened again/);
      isDiskBroken = false;
      await expect(store.write(some(3), new Map([[1, 4n]]))).rejects.toThrow(/takes no more/);
      await expect(store.checkpoint()).rejects.toThrow(/takes no more/);
      await expect(store.dropStripe(1)).rejects.toThrow(/takes no more/);
      expect([...store.applied()]).toEqual([[1, 1n]]);
      expect(await entriesOf(store, ALL_STRIPES)).toHaveLength(1);
      await store.close();
      const again = await openRocksDbStore({ folder });
      expect([...again.applied()]).toEqual([[1, 1n]]);
      await again.close();
    }));

  it('says which folder another store has open', () =>
    withFolder(async (folder) => {
      const store = await openRocksDbStore({ folder });
      await expect(openRocksDbStore({ folder })).rejects.toThrow(`RocksDB does not open ${folder}:`);
      await store.close();
    }));

  it('refuses a format that it does not know', () =>
    withFolder(async (folder) => {
      await (await openRocksDbStore({ folder })).close();
      const db = new (await loadRocksDb())(folder, { writeBufferSize: 1 << 20, maxBackgroundJobs: 1 });
      await db.ready();
      const batch = db.write({ capacity: 1, autoDestroy: true });
      batch.tryPut(FORMAT_KEY, Uint8Array.of(9));
      await batch.flush();
      await db.close();
      await expect(openRocksDbStore({ folder })).rejects.toThrow(
        /has format 9; this version reads format 1 only/,
      );
    }));
});

describe('opening the key-value store', () => {
  const noLibrary = (): Promise<never> => Promise.reject(new Error('RocksDB cannot be loaded'));

  it('says in one sentence why a library does not load', async () => {
    await expect(loadRocksDb('rocksdb-that-is-not-there')).rejects.toThrow(
      /^RocksDB cannot be loaded on this machine \([^\n]*\); it is the optional package [^\n]*$/,
    );
  });

  it('serves from memory when RocksDB does not load, and says so', () =>
    withFolder(async (folder) => {
      const said: string[] = [];
      const warn = (sentence: string) => said.push(sentence);
      const options = { folder, engine: 'rocksdb', maxBytes: MAX_BYTES, warn, load: noLibrary } as const;
      const store = await openKvStore(options);
      expect(store.engine).toBe('memory');
      expect(said).toEqual(['RocksDB cannot be loaded; the memory engine with snapshots serves instead']);
      await store.close();
    }));

  it.runIf(rocksDb === 'loads')('takes the views of one engine over into the other, and back', () =>
    withFolder(async (folder) => {
      const warn = (sentence: string) => expect.unreachable(sentence);
      const open = (engine: 'memory' | 'rocksdb') =>
        openKvStore({ folder, engine, maxBytes: MAX_BYTES, warn });
      const first = await open('memory');
      await first.write(some(1_000), new Map([...[[1, 5n] as const], ...[[9, 0n] as const]]));
      await first.checkpoint();
      const expected = await entriesOf(first, ALL_STRIPES);
      await first.close();
      for (const engine of ['rocksdb', 'rocksdb', 'memory', 'memory'] as const) {
        const store = await open(engine);
        expect(store.engine).toBe(engine);
        expect(await entriesOf(store, ALL_STRIPES)).toEqual(expected);
        expect([...store.applied()].sort()).toEqual([
          [1, 5n],
          [9, 0n],
        ]);
        await store.close();
        expect(await readdir(folder)).toEqual([engine]);
      }
    }),
  );

  it.runIf(rocksDb === 'loads')('does not pass over views of RocksDB that it cannot open', () =>
    withFolder(async (folder) => {
      const options = { folder, engine: 'rocksdb', maxBytes: MAX_BYTES, warn: () => {} } as const;
      await (await openKvStore(options)).close();
      await expect(openKvStore({ ...options, load: noLibrary })).rejects.toThrow(
        /rocksdb cannot be opened: RocksDB/,
      );
    }),
  );
});
