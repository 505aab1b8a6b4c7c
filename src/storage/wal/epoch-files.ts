import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type Disk, type DiskFile, diskErrorCode, readWhole } from '../disk/disk.ts';
import { readU64, viewOf, writeU64 } from './block.ts';
import { WalCorrupt, WalFormatUnknown } from './wal-store.ts';

/**
 * How an epoch lies on disk: `<epoch>-<position>.wal` files of blocks, each after a short header, and three markers:
 * `.open` (it has its writer), `.sealing` (that writer may acknowledge nothing more), `.seal` (its length, final).
 */
export const FILE_HEADER_BYTES = 32;
/** 3: payloads can have checksums of their own. What version 2 has is read as it always was. */
const VERSION = 3;
const OLDEST_VERSION = 2;
const WAL_MAGIC = Buffer.from('RMQ-WAL\0');
const SEAL_MAGIC = Buffer.from('RMQ-SEAL');
const SEAL_BYTES = 32;

const EPOCH_DIGITS = 10;
const POSITION_DIGITS = 16;
const NAME = /^(\d{10})(?:-(\d{16})\.wal|\.(open|sealing|seal))$/;

export interface EpochFile {
  readonly name: string;
  readonly epoch: number;
  /** Position of the first block; undefined for markers. */
  readonly position: number | undefined;
}

const digits = (value: number, count: number): string => String(value).padStart(count, '0');

export function blockFileName(epoch: number, position: number): string {
  return `${digits(epoch, EPOCH_DIGITS)}-${digits(position, POSITION_DIGITS)}.wal`;
}

export function markerName(epoch: number, kind: 'open' | 'sealing' | 'seal'): string {
  return `${digits(epoch, EPOCH_DIGITS)}.${kind}`;
}

/** The files of a log, by epoch and position; what has another name is somebody else's. */
export async function listEpochFiles(disk: Disk, directory: string): Promise<EpochFile[]> {
  const files: EpochFile[] = [];
  for (const name of await disk.list(directory)) {
    const match = NAME.exec(name);
    if (match === null) continue;
    files.push({
      name,
      epoch: Number(match[1]),
      position: match[2] === undefined ? undefined : Number(match[2]),
    });
  }
  return files.sort((a, b) => a.epoch - b.epoch || (a.position ?? -1) - (b.position ?? -1));
}

function header(magic: Uint8Array, epoch: number, value: number): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const view = viewOf(bytes);
  bytes.set(magic);
  view.setUint32(8, VERSION);
  writeU64(view, 12, epoch);
  writeU64(view, 20, value);
  view.setUint32(28, crc32(bytes.subarray(0, 28)));
  return bytes;
}

/** The value in a header; undefined when the bytes were damaged or never finished. */
function valueIn(bytes: Uint8Array, magic: Uint8Array, epoch: number, path: string): number | undefined {
  if (bytes.byteLength < FILE_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(28) !== crc32(bytes.subarray(0, 28))) return undefined;
  if (Buffer.compare(bytes.subarray(0, 8), magic) !== 0) return undefined;
  const version = view.getUint32(8);
  if (version < OLDEST_VERSION || version > VERSION) {
    throw new WalFormatUnknown(
      `${path} has format version ${version}, and this program knows ${OLDEST_VERSION} to ${VERSION}: start the version that wrote it`,
    );
  }
  return readU64(view, 12) === epoch ? readU64(view, 20) : undefined;
}

/** A new file of blocks whose name and header survive a loss of power before its first block is written. */
export async function createBlockFile(
  disk: Disk,
  directory: string,
  epoch: number,
  position: number,
): Promise<DiskFile> {
  const file = await disk.open(`${directory}/${blockFileName(epoch, position)}`, 'create');
  await file.writev([header(WAL_MAGIC, epoch, position)], 0, true);
  await disk.syncDirectory(directory);
  return file;
}

/** Whether the file begins as it must. */
export async function hasGoodHeader(file: DiskFile, epoch: number, position: number): Promise<boolean> {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const got = await file.read(bytes, 0);
  return valueIn(bytes.subarray(0, got), WAL_MAGIC, epoch, file.path) === position;
}

/** Creates an empty marker, durably. False when it is there already. */
export async function createMarker(disk: Disk, directory: string, name: string): Promise<boolean> {
  try {
    await (await disk.open(`${directory}/${name}`, 'create')).close();
  } catch (error) {
    if (diskErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
  await disk.syncDirectory(directory);
  return true;
}

export async function readSeal(disk: Disk, directory: string, epoch: number): Promise<number | undefined> {
  const path = `${directory}/${markerName(epoch, 'seal')}`;
  let bytes: Uint8Array;
  try {
    bytes = await readWhole(disk, path, SEAL_BYTES);
  } catch (error) {
    if (diskErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const length = valueIn(bytes, SEAL_MAGIC, epoch, path);
  if (length === undefined) throw new WalCorrupt(path, 0, 'this is no seal');
  return length;
}

/** Publishes a length under the name of the seal, whole or not at all; the first to do so decides. */
export async function publishSeal(
  disk: Disk,
  directory: string,
  epoch: number,
  length: number,
): Promise<void> {
  const temporary = `${directory}/seal-${randomBytes(8).toString('hex')}.new`;
  const file = await disk.open(temporary, 'create');
  await file.writev([header(SEAL_MAGIC, epoch, length)], 0);
  await file.datasync();
  await file.close();
  try {
    await disk.link(temporary, `${directory}/${markerName(epoch, 'seal')}`);
  } catch (error) {
    if (diskErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    await disk.remove(temporary);
  }
  await disk.syncDirectory(directory);
}
