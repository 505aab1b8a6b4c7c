import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type KvStore, tableRange } from '../../../src/storage/kv/kv-store.ts';
import { openMemoryStore } from '../../../src/storage/kv/memory.ts';
import { openRocksDbStore } from '../../../src/storage/kv/rocksdb.ts';
import { loadRocksDb } from '../../../src/storage/kv/rocksdb-binding.ts';
import { createRandom } from '../../support/random.ts';

const KILLS = Number(process.env.ROBUSTMQ_KV_KILLS ?? 2);
const writer = fileURLToPath(new URL('writer-process.ts', import.meta.url));

/** Lets it print some positions and kills it at once, wherever it is; returns the last position that it printed. */
async function writeUntilKilled(engine: string, folder: string, lines: number): Promise<bigint> {
  const child = spawn(process.execPath, ['--import', 'tsx', writer, engine, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<unknown>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  let printed = 0n;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (BigInt(line) > printed) printed = BigInt(line);
    if (++count === lines) child.kill('SIGKILL');
  }
  expect(await ended).toBe('SIGKILL');
  return printed;
}

/** Exactly the batches up to the applied position are there, in both stripes. Returns that position. */
async function checkPrefix(store: KvStore): Promise<bigint> {
  const applied = store.applied().get(3) ?? 0n;
  expect(store.applied().get(4)).toBe(applied);
  for (const stripe of [3, 4]) {
    let position = 0n;
    for await (const batch of store.scan(tableRange(stripe, 1))) {
      for (const { key, value } of batch) {
        position++;
        expect(Buffer.from(key).readBigUInt64BE(5)).toBe(position);
        expect(value.byteLength).toBe(Number(position % 200n));
      }
    }
    expect(position).toBe(applied);
    for await (const [last] of store.scan(tableRange(stripe, 2))) {
      expect(last && Buffer.from(last.value).readBigUInt64BE()).toBe(applied);
    }
  }
  return applied;
}

async function killRepeatedly(engine: string, open: (folder: string) => Promise<KvStore>): Promise<void> {
  const random = createRandom(KILLS);
  const folder = await mkdtemp(join(tmpdir(), 'robustmq-kv-kill-'));
  try {
    for (let kill = 0, before = 0n; kill < KILLS; kill++) {
      const printed = await writeUntilKilled(
        engine,
        folder,
        1 + random.below(engine === 'memory' ? 15 : 300),
      );
      const store = await open(folder);
      const applied = await checkPrefix(store);
      expect(applied).toBeGreaterThanOrEqual(printed);
      expect(applied).toBeGreaterThanOrEqual(before);
      before = applied;
      await store.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

const hasRocksDb = await loadRocksDb().then(
  () => true,
  () => false,
);

describe('a process killed in the middle of its writes', () => {
  it(
    'leaves a snapshot that is a whole prefix, not older than its last checkpoint',
    () => killRepeatedly('memory', (folder) => openMemoryStore({ folder, maxBytes: 1 << 28 })),
    600_000,
  );

  it.runIf(hasRocksDb)(
    'leaves RocksDB with a whole prefix that has every acknowledged write',
    () => killRepeatedly('rocksdb', (folder) => openRocksDbStore({ folder })),
    600_000,
  );
});
