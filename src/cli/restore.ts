/** `robustmq restore`: a data directory out of a backup, or only a look at whether there could be one. */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { systemClock } from '../kernel/clock.ts';
import { BackupUnusable, type Manifest, readManifest } from '../storage/backup/manifest.ts';
import { checkBackup, EPOCHS_AHEAD, missingObjects, restoreBackup } from '../storage/backup/restore.ts';
import { diskErrorCode } from '../storage/disk/disk.ts';
import { nodeDisk } from '../storage/disk/node-disk.ts';
import {
  describeObjectStore,
  type ObjectStoreSettings,
  openObjectStoreForReading,
} from '../storage/segments/open.ts';
import { printOne, size } from './admin-output.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { type OfflineOptions, verify } from './offline.ts';
import { createProgress } from './progress.ts';
import { type ConfigOptions, readConfig, systemReason } from './read-config.ts';

export interface RestoreOptions extends ConfigOptions {
  readonly output: NonNullable<OfflineOptions['output']>;
  readonly check?: boolean;
  readonly newIdentity?: boolean;
  /** Commander's name of `--no-verify`. */
  readonly verify: boolean;
}

const bytesOf = ({ files }: Manifest): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

export async function restore(folder: string, options: RestoreOptions, io: Io): Promise<number> {
  const backup = resolve(folder);
  const { config } = await readConfig(options, io.environment);
  const target = resolve(config.dataDir);
  let isInterrupted = false;
  const forget = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => {
      isInterrupted = true;
    }),
  );
  try {
    const what = options.check === true ? 'checked' : 'restored';
    const read = await readManifest(nodeDisk, backup);
    const total = bytesOf(read);
    if (options.check !== true) await checkObjects(read, config, options, io);
    const progress = createProgress(io, { what, total });
    const watch = {
      onBytes: progress.add,
      check() {
        if (isInterrupted) throw new CliError(ExitCode.Failed, 'interrupted');
      },
    };
    if (options.check === true) {
      const manifest = await checkBackup(nodeDisk, backup, watch);
      await checkObjects(manifest, config, options, io);
      progress.end(`${backup} is complete and as it was written: ${of(manifest)}`);
      await report(manifest, null, options, io);
      return ExitCode.Ok;
    }
    await mkdir(target, { recursive: true, mode: 0o700 });
    const newNodeId = options.newIdentity === true ? randomUUID() : undefined;
    const manifest = await restoreBackup({ disk: nodeDisk, backup, target, newNodeId, watch });
    progress.end(`${target} has the state of ${of(manifest)}`);
    await hints(manifest, io);
    if (!options.verify) await report(manifest, target, options, io);
  } catch (error) {
    throw explained(error, target);
  } finally {
    for (const each of forget) each();
  }
  if (!options.verify) return ExitCode.Ok;
  const { config: file, set, output } = options;
  return verify({ ...(file === undefined ? {} : { config: file }), set, dataDir: target, output }, io);
}

const of = (manifest: Manifest): string =>
  `node ${manifest.nodeId} of ${manifest.createdAt}, ${size(bytesOf(manifest))} in ${manifest.files.length} files`;

/** For programs; whoever has it verified gets the report about that. */
async function report(
  manifest: Manifest,
  dataDir: string | null,
  { output }: RestoreOptions,
  io: Io,
): Promise<void> {
  if (output === 'text') return;
  const { nodeId, createdAt, files, objects } = manifest;
  const counts = { files: files.length, bytes: bytesOf(manifest), objects: objects.length };
  await printOne({ dataDir, nodeId, createdAt, ...counts }, output, io);
}

const MAX_NAMED = 3;

/**
 * Whether the object store of the configuration has what the backup has not. It refuses what no broker would start on,
 * unless nobody wants to hear of it.
 */
async function checkObjects(
  manifest: Manifest,
  config: Config,
  { check, verify: isVerified }: RestoreOptions,
  io: Io,
): Promise<void> {
  const { objects, objectPlace } = manifest;
  if (objects.length === 0) return;
  const { object } = config.storage;
  const was = objectPlace === '' ? '' : `; the old node had them in ${objectPlace}`;
  const what = `${objects.length} segments are not in the backup`;
  const place = describeObjectStore(object);
  if (place === '') {
    const needs = `${what}, and no object store is configured: give --config with storage.tier and storage.object${was}`;
    // Whether the folder is as it was written can be said all the same.
    if (check !== true && isVerified) throw new BackupUnusable(needs);
    await write(io.err, `${needs}\n`);
    return;
  }
  const missing = await missingIn(manifest, object);
  if (missing.length === 0) {
    await write(io.err, `${what}; all of them are in ${place}\n`);
    return;
  }
  const named = missing.slice(0, MAX_NAMED).join(', ');
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : '';
  const gone = `${what}, and ${place} does not have ${named}${more}${was}`;
  if (check === true || isVerified) throw new BackupUnusable(gone);
  await write(io.err, `${gone}\n`);
}

async function missingIn(manifest: Manifest, settings: ObjectStoreSettings): Promise<readonly string[]> {
  const store = await openObjectStoreForReading(settings, systemClock);
  try {
    return await missingObjects(manifest, store);
  } catch (error) {
    throw new CliError(
      ExitCode.Failed,
      `${describeObjectStore(settings)} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    await store.close();
  }
}

async function hints({ objects, usesObjectStorage, epoch }: Manifest, io: Io): Promise<void> {
  await write(io.err, `its epochs go on above ${epoch + EPOCHS_AHEAD}\n`);
  if (usesObjectStorage || objects.length > 0) {
    await write(
      io.err,
      'two nodes must not use one place in an object store: end the old one for good first\n',
    );
  }
}

function explained(error: unknown, target: string): unknown {
  if (error instanceof CliError) {
    return new CliError(error.exitCode, `${target} was not restored: ${error.message}`);
  }
  if (error instanceof BackupUnusable) return new CliError(ExitCode.Failed, error.message);
  if (diskErrorCode(error) === '') return error;
  return new CliError(ExitCode.Failed, `${target} was not restored: ${systemReason(error)}`);
}
