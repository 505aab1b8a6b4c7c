import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type Disk, type DiskFile, diskErrorCode } from '../disk/disk.ts';

const PIECE_BYTES = 1024 * 1024;
/** A request to an object store takes its time, however little it is for. */
const OBJECT_PIECE_BYTES = 8 * PIECE_BYTES;

/** A file ends before it should. */
export class FileTooShort extends Error {
  override readonly name = 'FileTooShort';
}

/** What a copy is to look after while it is made. */
export interface CopyWatch {
  /** More bytes were looked at. */
  onBytes(bytes: number): void;
  /** Throws when it is to end. */
  check(): void;
}

/** Reads the first `bytes` of a file and gives their SHA-256; `each` gets them piece by piece, at their places. */
async function walk(
  file: DiskFile,
  bytes: number,
  watch: CopyWatch,
  each: (piece: Uint8Array, at: number) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, Math.max(bytes, 1)));
  for (let at = 0; at < bytes; ) {
    watch.check();
    const into = buffer.subarray(0, Math.min(buffer.length, bytes - at));
    const got = await file.read(into, at);
    if (got < into.length)
      throw new FileTooShort(`${file.path} ends at ${at + got}, and should have ${bytes} bytes`);
    hash.update(into);
    await each(into, at);
    at += got;
    watch.onBytes(got);
  }
  return hash.digest('hex');
}

async function using<T>(file: DiskFile, work: (file: DiskFile) => Promise<T>): Promise<T> {
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** The SHA-256 of the first `bytes` of a file. */
export async function sumOfFile(disk: Disk, path: string, bytes: number, watch: CopyWatch): Promise<string> {
  return using(await disk.open(path, 'read'), (file) => walk(file, bytes, watch, async () => {}));
}

/** Copies the first `bytes` of a file to a new one, durably, and gives their SHA-256. */
export async function copyFile(
  disk: Disk,
  from: string,
  to: string,
  bytes: number,
  watch: CopyWatch,
): Promise<string> {
  return using(await disk.open(from, 'read'), async (source) =>
    using(await disk.open(to, 'create'), async (target) => {
      const sum = await walk(source, bytes, watch, (piece, at) => target.writev([piece], at));
      await target.datasync();
      return sum;
    }),
  );
}

/** Ranges of an object, as an object store gives them. */
export interface ObjectSource {
  get(
    key: string,
    range: { readonly offset: number; readonly lengthBytes: number },
  ): Promise<Uint8Array | undefined>;
}

/** Copies an object to a new file, durably, a piece at a time, and gives its SHA-256. */
export async function copyObject(
  source: ObjectSource,
  { key, bytes, crc }: { readonly key: string; readonly bytes: number; readonly crc: number },
  disk: Disk,
  to: string,
  watch: CopyWatch,
): Promise<string> {
  return using(await disk.open(to, 'create'), async (target) => {
    const hash = createHash('sha256');
    let sum = 0;
    for (let at = 0; at < bytes; ) {
      watch.check();
      const piece = await source.get(key, {
        offset: at,
        lengthBytes: Math.min(OBJECT_PIECE_BYTES, bytes - at),
      });
      if (piece === undefined || piece.length === 0) {
        throw new FileTooShort(`the object store does not have ${key}, or not all of it`);
      }
      hash.update(piece);
      sum = crc32(piece, sum);
      await target.writev([piece], at);
      at += piece.length;
      watch.onBytes(piece.length);
    }
    if (sum !== crc) throw new FileTooShort(`${key} in the object store is not what was written there`);
    await target.datasync();
    return hash.digest('hex');
  });
}

/** Another name for the same file; false where there can be none: it is larger, or lies on another disk. */
export async function linkFile(disk: Disk, from: string, to: string, bytes: number): Promise<boolean> {
  const size = await using(await disk.open(from, 'read'), (file) => file.size());
  if (size !== bytes) return false;
  try {
    await disk.link(from, to);
    return true;
  } catch (error) {
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS'].includes(diskErrorCode(error))) return false;
    throw error;
  }
}

export async function writeFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  await using(await disk.open(path, 'create'), async (file) => {
    await file.writev([bytes], 0);
    await file.datasync();
  });
}
