/**
 * The directory of a node: one process at a time, a format version, an identity, and the folders of what the other
 * rooms of storage keep. What lies in those folders is theirs.
 *
 *     format.json   version of this layout; an unknown one is refused
 *     node.json     identity of the node, made once
 *     lock/         who uses it (lock.ts)
 *     audit/        what administrators did
 *     control.sock  the running node's administration
 *     journal/      the journal
 *     views/        views of the journal; may be lost
 *     meta/         the embedded metadata store
 *     audit/        what administrators did
 *
 * Guaranteed: while it is open no other process has it open, whatever happened to those before; nothing is created in
 * a directory that is not a data directory and has such folders already.
 */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Disk, diskErrorCode, readWhole } from '../disk/disk.ts';
import { nodeDisk } from '../disk/node-disk.ts';
import { type Lock, LockTaken, takeLock } from './lock.ts';
import { openSocketDirectory } from './socket-path.ts';

export const DATA_FORMAT_VERSION = 1;
export const CONTROL_SOCKET = 'control.sock';
/** The write-ahead log in `journal/` that is the node's journal, and the folder of its views in `views/`. */
export const JOURNAL_WAL_ID = 'main';

export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  readonly journal: string;
  readonly views: string;
  readonly audit: string;
  readonly meta: string;
  /** A UUID; stays the same for the life of the directory. */
  readonly nodeId: string;
  /** Where to listen for administration; short enough for the system, valid until `close`. */
  readonly controlSocket: string;
  /** Lets go of it. Idempotent. */
  close(): Promise<void>;
}

/** `missing`: there is none (only with `mustExist`). The message is a sentence for the operator. */
export type DataDirectoryReason = 'in-use' | 'format' | 'missing' | 'damaged' | 'system';

export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
  readonly reason: DataDirectoryReason;
  constructor(reason: DataDirectoryReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export interface DataDirectoryOptions {
  /** Nothing is created, apart from the lock; for tools that look at a directory. */
  readonly mustExist?: boolean;
  readonly disk?: Disk;
}

const FORMAT_FILE = 'format.json';
const NODE_FILE = 'node.json';
const FOLDERS = ['journal', 'views', 'meta', 'audit'] as const;
const MAX_FILE_BYTES = 64 * 1024;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export async function openDataDirectory(
  directory: string,
  { mustExist = false, disk = nodeDisk }: DataDirectoryOptions = {},
): Promise<DataDirectory> {
  const path = resolve(directory);
  let lock: Lock | undefined;
  try {
    if (mustExist) await checkExists(path);
    else await disk.makeDirectory(path);
    lock = await takeLock(path);
    const isNew = !(await checkFormat(disk, path));
    if (isNew && mustExist) throw new DataDirectoryError('missing', `${path} is not a data directory`);
    if (isNew) await refuseForeign(disk, path);
    const nodeId = await nodeIdentity(disk, path, mustExist);
    if (!mustExist) for (const folder of FOLDERS) await disk.makeDirectory(join(path, folder));
    // The format comes last: what has it is complete.
    if (isNew) await writeWhole(disk, path, FORMAT_FILE, { version: DATA_FORMAT_VERSION });
    const sockets = openSocketDirectory(path, CONTROL_SOCKET.length);
    const held = lock;
    let closing: Promise<void> | undefined;
    return {
      path,
      journal: join(path, 'journal'),
      views: join(path, 'views'),
      audit: join(path, 'audit'),
      meta: join(path, 'meta'),
      nodeId,
      controlSocket: sockets.pathOf(CONTROL_SOCKET),
      close() {
        closing ??= held.release().then(sockets.release);
        return closing;
      },
    };
  } catch (error) {
    await lock?.release();
    throw asDataDirectoryError(error, path);
  }
}

/** Why no broker of this release starts on what is there, as far as one look tells; nothing is locked or changed. */
export async function dataDirectoryProblem(directory: string): Promise<string | undefined> {
  const path = resolve(directory);
  try {
    if (!(await checkFormat(nodeDisk, path))) await refuseForeign(nodeDisk, path);
    return undefined;
  } catch (error) {
    return asDataDirectoryError(error, path).message;
  }
}

async function checkExists(path: string): Promise<void> {
  const format = await stat(join(path, FORMAT_FILE)).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes(diskErrorCode(error))) return undefined;
    throw error;
  });
  if (format === undefined) throw new DataDirectoryError('missing', `${path} is not a data directory`);
}

/** False when there is no format file yet. */
async function checkFormat(disk: Disk, path: string): Promise<boolean> {
  const format = await readJson(disk, join(path, FORMAT_FILE));
  if (format === undefined) return false;
  const { version } = format;
  if (version === DATA_FORMAT_VERSION) return true;
  throw new DataDirectoryError(
    'format',
    `${path} has the format version ${JSON.stringify(version)}, and this program knows ${DATA_FORMAT_VERSION}; start it with the release that wrote it`,
  );
}

/** A start that was cut short leaves an identity and empty folders; anything else with these names is not ours. */
async function refuseForeign(disk: Disk, path: string): Promise<void> {
  for (const folder of FOLDERS) {
    if ((await disk.list(join(path, folder))).length === 0) continue;
    throw new DataDirectoryError(
      'damaged',
      `${path} has something in ${folder}/ but no ${FORMAT_FILE}: either that file was lost or the directory is not one of this broker; choose another, or restore the file`,
    );
  }
}

async function nodeIdentity(disk: Disk, path: string, mustExist: boolean): Promise<string> {
  const file = join(path, NODE_FILE);
  const found = await readJson(disk, file);
  if (found === undefined) {
    if (mustExist) throw new DataDirectoryError('damaged', `${file} is missing`);
    const nodeId = randomUUID();
    await writeWhole(disk, path, NODE_FILE, { nodeId });
    return nodeId;
  }
  const { nodeId } = found;
  if (typeof nodeId === 'string' && UUID.test(nodeId)) return nodeId;
  throw new DataDirectoryError('damaged', `${file} has no identity in it; restore it from a copy`);
}

async function readJson(disk: Disk, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = Buffer.from(await readWhole(disk, path, MAX_FILE_BYTES)).toString('utf8');
  } catch (error) {
    if (diskErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below.
  }
  throw new DataDirectoryError('damaged', `${path} is damaged: it should have a JSON object in it`);
}

/** Appears complete, and stays, or not at all. */
async function writeWhole(disk: Disk, directory: string, name: string, value: object): Promise<void> {
  const temporary = join(directory, `${name}.tmp`);
  if (await disk.exists(temporary)) await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.writev([Buffer.from(`${JSON.stringify(value)}\n`)], 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, join(directory, name));
  await disk.syncDirectory(directory);
}

function asDataDirectoryError(error: unknown, path: string): DataDirectoryError {
  if (error instanceof DataDirectoryError) return error;
  if (error instanceof LockTaken) {
    return new DataDirectoryError('in-use', `the data directory ${error.message}`, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new DataDirectoryError('system', `cannot use the data directory ${path}: ${reason}`, {
    cause: error,
  });
}
