/** The journals that a node with this configuration has, for looking at them: nothing here ever writes. */
import type { Config } from '../config/config.ts';
import { systemClock } from '../kernel/clock.ts';
import { type DataDirectory, JOURNAL_WAL_ID } from '../storage/data-directory/data-directory.ts';
import { nodeDisk } from '../storage/disk/node-disk.ts';
import { frameCheck } from '../storage/journal/frame.ts';
import { openObjectStore } from '../storage/segments/open.ts';
import { createTieredWal } from '../storage/tier/tiered-wal.ts';
import { createFileWal } from '../storage/wal/file-wal.ts';
import { createSealedWal } from '../storage/wal/sealed-wal.ts';
import { createSegmentObjects } from '../storage/wal/segment-objects.ts';
import type { WalStore } from '../storage/wal/wal-store.ts';

export interface JournalAtRest {
  readonly name: 'main' | 'object';
  readonly walId: string;
  readonly wal: WalStore;
}

export interface JournalsAtRest {
  /** The main one first. */
  readonly list: readonly JournalAtRest[];
  close(): Promise<void>;
}

export type OpenStore = typeof openObjectStore;

const OBJECT_WAL_ID = 'object';

export async function openJournalsAtRest(
  config: Config,
  data: DataDirectory,
  openStore: OpenStore = openObjectStore,
): Promise<JournalsAtRest> {
  const { tier, object } = config.storage;
  const hasObjects = [...config.topics, ...config.streams].some(({ storage }) => storage === 'object');
  const store = hasObjects || tier.enabled ? await openStore(object, systemClock) : undefined;
  const files = createFileWal({ disk: nodeDisk, directory: data.journal, check: frameCheck });
  const tiered =
    store === undefined || !tier.enabled
      ? undefined
      : createTieredWal({
          wal: files,
          disk: nodeDisk,
          directory: data.journal,
          check: frameCheck,
          segments: store,
          clock: systemClock,
          // Reading needs no worker, and without one nothing is uploaded, dropped or removed.
          concurrency: 0,
          localBytes: Number.MAX_SAFE_INTEGER,
          cacheBytes: tier.cacheBytes,
        });
  const list: JournalAtRest[] = [{ name: 'main', walId: JOURNAL_WAL_ID, wal: tiered ?? files }];
  if (store !== undefined && hasObjects) {
    const wal = createSealedWal({ objects: createSegmentObjects(store), check: frameCheck });
    list.push({ name: 'object', walId: OBJECT_WAL_ID, wal });
  }
  return {
    list,
    async close() {
      await tiered?.close();
      await files.close();
      await store?.close();
    },
  };
}
