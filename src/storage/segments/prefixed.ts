import { randomUUID } from 'node:crypto';
import { checkKey, raceForKeys, type SegmentStore, SegmentStoreError } from './segment-store.ts';

/** The part of a store whose keys begin with `prefix/`, seen without it: several users of one bucket never meet. */
export function withPrefix(store: SegmentStore, prefix: string): SegmentStore {
  if (prefix === '') return store;
  try {
    checkKey(prefix);
  } catch (cause) {
    throw new SegmentStoreError(
      `"${prefix}" cannot begin the keys of an object store: parts of a-z, 0-9, . _ and - with / between them`,
      { cause },
    );
  }
  const above = `${prefix}/`;
  const mine: SegmentStore = {
    engine: store.engine,
    create: (key, body) => store.create(above + key, body),
    get: (key, range) => store.get(above + key, range),
    async *list(inner, after) {
      const behind = after === undefined ? undefined : above + after;
      for await (const { key, sizeBytes } of store.list(above + inner, behind)) {
        yield { key: key.slice(above.length), sizeBytes };
      }
    },
    remove: (keys) => store.remove(keys.map((key) => above + key)),
    // Raced below the prefix: whoever may write nowhere else can run it, too.
    probe: () => raceForKeys(mine, randomUUID()),
    close: () => store.close(),
  };
  return mine;
}
