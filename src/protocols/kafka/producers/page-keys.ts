/** The pages of producers and transactions: their keys, which of them have changed, and which transactional ids are in which. */

export const Page = { Ids: 0, Transactions: 1, Partition: 2, Aborted: 3 } as const;
export type Page = (typeof Page)[keyof typeof Page];

export interface PageName {
  readonly kind: Page;
  readonly first: number;
  readonly second: number;
}

export interface PageKeys {
  /** `first` is a bucket or a log, `second` a stretch of offsets. */
  touch(kind: Page, first?: number, second?: number): void;
  /** It was just read. */
  clean(key: Uint8Array): void;
  encode(kind: Page, first?: number, second?: number): Uint8Array;
  takeDirty(max: number): Uint8Array[];

  addId(id: string): void;
  removeId(id: string): void;
  /** A copy. */
  idsOf(bucket: number): string[];
  buckets(): Iterable<number>;
}

const BUCKETS = 1024;
const KEY_BYTES = 17;

/** FNV-1a over the characters: stays the same for ever. */
export function bucketOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % BUCKETS;
}

function encode(kind: Page, first = 0, second = 0): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  const view = new DataView(key.buffer);
  key[0] = kind;
  view.setBigUint64(1, BigInt(first));
  view.setBigUint64(9, BigInt(second));
  return key;
}

export function decodePageKey(key: Uint8Array): PageName {
  const kind = key[0] as Page;
  if (key.byteLength !== KEY_BYTES || kind > Page.Aborted) throw new RangeError('a page of no producer');
  const view = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
  return { kind, first: Number(view.getBigUint64(1)), second: Number(view.getBigUint64(9)) };
}

export function createPageKeys(): PageKeys {
  const ids = new Map<number, Set<string>>();
  /** Partitions change with every batch, so their keys are made late. */
  const dirtyPartitions = new Set<number>();
  const dirty = new Map<string, Uint8Array>();

  const textOf = (kind: Page, first: number, second: number): string => `${kind}/${first}/${second}`;

  return {
    touch(kind, first = 0, second = 0) {
      if (kind === Page.Partition) {
        dirtyPartitions.add(first);
        return;
      }
      const text = textOf(kind, first, second);
      if (!dirty.has(text)) dirty.set(text, encode(kind, first, second));
    },
    clean(key) {
      const { kind, first, second } = decodePageKey(key);
      if (kind === Page.Partition) dirtyPartitions.delete(first);
      else dirty.delete(textOf(kind, first, second));
    },
    encode,
    takeDirty(max) {
      const taken: Uint8Array[] = [];
      for (const [text, key] of dirty) {
        if (taken.length >= max) return taken;
        dirty.delete(text);
        taken.push(key);
      }
      for (const logId of dirtyPartitions) {
        if (taken.length >= max) return taken;
        dirtyPartitions.delete(logId);
        taken.push(encode(Page.Partition, logId));
      }
      return taken;
    },

    addId(id) {
      const bucket = bucketOf(id);
      const members = ids.get(bucket);
      if (members === undefined) ids.set(bucket, new Set([id]));
      else members.add(id);
    },
    removeId(id) {
      const bucket = bucketOf(id);
      const members = ids.get(bucket);
      members?.delete(id);
      if (members?.size === 0) ids.delete(bucket);
    },
    idsOf: (bucket) => [...(ids.get(bucket) ?? [])],
    buckets: () => ids.keys(),
  };
}
