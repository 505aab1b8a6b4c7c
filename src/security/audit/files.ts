/**
 * The files of the audit log: lines are only ever added, to the last one; a new one is begun when that is large enough, and
 * after a failed write, since what is in it is not known then. The oldest give way once a new one has something durable.
 */
import { type FileHandle, mkdir, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface AuditFilesOptions {
  readonly directory: string;
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  /** How a file is opened to be added to; tests have disks that fail. */
  readonly openFile?: ((path: string, isNew: boolean) => Promise<AppendFile>) | undefined;
}

export type AppendFile = Pick<FileHandle, 'writev' | 'datasync' | 'close' | 'stat'>;

export interface AuditFiles {
  /** Rejects where the lines are not durable; none of them counts then. */
  append(lines: readonly Buffer[]): Promise<void>;
  /** Numbers of files, ascending, with what of each is durable. */
  list(): Promise<readonly { readonly number: number; readonly bytes: number }[]>;
  read(number: number): Promise<FileHandle>;
  close(): Promise<void>;
}

const NAME = /^audit-(\d{8,})\.jsonl$/;

export const fileName = (number: number): string => `audit-${String(number).padStart(8, '0')}.jsonl`;

/** undefined for what is none of the log's files. */
export function fileNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;
const LINE_END = 0x0a;

interface Current {
  readonly number: number;
  readonly file: AppendFile;
  bytes: number;
}

const openToAppend = (path: string, isNew: boolean): Promise<AppendFile> =>
  open(path, isNew ? 'ax' : 'a', OWNER_ONLY);

async function writeAll(file: AppendFile, lines: readonly Buffer[]): Promise<number> {
  const bytes = lines.reduce((sum, line) => sum + line.length, 0);
  const { bytesWritten } = await file.writev([...lines]);
  if (bytesWritten !== bytes) {
    throw Object.assign(new Error('the disk took only a part of the entries'), { code: 'ENOSPC' });
  }
  await file.datasync();
  return bytes;
}

export async function openAuditFiles(options: AuditFilesOptions): Promise<AuditFiles> {
  const { directory, maxFileBytes, maxFiles, openFile = openToAppend } = options;
  await mkdir(directory, { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  const pathOf = (number: number): string => join(directory, fileName(number));
  let current: Current | undefined;
  let lastNumber = (await numbers()).at(-1) ?? 0;
  /** The last file of the process before; it is gone on with, so that restarts do not use files up. */
  let isFirst = lastNumber > 0;

  async function numbers(): Promise<number[]> {
    const names = await readdir(directory);
    return names.flatMap((name) => fileNumber(name) ?? []).sort((a, b) => a - b);
  }

  async function syncDirectory(): Promise<void> {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async function goOn(number: number): Promise<Current | undefined> {
    const reader = await open(pathOf(number), 'r');
    const last = Buffer.alloc(1);
    let bytes: number;
    try {
      bytes = (await reader.stat()).size;
      if (bytes > 0) await reader.read(last, 0, 1, bytes - 1);
    } finally {
      await reader.close();
    }
    if (bytes >= maxFileBytes) return undefined;
    const file = await openFile(pathOf(number), false);
    // A line that a crash cut off is no line; the next begins behind it.
    if (bytes > 0 && last[0] !== LINE_END) bytes += await writeAll(file, [Buffer.of(LINE_END)]);
    return { number, file, bytes };
  }

  async function target(): Promise<Current> {
    if (isFirst) {
      isFirst = false;
      current = await goOn(lastNumber);
    }
    if (current !== undefined && current.bytes < maxFileBytes) return current;
    await current?.file.close();
    current = undefined;
    const number = lastNumber + 1;
    const file = await openFile(pathOf(number), true);
    lastNumber = number;
    current = { number, file, bytes: 0 };
    return current;
  }

  async function giveUp(): Promise<void> {
    const failed = current;
    current = undefined;
    await failed?.file.close().catch(() => undefined);
    if (failed?.bytes !== 0) return;
    // Nothing in it counts: a disk that stays full must not push out what is there.
    await unlink(pathOf(failed.number)).catch(() => undefined);
  }

  async function prune(): Promise<void> {
    const all = await numbers();
    for (const number of all.slice(0, Math.max(0, all.length - maxFiles))) {
      // What stays is tried again with the next new file.
      await unlink(pathOf(number)).catch(() => undefined);
    }
  }

  return {
    async append(lines) {
      try {
        const to = await target();
        const isNew = to.bytes === 0;
        to.bytes += await writeAll(to.file, lines);
        if (!isNew) return;
        await syncDirectory();
        await prune();
      } catch (error) {
        await giveUp();
        throw error;
      }
    },
    async list() {
      const found: { number: number; bytes: number }[] = [];
      for (const number of await numbers()) {
        if (number === current?.number) {
          found.push({ number, bytes: current.bytes });
          continue;
        }
        const handle = await open(pathOf(number), 'r');
        try {
          found.push({ number, bytes: (await handle.stat()).size });
        } finally {
          await handle.close();
        }
      }
      return found;
    },
    read: (number) => open(pathOf(number), 'r'),
    async close() {
      const file = current?.file;
      current = undefined;
      await file?.close();
    },
  };
}
