import type { PutIfAbsent } from './put-if-absent.ts';

/**
 * Objects in memory: for tests, and for logs that need not outlive the process. They share slabs, each of which goes when the last
 * of its objects is removed: an array buffer for each object would have the garbage collector run all the time.
 */
const SLAB_BYTES = 1024 * 1024;
/** Larger ones have their own, so that no slab is left half empty. */
const OWN_SLAB_BYTES = SLAB_BYTES / 4;

export function createMemoryObjects(): PutIfAbsent {
  const objects = new Map<string, Uint8Array>();
  let slab: Uint8Array = new Uint8Array(0);
  let used = 0;

  function take(bytes: number): Uint8Array {
    if (bytes > OWN_SLAB_BYTES) return new Uint8Array(bytes);
    if (bytes > slab.length - used) {
      slab = new Uint8Array(SLAB_BYTES);
      used = 0;
    }
    used += bytes;
    return slab.subarray(used - bytes, used);
  }

  return {
    async create(key, body) {
      if (objects.has(key)) return 'exists';
      const object = take(body.reduce((sum, { byteLength }) => sum + byteLength, 0));
      let at = 0;
      for (const part of body) {
        object.set(part, at);
        at += part.byteLength;
      }
      objects.set(key, object);
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
