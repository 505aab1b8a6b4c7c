/**
 * Opens the engine that the configuration names. The views of another engine are taken over at the first start with
 * the new one: the journal may be trimmed below what they hold, so they cannot be left behind.
 */
import { access, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ALL_STRIPES, type KvStore, KvStoreError } from './kv-store.ts';
import { openMemoryStore } from './memory.ts';
import { openRocksDbStore } from './rocksdb.ts';
import { loadRocksDb } from './rocksdb-binding.ts';

type Engine = KvStore['engine'];

interface Options {
  readonly folder: string;
  readonly engine: Engine;
  /** Of the memory engine. */
  readonly maxBytes: number;
  /** Told when another engine serves than the one asked for. */
  readonly warn: (sentence: string) => void;
  readonly load?: () => Promise<unknown>;
}

const OTHER: Readonly<Record<Engine, Engine>> = { memory: 'rocksdb', rocksdb: 'memory' };

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export async function openKvStore({
  folder,
  engine: wanted,
  maxBytes,
  warn,
  load = loadRocksDb,
}: Options): Promise<KvStore> {
  const folderOf = (engine: Engine): string => join(folder, engine);
  const open = (engine: Engine, at: string): Promise<KvStore> =>
    engine === 'memory' ? openMemoryStore({ folder: at, maxBytes }) : openRocksDbStore({ folder: at });

  /** What exists and cannot be read must not be passed over: only a new directory gets another engine. */
  async function chooseEngine(): Promise<Engine> {
    if (wanted === 'memory') return 'memory';
    try {
      await load();
      return 'rocksdb';
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      if (await isThere(folderOf('rocksdb'))) {
        throw new KvStoreError(`the views in ${folderOf('rocksdb')} cannot be opened: ${reason}`, { cause });
      }
      warn(`${reason}; the memory engine with snapshots serves instead`);
      return 'memory';
    }
  }

  async function takeOver(from: Engine, to: Engine): Promise<void> {
    const incoming = `${folderOf(to)}.incoming`;
    await rm(incoming, { recursive: true, force: true });
    const source = await open(from, folderOf(from));
    const target = await open(to, incoming);
    try {
      const applied = source.applied();
      await target.write([], applied);
      for await (const entries of source.scan(ALL_STRIPES)) await target.write(entries, applied);
      await target.checkpoint();
    } finally {
      await source.close();
      await target.close();
    }
    await rename(incoming, folderOf(to));
    await rm(folderOf(from), { recursive: true });
  }

  const engine = await chooseEngine();
  const other = OTHER[engine];
  if (await isThere(folderOf(other))) {
    // Both are there only when a take-over was cut short after its rename: the new one is complete.
    if (await isThere(folderOf(engine))) await rm(folderOf(other), { recursive: true });
    else await takeOver(other, engine);
  }
  return open(engine, folderOf(engine));
}

/**
 * What a start with `engine` would find, whatever engine wrote it: nothing is taken over, nothing is changed. Undefined
 * when there is nothing.
 */
export async function openKvStoreForReading({
  folder,
  engine: wanted,
}: Pick<Options, 'folder' | 'engine'>): Promise<KvStore | undefined> {
  for (const engine of [wanted, OTHER[wanted]]) {
    const at = join(folder, engine);
    if (!(await isThere(at))) continue;
    return engine === 'memory'
      ? openMemoryStore({ folder: at, maxBytes: 0 })
      : openRocksDbStore({ folder: at, readOnly: true });
  }
  return undefined;
}
