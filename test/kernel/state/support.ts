import type { OpenStateLog, StateLog, Storage } from '../../../src/kernel/state/state-log.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, type JournalOptions, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import type { FaultyDisk } from '../../storage/disk/faulty-disk.ts';

export function journalOn(
  disk: FaultyDisk,
  options: Partial<Omit<JournalOptions, 'wal' | 'walId'>> = {},
): Promise<Journal> {
  const wal = createFileWal({ disk, directory: '/d', check: frameCheck });
  return openJournal({ wal, walId: 'w', ...options });
}

/** Resolves with the position of the frame. */
export function committed(
  log: StateLog,
  level: 'memory' | 'os' | 'sync' = 'sync',
  isSettlement = false,
  storage: Storage = 'journal',
): Promise<number> {
  return new Promise((resolve, reject) => {
    log.commit(
      level,
      (error, position) => (error === undefined ? resolve(position) : reject(error)),
      isSettlement,
      storage,
    );
  });
}

/** What a cleaner does: segments of which nobody needs a byte go. */
export async function removeDead(journal: Journal, log: OpenStateLog): Promise<number> {
  const dead = journal
    .segments()
    .filter(({ isOpen }) => !isOpen)
    .filter(({ start, end }) => log.sources.every((source) => source.liveBytes(start, end) === 0));
  return await journal.remove(dead.map(({ start }) => start)).catch(() => 0);
}
