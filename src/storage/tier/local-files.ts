import { crc32 } from 'node:zlib';
import { type Disk, diskErrorCode } from '../disk/disk.ts';
import {
  blockFileName,
  createMarker,
  FILE_HEADER_BYTES,
  hasGoodHeader,
  listEpochFiles,
  readSeal,
} from '../wal/epoch-files.ts';
import { cutBlocks } from '../wal/scan.ts';
import { type BodyCheck, WalCorrupt } from '../wal/wal-store.ts';

/** A file of blocks to which nothing is written any more. */
export interface FinishedFile {
  readonly epoch: number;
  readonly start: number;
  /** Position behind its last block. */
  readonly end: number;
}

/** A stretch of an epoch whose objects have to go. */
export interface Gone {
  readonly epoch: number;
  readonly from: number;
  readonly until: number;
}

export interface WholeFile {
  readonly bytes: Uint8Array;
  /** CRC-32 of all of them. */
  readonly sum: number;
}

export interface LocalFiles {
  /**
   * Finished files that are not yet `known`. The last file of an epoch is one when the epoch is sealed and lies below
   * `finalBelow`: a later epoch has begun, so no start of the broker needs it to find the end of the log.
   */
  finished(finalBelow: number, known: (epoch: number, start: number) => boolean): Promise<FinishedFile[]>;
  /** Position behind the last byte of a file; undefined when there is none. */
  endOf(epoch: number, start: number): Promise<number | undefined>;
  /** The file up to its end, every block of it checked. */
  readWhole(file: FinishedFile): Promise<WholeFile>;
  /** From now on segments of the log can be in the store alone: it cannot be read without one. */
  noteMoved(): Promise<void>;
  /** What is noted here survives a restart, until it is struck out. */
  noteGone(gone: Gone): Promise<void>;
  strikeOut(gone: Gone): Promise<void>;
  listGone(): Promise<Gone[]>;
}

const PIECE_BYTES = 1024 * 1024;

const GONE = /^gone-(\d+)-(\d+)-(\d+)$/;
const goneName = ({ epoch, from, until }: Gone): string => `gone-${epoch}-${from}-${until}`;

const MOVED = 'moved';

/** Whether segments of a log were removed here because an object store has them. */
export function hasMoved(disk: Disk, directory: string, walId: string): Promise<boolean> {
  return disk.exists(`${directory}/${walId}/${MOVED}`);
}

/** The files of one log in the folder of the engine `files`, and notes of this folder beside them. */
export function createLocalFiles(
  disk: Disk,
  folder: string,
  check: BodyCheck,
  maxBlockBytes: number,
): LocalFiles {
  const pathOf = (epoch: number, start: number): string => `${folder}/${blockFileName(epoch, start)}`;

  let hasNote = false;

  async function endOf(epoch: number, start: number): Promise<number | undefined> {
    try {
      const file = await disk.open(pathOf(epoch, start), 'read');
      try {
        return start + Math.max(0, (await file.size()) - FILE_HEADER_BYTES);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  return {
    endOf,
    async finished(finalBelow, known) {
      const found: FinishedFile[] = [];
      const files = await listEpochFiles(disk, folder);
      for (const [i, { epoch, position: start }] of files.entries()) {
        if (start === undefined || known(epoch, start)) continue;
        const isLast = files[i + 1]?.epoch !== epoch;
        if (isLast && epoch >= finalBelow) continue;
        const sealed = isLast ? await readSeal(disk, folder, epoch) : Number.POSITIVE_INFINITY;
        const fileEnd = await endOf(epoch, start);
        if (sealed === undefined || fileEnd === undefined) continue;
        // Behind the sealed length may lie a torn tail. Short of it ends a file whose successors have gone already.
        const end = Math.min(sealed, fileEnd);
        if (end > start) found.push({ epoch, start, end });
      }
      return found;
    },
    async readWhole({ epoch, start, end }) {
      const file = await disk.open(pathOf(epoch, start), 'read');
      try {
        if (!(await hasGoodHeader(file, epoch, start)))
          throw new WalCorrupt(file.path, 0, 'its header is damaged');
        const bytes = Buffer.allocUnsafeSlow(FILE_HEADER_BYTES + end - start);
        let sum = 0;
        let whole = start;
        // In pieces, between which others have their turn.
        for (let filled = 0; filled < bytes.byteLength; ) {
          const piece = bytes.subarray(filled, filled + PIECE_BYTES);
          const got = await file.read(piece, filled);
          if (got === 0) break;
          sum = crc32(piece.subarray(0, got), sum);
          filled += got;
          const rest = bytes.subarray(FILE_HEADER_BYTES + whole - start, filled);
          whole = cutBlocks(rest, whole, epoch, check, maxBlockBytes).end;
        }
        if (whole !== end) {
          const reason = 'the block there is damaged';
          throw new WalCorrupt(file.path, FILE_HEADER_BYTES + whole - start, reason);
        }
        return { bytes, sum };
      } finally {
        await file.close();
      }
    },
    async noteMoved() {
      if (!hasNote) await createMarker(disk, folder, MOVED);
      hasNote = true;
    },
    async noteGone(gone) {
      await createMarker(disk, folder, goneName(gone));
    },
    async strikeOut(gone) {
      await disk.remove(`${folder}/${goneName(gone)}`);
    },
    async listGone() {
      return (await disk.list(folder)).flatMap((name) => {
        const match = GONE.exec(name);
        return match === null
          ? []
          : [{ epoch: Number(match[1]), from: Number(match[2]), until: Number(match[3]) }];
      });
    },
  };
}
