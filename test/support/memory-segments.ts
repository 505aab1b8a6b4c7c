import { setImmediate as turn } from 'node:timers/promises';
import {
  checkBody,
  checkKey,
  checkRange,
  compareKeys,
  raceForKeys,
  type SegmentStore,
  SegmentStoreError,
} from '../../src/storage/segments/segment-store.ts';

export type Operation = 'create' | 'get' | 'list' | 'remove';

export interface MemorySegments extends SegmentStore {
  readonly objects: Map<string, Uint8Array>;
  /** What happens to a request: `before` rejects it undone, `after` does it and rejects all the same. */
  fault: (operation: Operation, key: string) => 'before' | 'after' | undefined;
  readonly requests: Record<Operation, number>;
  /** Most requests that were under way at once. */
  readonly peak: Record<Operation, number>;
}

/** A correct segment store in memory whose requests a test may let fail. */
export function createMemorySegments(): MemorySegments {
  const objects = new Map<string, Uint8Array>();
  const requests = { create: 0, get: 0, list: 0, remove: 0 };
  const peak = { create: 0, get: 0, list: 0, remove: 0 };
  const now = { create: 0, get: 0, list: 0, remove: 0 };

  async function request<T>(operation: Operation, key: string, work: () => T): Promise<T> {
    requests[operation]++;
    peak[operation] = Math.max(peak[operation], ++now[operation]);
    try {
      await turn();
      const fault = store.fault(operation, key);
      if (fault === 'before') throw new SegmentStoreError(`${operation} "${key}" was refused`);
      const done = work();
      if (fault === 'after') throw new SegmentStoreError(`the answer to ${operation} "${key}" was lost`);
      return done;
    } finally {
      now[operation]--;
    }
  }

  const store: MemorySegments = {
    engine: 's3',
    objects,
    requests,
    peak,
    fault: () => undefined,
    async create(key, body) {
      checkKey(key);
      checkBody(key, body);
      return request('create', key, () => {
        if (objects.has(key)) return 'exists';
        objects.set(key, Uint8Array.from(Buffer.concat(body)));
        return 'created';
      });
    },
    async get(key, range) {
      checkKey(key);
      if (range !== undefined) checkRange(range);
      return request('get', key, () => {
        const bytes = objects.get(key);
        return range === undefined
          ? bytes?.slice()
          : bytes?.slice(range.offset, range.offset + range.lengthBytes);
      });
    },
    async *list(prefix, after = '') {
      const found = await request('list', prefix, () =>
        [...objects].filter(([key]) => key.startsWith(prefix) && key > after),
      );
      for (const [key, bytes] of found.sort(([a], [b]) => compareKeys(a, b))) {
        yield { key, sizeBytes: bytes.byteLength };
      }
    },
    async remove(keys) {
      keys.forEach(checkKey);
      await request('remove', keys[0] ?? '', () => {
        for (const key of keys) objects.delete(key);
      });
    },
    probe: () => raceForKeys(store, 'test'),
    close: async () => {},
  };
  return store;
}
