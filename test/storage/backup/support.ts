/** A journal on a disk in memory, backups of it, and what a restored copy has in it. */

import { type Backups, type BackupsOptions, createBackups } from '../../../src/storage/backup/backup.ts';
import { restoreBackup } from '../../../src/storage/backup/restore.ts';
import { type WrittenBackup, writeBackup } from '../../../src/storage/backup/write.ts';
import { createCleaner } from '../../../src/storage/cleaner/cleaner.ts';
import type { Disk } from '../../../src/storage/disk/disk.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import { type Journal, openJournal } from '../../../src/storage/journal/journal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';

export const DATA = '/data';
export const TARGET = '/backups/1';
export const RESTORED = '/restored';
export const NODE_ID = '6c8f1a52-4c1b-4c0e-9c2a-1c5f3e0d7a11';
export const WATCH = { onBytes: () => {}, check: () => {} };
const SEGMENT_BYTES = 6000;

export interface Node {
  readonly journal: Journal;
  readonly clock: ManualClock;
  readonly backups: Backups;
  /** Removes all closed segments, unless something holds them. */
  clean(): Promise<void>;
}

async function put(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, 'create');
  await file.writev([Buffer.from(text)], 0);
  await file.datasync();
  await file.close();
}

export const openOn = (disk: Disk, directory: string): Promise<Journal> =>
  openJournal({
    wal: createFileWal({ disk, directory: `${directory}/journal`, check: frameCheck }),
    walId: 'main',
    limits: { segmentBytes: SEGMENT_BYTES, tailBytes: 500, cacheBytes: 4000 },
  });

export async function startOn(disk: Disk, options: Partial<BackupsOptions> = {}): Promise<Node> {
  if (!(await disk.exists(`${DATA}/format.json`))) {
    await disk.makeDirectory(`${DATA}/audit`);
    await put(disk, `${DATA}/node.json`, JSON.stringify({ nodeId: NODE_ID }));
    await put(disk, `${DATA}/audit/audit-00000001.jsonl`, '{"operation":"start"}\n');
    await put(disk, `${DATA}/format.json`, '{"version":1}\n');
    await put(disk, `${DATA}/audit/head`, 'ahead of what is copied');
    await disk.syncDirectory(DATA);
    await disk.syncDirectory(`${DATA}/audit`);
  }
  const clock = createManualClock();
  const journal = await openOn(disk, DATA);
  const cleaner = createCleaner({
    journal,
    sources: [{ name: 'nothing', liveBytes: () => 0, evacuate: async () => {} }],
    clock,
    bytesPerSecond: 1e9,
    minDeadFraction: 0.5,
    slackBytes: 0,
    intervalMs: 1e9,
  });
  const backups = createBackups({
    disk,
    clock,
    dataDirectory: DATA,
    journal,
    walId: 'main',
    drained: async () => {},
    hold: cleaner.hold,
    isFull: () => false,
    coldSegments: undefined,
    objectPlace: '',
    usesObjectStorage: false,
    ...options,
  });
  return { journal, clock, backups, clean: cleaner.run };
}

/** Numbered records of one log. */
export const append = async (journal: Journal, number: number, bytes = 100): Promise<void> => {
  const payload = Buffer.from(`${number} `.padEnd(bytes, '.'));
  await journal.append([{ logId: 5, stripe: 0, payload }], 'os');
};

export async function numbersIn(journal: Journal): Promise<number[]> {
  const found: number[] = [];
  for await (const records of journal.replay(0)) {
    for (const { logId, payload } of records) {
      if (logId === 5) found.push(Number.parseInt(Buffer.from(payload).toString(), 10));
    }
  }
  return found;
}

export async function take(
  disk: Disk,
  { backups }: Node,
  meanwhile: () => Promise<void> = async () => {},
  mayLink = true,
): Promise<WrittenBackup> {
  const plan = await backups.begin();
  try {
    await meanwhile();
    return await writeBackup({
      disk,
      dataDirectory: DATA,
      target: TARGET,
      plan,
      programVersion: '1.0.0',
      wallMs: 0,
      mayLink,
      cold: undefined,
      watch: WATCH,
      confirm: async () => {
        const reason = backups.renew(plan.id);
        if (reason !== undefined) throw new Error(reason);
      },
    });
  } finally {
    backups.end(plan.id);
  }
}

export const restoreOn = (disk: Disk, newNodeId?: string) =>
  restoreBackup({ disk, backup: TARGET, target: RESTORED, newNodeId, watch: WATCH });
