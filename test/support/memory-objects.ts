/** An object store in memory: what sealed epochs ask of one, and nothing that can fail. */
import type { PutIfAbsent } from '../../src/storage/wal/put-if-absent.ts';

export function createMemoryObjects(): PutIfAbsent {
  const objects = new Map<string, Uint8Array>();
  return {
    async create(key, body) {
      if (objects.has(key)) return 'exists';
      objects.set(key, Buffer.concat(body));
      return 'created';
    },
    get: async (key) => objects.get(key),
    list: async (prefix, after = '') =>
      [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort(),
    async remove(keys) {
      for (const key of keys) objects.delete(key);
    },
  };
}
