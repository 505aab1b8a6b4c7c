/**
 * The engine without a native library: everything in memory, one snapshot file that a checkpoint replaces. Bounded: a
 * write that would exceed `maxBytes` is refused whole, and the store goes on.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  checkWrite,
  decodePosition,
  encodePosition,
  type JournalPosition,
  type KvEntry,
  type KvStore,
  KvStoreError,
  POSITIONS,
  positionKey,
  SCAN_BATCH_BYTES,
  SCAN_BATCH_ENTRIES,
  stripeRange,
} from './kv-store.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';
import { type Block, createSortedMap, firstBlock, lowerBound } from './sorted-map.ts';

interface Options {
  readonly folder: string;
  /** Of keys and values, and an estimate of what each entry costs beyond them. */
  readonly maxBytes: number;
}

const ENTRY_OVERHEAD_BYTES = 96;
const SNAPSHOT = 'snapshot';

const toText = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
const toBytes = (key: string): Uint8Array => Buffer.from(key, 'latin1');
const costOf = (key: string, value: Uint8Array): number =>
  key.length + value.byteLength + ENTRY_OVERHEAD_BYTES;

function* entriesOf(blocks: readonly Block<Uint8Array>[], start: string, end?: string): Generator<KvEntry> {
  for (let index = firstBlock(blocks, start); index < blocks.length; index++) {
    const { keys = [], values = [] } = blocks[index] ?? {};
    for (let at = lowerBound(keys, start); at < keys.length; at++) {
      const key = keys[at];
      const value = values[at];
      if (key === undefined || value === undefined || (end !== undefined && key >= end)) return;
      yield { key: toBytes(key), value };
    }
  }
}

export async function openMemoryStore({ folder, maxBytes }: Options): Promise<KvStore> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, SNAPSHOT);
  const map = createSortedMap<Uint8Array>();
  const applied = new Map<number, JournalPosition>();
  let heldBytes = 0;
  let isClosed = false;
  let checkpoints: Promise<unknown> = Promise.resolve();

  const set = (key: string, value: Uint8Array): void => {
    const before = map.set(key, value);
    heldBytes += costOf(key, value) - (before === undefined ? 0 : costOf(key, before));
  };
  const remove = (key: string): void => {
    const before = map.delete(key);
    if (before !== undefined) heldBytes -= costOf(key, before);
  };
  const mustBeOpen = (): void => {
    if (isClosed) throw new KvStoreError('the key-value store is closed');
  };

  for await (const { key, value } of readSnapshot(path)) set(toText(key), new Uint8Array(value));
  for (const entry of entriesOf(map.view(), toText(POSITIONS.start), toText(POSITIONS.end))) {
    applied.set(...decodePosition(entry));
  }

  return {
    engine: 'memory',
    applied: () => new Map(applied),

    async write(ops, positions) {
      mustBeOpen();
      const sizeBytes = checkWrite(ops, positions, applied);
      if (heldBytes + sizeBytes + ops.length * ENTRY_OVERHEAD_BYTES > maxBytes && hasPut(ops)) {
        throw new KvStoreError(
          `the key-value store in memory is full: ${heldBytes} of ${maxBytes} bytes are taken`,
        );
      }
      for (const { key, value } of ops) {
        if (value === undefined) remove(toText(key));
        else set(toText(key), new Uint8Array(value));
      }
      for (const [stripe, position] of positions) {
        applied.set(stripe, position);
        set(toText(positionKey(stripe)), encodePosition(position));
      }
    },

    async getMany(keys) {
      mustBeOpen();
      return keys.map((key) => map.get(toText(key)));
    },

    async *scan({ start, end }) {
      mustBeOpen();
      let batch: KvEntry[] = [];
      let sizeBytes = 0;
      for (const entry of entriesOf(map.view(), toText(start), toText(end))) {
        batch.push(entry);
        sizeBytes += entry.key.byteLength + entry.value.byteLength;
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
      map.deleteRange(toText(start), toText(end), (key, value) => {
        heldBytes -= costOf(key, value);
      });
      remove(toText(positionKey(stripe)));
      applied.delete(stripe);
    },

    checkpoint() {
      const made = checkpoints.then(async () => {
        mustBeOpen();
        const covered = new Map(applied);
        await writeSnapshot(path, entriesOf(map.view(), ''));
        return covered;
      });
      checkpoints = made.catch(() => {});
      return made;
    },

    async close() {
      isClosed = true;
      await checkpoints;
    },
  };
}

/** Removals are taken also from a full store: they are what makes room. */
const hasPut = (ops: readonly { readonly value: Uint8Array | undefined }[]): boolean =>
  ops.some(({ value }) => value !== undefined);
