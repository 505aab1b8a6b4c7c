/** `robustmq backup`: asks the broker what belongs to a backup, and copies it while the broker works. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { OPERATIONS } from '../admin/operations.ts';
import { systemClock } from '../kernel/clock.ts';
import { packageVersion } from '../package-version.ts';
import { FileTooShort } from '../storage/backup/copy.ts';
import { BackupUnusable, MANIFEST } from '../storage/backup/manifest.ts';
import { refuseUsed, type WrittenBackup, writeBackup } from '../storage/backup/write.ts';
import type { Disk } from '../storage/disk/disk.ts';
import { nodeDisk } from '../storage/disk/node-disk.ts';
import { describeObjectStore, openObjectStoreForReading } from '../storage/segments/open.ts';
import type { SegmentStore } from '../storage/segments/segment-store.ts';
import type { AdminClient } from './admin-client.ts';
import { isTable, printOne, size } from './admin-output.ts';
import { type AdminOptions, dataDirOf, formOf, withAdmin } from './admin-target.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { createProgress } from './progress.ts';
import { readConfig, systemReason } from './read-config.ts';

export interface BackupOptions extends AdminOptions {
  /** Commander's name of `--no-link`. */
  readonly link: boolean;
  readonly withCold?: boolean;
}

/** Some of the time that the broker waits for such a word. */
const RENEW_MS = 10_000;

export async function backup(
  folder: string,
  options: BackupOptions,
  io: Io,
  disk: Disk = nodeDisk,
): Promise<number> {
  const dataDir = await dataDirOf(options, io);
  if (dataDir === undefined) {
    throw new CliError(
      ExitCode.Usage,
      'a backup is made on the machine of the broker and copies its files: give --data-dir there, not --url',
    );
  }
  const target = resolve(folder);
  const dataDirectory = resolve(dataDir);
  if (`${target}/`.startsWith(`${dataDirectory}/`)) {
    throw new CliError(ExitCode.Usage, 'a backup cannot lie in the data directory that it is one of');
  }
  await prepare(target, disk);
  return withAdmin(options, io, async (client) => {
    const lease = await client.call(OPERATIONS.backupsBegin, {});
    const kept = keepAlive(client, lease.id, io);
    const listed = options.withCold === true ? [...lease.files, ...lease.objects] : lease.files;
    const bytes = listed.reduce((sum, each) => sum + each.bytes, 0);
    const progress = createProgress(io, { what: 'copied', total: bytes });
    let written: WrittenBackup | undefined;
    let cold: Cold | undefined;
    try {
      if (options.withCold === true && lease.objects.length > 0) cold = await openCold(options, io);
      written = await writeBackup({
        disk,
        dataDirectory,
        target,
        plan: lease,
        programVersion: packageVersion(),
        wallMs: Date.now(),
        mayLink: options.link,
        cold,
        watch: { onBytes: progress.add, check: kept.check },
        confirm: kept.confirm,
      });
    } catch (error) {
      throw explained(error, target);
    } finally {
      kept.stop();
      await cold?.close();
      // What it says does not matter any more: without it the broker lets go by itself.
      await client
        .call(OPERATIONS.backupsEnd, { id: lease.id, body: { isComplete: written !== undefined } })
        .catch(() => {});
    }
    const { manifest, linkedFiles } = written;
    const report = {
      directory: target,
      createdAt: manifest.createdAt,
      nodeId: manifest.nodeId,
      endPosition: manifest.endPosition,
      files: manifest.files.length,
      linkedFiles,
      bytes: written.bytes,
      objects: manifest.objects.length,
    };
    progress.end(`${target} has a backup of ${size(written.bytes)} in ${report.files} files`);
    if (manifest.objects.length > 0) {
      await write(
        io.err,
        `${manifest.objects.length} segments lie in the object store (${manifest.objectPlace}) and are not in it: a restore needs them there; ${MANIFEST} names them. With --with-cold they are copied, too\n`,
      );
    }
    if (!isTable(formOf(options))) await printOne(report, formOf(options), io);
    return ExitCode.Ok;
  });
}

type Cold = Pick<SegmentStore, 'get' | 'close'>;

async function openCold(options: AdminOptions, io: Io): Promise<Cold> {
  const { object } = (await readConfig(options, io.environment)).config.storage;
  if (describeObjectStore(object) === '') {
    throw new CliError(
      ExitCode.Usage,
      '--with-cold reads the object store of the broker: give its configuration (--config, storage.object)',
    );
  }
  const place = describeObjectStore(object);
  const unreadable = (error: unknown): never => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.Failed, `${place} cannot be read: ${reason}`);
  };
  const store = await openObjectStoreForReading(object, systemClock).catch(unreadable);
  return { get: (key, range) => store.get(key, range).catch(unreadable), close: () => store.close() };
}

/** What is in a backup is as secret as the data directory. */
async function prepare(target: string, disk: Disk): Promise<void> {
  try {
    await refuseUsed(disk, target, 'a backup');
    await mkdir(target, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof BackupUnusable) throw new CliError(ExitCode.Usage, error.message);
    throw new CliError(ExitCode.Failed, `${target} cannot be written: ${systemReason(error)}`);
  }
}

interface KeptAlive {
  /** Throws when the backup was interrupted, or the broker does not keep its bytes any longer. */
  check(): void;
  /** Asks the broker. */
  confirm(): Promise<void>;
  stop(): void;
}

function keepAlive(client: AdminClient, id: string, io: Io): KeptAlive {
  let failure: CliError | undefined;
  const fail = (error: unknown): void => {
    failure ??= error instanceof CliError ? error : new CliError(ExitCode.Failed, systemReason(error));
  };
  const renew = async (): Promise<void> => {
    await client.call(OPERATIONS.backupsRenew, { id });
  };
  const timer = setInterval(() => void renew().catch(fail), RENEW_MS);
  const forget = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    io.onSignal(signal, () => fail(new CliError(ExitCode.Failed, 'interrupted'))),
  );
  const check = (): void => {
    if (failure !== undefined) throw failure;
  };
  return {
    check,
    async confirm() {
      check();
      await renew();
    },
    stop() {
      clearInterval(timer);
      for (const each of forget) each();
    },
  };
}

function explained(error: unknown, target: string): unknown {
  const isKnown = error instanceof CliError || error instanceof FileTooShort;
  if (!isKnown && !(error instanceof Error && 'code' in error)) return error;
  const reason = isKnown ? error.message : systemReason(error);
  const exitCode = error instanceof CliError ? error.exitCode : ExitCode.Failed;
  return new CliError(exitCode, `the backup in ${target} is incomplete and cannot be restored: ${reason}`);
}
