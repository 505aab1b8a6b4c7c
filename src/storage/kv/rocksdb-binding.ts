/** The part of the package `rocksdb-native` that is used here; it ships no types. */
import { KvStoreError } from './kv-store.ts';

export interface RocksWriteBatch {
  tryPut(key: Uint8Array, value: Uint8Array): void;
  tryDelete(key: Uint8Array): void;
  tryDeleteRange(start: Uint8Array, end: Uint8Array): void;
  flush(): Promise<void>;
}

export interface RocksReadBatch {
  get(key: Uint8Array): Promise<Uint8Array | null>;
  tryFlush(): void;
}

export interface RocksDb {
  ready(): Promise<void>;
  read(options: { readonly capacity: number; readonly autoDestroy: true }): RocksReadBatch;
  write(options: { readonly capacity: number; readonly autoDestroy: true }): RocksWriteBatch;
  iterator(
    range: { readonly gte: Uint8Array; readonly lt: Uint8Array },
    options: { readonly capacity: number },
  ): AsyncIterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export type RocksDbConstructor = new (
  path: string,
  options: {
    readonly writeBufferSize: number;
    readonly maxBackgroundJobs: number;
    readonly readOnly?: boolean;
  },
) => RocksDb;

/** A name in a variable: the compiler must not ask for types that do not exist. */
const PACKAGE: string = 'rocksdb-native';

export async function loadRocksDb(packageName: string = PACKAGE): Promise<RocksDbConstructor> {
  try {
    const { default: RocksDb } = await import(packageName);
    return RocksDb as RocksDbConstructor;
  } catch (cause) {
    const [reason] = String(cause instanceof Error ? cause.message : cause).split('\n');
    throw new KvStoreError(
      `RocksDB cannot be loaded on this machine (${reason}); it is the optional package ${packageName} and needs glibc 2.34 and libatomic on Linux`,
      { cause },
    );
  }
}
