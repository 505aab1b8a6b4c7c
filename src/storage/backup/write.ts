/**
 * Copies what a plan lists into a folder of its own. The broker is not asked for bytes: they are read from its directory by
 * whoever makes the backup. A folder has the file `INCOMPLETE` in it until its manifest is there, whatever happens meanwhile.
 */
import { type Disk, readWhole } from '../disk/disk.ts';
import { type StoredSegment, storedSegment } from '../tier/object-name.ts';
import { blockFileName, FILE_HEADER_BYTES } from '../wal/epoch-files.ts';
import { type BackupObject, type BackupPlan, MOVED } from './backup.ts';
import {
  type CopyWatch,
  copyFile,
  copyObject,
  linkFile,
  type ObjectSource,
  sumOfFile,
  writeFile,
} from './copy.ts';
import {
  BACKUP_VERSION,
  BackupUnusable,
  encodeManifest,
  INCOMPLETE,
  MANIFEST,
  type Manifest,
  type ManifestFile,
} from './manifest.ts';

export interface WriteBackupOptions {
  readonly disk: Disk;
  readonly dataDirectory: string;
  /** Made when it is not there; refused when there is something in it. */
  readonly target: string;
  readonly plan: BackupPlan;
  readonly programVersion: string;
  readonly wallMs: number;
  /** Files that nobody writes to any more get another name in place of a copy, where that can be. */
  readonly mayLink: boolean;
  /** Segments that only an object store has are copied from here, too; undefined: they are named. */
  readonly cold: ObjectSource | undefined;
  readonly watch: CopyWatch;
  /** Before the manifest is written: rejects when what was copied may have been removed meanwhile. */
  readonly confirm: () => Promise<void>;
}

export interface WrittenBackup {
  readonly manifest: Manifest;
  readonly linkedFiles: number;
  readonly bytes: number;
}

const MAX_NODE_BYTES = 64 * 1024;
const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** Throws `BackupUnusable` when there is something in it. */
export async function refuseUsed(disk: Disk, folder: string, what: string): Promise<void> {
  if ((await disk.list(folder)).length === 0) return;
  throw new BackupUnusable(`${folder} is not empty: ${what} needs a folder of its own`);
}

async function nodeIdOf(disk: Disk, dataDirectory: string): Promise<string> {
  const text = Buffer.from(await readWhole(disk, `${dataDirectory}/node.json`, MAX_NODE_BYTES)).toString();
  const { nodeId } = JSON.parse(text) as { readonly nodeId?: unknown };
  if (typeof nodeId === 'string') return nodeId;
  throw new Error(`${dataDirectory}/node.json has no identity in it`);
}

/** Where the journal has the segment that is an object now: what is in both is the same. */
function segmentOf({ key }: BackupObject): {
  readonly key: string;
  readonly path: string;
  readonly bytes: number;
  readonly crc: number;
} {
  const [, walId = ''] = key.split('/');
  const stored: StoredSegment | undefined = storedSegment(key);
  if (stored === undefined) throw new Error(`${key} is not the name of a segment`);
  const { epoch, start, end, sum } = stored;
  return {
    key,
    path: `journal/${walId}/${blockFileName(epoch, start)}`,
    bytes: FILE_HEADER_BYTES + end - start,
    crc: sum,
  };
}

export async function writeBackup(options: WriteBackupOptions): Promise<WrittenBackup> {
  const { disk, dataDirectory, target, plan, mayLink, cold, watch } = options;
  const segments = cold === undefined ? [] : plan.objects.map(segmentOf);
  await refuseUsed(disk, target, 'a backup');
  await disk.makeDirectory(target);
  await writeFile(
    disk,
    `${target}/${INCOMPLETE}`,
    Buffer.from('This backup is being made, or was interrupted. It cannot be restored.\n'),
  );
  await disk.syncDirectory(target);
  const folders = [...new Set(plan.files.map(({ path }) => folderOf(path)))].filter((each) => each !== '');
  for (const folder of folders) await disk.makeDirectory(`${target}/${folder}`);
  const files: ManifestFile[] = [];
  let linkedFiles = 0;
  for (const { path, bytes, isFinal, mayGo } of plan.files) {
    watch.check();
    // A journal of which every segment is here again needs no object store.
    if (segments.length > 0 && path.endsWith(`/${MOVED}`)) continue;
    const from = `${dataDirectory}/${path}`;
    const to = `${target}/${path}`;
    if (mayGo && !(await disk.exists(from))) continue;
    if (mayLink && isFinal && (await linkFile(disk, from, to, bytes))) {
      linkedFiles++;
      files.push({ path, bytes, sha256: await sumOfFile(disk, to, bytes, watch) });
    } else files.push({ path, bytes, sha256: await copyFile(disk, from, to, bytes, watch) });
  }
  if (cold !== undefined) {
    for (const { path, ...object } of segments) {
      watch.check();
      const sha256 = await copyObject(cold, object, disk, `${target}/${path}`, watch);
      files.push({ path, bytes: object.bytes, sha256 });
    }
  }
  for (const folder of [...folders, ...folders.map(folderOf).filter((each) => each !== '')]) {
    await disk.syncDirectory(`${target}/${folder}`);
  }
  const manifest: Manifest = {
    version: BACKUP_VERSION,
    createdAt: new Date(options.wallMs).toISOString(),
    programVersion: options.programVersion,
    nodeId: await nodeIdOf(disk, dataDirectory),
    epoch: plan.epoch,
    startPosition: plan.startPosition,
    endPosition: plan.endPosition,
    usesObjectStorage: plan.usesObjectStorage,
    objectPlace: plan.objectPlace,
    files,
    objects: cold === undefined ? plan.objects : [],
  };
  await options.confirm();
  await writeFile(disk, `${target}/${MANIFEST}.tmp`, encodeManifest(manifest));
  await disk.rename(`${target}/${MANIFEST}.tmp`, `${target}/${MANIFEST}`);
  await disk.syncDirectory(target);
  await disk.remove(`${target}/${INCOMPLETE}`);
  await disk.syncDirectory(target);
  return { manifest, linkedFiles, bytes: files.reduce((sum, each) => sum + each.bytes, 0) };
}
