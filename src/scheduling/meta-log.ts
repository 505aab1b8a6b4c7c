/**
 * The files of the embedded metadata: a snapshot, and a log of what came after it. A group of changes is one frame with
 * one checksum and one sync, so that it is there whole or not at all; the snapshot names its log, and replaces the one
 * before it atomically.
 */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { MetaStoreError } from './meta-store.ts';

const FILE_MAGIC = 'RMQMETA\n';
const VERSION = 1;
const FILE_HEADER_BYTES = 12;
const FRAME_MAGIC = Buffer.from('mtfr', 'latin1');
/** Magic, length of the payload, CRC-32 of the payload. */
const FRAME_HEADER_BYTES = 12;

export interface MetaLog {
  /** What the snapshot holds, and each group of the log behind it. */
  readonly snapshot: unknown;
  readonly groups: readonly unknown[];
  readonly logBytes: number;
  /** Durable when it resolves. After a failure the log must not be used any more. */
  append(group: unknown): Promise<void>;
  /** Replaces snapshot and log by a snapshot and an empty log. */
  replace(snapshot: unknown): Promise<void>;
  close(): Promise<void>;
}

function fileHeader(): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  bytes.write(FILE_MAGIC, 'latin1');
  bytes.writeUInt32LE(VERSION, FILE_MAGIC.length);
  return bytes;
}

function frame(content: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(content));
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  FRAME_MAGIC.copy(header);
  header.writeUInt32LE(payload.byteLength, 4);
  header.writeUInt32LE(crc32(payload), 8);
  return Buffer.concat([header, payload]);
}

/** The payload of the frame at `at`, if it is whole and right. */
function frameAt(bytes: Buffer, at: number): Buffer | undefined {
  const start = at + FRAME_HEADER_BYTES;
  if (start > bytes.byteLength || !bytes.subarray(at, at + 4).equals(FRAME_MAGIC)) return undefined;
  const payload = bytes.subarray(start, start + bytes.readUInt32LE(at + 4));
  const isWhole = payload.byteLength === bytes.readUInt32LE(at + 4);
  return isWhole && crc32(payload) === bytes.readUInt32LE(at + 8) ? payload : undefined;
}

function hasFrameBehind(bytes: Buffer, from: number): boolean {
  for (let at = bytes.indexOf(FRAME_MAGIC, from); at >= 0; at = bytes.indexOf(FRAME_MAGIC, at + 1)) {
    if (frameAt(bytes, at) !== undefined) return true;
  }
  return false;
}

function checkHeader(path: string, bytes: Buffer): void {
  if (bytes.byteLength < FILE_HEADER_BYTES || bytes.toString('latin1', 0, FILE_MAGIC.length) !== FILE_MAGIC) {
    throw new MetaStoreError(`the metadata file ${path} does not start as one`);
  }
  const version = bytes.readUInt32LE(FILE_MAGIC.length);
  if (version !== VERSION) {
    throw new MetaStoreError(
      `the metadata file ${path} has format ${version}; this version reads format ${VERSION} only`,
    );
  }
}

/** All frames, and where the last good one ends. A bad frame before a good one is damage and not a torn tail. */
function readFrames(path: string, bytes: Buffer): { readonly frames: unknown[]; readonly endsAt: number } {
  checkHeader(path, bytes);
  const frames: unknown[] = [];
  let at = FILE_HEADER_BYTES;
  for (let payload = frameAt(bytes, at); payload !== undefined; payload = frameAt(bytes, at)) {
    frames.push(JSON.parse(payload.toString()));
    at += FRAME_HEADER_BYTES + payload.byteLength;
  }
  if (at < bytes.byteLength && hasFrameBehind(bytes, at + 1)) {
    throw new MetaStoreError(
      `the metadata file ${path} is damaged at byte ${at}, with good frames behind it`,
    );
  }
  return { frames, endsAt: at };
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let from = 0; from < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, from, bytes.byteLength - from, position + from);
    from += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

interface SnapshotFrame {
  readonly log: number;
  readonly state: unknown;
}

export async function openMetaLog(folder: string): Promise<MetaLog> {
  await mkdir(folder, { recursive: true });
  const snapshotPath = join(folder, 'snapshot');
  const logPath = (number: number): string => join(folder, `log.${number}`);

  async function createLog(number: number): Promise<FileHandle> {
    const handle = await open(logPath(number), 'w+');
    await writeAt(handle, fileHeader(), 0);
    await handle.sync();
    await syncFolder(folder);
    return handle;
  }

  async function readSnapshot(): Promise<SnapshotFrame | undefined> {
    const bytes = await readIfThere(snapshotPath);
    if (bytes === undefined) return undefined;
    const { frames, endsAt } = readFrames(snapshotPath, bytes);
    if (frames.length !== 1 || endsAt !== bytes.byteLength) {
      throw new MetaStoreError(`the metadata file ${snapshotPath} is damaged`);
    }
    return frames[0] as SnapshotFrame;
  }

  const snapshot = await readSnapshot();
  let number = snapshot?.log ?? 0;
  let logBytes = FILE_HEADER_BYTES;
  let groups: readonly unknown[] = [];
  let handle: FileHandle;
  const written = await readIfThere(logPath(number));
  // The log is durable before the snapshot that names it; only the very first may have been cut off in its header.
  if (written === undefined && snapshot !== undefined) {
    throw new MetaStoreError(`the metadata file ${logPath(number)} is missing`);
  }
  if (written === undefined || (snapshot === undefined && written.byteLength < FILE_HEADER_BYTES)) {
    handle = await createLog(number);
  } else {
    const { frames, endsAt } = readFrames(logPath(number), written);
    groups = frames;
    logBytes = endsAt;
    handle = await open(logPath(number), 'r+');
    if (endsAt < written.byteLength) await handle.truncate(endsAt);
    // What was read may not have been synced by the one who wrote it, and is shown from now on.
    await handle.sync();
    await syncFolder(folder);
  }
  for (const name of await readdir(folder)) {
    if (name.startsWith('log.') && name !== `log.${number}`) await rm(join(folder, name));
  }

  return {
    snapshot: snapshot?.state,
    groups,
    get logBytes() {
      return logBytes;
    },

    async append(group) {
      const bytes = frame(group);
      await writeAt(handle, bytes, logBytes);
      await handle.datasync();
      logBytes += bytes.byteLength;
    },

    async replace(state) {
      const next = await createLog(number + 1);
      try {
        const temporary = await open(`${snapshotPath}.new`, 'w');
        try {
          const content: SnapshotFrame = { log: number + 1, state };
          await writeAt(temporary, Buffer.concat([fileHeader(), frame(content)]), 0);
          await temporary.sync();
        } finally {
          await temporary.close();
        }
        await rename(`${snapshotPath}.new`, snapshotPath);
        await syncFolder(folder);
      } catch (error) {
        await next.close();
        throw error;
      }
      await handle.close();
      await rm(logPath(number));
      handle = next;
      number++;
      logBytes = FILE_HEADER_BYTES;
    },

    close: () => handle.close(),
  };
}
