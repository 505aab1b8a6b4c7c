/** Pages of the tables, some at a time, so that nobody waits for all of them. */
import type { Mark } from './frame-format.ts';
import type { Table } from './table.ts';

/** What writers of pages need of the state log. */
export interface PageWriting {
  readonly tables: readonly Table[];
  /** Synced when it resolves with its position; all `done`s of entries below have run. */
  mark(mark: Mark): Promise<number>;
  addPages(payload: Uint8Array): Promise<void>;
  /** Resolves when all changes so far are synced, with a position behind them. */
  barrier(): Promise<number>;
  end(): number;
  /** Grows by what a start would have to replay: entries, and of each record what there is to note of it. */
  replayBytes(): number;
  objectEnd(): number;
  /** Waits as long as these bytes should take. */
  pace(bytes: number): Promise<void>;
}

export interface PageSlice {
  readonly pages: readonly {
    readonly table: number;
    readonly key: Uint8Array;
    readonly page: Uint8Array | undefined;
  }[];
  /** All pages have what lies below. */
  readonly stamp: number;
  readonly bytes: number;
}

const SLICE_BYTES = 256 * 1024;
const SLICE_PAGES = 256;

/** Each step encodes one slice. */
export function* pageSlices(
  { tables, end }: PageWriting,
  keys: (table: Table, index: number) => Iterable<Uint8Array>,
): Generator<PageSlice> {
  for (const [index, table] of tables.entries()) {
    let pages: { table: number; key: Uint8Array; page: Uint8Array | undefined }[] = [];
    let bytes = 0;
    for (const key of keys(table, index)) {
      const page = table.page(key);
      pages.push({ table: table.id, key, page });
      bytes += key.length + (page?.length ?? 0);
      if (bytes < SLICE_BYTES && pages.length < SLICE_PAGES) continue;
      yield { pages, stamp: end(), bytes };
      pages = [];
      bytes = 0;
    }
    if (pages.length > 0) yield { pages, stamp: end(), bytes };
  }
}
