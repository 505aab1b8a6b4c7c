import { withAccessors } from '../../kernel/with-accessors.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { BLOCK_HEADER_BYTES, bytesOf, crcOf, encodeBlockHeader } from './block.ts';
import { createBlockFile, FILE_HEADER_BYTES, markerName } from './epoch-files.ts';
import { type AppendOptions, WalBusy, WalFenced, type WalWriter } from './wal-store.ts';

export interface FileWriterOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly walId: string;
  readonly epoch: number;
  readonly maxBlockBytes: number;
  readonly maxInFlight: number;
  /** Without it only what is too much is synced unasked. */
  readonly nowMs?: () => number;
  /** A file for blocks from this position on is there. */
  readonly onFile: (position: number) => void;
}

/**
 * What nobody asked to be synced is synced all the same, early and in small portions: writes wait while a file system
 * commits what a sync makes it commit, so 16 MiB at once are a pause of 10 ms for all of them, and a switch of files waits
 * for what is left. A tenth of the time is spent on it, unless so much gathers meanwhile that the portion would be large.
 */
const PORTION_BYTES = 512 * 1024;
const MOST_UNSYNCED_BYTES = 16 * 1024 * 1024;
const PAUSE_PER_SYNC = 9;
/** Up to so much a block is written and synced by one call: a second trip to another thread costs more than the copy. */
const ONE_CALL_BYTES = 128 * 1024;

/** What a block still needs once the next may be written. */
interface Issued {
  /** Written and synced by one call, which may be under way. */
  readonly whole?: Promise<void>;
  readonly toSync?: DiskFile;
}

/**
 * The one writer of an epoch in files. Calls are made in order, and the next is made while a block is synced: a crash may
 * leave a later block without an earlier one, of which neither was acknowledged. After each write, and before its acknowledgement, the writer looks for the mark of a sealer: a sealer sets
 * the mark first and measures then, so either the block is within the length it finds or this writer sees the mark.
 */
export function createFileWriter(options: FileWriterOptions): WalWriter {
  const { disk, directory, walId, epoch, maxBlockBytes, maxInFlight, nowMs } = options;
  const sealing = `${directory}/${markerName(epoch, 'sealing')}`;
  let file: DiskFile | undefined;
  let base = 0;
  let next = 0;
  let synced = 0;
  let inFlight = 0;
  let unsyncedBytes = 0;
  let nextSyncMs = 0;
  let syncing: Promise<void> | undefined;
  let failure: Error | undefined;
  let written: Promise<void> = Promise.resolve();
  let acknowledged: Promise<void> = Promise.resolve();

  function fail(error: unknown): Error {
    failure ??= error instanceof Error ? error : new Error(String(error));
    return failure;
  }

  async function switchFile(position: number, before: Promise<void>): Promise<void> {
    const old = file;
    await syncing;
    // Only the last file of an epoch may have a torn tail.
    if (old !== undefined) await old.datasync();
    file = await createBlockFile(disk, directory, epoch, position);
    base = position;
    unsyncedBytes = 0;
    options.onFile(position);
    if (old !== undefined) before.finally(() => old.close()).catch(() => {});
  }

  /** Resolves when the next block may be written. */
  async function write(
    views: readonly Uint8Array[],
    position: number,
    isAnchor: boolean,
    level: AppendOptions['level'],
    before: Promise<void>,
  ): Promise<Issued> {
    if (failure !== undefined) throw failure;
    if (isAnchor) {
      await before;
      await switchFile(position, before);
    }
    if (file === undefined) throw new Error('the first block of an epoch begins a file');
    const bytes = bytesOf(views);
    const at = FILE_HEADER_BYTES + position - base;
    // Only where nothing before it is left to be synced: a synced block says that all below it is.
    if (level === 'sync' && bytes <= ONE_CALL_BYTES && unsyncedBytes === 0 && syncing === undefined) {
      return { whole: file.writev(views, at, true) };
    }
    await file.writev(views, at);
    if (level === 'sync') {
      unsyncedBytes = 0;
      return { toSync: file };
    }
    unsyncedBytes += bytes;
    if (syncing === undefined && isPortion()) syncUnasked(file);
    return {};
  }

  function isPortion(): boolean {
    if (unsyncedBytes < PORTION_BYTES) return false;
    return unsyncedBytes >= MOST_UNSYNCED_BYTES || (nowMs !== undefined && nowMs() >= nextSyncMs);
  }

  /** Nobody waits for it, but after a failed sync nothing may be acknowledged any more. */
  function syncUnasked(target: DiskFile): void {
    unsyncedBytes = 0;
    const startMs = nowMs?.() ?? 0;
    syncing = target
      .datasync()
      .catch((error: unknown) => void fail(error))
      .finally(() => {
        syncing = undefined;
        const endMs = nowMs?.() ?? 0;
        nextSyncMs = endMs + PAUSE_PER_SYNC * (endMs - startMs);
      });
  }

  function checkSeal(): void {
    if (disk.existsNow(sealing)) throw new WalFenced(walId, epoch, 'was sealed by another owner');
  }

  async function run(
    views: readonly Uint8Array[],
    position: number,
    isAnchor: boolean,
    level: AppendOptions['level'],
  ): Promise<number> {
    const end = next;
    const before = acknowledged;
    const mine = written.then(() => write(views, position, isAnchor, level, before));
    written = mine.then(() => {});
    const durable = mine.then(async ({ whole, toSync }) => {
      await whole;
      checkSeal();
      await toSync?.datasync();
    });
    acknowledged = Promise.all([before, durable]).then(() => {
      if (failure !== undefined) throw failure;
      if (level === 'sync') synced = Math.max(synced, end);
    });
    // The chains are looked at by whoever comes next, or by nobody.
    written.catch(() => {});
    acknowledged.catch(() => {});
    try {
      await acknowledged;
      return position;
    } catch (error) {
      throw fail(error);
    } finally {
      inFlight--;
    }
  }

  return withAccessors<WalWriter, 'next' | 'inFlight'>(
    {
      get next() {
        return next;
      },
      get inFlight() {
        return inFlight;
      },
    },
    {
      epoch,
      maxInFlight,
      append(body, { level, isAnchor = false, sum = crcOf(body) }) {
        if (failure !== undefined) return Promise.reject(failure);
        if (inFlight >= maxInFlight) {
          return Promise.reject(new WalBusy(`${maxInFlight} appends are under way, and no more may be`));
        }
        const bodyBytes = bytesOf(body);
        if (bodyBytes > maxBlockBytes) {
          return Promise.reject(new Error(`a block of ${bodyBytes} bytes: ${maxBlockBytes} at most`));
        }
        const position = next;
        const begins = isAnchor || position === 0;
        const header = encodeBlockHeader({ epoch, position, bodyBytes, isAnchor: begins, synced, sum });
        next += BLOCK_HEADER_BYTES + bodyBytes;
        inFlight++;
        return run([header, ...body], position, begins, level);
      },
      async close() {
        await acknowledged.catch(() => {});
        await written.catch(() => {});
        await syncing;
        failure ??= new Error('the writer is closed');
        await file?.close();
        file = undefined;
      },
    },
  );
}
