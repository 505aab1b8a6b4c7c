import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { raceForKeys, type SegmentStore } from '../../../src/storage/segments/segment-store.ts';

type Create = (
  objects: Map<string, Uint8Array>,
  key: string,
  body: Uint8Array,
) => Promise<'created' | 'exists'>;

/** As far as the self-test needs it; `create` is the part that is right or wrong. */
function storeWith(create: Create): {
  readonly store: SegmentStore;
  readonly objects: Map<string, Uint8Array>;
} {
  const objects = new Map<string, Uint8Array>();
  const store: SegmentStore = {
    engine: 's3',
    create: (key, body) => create(objects, key, Buffer.concat(body)),
    get: async (key) => objects.get(key),
    async *list() {},
    remove: async (keys) => {
      for (const key of keys) objects.delete(key);
    },
    probe: () => raceForKeys(store, 'test'),
    close: async () => {},
  };
  return { store, objects };
}

const atomic: Create = async (objects, key, body) => {
  await turn();
  if (objects.has(key)) return 'exists';
  objects.set(key, body);
  return 'created';
};

describe('the self-test of a segment store', () => {
  it('accepts an atomic create and cleans up', async () => {
    const { store, objects } = storeWith(atomic);
    await store.probe();
    expect(objects.size).toBe(0);
  });

  it.each<[string, Create, RegExp]>([
    [
      'ignores the condition',
      async (objects, key, body) => {
        objects.set(key, body);
        return 'created';
      },
      /16 of 16 racers/,
    ],
    [
      'looks first and writes later',
      async (objects, key, body) => {
        if (objects.has(key)) return 'exists';
        await turn();
        objects.set(key, body);
        return 'created';
      },
      /16 of 16 racers/,
    ],
    ['lets nobody win', async () => 'exists', /0 of 16 racers/],
    [
      'tells the wrong one that it won',
      async (objects, key, body) => {
        const answer = objects.has(key) ? 'exists' : 'created';
        objects.set(key, body);
        return answer;
      },
      /does not return what the racer wrote/,
    ],
    [
      'forgets what was created a moment ago',
      async (objects, key, body) => {
        if (body.byteLength === 1 || !objects.has(key)) {
          objects.set(key, body);
          return 'created';
        }
        return 'exists';
      },
      /created a key that was there already/,
    ],
  ])('refuses a store that %s', async (_, create, reason) => {
    const { store, objects } = storeWith(create);
    await expect(store.probe()).rejects.toThrow(reason);
    await expect(store.probe()).rejects.toThrow(/"s3" is refused: .*; it needs a conditional create/);
    expect(objects.size).toBe(0);
  });
});
