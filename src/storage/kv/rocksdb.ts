/**
 * The engine on RocksDB. Its binding cannot ask RocksDB to sync its log, and need not: a killed process loses nothing
 * of it, a power loss leaves the state after some earlier write, and a completed flush is what makes a checkpoint.
 */
import { mkdir } from 'node:fs/promises';
import {
  checkWrite,
  decodePosition,
  encodePosition,
  FORMAT_KEY,
  type JournalPosition,
  KV_FORMAT_VERSION,
  type KvEntry,
  type KvOp,
  type KvStore,
  KvStoreError,
  MAX_WRITES_WAITING,
  POSITIONS,
  positionKey,
  SCAN_BATCH_BYTES,
  SCAN_BATCH_ENTRIES,
  stripeRange,
} from './kv-store.ts';
import {
  loadRocksDb,
  type RocksDb,
  type RocksDbConstructor,
  type RocksWriteBatch,
} from './rocksdb-binding.ts';

interface Change {
  add(batch: RocksWriteBatch): void;
  done(error?: Error): void;
}

const BATCH_CAPACITY = 16;
const READ_AHEAD_ENTRIES = 64;
const TUNING = { writeBufferSize: 32 * 1024 * 1024, maxBackgroundJobs: 2 };

function addWrite(
  batch: RocksWriteBatch,
  ops: readonly KvOp[],
  positions: ReadonlyMap<number, JournalPosition>,
): void {
  for (const { key, value } of ops) {
    if (value === undefined) batch.tryDelete(key);
    else batch.tryPut(key, value);
  }
  for (const [stripe, position] of positions) batch.tryPut(positionKey(stripe), encodePosition(position));
}

async function checkFormat(db: RocksDb, folder: string, readOnly: boolean): Promise<void> {
  const batch = db.read({ capacity: 1, autoDestroy: true });
  const found = batch.get(FORMAT_KEY);
  batch.tryFlush();
  const format = await found;
  if (format === null) {
    if (readOnly) return;
    const first = db.write({ capacity: 1, autoDestroy: true });
    first.tryPut(FORMAT_KEY, Uint8Array.of(KV_FORMAT_VERSION));
    await first.flush();
  } else if (format[0] !== KV_FORMAT_VERSION) {
    throw new KvStoreError(
      `the key-value store in ${folder} has format ${format[0]}; this version reads format ${KV_FORMAT_VERSION} only`,
    );
  }
}

async function openDb({ folder, load = loadRocksDb, readOnly = false }: Options): Promise<RocksDb> {
  const RocksDb = await load();
  if (!readOnly) await mkdir(folder, { recursive: true });
  const db = new RocksDb(folder, { ...TUNING, readOnly });
  try {
    await db.ready();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KvStoreError(`RocksDB does not open ${folder}: ${reason}`, { cause });
  }
  try {
    await checkFormat(db, folder, readOnly);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

interface Options {
  readonly folder: string;
  readonly load?: () => Promise<RocksDbConstructor>;
  /** No file is changed, and writes are refused by RocksDB. The folder must be there. */
  readonly readOnly?: boolean;
}

export async function openRocksDbStore(options: Options): Promise<KvStore> {
  const db = await openDb(options);
  const applied = new Map<number, JournalPosition>();
  /** As they will be when all waiting writes are done: a write is checked against the one before it. */
  const promised = new Map<number, JournalPosition>();
  let waiting: Change[] = [];
  let writer: Promise<void> | undefined;
  let failure: KvStoreError | undefined;
  let isClosed = false;

  for await (const entry of db.iterator(
    { gte: POSITIONS.start, lt: POSITIONS.end },
    { capacity: READ_AHEAD_ENTRIES },
  )) {
    const [stripe, position] = decodePosition(entry);
    applied.set(stripe, position);
    promised.set(stripe, position);
  }

  const mustBeOpen = (): void => {
    if (isClosed) throw new KvStoreError('the key-value store is closed');
  };

  /** One batch at a time, all that wait in one: the binding does not keep the order of batches that run side by side. */
  async function writeWaiting(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        if (failure !== undefined) throw failure;
        const batch = db.write({ capacity: BATCH_CAPACITY, autoDestroy: true });
        for (const change of group) change.add(batch);
        await batch.flush();
      } catch (cause) {
        failure ??= new KvStoreError('a write to RocksDB failed; it takes no more until it is opened again', {
          cause,
        });
      }
      for (const change of group) change.done(failure);
    }
    writer = undefined;
  }

  function enqueue(add: (batch: RocksWriteBatch) => void, done: () => void): Promise<void> {
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        done();
        resolve();
      };
      waiting.push({ add, done: settle });
      // In the next microtask, so that all writes of a turn are one batch.
      writer ??= Promise.resolve().then(writeWaiting);
    });
  }

  return {
    engine: 'rocksdb',
    applied: () => new Map(applied),

    async write(ops, positions) {
      mustBeOpen();
      checkWrite(ops, positions, promised);
      if (waiting.length >= MAX_WRITES_WAITING) {
        throw new KvStoreError(`${waiting.length} writes wait for RocksDB already`);
      }
      for (const [stripe, position] of positions) promised.set(stripe, position);
      await enqueue(
        (batch) => addWrite(batch, ops, positions),
        () => {
          for (const [stripe, position] of positions) applied.set(stripe, position);
        },
      );
    },

    async getMany(keys) {
      mustBeOpen();
      if (keys.length === 0) return [];
      const batch = db.read({ capacity: keys.length, autoDestroy: true });
      const found = keys.map((key) => batch.get(key));
      batch.tryFlush();
      return (await Promise.all(found)).map((value) => value ?? undefined);
    },

    async *scan({ start, end }) {
      mustBeOpen();
      let batch: KvEntry[] = [];
      let sizeBytes = 0;
      for await (const { key, value } of db.iterator(
        { gte: start, lt: end },
        { capacity: READ_AHEAD_ENTRIES },
      )) {
        batch.push({ key, value });
        sizeBytes += key.byteLength + value.byteLength;
        if (batch.length === SCAN_BATCH_ENTRIES || sizeBytes >= SCAN_BATCH_BYTES) {
          yield batch;
          batch = [];
          sizeBytes = 0;
        }
      }
      if (batch.length > 0) yield batch;
    },

    async dropStripe(stripe) {
      mustBeOpen();
      const { start, end } = stripeRange(stripe);
      promised.delete(stripe);
      await enqueue(
        (batch) => {
          batch.tryDeleteRange(start, end);
          batch.tryDelete(positionKey(stripe));
        },
        () => applied.delete(stripe),
      );
    },

    async checkpoint() {
      mustBeOpen();
      await enqueue(
        () => {},
        () => {},
      );
      const covered = new Map(applied);
      await db.flush();
      return covered;
    },

    async close() {
      if (isClosed) return;
      isClosed = true;
      await writer;
      await db.close();
    },
  };
}
