/** Segments as files: for one host, and for file systems that hosts share and that link(2) atomically. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import {
  type ByteRange,
  checkBody,
  checkKey,
  checkRange,
  compareKeys,
  MAX_SEGMENT_BYTES,
  raceForKeys,
  type SegmentInfo,
  type SegmentStore,
  SegmentStoreError,
} from './segment-store.ts';

/** Files under way; the leading dot keeps it outside of the grammar of keys. */
const INCOMING = '.incoming';
/** Much longer than any write takes: another process may be writing into the same directory. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
/** A folder may be removed, empty, between its making and its use; that it happens this often is no race. */
const MAX_FOLDER_ATTEMPTS = 16;

interface Options {
  readonly folder: string;
  readonly clock: Clock;
}

/** The folder of `a/` is `a+`, so that a segment `a` can lie beside it. */
const pathOf = (root: string, key: string): string => join(root, ...key.replaceAll('/', '+/').split('/'));

const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeWhole(path: string, body: readonly Uint8Array[], sizeBytes: number): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    let written = 0;
    for (const view of body) {
      for (let from = 0; from < view.byteLength; ) {
        const { bytesWritten } = await handle.write(view, from, view.byteLength - from);
        from += bytesWritten;
        written += bytesWritten;
      }
    }
    if (written !== sizeBytes)
      throw new SegmentStoreError(`${path}: ${written} of ${sizeBytes} bytes written`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readRange(handle: FileHandle, offset: number, lengthBytes: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(lengthBytes);
  let filled = 0;
  while (filled < lengthBytes) {
    const { bytesRead } = await handle.read(bytes, filled, lengthBytes - filled, offset + filled);
    if (bytesRead === 0) throw new SegmentStoreError('a segment became shorter while it was read');
    filled += bytesRead;
  }
  return bytes;
}

async function removeAbandoned(incoming: string, nowMs: number): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    try {
      if ((await stat(path)).mtimeMs < nowMs - ABANDONED_AFTER_MS) await unlink(path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}

export async function openDirectoryStore({ folder, clock }: Options): Promise<SegmentStore> {
  const root = resolve(folder);
  const incoming = join(root, INCOMING);
  await mkdir(incoming, { recursive: true });
  await removeAbandoned(incoming, clock.wallMs());

  /**
   * Makes the entries on the way from the root durable. All of them each time: another create may have made a folder
   * and not have come to its sync, and what is reported here must be found after a power loss all the same.
   */
  async function syncUpwards(from: string): Promise<void> {
    for (let at = from; at.length >= root.length; at = dirname(at)) await syncFolder(at);
  }

  /** A folder that another remove took away is missing in the one above it. */
  async function syncNearest(folder: string): Promise<void> {
    for (let at = folder; at.length >= root.length; at = dirname(at)) {
      try {
        await syncFolder(at);
        return;
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    }
  }

  /** Whether the name is new: link(2) fails where it is taken. Errors of making folders never say that. */
  async function linkOnce(temporary: string, path: string): Promise<boolean> {
    await mkdir(dirname(path), { recursive: true });
    try {
      await link(temporary, path);
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    }
  }

  /** Gives a complete, synced file its name. */
  async function publish(temporary: string, path: string): Promise<'created' | 'exists'> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (!(await linkOnce(temporary, path))) break;
        await syncUpwards(dirname(path));
        return 'created';
      } catch (error) {
        // Another remove took a folder away. A recursive mkdir says ENOTDIR of a folder that goes while it looks at it.
        if (!hasCode(error, 'ENOENT', 'ENOTDIR') || attempt === MAX_FOLDER_ATTEMPTS) throw error;
      }
    }
    // Its creator may not have got as far; gone in the meantime is no fault.
    await syncUpwards(dirname(path)).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error;
    });
    return 'exists';
  }

  /** Removes folders that became empty, upwards; one that another create just made fails to go, or is made again. */
  async function removeEmpty(folder: string): Promise<void> {
    for (let at = folder; at.length > root.length; at = dirname(at)) {
      try {
        await rmdir(at);
      } catch (error) {
        if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) return;
        throw error;
      }
    }
  }

  /** In the order of keys: a folder sorts as its name with `/`, which is not where the name alone would be. */
  async function* walk(
    folder: string,
    above: string,
    prefix: string,
    after: string,
  ): AsyncGenerator<SegmentInfo> {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    });
    const keys = entries
      .filter((entry) => !entry.name.startsWith('.'))
      .map(({ name }) => above + (name.endsWith('+') ? `${name.slice(0, -1)}/` : name))
      .sort(compareKeys);
    for (const key of keys) {
      if (key.endsWith('/')) {
        const mayMatch = key.startsWith(prefix) || prefix.startsWith(key);
        const mayFollow = key > after || after.startsWith(key);
        if (mayMatch && mayFollow) yield* walk(pathOf(root, key), key, prefix, after);
      } else if (key.startsWith(prefix) && key > after) {
        const found = await stat(pathOf(root, key)).catch((error: unknown) => {
          if (hasCode(error, 'ENOENT')) return undefined;
          throw error;
        });
        if (found !== undefined) yield { key, sizeBytes: found.size };
      }
    }
  }

  const store: SegmentStore = {
    engine: 'directory',

    async create(key, body) {
      checkKey(key);
      const sizeBytes = checkBody(key, body);
      const temporary = join(incoming, randomUUID());
      try {
        await writeWhole(temporary, body, sizeBytes);
        return await publish(temporary, pathOf(root, key));
      } finally {
        await unlink(temporary).catch(() => {});
      }
    },

    async get(key: string, range?: ByteRange) {
      checkKey(key);
      if (range !== undefined) checkRange(range);
      let handle: FileHandle;
      try {
        handle = await open(pathOf(root, key), 'r');
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return undefined;
        throw error;
      }
      try {
        const { size } = await handle.stat();
        const offset = Math.min(range?.offset ?? 0, size);
        const lengthBytes = Math.min(range?.lengthBytes ?? size, size - offset);
        if (lengthBytes > MAX_SEGMENT_BYTES) {
          throw new SegmentStoreError(
            `segment "${key}" is larger than the ${MAX_SEGMENT_BYTES} bytes allowed`,
          );
        }
        return await readRange(handle, offset, lengthBytes);
      } finally {
        await handle.close();
      }
    },

    list: (prefix, after = '') => walk(root, '', prefix, after),

    async remove(keys) {
      keys.forEach(checkKey);
      const folders = new Set<string>();
      for (const key of keys) {
        const path = pathOf(root, key);
        try {
          await unlink(path);
          folders.add(dirname(path));
        } catch (error) {
          if (!hasCode(error, 'ENOENT')) throw error;
        }
      }
      for (const folder of folders) {
        await syncNearest(folder);
        await removeEmpty(folder);
      }
    },

    probe: () => raceForKeys(store, randomUUID()),
    close: async () => {},
  };
  return store;
}
