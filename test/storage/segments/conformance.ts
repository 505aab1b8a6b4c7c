/** What every engine of the segment store must do, told once. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SegmentStore } from '../../../src/storage/segments/segment-store.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (found: Uint8Array | undefined): string | undefined =>
  found === undefined ? undefined : new TextDecoder().decode(found);

export interface SegmentStoreUnderTest {
  readonly store: SegmentStore;
  /** Another client of the same data, as another process would be. */
  readonly other: SegmentStore;
  stop(): Promise<void>;
}

export function segmentStoreConformance(name: string, start: () => Promise<SegmentStoreUnderTest>): void {
  describe(`segment store: ${name}`, () => {
    let made: SegmentStoreUnderTest;
    let store: SegmentStore;
    const folder = (): string => `t-${randomUUID()}`;
    const keysOf = async (prefix: string, after?: string): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of store.list(prefix, after)) keys.push(key);
      return keys;
    };

    beforeAll(async () => {
      made = await start();
      store = made.store;
    }, 120_000);
    afterAll(async () => made?.stop(), 60_000);

    it('passes its own self-test, and leaves nothing of it behind', async () => {
      await store.probe();
      expect(await keysOf('probe/')).toEqual([]);
    });

    it('creates a key once and keeps what the first one wrote', async () => {
      const key = `${folder()}/a`;
      expect(await store.create(key, [bytes('fir'), bytes(''), bytes('st')])).toBe('created');
      expect(await store.create(key, [bytes('second')])).toBe('exists');
      expect(text(await made.other.get(key))).toBe('first');
    });

    it('lets exactly one of many racers win, whichever client they use', async () => {
      const key = `${folder()}/race`;
      const racers = Array.from({ length: 16 }, (_, racer) => ({
        racer,
        at: racer % 2 ? store : made.other,
      }));
      const answers = await Promise.all(racers.map(({ racer, at }) => at.create(key, [bytes(`${racer}`)])));
      const winners = racers.filter((_, index) => answers[index] === 'created');
      expect(winners).toHaveLength(1);
      expect(text(await store.get(key))).toBe(`${winners[0]?.racer}`);
    });

    it('says undefined of what is not there', async () => {
      expect(await store.get(`${folder()}/none`)).toBeUndefined();
      expect(await store.get(`${folder()}/none`, { offset: 5, lengthBytes: 1 })).toBeUndefined();
    });

    it('reads ranges, cut off at the end of the object', async () => {
      const key = `${folder()}/ranges`;
      await store.create(key, [bytes('0123456789')]);
      const range = async (offset: number, lengthBytes: number): Promise<string | undefined> =>
        text(await store.get(key, { offset, lengthBytes }));
      expect(await range(0, 4)).toBe('0123');
      expect(await range(3, 1)).toBe('3');
      expect(await range(8, 100)).toBe('89');
      expect(await range(10, 1)).toBe('');
      expect(await range(1000, 1)).toBe('');
      await expect(range(-1, 1)).rejects.toThrow(RangeError);
      await expect(range(0, 0)).rejects.toThrow(RangeError);
    });

    it('holds objects of no bytes and of some megabytes', async () => {
      const at = folder();
      await store.create(`${at}/empty`, []);
      expect(await store.get(`${at}/empty`)).toHaveLength(0);
      expect(await store.get(`${at}/empty`, { offset: 0, lengthBytes: 9 })).toHaveLength(0);
      const large = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31) & 255);
      await store.create(`${at}/large`, [large.subarray(0, 1_234_567), large.subarray(1_234_567)]);
      expect(Buffer.compare((await store.get(`${at}/large`)) ?? bytes(''), large)).toBe(0);
      const part = await store.get(`${at}/large`, { offset: 1_234_000, lengthBytes: 2_000 });
      expect(Buffer.compare(part ?? bytes(''), large.subarray(1_234_000, 1_236_000))).toBe(0);
    });

    it('lists by prefix in the order of bytes, with sizes, from behind a key on', async () => {
      const at = folder();
      const names = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a0', 'b/0', 'b/00', 'b/1', 'c'];
      const keys = names.map((each) => `${at}/${each}`);
      for (const key of [...keys].reverse()) await store.create(key, [bytes(key)]);
      const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keysOf(`${at}/`)).toEqual(sorted);
      for (const [index, key] of sorted.entries())
        expect(await keysOf(at, key)).toEqual(sorted.slice(index + 1));
      expect(await keysOf(`${at}/b/0`)).toEqual([`${at}/b/0`, `${at}/b/00`]);
      expect(await keysOf(`${at}/a/`, `${at}/a/b`)).toEqual([`${at}/a/b/c`]);
      expect(await keysOf(`${at}/`, `${at}/a/zzz`)).toEqual(sorted.filter((key) => key > `${at}/a/zzz`));
      expect(await keysOf(`${at}/zz`)).toEqual([]);
      for await (const { key, sizeBytes } of store.list(`${at}/`)) expect(sizeBytes).toBe(key.length);
    });

    it('removes what is there, passes over what is not, and can create again', async () => {
      const at = folder();
      for (const each of ['x/1', 'x/2', 'y']) await store.create(`${at}/${each}`, [bytes(each)]);
      await store.remove([`${at}/x/1`, `${at}/none`, `${at}/x/2`]);
      expect(await keysOf(at)).toEqual([`${at}/y`]);
      expect(await store.get(`${at}/x/1`)).toBeUndefined();
      expect(await store.create(`${at}/x/1`, [bytes('again')])).toBe('created');
      await store.remove([]);
    });

    it('refuses keys that are none', async () => {
      const wrong = [
        '',
        '/',
        'a/',
        '/a',
        'a//b',
        '..',
        'a/../b',
        '.a',
        'A',
        'ä',
        'a b',
        'a\0',
        'a+',
        'x'.repeat(600),
      ];
      for (const key of wrong) {
        await expect(store.create(key, [bytes('x')])).rejects.toThrow(RangeError);
        await expect(store.get(key)).rejects.toThrow(RangeError);
        await expect(store.remove([key])).rejects.toThrow(RangeError);
      }
    });
  });
}
