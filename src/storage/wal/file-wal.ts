import { type Disk, type DiskFile, diskErrorCode } from '../disk/disk.ts';
import { BLOCK_HEADER_BYTES, crcCheck } from './block.ts';
import {
  blockFileName,
  createMarker,
  type EpochFile,
  FILE_HEADER_BYTES,
  hasGoodHeader,
  listEpochFiles,
  markerName,
  publishSeal,
  readSeal,
} from './epoch-files.ts';
import { createFileWriter } from './file-writer.ts';
import { createOpenFiles } from './open-files.ts';
import { cutBlocks, type Measure, measureTail, readAt, settleTail } from './scan.ts';
import {
  type BodyCheck,
  checkWalId,
  type ReadHints,
  type WalBlock,
  WalCorrupt,
  WalFenced,
  type WalStore,
} from './wal-store.ts';

const MAX_OPEN_FILES = 16;

export interface FileWalOptions {
  readonly disk: Disk;
  /** One folder per log is made in it. */
  readonly directory: string;
  readonly check?: BodyCheck;
  readonly maxBlockBytes?: number;
  readonly maxInFlight?: number;
  readonly nowMs?: () => number;
}

export interface FileWal extends WalStore {
  /** Lets go of the files kept open for reading. */
  close(): Promise<void>;
}

/** The engine `files`: segment files on a local disk. */
export function createFileWal(options: FileWalOptions): FileWal {
  const { disk, directory, check = crcCheck, maxBlockBytes = 32 * 1024 * 1024, maxInFlight = 8 } = options;
  /** Positions at which the files of an epoch begin, ascending. */
  const starts = new Map<string, number[]>();
  const files = createOpenFiles(MAX_OPEN_FILES);

  function folder(walId: string): string {
    checkWalId(walId);
    return `${directory}/${walId}`;
  }

  async function startsOf(walId: string, epoch: number): Promise<number[]> {
    const key = `${walId}/${epoch}`;
    let list = starts.get(key);
    if (list === undefined) {
      list = (await blockFiles(walId, epoch)).map((file) => file.position);
      starts.set(key, list);
    }
    return list;
  }

  async function blockFiles(walId: string, epoch: number): Promise<(EpochFile & { position: number })[]> {
    const files = await listEpochFiles(disk, folder(walId));
    return files.filter(
      (file): file is EpochFile & { position: number } => file.epoch === epoch && file.position !== undefined,
    );
  }

  async function openChecked(path: string, epoch: number, position: number): Promise<DiskFile> {
    const file = await disk.open(path, 'read');
    try {
      if (await hasGoodHeader(file, epoch, position)) return file;
      throw new WalCorrupt(path, 0, 'its header is damaged');
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** At least the block at `from`, whole. What is whole before a damaged one was asked for too, and is served first. */
  async function readBlocks(
    file: DiskFile,
    epoch: number,
    start: number,
    from: number,
    limit: number,
    maxBytes: number,
    hints: ReadHints | undefined,
  ): Promise<readonly WalBlock[]> {
    for (let bytes = Math.max(BLOCK_HEADER_BYTES, Math.min(maxBytes, limit - from)); ; ) {
      const piece = await readAt(file, start, from, bytes, hints?.allocate);
      const cut = cutBlocks(piece, from, epoch, check, maxBlockBytes, hints?.onEnd);
      if (cut.blocks.length > 0) return cut.blocks;
      if (cut.needBytes <= bytes) {
        throw new WalCorrupt(file.path, FILE_HEADER_BYTES + from - start, 'the block there is damaged');
      }
      bytes = cut.needBytes;
    }
  }

  /** With `isFinal`, what counts is made to last: a length outlives a loss of power, so must what it counts. */
  async function measure(walId: string, epoch: number, isFinal: boolean): Promise<Measure> {
    const last = (await blockFiles(walId, epoch)).at(-1);
    if (last === undefined) return { length: 0, synced: 0, tornBytes: 0 };
    const file = await disk.open(`${folder(walId)}/${last.name}`, isFinal ? 'update' : 'read');
    try {
      if (!(await hasGoodHeader(file, epoch, last.position))) {
        // The header is synced before the first block is written: a file without one has no blocks.
        const size = await file.size();
        const length = last.position;
        if (size <= FILE_HEADER_BYTES) return { length, synced: length, tornBytes: size };
        throw new WalCorrupt(file.path, 0, 'its header is damaged');
      }
      const tail = await measureTail(file, epoch, last.position, check, maxBlockBytes);
      if (isFinal) await settleTail(file, last.position, tail);
      return tail;
    } finally {
      await file.close();
    }
  }

  return {
    maxBlockBytes,
    async probe() {
      await disk.makeDirectory(directory);
      const name = `probe-${process.pid}`;
      const path = `${directory}/${name}`;
      try {
        if (!(await createMarker(disk, directory, name)) || (await createMarker(disk, directory, name))) {
          throw new Error(
            `${directory}: creating a file that exists did not fail; fencing cannot work there`,
          );
        }
      } finally {
        await disk.remove(path);
      }
    },
    async open(walId, epoch) {
      const path = folder(walId);
      await disk.makeDirectory(path);
      await disk.syncDirectory(directory);
      if (!(await createMarker(disk, path, markerName(epoch, 'open')))) {
        throw new WalFenced(walId, epoch, 'has had its writer');
      }
      if (await disk.exists(`${path}/${markerName(epoch, 'sealing')}`)) {
        throw new WalFenced(walId, epoch, 'was sealed by another owner');
      }
      const list: number[] = [];
      starts.set(`${walId}/${epoch}`, list);
      return createFileWriter({
        disk,
        directory: path,
        walId,
        epoch,
        maxBlockBytes,
        maxInFlight,
        ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
        onFile: (position) => list.push(position),
      });
    },
    async seal(walId, epoch) {
      const path = folder(walId);
      const known = await readSeal(disk, path, epoch);
      if (known !== undefined) return known;
      await disk.makeDirectory(path);
      await disk.syncDirectory(directory);
      await createMarker(disk, path, markerName(epoch, 'sealing'));
      await publishSeal(disk, path, epoch, (await measure(walId, epoch, true)).length);
      // Whoever was first has decided.
      const length = await readSeal(disk, path, epoch);
      if (length === undefined) throw new Error(`${path}: the seal of epoch ${epoch} is gone`);
      return length;
    },
    async epochs(walId) {
      const files = await listEpochFiles(disk, folder(walId));
      return [...new Set(files.map((file) => file.epoch))];
    },
    async read(walId, epoch, from, until, maxBytes, hints) {
      const list = await startsOf(walId, epoch);
      const index = list.findLastIndex((start) => start <= from);
      const start = list[index];
      const limit = Math.min(until, list[index + 1] ?? Number.POSITIVE_INFINITY);
      const path = `${folder(walId)}/${start === undefined ? '' : blockFileName(epoch, start)}`;
      if (start === undefined) throw new WalCorrupt(path, from, 'no file has that position');
      return files.use(
        path,
        () => openChecked(path, epoch, start),
        async (file) => {
          const blocks = await readBlocks(file, epoch, start, from, limit, maxBytes, hints);
          return blocks.filter((block) => block.position < until);
        },
      );
    },
    async lastAnchor(walId, epoch, length) {
      const list = await startsOf(walId, epoch);
      const anchor = list.findLast((start) => start < length);
      if (anchor === undefined) throw new WalCorrupt(folder(walId), 0, `epoch ${epoch} has lost its files`);
      return anchor;
    },
    async inspect(walId, epoch) {
      const length = await readSeal(disk, folder(walId), epoch);
      if (length !== undefined) return { length, isSealed: true, tornBytes: 0 };
      const measured = await measure(walId, epoch, false);
      return { length: measured.length, isSealed: false, tornBytes: measured.tornBytes };
    },
    async remove(walId, epoch, from, until) {
      const list = await startsOf(walId, epoch);
      const dead = list.filter((start) => start >= from && start < until);
      // A sealer finds the length with the last file; afterwards it lies in the seal.
      if (dead.at(-1) === list.at(-1) && (await readSeal(disk, folder(walId), epoch)) === undefined)
        dead.pop();
      for (const start of dead) {
        const path = `${folder(walId)}/${blockFileName(epoch, start)}`;
        await files.letGo(path);
        try {
          await disk.remove(path);
        } catch (error) {
          if (diskErrorCode(error) !== 'ENOENT') throw error;
        }
        list.splice(list.indexOf(start), 1);
      }
    },
    close: () => files.close(),
  };
}
