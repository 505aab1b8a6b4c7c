import { describe, expect, it } from 'vitest';
import { decodeCatalogue, encodeCatalogue } from '../../../src/kernel/log/catalogue.ts';
import { faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
import { found, made, type Opened, openOn, readAll, record, type World } from './support.ts';

const world = (seed: number, objects = createMemoryObjects()): World => ({
  disk: faultyDisk(seed),
  freed: [],
  objects,
});

const stored = ({ log }: Opened): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (error: Error | undefined): void => (error === undefined ? resolve() : reject(error));
    log.commit('os', done, false, 'object');
  });

/** What a start does with a disk that knows less than the object store. */
async function adopted({ partitions }: Opened): Promise<string[]> {
  const missing = (await partitions.catalogue?.missing()) ?? [];
  await partitions.catalogue?.adopt(missing);
  return missing.map(({ name, number }) => `${name}/${number}`);
}

describe('the catalogue of partitions in the object store', () => {
  it('gives an empty disk its partitions back, with their records and offsets, and only those', async () => {
    const first = world(1);
    const opened = await openOn(first);
    const [a, b] = [await made(opened, 'a', 3, 'object'), await made(opened, 'b', 0, 'object')];
    await made(opened, 'here', 0, 'journal');
    await opened.partitions.delete(await made(opened, 'deleted', 0, 'object'));
    for (let i = 0; i < 40; i++) {
      opened.partitions.append(i % 2 === 0 ? a : b, record(`${i}`));
      await stored(opened);
    }
    const before = await readAll(opened, a);
    await opened.log.close();

    const second = world(2, first.objects);
    const again = await openOn(second);
    expect(await adopted(again)).toEqual(['a/3', 'b/0']);
    expect(await readAll(again, found(again, 'a', 3))).toEqual(before);
    expect(again.partitions.append(found(again, 'a', 3), record('next'))).toBe(20);
    expect((await made(again, 'new', 0, 'object')).logId).toBeGreaterThan(b.logId);
    await stored(again);
    await again.log.close();

    const third = await openOn({ ...second, disk: second.disk.kill() });
    expect(await adopted(third)).toEqual([]);
    expect((await readAll(third, found(third, 'a', 3))).at(-1)).toEqual([20, 'next']);
    expect(third.problems).toEqual([]);
    await third.log.close();
  });

  it('takes what retention and compaction have left for all that is to be there', async () => {
    const first = world(3);
    const opened = await openOn(first);
    const [cut, compacted] = [await made(opened, 'cut', 0, 'object'), await made(opened, 'c', 0, 'object')];
    opened.partitions.setPolicy(cut, { maxRecords: 10 });
    opened.partitions.setPolicy(compacted, { cleanup: 'compact' });
    for (let i = 0; i < 60; i++) {
      opened.partitions.append(cut, record(`${i}`.padEnd(90)));
      opened.partitions.append(compacted, record(`${i}`.padEnd(90), `key ${i % 3}`));
      await stored(opened);
    }
    await opened.partitions.clean();
    await opened.log.drained();
    const left = [await readAll(opened, cut), await readAll(opened, compacted)];
    expect(left[1]?.length).toBeLessThan(60);
    await opened.log.close();

    const again = await openOn(world(4, first.objects));
    await adopted(again);
    // What was given up and is still in the store comes back, and goes again by the same policy.
    const cutAgain = await readAll(again, found(again, 'cut'));
    expect(cutAgain.slice(-(left[0]?.length ?? 0))).toEqual(left[0]);
    const compactedAgain = new Map(await readAll(again, found(again, 'c')));
    expect(new Map([...compactedAgain, ...(left[1] ?? [])])).toEqual(compactedAgain);
    expect(again.problems).toEqual([]);
    await again.log.close();
  });

  it('moves when its segment is freed', async () => {
    const opened = await openOn(world(5));
    await made(opened, 'a', 0, 'object');
    const { catalogue } = opened.partitions;
    const source = opened.partitions.source('object');
    const everywhere = Number.MAX_SAFE_INTEGER;
    expect(source.liveBytes(0, everywhere)).toBeGreaterThan(0);
    const live = (): number => {
      let at = 0;
      while (source.liveBytes(at, at + 1) === 0) at++;
      return at;
    };
    const from = live();
    await source.evacuate(0, from + 1);
    expect(source.liveBytes(0, from + 1)).toBe(0);
    expect(live()).toBeGreaterThan(from);
    expect(await catalogue?.missing()).toEqual([]);
    await opened.log.close();
  });

  it('is refused when it is damaged', () => {
    const made = { logId: 1024, stripe: 1, name: 'a', number: 0, storage: 'object' } as const;
    const bytes = encodeCatalogue([made, { ...made, logId: 1025, number: 1 }]);
    expect(decodeCatalogue(bytes)).toHaveLength(2);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeCatalogue(bytes.subarray(0, length))).toThrow(/catalogue/);
    }
  });
});
