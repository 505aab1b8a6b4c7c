/**
 * How far the records of a partition have crossed that could not cross at once, as a table of the state log: for each log an
 * offset, below which everything has. A change is in the table when it is committed; the last one counts, so entries may be
 * repeated.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { type Table, TableId } from '../state/table.ts';

export interface Cursors {
  readonly table: Table;
  /** By log. */
  readonly offsets: ReadonlyMap<number, number>;
  /** When its entry is committed. `undefined`: all has crossed. */
  set(logId: number, offset: number | undefined): void;
}

const VERSION = 1;

/** `offset` undefined: all has crossed. */
export const encodeCursor = (logId: number, offset: number | undefined): Uint8Array =>
  new ByteWriter(16)
    .u8(VERSION)
    .uint(logId)
    .uint(offset === undefined ? 0 : offset + 1)
    .finish();

function read(bytes: Uint8Array): { readonly logId: number; readonly offset: number | undefined } {
  const from = new ByteReader(bytes);
  const version = from.u8();
  if (version !== VERSION) throw new Error(`crossings: version ${version} is unknown`);
  const logId = from.uint();
  const offset = from.uint() - 1;
  if (!from.isComplete) throw new Error('crossings: an entry is damaged');
  return { logId, offset: offset < 0 ? undefined : offset };
}

const keyOf = (logId: number): Uint8Array => new ByteWriter(8).uint(logId).finish();

export function createCursors(): Cursors {
  const offsets = new Map<number, number>();
  const dirty = new Set<number>();

  function set(logId: number, offset: number | undefined): void {
    if (offset === undefined) offsets.delete(logId);
    else offsets.set(logId, offset);
    dirty.add(logId);
  }

  return {
    offsets,
    set,
    table: {
      id: TableId.Crossings,
      name: 'crossings',
      apply(entry) {
        const { logId, offset } = read(entry);
        set(logId, offset);
      },
      load(_, page) {
        const { logId, offset } = read(page);
        if (offset !== undefined) offsets.set(logId, offset);
        dirty.delete(logId);
      },
      *pageKeys() {
        for (const logId of offsets.keys()) yield keyOf(logId);
      },
      page(key) {
        const logId = new ByteReader(key).uint();
        const offset = offsets.get(logId);
        return offset === undefined ? undefined : encodeCursor(logId, offset);
      },
      takeDirty(max) {
        const keys: Uint8Array[] = [];
        for (const logId of dirty) {
          if (keys.length >= max) break;
          dirty.delete(logId);
          keys.push(keyOf(logId));
        }
        return keys;
      },
    },
  };
}
