import fs from 'node:fs';
import { mkdir, readdir, statfs } from 'node:fs/promises';
import { type Disk, type DiskFile, diskErrorCode, type OpenMode } from './disk.ts';

/** A file that is open this way has each write synced in the same call. Not every system has it. */
const { O_CREAT, O_DSYNC, O_EXCL, O_RDONLY, O_RDWR } = fs.constants as typeof fs.constants & {
  readonly O_DSYNC?: number;
};
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  update: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
};

/** Callbacks and descriptors: measured faster than FileHandle for small writes, and nothing is opened twice. */
function call<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

function act(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return call<void>((done) => start((error) => done(error)));
}

async function writeAll(fd: number, views: readonly Uint8Array[], position: number): Promise<void> {
  let rest = views;
  let at = position;
  let left = 0;
  for (const view of views) left += view.byteLength;
  while (left > 0) {
    const list = rest as Uint8Array[];
    const from = at;
    const written = await call<number>((done) =>
      fs.writev(fd, list, from, (error, bytes) => done(error, bytes)),
    );
    if (written === 0) throw Object.assign(new Error('the disk takes no more bytes'), { code: 'EIO' });
    left -= written;
    at += written;
    if (left > 0) rest = behind(rest, written);
  }
}

/** What is left of the views after their first `bytes`. */
function behind(views: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const view of views) {
    if (skip >= view.byteLength) skip -= view.byteLength;
    else {
      rest.push(view.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

async function readAll(fd: number, into: Uint8Array, position: number): Promise<number> {
  let got = 0;
  while (got < into.byteLength) {
    const offset = got;
    const bytes = await call<number>((done) =>
      fs.read(fd, into, offset, into.byteLength - offset, position + offset, (error, n) => done(error, n)),
    );
    if (bytes === 0) break;
    got += bytes;
  }
  return got;
}

function fileOf(path: string, fd: number): DiskFile {
  let syncedFd: number | undefined;
  const datasync = (): Promise<void> => act((done) => fs.fdatasync(fd, done));
  const close = (which: number): Promise<void> => act((done) => fs.close(which, done));

  async function writeSynced(views: readonly Uint8Array[], position: number): Promise<void> {
    if (O_DSYNC === undefined) {
      await writeAll(fd, views, position);
      return datasync();
    }
    syncedFd ??= await call<number>((done) => fs.open(path, O_RDWR | O_DSYNC, done));
    return writeAll(syncedFd, views, position);
  }

  return {
    path,
    writev: (views, position, isSynced = false) =>
      isSynced ? writeSynced(views, position) : writeAll(fd, views, position),
    read: (into, position) => readAll(fd, into, position),
    datasync,
    truncate: (bytes) => act((done) => fs.ftruncate(fd, bytes, done)),
    size: async () => (await call<fs.Stats>((done) => fs.fstat(fd, done))).size,
    async close() {
      const other = syncedFd;
      syncedFd = undefined;
      await Promise.all([close(fd), other === undefined ? undefined : close(other)]);
    },
  };
}

/** The file system of this machine. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    return fileOf(path, await call<number>((done) => fs.open(path, FLAGS[mode], 0o640, done)));
  },
  async exists(path) {
    try {
      await act((done) => fs.access(path, done));
      return true;
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  },
  existsNow: (path) => fs.existsSync(path),
  link: (from, to) => act((done) => fs.link(from, to, done)),
  rename: (from, to) => act((done) => fs.rename(from, to, done)),
  remove: (path) => act((done) => fs.unlink(path, done)),
  async list(directory) {
    try {
      return await readdir(directory);
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  },
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o750 });
  },
  async syncDirectory(path) {
    const fd = await call<number>((done) => fs.open(path, O_RDONLY, done));
    try {
      await act((done) => fs.fsync(fd, done));
    } finally {
      await act((done) => fs.close(fd, done));
    }
  },
  async freeBytes(directory) {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
};
