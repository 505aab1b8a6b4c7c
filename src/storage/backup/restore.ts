/**
 * A data directory out of a backup. Every byte is compared with what the manifest says of it; what makes the directory one
 * comes last, so that a restore that was interrupted leaves nothing that a broker would start on.
 *
 * What must not be the same in the old node and the new one is made different: the epoch, far above any that the old one can
 * have reached since, and, for a node that is to run beside it, the identity.
 */
import type { Disk } from '../disk/disk.ts';
import type { SegmentStore } from '../segments/segment-store.ts';
import { createMarker, markerName } from '../wal/epoch-files.ts';
import { type CopyWatch, copyFile, FileTooShort, sumOfFile, writeFile } from './copy.ts';
import { BackupUnusable, type Manifest, type ManifestFile, readManifest } from './manifest.ts';
import { refuseUsed } from './write.ts';

/** An epoch is a start of the broker: nobody starts one this often between a backup and its use. */
export const EPOCHS_AHEAD = 1000;
const NODE_FILE = 'node.json';
const FORMAT_FILE = 'format.json';
const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

function compare({ path, sha256 }: ManifestFile, sum: string): void {
  if (sum !== sha256) throw new BackupUnusable(`${path} in the backup is not what was written there`);
}

/** What cannot be read as it should is a fault of the backup. */
async function reading<T>({ path }: ManifestFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FileTooShort) throw new BackupUnusable(error.message);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new BackupUnusable(`${path} is missing from the backup`);
  }
}

/** Reads all of it. Throws `BackupUnusable` when anything is not as its manifest says. */
export async function checkBackup(disk: Disk, backup: string, watch: CopyWatch): Promise<Manifest> {
  const manifest = await readManifest(disk, backup);
  for (const file of manifest.files) {
    const sum = await reading(file, () => sumOfFile(disk, `${backup}/${file.path}`, file.bytes, watch));
    compare(file, sum);
  }
  return manifest;
}

/** Of the segments that are not in the backup, those that the object store does not have as they should be. */
export async function missingObjects(
  { objects }: Manifest,
  store: Pick<SegmentStore, 'list'>,
): Promise<readonly string[]> {
  const found = new Map<string, number>();
  for (const folder of new Set(objects.map(({ key }) => folderOf(key)))) {
    for await (const { key, sizeBytes } of store.list(`${folder}/`)) found.set(key, sizeBytes);
  }
  return objects.filter(({ key, bytes }) => found.get(key) !== bytes).map(({ key }) => key);
}

export interface RestoreOptions {
  readonly disk: Disk;
  readonly backup: string;
  /** Made when it is not there; refused when there is something in it. */
  readonly target: string;
  /** Of a node that is to run beside the old one; undefined: the old one's. */
  readonly newNodeId: string | undefined;
  readonly watch: CopyWatch;
}

export async function restoreBackup(options: RestoreOptions): Promise<Manifest> {
  const { disk, backup, target, newNodeId, watch } = options;
  await refuseUsed(disk, target, 'what is restored');
  const manifest = await readManifest(disk, backup);
  const folders = [...new Set(manifest.files.map(({ path }) => folderOf(path)))].filter(
    (each) => each !== '',
  );
  for (const folder of ['', ...folders]) await disk.makeDirectory(`${target}/${folder}`);
  const isLast = ({ path }: ManifestFile): boolean => path === FORMAT_FILE;
  const copy = async (file: ManifestFile, name: string): Promise<void> => {
    const { path, bytes } = file;
    const sum = await reading(file, () =>
      copyFile(disk, `${backup}/${path}`, `${target}/${name}`, bytes, watch),
    );
    compare(file, sum);
  };
  for (const file of manifest.files) {
    if (isLast(file)) continue;
    if (file.path === NODE_FILE && newNodeId !== undefined) {
      compare(file, await sumOfFile(disk, `${backup}/${file.path}`, file.bytes, watch));
      await writeFile(
        disk,
        `${target}/${NODE_FILE}`,
        Buffer.from(`${JSON.stringify({ nodeId: newNodeId })}\n`),
      );
    } else await copy(file, file.path);
  }
  for (const folder of folders.filter((each) => each.startsWith('journal/'))) {
    await createMarker(disk, `${target}/${folder}`, markerName(manifest.epoch + EPOCHS_AHEAD, 'open'));
  }
  for (const folder of [...folders, ...folders.map(folderOf), ''])
    await disk.syncDirectory(`${target}/${folder}`);
  for (const file of manifest.files.filter(isLast)) {
    await copy(file, `${FORMAT_FILE}.tmp`);
    await disk.rename(`${target}/${FORMAT_FILE}.tmp`, `${target}/${FORMAT_FILE}`);
  }
  await disk.syncDirectory(target);
  return manifest;
}
