/**
 * Backups of a data directory while its broker runs. Here are the two sides of one: the broker says which bytes make up its
 * state at one position of the journal and keeps them in place for a while (this file), and somebody else copies them
 * (write.ts), checks a copy (manifest.ts) and makes a data directory of it again (restore.ts). What the bytes mean is the
 * journal's.
 *
 * Guaranteed: what a plan lists is the journal from its start up to one position, and nothing of it goes before the backup
 * has ended; all that was acknowledged before `begin` lies below that position. Whoever does not say within `LEASE_MS`
 * that they are still copying keeps nothing in place any longer, and neither does anybody while the disk is nearly full.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { type Disk, diskErrorCode } from '../disk/disk.ts';
import type { Journal } from '../journal/journal.ts';
import type { ColdSegment } from '../tier/tiered-wal.ts';
import { blockFileName, FILE_HEADER_BYTES } from '../wal/epoch-files.ts';

/** Bytes from the start of a file of the data directory. */
export interface BackupFile {
  /** From the data directory, with `/`. */
  readonly path: string;
  readonly bytes: number;
  /** Nothing is written to it any more: another name for it is as good as a copy. */
  readonly isFinal: boolean;
  /** It may be removed while the backup is made, and is then not missed. */
  readonly mayGo: boolean;
}

/** What an object store has, and the backup does not. */
export interface BackupObject {
  readonly key: string;
  readonly bytes: number;
}

export interface BackupPlan {
  readonly epoch: number;
  readonly startPosition: number;
  /** All below it is in the backup, and nothing behind it. */
  readonly endPosition: number;
  readonly files: readonly BackupFile[];
  /** Segments of the journal that only the object store has. */
  readonly objects: readonly BackupObject[];
  /** The object store that has them, in words; '' where none is configured. */
  readonly objectPlace: string;
  /** Whether messages or streams lie in an object store by their topics' configuration. */
  readonly usesObjectStorage: boolean;
}

export interface BackupLease extends BackupPlan {
  readonly id: string;
}

export class BackupRefused extends Error {
  override readonly name = 'BackupRefused';
}

export interface Backups {
  /** Rejects with `BackupRefused` where one is under way, or the disk is nearly full. */
  begin(): Promise<BackupLease>;
  /** Why it is not under way any more; undefined when it goes on. */
  renew(id: string): string | undefined;
  /** False when it had ended before. */
  end(id: string): boolean;
  close(): void;
}

export interface BackupsOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Absolute. */
  readonly dataDirectory: string;
  readonly journal: Pick<Journal, 'places' | 'state'>;
  readonly walId: string;
  /** Resolves when all that was added to the state log so far is as durable as it asked for. */
  readonly drained: () => Promise<void>;
  /** Keeps segments where they are until what it gives is called. */
  readonly hold: () => Promise<() => void>;
  readonly isFull: () => boolean;
  /** Undefined where no segment ever goes to an object store. */
  readonly coldSegments: (() => Promise<readonly ColdSegment[]>) | undefined;
  readonly objectPlace: string;
  readonly usesObjectStorage: boolean;
}

export const LEASE_MS = 60_000;
const CHECK_MS = 1000;
/** Notes and markers of a write-ahead log in files; some are of its tier. */
const MARKER = /^(?:(\d{10})\.(?:open|sealing|seal)|moved|gone-\d+-\d+-\d+)$/;
/** A note that segments were removed because an object store has them. */
export const MOVED = 'moved';
/** Lines are only ever added to it. What notes where it ends is written over, and would be ahead of it. */
const AUDIT_LOG = /^audit-\d+\.jsonl$/;

interface Lease {
  readonly id: string;
  readonly release: () => void;
  untilMs: number;
}

export function createBackups(options: BackupsOptions): Backups {
  const { disk, clock, dataDirectory, journal, walId } = options;
  let lease: Lease | undefined;
  let isBeginning = false;
  let isClosed = false;
  let endedBecause = 'there is no such backup';

  function end(reason: string): void {
    lease?.release();
    lease = undefined;
    endedBecause = reason;
  }

  const stop = clock.every(CHECK_MS, () => {
    if (lease === undefined) return;
    if (options.isFull()) end('the disk of the broker is nearly full, and the backup gave way');
    else if (clock.monotonicMs() >= lease.untilMs) end('nothing was heard of the backup for too long');
  });

  const sizeOf = async (path: string): Promise<number | undefined> => {
    try {
      const file = await disk.open(`${dataDirectory}/${path}`, 'read');
      try {
        return await file.size();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  };

  async function journalFiles(): Promise<Pick<BackupPlan, 'files' | 'objects'>> {
    const folder = `journal/${walId}`;
    const files: BackupFile[] = [];
    const objects: BackupObject[] = [];
    let cold: readonly ColdSegment[] | undefined;
    const places = journal.places();
    for (const { epoch, position, bytes, isOpen } of places) {
      const path = `${folder}/${blockFileName(epoch, position)}`;
      const wanted = FILE_HEADER_BYTES + bytes;
      const size = await sizeOf(path);
      if (size !== undefined && size >= wanted) {
        files.push({ path, bytes: wanted, isFinal: !isOpen, mayGo: false });
        continue;
      }
      cold ??= (await options.coldSegments?.()) ?? [];
      const object = cold.find((each) => each.epoch === epoch && each.position === position);
      if (object === undefined) throw new Error(`${path} is shorter than what was acknowledged in it`);
      objects.push({ key: object.key, bytes: object.bytes });
    }
    for (const name of (await disk.list(`${dataDirectory}/${folder}`)).toSorted()) {
      const match = MARKER.exec(name);
      if (match === null || (name === MOVED && objects.length === 0)) continue;
      // How long the epoch is that is written to now is not for this copy to know.
      if (Number(match[1]) === places.at(-1)?.epoch && !name.endsWith('.open')) continue;
      const path = `${folder}/${name}`;
      const bytes = await sizeOf(path);
      // Of what the tier has struck out meanwhile nothing is to be done any more.
      if (bytes !== undefined) files.push({ path, bytes, isFinal: false, mayGo: name.startsWith('gone-') });
    }
    return { files, objects };
  }

  async function otherFiles(): Promise<BackupFile[]> {
    const names = (await disk.list(`${dataDirectory}/audit`)).filter((name) => AUDIT_LOG.test(name));
    const audit = names.toSorted().map((name) => `audit/${name}`);
    const files: BackupFile[] = [];
    for (const path of ['format.json', 'node.json', ...audit]) {
      const bytes = await sizeOf(path);
      if (bytes !== undefined) files.push({ path, bytes, isFinal: false, mayGo: path.startsWith('audit/') });
    }
    return files;
  }

  async function plan(): Promise<BackupPlan> {
    await options.drained();
    const { failure } = journal.state();
    if (failure !== undefined) throw new BackupRefused(`the journal is read-only: ${failure.message}`);
    // One look: what follows only asks where the bytes lie.
    const { epoch, start, end: endPosition } = journal.state();
    const { files, objects } = await journalFiles();
    return {
      epoch,
      startPosition: start,
      endPosition,
      // What can go on its own is copied first.
      files: [...(await otherFiles()), ...files],
      objects,
      objectPlace: options.objectPlace,
      usesObjectStorage: options.usesObjectStorage,
    };
  }

  return {
    async begin() {
      if (isClosed) throw new BackupRefused('the broker stops');
      if (lease !== undefined || isBeginning) throw new BackupRefused('a backup is under way');
      if (options.isFull()) throw new BackupRefused('the disk of the broker is nearly full');
      isBeginning = true;
      const release = await options.hold().catch((error: unknown) => {
        isBeginning = false;
        throw error;
      });
      try {
        const planned = await plan();
        if (isClosed) throw new BackupRefused('the broker stops');
        lease = { id: randomUUID(), release, untilMs: clock.monotonicMs() + LEASE_MS };
        return { id: lease.id, ...planned };
      } catch (error) {
        release();
        throw error;
      } finally {
        isBeginning = false;
      }
    },
    renew(id) {
      if (lease?.id !== id) return endedBecause;
      lease.untilMs = clock.monotonicMs() + LEASE_MS;
      return undefined;
    },
    end(id) {
      if (lease?.id !== id) return false;
      end('the backup has ended');
      return true;
    },
    close() {
      isClosed = true;
      stop();
      end('the broker stops');
    },
  };
}
