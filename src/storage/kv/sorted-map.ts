/**
 * An ordered map in blocks of bounded size. A view of it costs one array of references: blocks are shared with it and
 * copied when the map next changes them, so that a scan or a snapshot sees one moment while writes go on.
 *
 * Keys are strings of one character per byte: their order is the order of the bytes, and comparing them is what the
 * engine does fastest.
 */
const MAX_BLOCK_ENTRIES = 256;

export interface Block<V> {
  readonly keys: readonly string[];
  readonly values: readonly V[];
}

interface OwnBlock<V> {
  keys: string[];
  values: V[];
  generation: number;
}

export interface SortedMap<V> {
  readonly size: number;
  get(key: string): V | undefined;
  /** Returns what was there. */
  set(key: string, value: V): V | undefined;
  delete(key: string): V | undefined;
  /** Removes keys from `start` up to and without `end`. */
  deleteRange(start: string, end: string, removed: (key: string, value: V) => void): void;
  /** The blocks as they are now, in order; none is empty. */
  view(): readonly Block<V>[];
}

/** The index of the first key that is not below `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let from = 0;
  let to = keys.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((keys[middle] ?? '') < key) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The index of the first block whose last key is not below `key`. */
export function firstBlock<V>(blocks: readonly Block<V>[], key: string): number {
  let from = 0;
  let to = blocks.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((blocks[middle]?.keys.at(-1) ?? '') < key) from = middle + 1;
    else to = middle;
  }
  return from;
}

export function createSortedMap<V>(): SortedMap<V> {
  const blocks: OwnBlock<V>[] = [];
  let generation = 0;
  let size = 0;

  const own = (index: number): OwnBlock<V> | undefined => {
    const block = blocks[index];
    if (block === undefined || block.generation === generation) return block;
    const copy = { keys: block.keys.slice(), values: block.values.slice(), generation };
    blocks[index] = copy;
    return copy;
  };

  return {
    get size() {
      return size;
    },

    get(key) {
      const block = blocks[firstBlock(blocks, key)];
      if (block === undefined) return undefined;
      const at = lowerBound(block.keys, key);
      return block.keys[at] === key ? block.values[at] : undefined;
    },

    set(key, value) {
      // A key behind all others goes into the last block.
      const index = Math.min(firstBlock(blocks, key), Math.max(blocks.length - 1, 0));
      const block = own(index);
      if (block === undefined) {
        blocks.push({ keys: [key], values: [value], generation });
        size = 1;
        return undefined;
      }
      const at = lowerBound(block.keys, key);
      if (block.keys[at] === key) {
        const before = block.values[at];
        block.values[at] = value;
        return before;
      }
      size++;
      block.keys.splice(at, 0, key);
      block.values.splice(at, 0, value);
      if (block.keys.length > MAX_BLOCK_ENTRIES) {
        // Keys that arrive in order would leave half-full blocks behind if they were split in the middle.
        const cut = at === MAX_BLOCK_ENTRIES ? at : MAX_BLOCK_ENTRIES >>> 1;
        const upper = { keys: block.keys.splice(cut), values: block.values.splice(cut), generation };
        blocks.splice(index + 1, 0, upper);
      }
      return undefined;
    },

    delete(key) {
      const index = firstBlock(blocks, key);
      const found = blocks[index];
      if (found === undefined) return undefined;
      const at = lowerBound(found.keys, key);
      if (found.keys[at] !== key) return undefined;
      const block = own(index) ?? found;
      const before = block.values[at];
      block.keys.splice(at, 1);
      block.values.splice(at, 1);
      if (block.keys.length === 0) blocks.splice(index, 1);
      size--;
      return before;
    },

    deleteRange(start, end, removed) {
      for (let index = firstBlock(blocks, start); index < blocks.length; ) {
        const found = blocks[index];
        if (found === undefined) return;
        const from = lowerBound(found.keys, start);
        const to = lowerBound(found.keys, end);
        for (let at = from; at < to; at++) removed(found.keys[at] as string, found.values[at] as V);
        size -= to - from;
        const isLast = to < found.keys.length;
        if (to - from === found.keys.length) {
          blocks.splice(index, 1);
          continue;
        }
        if (to > from) {
          const block = own(index) ?? found;
          block.keys.splice(from, to - from);
          block.values.splice(from, to - from);
        }
        if (isLast) return;
        index++;
      }
    },

    view() {
      generation++;
      return blocks.slice();
    },
  };
}
