import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryObjects } from '../../../src/storage/wal/memory-objects.ts';

const MiB = 1024 * 1024;
const sizes = fc.oneof(
  fc.nat(64),
  fc.nat(MiB / 4 + 64),
  fc.constantFrom(0, MiB / 4, MiB / 4 + 1, MiB, MiB + 1),
);

describe('objects in memory', () => {
  it('are what was put, whatever their neighbours are, and whatever becomes of the bytes they were made from', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(sizes, sizes, fc.boolean()), { maxLength: 24 }), async (puts) => {
        const objects = createMemoryObjects();
        const model = new Map<string, Buffer>();
        for (const [index, [first, second, isRemoved]] of puts.entries()) {
          const key = `k/${String(index).padStart(3, '0')}`;
          const parts = [Buffer.alloc(first, index + 1), Buffer.alloc(second, index + 101)];
          model.set(key, Buffer.concat(parts));
          expect(await objects.create(key, parts)).toBe('created');
          expect(await objects.create(key, parts)).toBe('exists');
          for (const part of parts) part.fill(0);
          if (!isRemoved) continue;
          await objects.remove([key]);
          model.delete(key);
        }
        expect(await objects.list('k/')).toEqual([...model.keys()].sort());
        for (const [key, bytes] of model) {
          const found = await objects.get(key);
          expect(found !== undefined && Buffer.compare(found, bytes) === 0).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });
});
