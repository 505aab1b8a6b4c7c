import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { openDirectoryStore } from '../../../src/storage/segments/directory.ts';
import { segmentStoreConformance } from './conformance.ts';

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'robustmq-segments-'));
const open = (folder: string) => openDirectoryStore({ folder, clock: systemClock });

segmentStoreConformance('directory', async () => {
  const folder = await newFolder();
  const [store, other] = [await open(join(folder, 'deep', 'down')), await open(join(folder, 'deep', 'down'))];
  return { store, other, stop: () => rm(folder, { recursive: true }) };
});

describe('segments in a directory', () => {
  it('finds everything again after it was opened anew', async () => {
    const folder = await newFolder();
    await (await open(folder)).create('a/b', [Buffer.from('stays')]);
    expect(String(await (await open(folder)).get('a/b'))).toBe('stays');
    await rm(folder, { recursive: true });
  });

  it('removes what a killed process left half-written, and leaves alone what may be under way', async () => {
    const folder = await newFolder();
    await open(folder);
    await writeFile(join(folder, '.incoming', 'old'), 'half');
    await utimes(join(folder, '.incoming', 'old'), new Date(0), new Date(0));
    await writeFile(join(folder, '.incoming', 'fresh'), 'half');
    const store = await open(folder);
    expect(await readdir(join(folder, '.incoming'))).toEqual(['fresh']);
    for await (const { key } of store.list('')) expect.unreachable(key);
    await rm(folder, { recursive: true });
  });

  it('leaves no temporary file and no empty folder behind, also while creates and removes race', async () => {
    const folder = await newFolder();
    const store = await open(folder);
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const key = `deep/down/segment-${index}`;
        for (let round = 0; round < 40; round++) {
          expect(await store.create(key, [Buffer.from(key)])).toBe('created');
          await store.remove([key]);
        }
      }),
    );
    expect(await readdir(folder)).toEqual(['.incoming']);
    expect(await readdir(join(folder, '.incoming'))).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
