import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTieredWal } from '../../../src/storage/tier/tiered-wal.ts';
import { createFileWal } from '../../../src/storage/wal/file-wal.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';
import { faultyDisk } from '../disk/faulty-disk.ts';

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !isTrue(); i++) await turn();
  expect(isTrue()).toBe(true);
}

it('local files stay while they are held, and what only the store has is told', async () => {
  const disk = faultyDisk(1);
  const wal = createFileWal({ disk, directory: '/wal' });
  const options = {
    wal,
    disk,
    directory: '/wal',
    clock: createManualClock(),
    localBytes: 0,
    cacheBytes: 4096,
  };
  const tiered = createTieredWal({ ...options, segments: createMemorySegments() });
  const localFiles = (): number => disk.paths().filter((path) => path.endsWith('.wal')).length;
  const release = tiered.hold();
  const writer = await tiered.open('w', 1);
  for (let i = 0; i < 4; i++)
    await writer.append([Buffer.from(`block ${i}`)], { level: 'sync', isAnchor: true });
  await until(() => tiered.state().localBytes > 0 && tiered.state().waitingSegments === 0);
  for (let i = 0; i < 100; i++) await turn();
  expect(localFiles()).toBe(4);
  expect(await tiered.coldSegments('w')).toEqual([]);
  release();
  release();
  await until(() => localFiles() === 1);
  const cold = await tiered.coldSegments('w');
  expect(cold.map(({ epoch, position }) => [epoch, position])).toEqual([
    [1, 0],
    [1, 51],
    [1, 102],
  ]);
  expect(cold.every(({ key, bytes }) => key.startsWith('tier/w/') && bytes === 83)).toBe(true);
  await writer.close();
  await tiered.close();
});
