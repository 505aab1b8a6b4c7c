/**
 * The seam between storage and the disk: everything that storage asks of a file system, and nothing else. Here are
 * the interface and the disk of the operating system; a disk that tears writes and fails fsync lies with the tests.
 * What a disk promises: bytes are readable once `writev` has resolved, they survive a loss of power once `datasync`
 * has, and names survive it once `syncDirectory` has. Nothing is retried here: an error is the caller's to judge.
 */

export interface DiskFile {
  readonly path: string;
  /**
   * Writes all views one after the other at `position`. Rejects when not every byte was written. With `isSynced` they
   * survive a loss of power once it has resolved; what was written before is not made to.
   */
  writev(views: readonly Uint8Array[], position: number, isSynced?: boolean): Promise<void>;
  /** Fills `into` from `position`; the number of bytes read is short only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  datasync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** `create` fails with EEXIST where the name is taken: that it is atomic is what fencing by marker files stands on. */
export type OpenMode = 'read' | 'update' | 'create';

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  exists(path: string): Promise<boolean>;
  /** The same at once: for a name that is looked up all the time, which costs less than asking another thread. */
  existsNow(path: string): boolean;
  /** Gives a file a second name; fails with EEXIST where that is taken. */
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Names in a directory, in no order; empty when there is no such directory. */
  list(directory: string): Promise<string[]>;
  /** With its parents; a directory that exists is fine. */
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes that this process may still write. */
  freeBytes(directory: string): Promise<number>;
}

/** The error code of a failed operation (`ENOSPC`, `EEXIST`, …), or '' where there is none. */
export function diskErrorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** Reads a whole small file. Refuses one that is larger than `maxBytes` before allocating. */
export async function readWhole(disk: Disk, path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await disk.open(path, 'read');
  try {
    const size = await file.size();
    if (size > maxBytes) throw new Error(`${path} has ${size} bytes; ${maxBytes} at most make sense there`);
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}
