import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PutIfAbsent } from '../../../src/storage/wal/put-if-absent.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';

const IN_FLIGHT = 64;

function counted(objects: PutIfAbsent): { objects: PutIfAbsent; requests: () => number } {
  let requests = 0;
  const count = <A extends unknown[], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      requests++;
      return call(...args);
    };
  };
  const { create, get, list, remove } = objects;
  return {
    objects: { create: count(create), get: count(get), list: count(list), remove: count(remove) },
    requests: () => requests,
  };
}

it('finds the end of a long epoch by searching, around holes and past what was put behind a gap', async () => {
  const epochs = fc.record({
    blocks: fc.integer({ min: 1, max: 600 }),
    /** Blocks put side by side behind one whose put never came to be. */
    beyond: fc.nat(IN_FLIGHT - 1),
    holes: fc.array(fc.tuple(fc.nat(599), fc.integer({ min: 1, max: 120 })), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(epochs, async ({ blocks, beyond, holes }) => {
      const store = createMemoryObjects();
      let isLost = false;
      const objects: PutIfAbsent = {
        ...store,
        create: (key, body) =>
          isLost && key.endsWith(String(blocks).padStart(12, '0'))
            ? new Promise(() => {})
            : store.create(key, body),
      };
      const writer = await createSealedWal({ objects, maxInFlight: IN_FLIGHT }).open('w', 1);
      const positions: number[] = [];
      for (let i = 0; i < blocks; i++) {
        positions.push(await writer.append([Buffer.from(`${i}`)], { level: 'sync', isAnchor: true }));
      }
      const length = writer.next;
      isLost = true;
      for (let i = 0; i <= beyond; i++) writer.append([Buffer.from('x')], { level: 'sync' }).catch(() => {});
      const gone = new Set<number>();
      for (const [from, count] of holes) {
        const until = Math.min(blocks - 1, from + count);
        if (from >= until) continue;
        const process = createSealedWal({ objects: store });
        await process.remove('w', 1, positions[from] ?? 0, positions[until] ?? 0);
        for (let i = from; i < until; i++) gone.add(i);
      }
      const { objects: mine, requests } = counted(store);
      const wal = createSealedWal({ objects: mine });
      expect((await wal.inspect('w', 1)).length).toBe(length);
      expect(await wal.seal('w', 1)).toBe(length);
      expect(await wal.lastAnchor('w', 1, length)).toBe(positions[blocks - 1]);
      expect(requests()).toBeLessThan(4 * IN_FLIGHT + 120);
      for (const i of [0, blocks >> 1, blocks - 1].filter((each) => !gone.has(each))) {
        const [block] = await wal.read('w', 1, positions[i] ?? 0, length, 1);
        expect(Buffer.from(block?.body ?? []).toString()).toBe(`${i}`);
      }
    }),
    { numRuns: 25 },
  );
});

it('refuses to keep more in flight than a sealer looks back for', () => {
  expect(() => createSealedWal({ objects: createMemoryObjects(), maxInFlight: 65 })).toThrow(/64 at most/);
});
