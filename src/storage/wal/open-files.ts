import type { DiskFile } from '../disk/disk.ts';

/** Files kept open for reading, at most so many idle ones. A file in use is never closed under its readers. */
export interface OpenFiles {
  use<T>(path: string, open: () => Promise<DiskFile>, work: (file: DiskFile) => Promise<T>): Promise<T>;
  /** Closes the file once nobody uses it. */
  letGo(path: string): Promise<void>;
  close(): Promise<void>;
}

interface Held {
  readonly file: Promise<DiskFile>;
  users: number;
  isGone: boolean;
}

export function createOpenFiles(maxOpen: number): OpenFiles {
  /** Least recently used first. */
  const files = new Map<string, Held>();

  async function closeIfIdle(held: Held): Promise<void> {
    if (!held.isGone || held.users > 0) return;
    const file = await held.file.catch(() => undefined);
    await file?.close();
  }

  async function letGo(path: string): Promise<void> {
    const held = files.get(path);
    if (held === undefined) return;
    files.delete(path);
    held.isGone = true;
    await closeIfIdle(held);
  }

  return {
    async use(path, open, work) {
      const held = files.get(path) ?? { file: open(), users: 0, isGone: false };
      held.users++;
      files.delete(path);
      files.set(path, held);
      try {
        const [oldest] = files.keys();
        if (files.size > maxOpen && oldest !== undefined) await letGo(oldest);
        return await work(await held.file);
      } catch (error) {
        // The next use starts afresh, whatever it was.
        if (files.get(path) === held) files.delete(path);
        held.isGone = true;
        throw error;
      } finally {
        held.users--;
        await closeIfIdle(held);
      }
    },
    letGo,
    async close() {
      for (const path of [...files.keys()]) await letGo(path);
    },
  };
}
