import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRangeCache } from '../../../src/storage/tier/range-cache.ts';
import { createMemorySegments } from '../../support/memory-segments.ts';

async function storeOf(sizes: readonly number[]) {
  const store = createMemorySegments();
  for (const [i, size] of sizes.entries()) {
    await store.create(`o${i}`, [Uint8Array.from({ length: size }, (_, at) => (at * 7 + i) & 255)]);
  }
  return store;
}

describe('the cache of ranges', () => {
  it('gives what the store has, and never holds more than it may', async () => {
    const sizes = [0, 1, 99, 100, 101, 1000];
    const reads = fc.array(fc.tuple(fc.nat(5), fc.nat(1100), fc.nat(400)), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(reads, fc.integer({ min: 1, max: 500 }), async (list, maxBytes) => {
        const store = await storeOf(sizes);
        const cache = createRangeCache(store, maxBytes, 50);
        for (const [i, offset, length] of list) {
          const found = await cache.read(`o${i}`, sizes[i] ?? 0, offset, length);
          const wanted = store.objects.get(`o${i}`)?.slice(offset, offset + length);
          expect(Buffer.from(found ?? [])).toEqual(Buffer.from(wanted ?? []));
          expect(cache.state().bytes).toBeLessThanOrEqual(maxBytes);
        }
      }),
    );
  });

  it('asks once for what many want at the same time, and not at all for what it has', async () => {
    const store = await storeOf([100]);
    const cache = createRangeCache(store, 100, 50);
    await Promise.all(Array.from({ length: 20 }, () => cache.read('o0', 100, 10, 20)));
    expect(store.requests.get).toBe(1);
    await cache.read('o0', 100, 0, 50);
    expect(store.requests.get).toBe(1);
    expect(cache.state()).toEqual({ bytes: 50, hits: 1, misses: 20 });
  });

  it('lets go of what was used least recently', async () => {
    const store = await storeOf([50, 50, 50]);
    const cache = createRangeCache(store, 100, 50);
    for (const key of ['o0', 'o1', 'o0', 'o2', 'o0']) await cache.read(key, 50, 0, 50);
    expect(store.requests.get).toBe(3);
    await cache.read('o1', 50, 0, 50);
    expect(store.requests.get).toBe(4);
  });

  it('keeps no failure, and nothing of an object that was forgotten while it came', async () => {
    const store = await storeOf([50]);
    const cache = createRangeCache(store, 100, 50);
    store.fault = () => 'before';
    await expect(cache.read('o0', 50, 0, 50)).rejects.toThrow(/refused/);
    store.fault = () => undefined;
    const coming = cache.read('o0', 50, 0, 50);
    cache.forget('o0');
    expect(await coming).toHaveLength(50);
    expect(cache.state().bytes).toBe(0);
    expect(await cache.read('none', 50, 0, 50)).toBeUndefined();
  });
});
