import type { SegmentStore } from '../segments/segment-store.ts';
import type { PutIfAbsent } from './put-if-absent.ts';

/**
 * A segment store as the objects of sealed epochs. Its creates are atomic and durable when they answer, which is all
 * that `createSealedWal` stands on; what a rejected create left behind is told by the nonce in the object.
 */
export function createSegmentObjects(store: SegmentStore): PutIfAbsent {
  return {
    create: (key, body) => store.create(key, body),
    get: (key, firstBytes) =>
      store.get(key, firstBytes === undefined ? undefined : { offset: 0, lengthBytes: firstBytes }),
    async list(prefix, after) {
      const keys: string[] = [];
      for await (const { key } of store.list(prefix, after)) keys.push(key);
      return keys;
    },
    remove: (keys) => store.remove(keys),
  };
}
