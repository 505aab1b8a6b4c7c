/**
 * What a backup says of itself, in `manifest.json`: written last, so that a folder without one is no backup. It has a sum
 * of its own, and one of each file.
 */
import { createHash } from 'node:crypto';
import { type Disk, diskErrorCode, readWhole } from '../disk/disk.ts';
import type { BackupObject } from './backup.ts';

export const MANIFEST = 'manifest.json';
/** Is there from the first moment of a backup until it has its manifest. */
export const INCOMPLETE = 'INCOMPLETE';
const FORMAT = 'robustmq-backup';
export const BACKUP_VERSION = 1;
const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
const MAX_FILES = 1_000_000;
/** A folder that is known, and a name that means nothing to a file system. */
const PATH = /^(?:(?:journal\/[a-z0-9][a-z0-9_-]{0,63}|audit)\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const NEEDED = ['format.json', 'node.json'] as const;

export interface ManifestFile {
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface Manifest {
  readonly version: number;
  /** ISO 8601; when the broker said what belongs to it. */
  readonly createdAt: string;
  /** Of the program that made it. */
  readonly programVersion: string;
  readonly nodeId: string;
  readonly epoch: number;
  readonly startPosition: number;
  readonly endPosition: number;
  readonly usesObjectStorage: boolean;
  /** The object store of the node, in words; '' where it had none. */
  readonly objectPlace: string;
  readonly files: readonly ManifestFile[];
  /** Not in the backup: they have to be in the object store when it is restored. */
  readonly objects: readonly BackupObject[];
}

/** A folder is no backup that can be used. The message says why. */
export class BackupUnusable extends Error {
  override readonly name = 'BackupUnusable';
}

const sumOf = (body: object): string => createHash('sha256').update(JSON.stringify(body)).digest('hex');

export function encodeManifest(manifest: Manifest): Uint8Array {
  const body = { format: FORMAT, ...manifest };
  return Buffer.from(`${JSON.stringify({ ...body, sha256: sumOf(body) }, undefined, 1)}\n`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 1024;

function isFile(value: unknown): value is ManifestFile {
  const { path, bytes, sha256 } = (value ?? {}) as Partial<Record<keyof ManifestFile, unknown>>;
  return isText(path) && PATH.test(path) && isCount(bytes) && isText(sha256) && /^[0-9a-f]{64}$/.test(sha256);
}

function isObject(value: unknown): value is BackupObject {
  const { key, bytes } = (value ?? {}) as Partial<Record<keyof BackupObject, unknown>>;
  return isText(key) && isCount(bytes);
}

const isListOf = <T>(value: unknown, is: (each: unknown) => each is T): value is T[] =>
  Array.isArray(value) && value.length <= MAX_FILES && value.every(is);

/** Throws `BackupUnusable`. `where` names the file. */
export function decodeManifest(bytes: Uint8Array, where: string): Manifest {
  const damaged = (what: string): BackupUnusable => new BackupUnusable(`${where} is damaged: ${what}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw damaged('it is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged('it has no object in it');
  const { sha256, ...body } = parsed as Readonly<Record<string, unknown>>;
  const { format, version } = body;
  if (format !== FORMAT) throw new BackupUnusable(`${where} is not that of a backup of this broker`);
  if (version !== BACKUP_VERSION) {
    throw new BackupUnusable(
      `${where} has the format version ${JSON.stringify(version)}, and this program knows ${BACKUP_VERSION}; restore it with the release that made it`,
    );
  }
  if (sha256 !== sumOf(body)) throw damaged('its sum is another');
  const { createdAt, programVersion, nodeId, epoch, startPosition, endPosition, usesObjectStorage } = body;
  // Manifests of earlier releases do not say the place.
  const { files, objects, objectPlace = '' } = body;
  if (!isText(createdAt) || !isText(programVersion) || !isText(nodeId) || !isText(objectPlace)) {
    throw damaged('a text is missing');
  }
  if (!isCount(epoch) || !isCount(startPosition) || !isCount(endPosition))
    throw damaged('a number is missing');
  if (typeof usesObjectStorage !== 'boolean') throw damaged('usesObjectStorage is missing');
  if (!isListOf(files, isFile) || !isListOf(objects, isObject)) throw damaged('what it lists is no file');
  const paths = new Set(files.map(({ path }) => path));
  if (paths.size !== files.length) throw damaged('a file is listed twice');
  for (const path of NEEDED) if (!paths.has(path)) throw damaged(`${path} is not in it`);
  return {
    version,
    createdAt,
    programVersion,
    nodeId,
    epoch,
    startPosition,
    endPosition,
    usesObjectStorage,
    objectPlace,
    files,
    objects,
  };
}

/** Throws `BackupUnusable` for a folder that is no complete backup. */
export async function readManifest(disk: Disk, folder: string): Promise<Manifest> {
  const path = `${folder}/${MANIFEST}`;
  try {
    return decodeManifest(await readWhole(disk, path, MAX_MANIFEST_BYTES), path);
  } catch (error) {
    if (diskErrorCode(error) !== 'ENOENT') throw error;
    if (await disk.exists(`${folder}/${INCOMPLETE}`)) {
      throw new BackupUnusable(
        `the backup ${folder} is incomplete: it was interrupted, or is still being made`,
      );
    }
    throw new BackupUnusable(`${folder} is no backup: it has no ${MANIFEST}`);
  }
}
