/** The journals that a node with this configuration has, for looking at them: nothing here ever writes. */
import type { Config } from '../config/config.ts';
import { systemClock } from '../kernel/clock.ts';
import { type DataDirectory, JOURNAL_WAL_ID } from '../storage/data-directory/data-directory.ts';
import { nodeDisk } from '../storage/disk/node-disk.ts';
import { frameCheck } from '../storage/journal/frame.ts';
import { openObjectStoreForReading } from '../storage/segments/open.ts';
import { hasMoved } from '../storage/tier/local-files.ts';
import { openTieredWalForReading } from '../storage/tier/reading.ts';
import { createFileWal } from '../storage/wal/file-wal.ts';
import { type RawBytes, rawBytesOfFiles } from '../storage/wal/raw-bytes.ts';
import { createSealedWal } from '../storage/wal/sealed-wal.ts';
import { createSegmentObjects } from '../storage/wal/segment-objects.ts';
import type { WalStore } from '../storage/wal/wal-store.ts';
import { CliError, ExitCode } from './exit-codes.ts';

export interface JournalAtRest {
  readonly name: 'main' | 'object';
  readonly walId: string;
  readonly wal: WalStore;
  /** What reading has met so far that it could make good elsewhere. */
  readonly problems: () => readonly string[];
  /** Where bytes can be looked at that are no whole blocks. */
  readonly raw?: RawBytes;
}

export interface JournalsAtRest {
  /** The main one first. */
  readonly list: readonly JournalAtRest[];
  close(): Promise<void>;
}

export type OpenStore = typeof openObjectStoreForReading;

const OBJECT_WAL_ID = 'object';
const nothing = (): readonly string[] => [];

/** Rejects with `CliError` when what is needed is not configured or cannot be reached. */
export async function openJournalsAtRest(
  config: Config,
  data: DataDirectory,
  openStore: OpenStore = openObjectStoreForReading,
): Promise<JournalsAtRest> {
  const { tier, object } = config.storage;
  const hasObjects = [...config.topics, ...config.streams].some(({ storage }) => storage === 'object');
  const moved = await hasMoved(nodeDisk, data.journal, JOURNAL_WAL_ID);
  if (moved && object.bucket === '' && object.directory === '') {
    throw new CliError(
      ExitCode.Usage,
      `segments of the journal in ${data.path} were moved to an object store, and no store is configured: give the broker's configuration (storage.object)`,
    );
  }
  const isTiered = moved || tier.enabled;
  const store = hasObjects || isTiered ? await openStore(object, systemClock) : undefined;
  const files = createFileWal({ disk: nodeDisk, directory: data.journal, check: frameCheck });
  const close = async (): Promise<void> => {
    await files.close();
    await store?.close();
  };
  try {
    const list: JournalAtRest[] = [];
    const main = { name: 'main', walId: JOURNAL_WAL_ID } as const;
    if (store === undefined || !isTiered) {
      const raw = rawBytesOfFiles(nodeDisk, `${data.journal}/${JOURNAL_WAL_ID}`);
      list.push({ ...main, wal: files, problems: nothing, raw });
    } else {
      const reading = await openTieredWalForReading({
        wal: files,
        walId: JOURNAL_WAL_ID,
        disk: nodeDisk,
        directory: data.journal,
        check: frameCheck,
        segments: store,
        cacheBytes: tier.cacheBytes,
      });
      list.push({ ...main, ...reading });
    }
    if (store !== undefined && hasObjects) {
      const wal = createSealedWal({ objects: createSegmentObjects(store), check: frameCheck });
      list.push({ name: 'object', walId: OBJECT_WAL_ID, wal, problems: nothing });
    }
    return { list, close };
  } catch (error) {
    await close();
    throw error;
  }
}
