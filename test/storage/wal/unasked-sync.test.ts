/** What nobody asked to be synced is synced in portions, for a tenth of the time, or when much has gathered. */
import { beforeEach, expect, test } from 'vitest';
import type { Disk } from '../../../src/storage/disk/disk.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import type { WalWriter } from '../../../src/storage/wal/wal-store.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

const KiB = 1024;
let nowMs = 0;
/** Of the syncs that are under way. */
let finish: (() => void)[] = [];
let syncs = 0;

beforeEach(() => {
  nowMs = 0;
  finish = [];
  syncs = 0;
});

/** Syncs take until they are finished, once the file is there. */
async function open(clock: boolean): Promise<WalWriter> {
  const base = faultyDisk(1);
  let isHeld = false;
  const disk: Disk = {
    ...base,
    async open(path, mode) {
      const file = await base.open(path, mode);
      return {
        ...file,
        async datasync() {
          if (isHeld) {
            syncs++;
            await new Promise<void>((resolve) => finish.push(resolve));
          }
          await file.datasync();
        },
      };
    },
  };
  const wal = createFileWal({ disk, directory: '/d', ...(clock ? { nowMs: () => nowMs } : {}) });
  const writer = await wal.open('w', 1);
  await writer.append([Buffer.from('first')], { level: 'sync' });
  isHeld = true;
  return writer;
}

const append = (writer: WalWriter, kib: number): Promise<number> =>
  writer.append([Buffer.alloc(kib * KiB)], { level: 'os' });

async function finishSync(tookMs: number): Promise<void> {
  nowMs += tookMs;
  finish.shift()?.();
  await new Promise(setImmediate);
}

test('a portion is synced, and no other while that is under way', async () => {
  const writer = await open(true);
  await append(writer, 300);
  expect(syncs).toBe(0);
  await append(writer, 300);
  expect(syncs).toBe(1);
  for (let i = 0; i < 4; i++) await append(writer, 600);
  expect(syncs).toBe(1);
});

test('after a sync nine times as long goes by before the next', async () => {
  const writer = await open(true);
  await append(writer, 600);
  await finishSync(10);
  await append(writer, 600);
  nowMs += 89;
  await append(writer, 1);
  expect(syncs).toBe(1);
  nowMs += 1;
  await append(writer, 1);
  expect(syncs).toBe(2);
});

test.each([true, false])(
  'so much that a sync of it would be long does not wait (clock: %s)',
  async (clock) => {
    const writer = await open(clock);
    if (clock) {
      await append(writer, 600);
      await finishSync(1000);
    }
    const before = syncs;
    for (let i = 0; i < 15; i++) await append(writer, 1024);
    expect(syncs).toBe(before);
    await append(writer, 1024);
    expect(syncs).toBe(before + 1);
  },
);
