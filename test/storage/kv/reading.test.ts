import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KvStore, kvKey, tableRange } from '../../../src/storage/kv/kv-store.ts';
import { openKvStore, openKvStoreForReading } from '../../../src/storage/kv/open.ts';

const KEY = kvKey(0, 1, Buffer.from('key'));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-kv-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const content = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'base64')]),
  );

describe.each<KvStore['engine']>(['memory', 'rocksdb'])('a store of %s opened for reading', (engine) => {
  it.each<KvStore['engine']>(['memory', 'rocksdb'])(
    'gives what was kept and changes no file, also where %s is configured',
    async (wanted) => {
      const kv = await openKvStore({ folder, engine, maxBytes: 1e6, warn: () => {} });
      await kv.write([{ key: KEY, value: Buffer.from('value') }], new Map([[0, 7n]]));
      await kv.checkpoint();
      await kv.close();
      const before = content();
      const reading = await openKvStoreForReading({ folder, engine: wanted });
      expect(reading?.engine).toBe(engine);
      expect(reading?.applied()).toEqual(new Map([[0, 7n]]));
      for await (const entries of reading?.scan(tableRange(0, 1)) ?? []) {
        expect(entries.map(({ value }) => Buffer.from(value).toString())).toEqual(['value']);
      }
      await expect(reading?.write([{ key: KEY, value: KEY }], new Map([[0, 8n]]))).rejects.toThrow();
      await reading?.close();
      expect(content()).toEqual(before);
    },
  );

  it('is none where there is nothing, and passes over what a take-over left behind', async () => {
    expect(await openKvStoreForReading({ folder, engine })).toBeUndefined();
    const kv = await openKvStore({ folder, engine, maxBytes: 1e6, warn: () => {} });
    await kv.close();
    mkdirSync(join(folder, engine === 'memory' ? 'rocksdb' : 'memory'));
    const reading = await openKvStoreForReading({ folder, engine });
    expect(reading?.engine).toBe(engine);
    await reading?.close();
  });
});
