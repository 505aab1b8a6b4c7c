/**
 * Views: pages of the tables in the key-value store, and a head that says from where the journal is to be replayed on
 * top of them. Pages are written while the head still names the checkpoint before; the head moves when all are there.
 * A page is written only after all that is in it is synced, so that a view is never ahead of the journal.
 */
import { randomBytes } from 'node:crypto';
import { type KvOp, type KvStore, kvKey, tableRange } from '../../storage/kv/kv-store.ts';
import { ByteReader, ByteWriter } from '../binary.ts';
import { type CycleSummary, FORMAT_VERSION, type Page, readCycle, writeCycle } from './frame-format.ts';
import type { PageWriting } from './page-slices.ts';
import { pageSlices } from './page-slices.ts';
import type { Table } from './table.ts';

/** One process owns all stripes, and its journal is one: views are cut by stripe once stripes move between nodes. */
const STRIPE = 0;
/** Of the state log itself. */
const OWN_TABLE = 0;
const ID_BYTES = 16;
const HEAD_KEY = kvKey(STRIPE, OWN_TABLE, new Uint8Array(0));
const PREFIX_BYTES = 5;

export interface ViewsHead {
  /** Of the checkpoint's mark in the journal; the replay starts there. */
  readonly position: number;
  /** The mark has the same. */
  readonly id: Uint8Array;
  readonly objectPosition: number;
  /** Nothing in the pages lies behind this position of the journal. */
  readonly needs: number;
  /** The newest complete snapshot cycle at that time. */
  readonly cycle: CycleSummary | undefined;
}

function encodeHead(head: ViewsHead): Uint8Array {
  const writer = new ByteWriter().u8(FORMAT_VERSION).uint(head.position).bytes(head.id);
  writer
    .uint(head.objectPosition)
    .uint(head.needs)
    .u8(head.cycle === undefined ? 0 : 1);
  if (head.cycle !== undefined) writeCycle(writer, head.cycle);
  return writer.finish();
}

/** undefined when there are no views; throws for what cannot be read. */
export async function readHead(kv: KvStore): Promise<ViewsHead | undefined> {
  const [bytes] = await kv.getMany([HEAD_KEY]);
  if (bytes === undefined) return undefined;
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== FORMAT_VERSION) {
    throw new Error(`the views have format ${version}; this program knows format ${FORMAT_VERSION}`);
  }
  const head = {
    position: reader.uint(),
    id: reader.bytes(),
    objectPosition: reader.uint(),
    needs: reader.uint(),
    cycle: reader.u8() === 1 ? readCycle(reader) : undefined,
  };
  if (!reader.isComplete) throw new Error('the head of the views is damaged');
  return head;
}

/** Returns the number of pages. */
export async function loadViews(kv: KvStore, tables: ReadonlyMap<number, Table>): Promise<number> {
  let pages = 0;
  for (const [id, table] of tables) {
    for await (const entries of kv.scan(tableRange(STRIPE, id))) {
      for (const { key, value } of entries) {
        loadPage(table, key.subarray(PREFIX_BYTES), value);
        pages++;
      }
    }
  }
  return pages;
}

function loadPage(table: Table, key: Uint8Array, value: Uint8Array): void {
  try {
    const { page, stamp } = unwrap(value);
    table.load(key, page, stamp);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`table "${table.name}", page ${Buffer.from(key).toString('hex')}: ${reason}`, { cause });
  }
}

const STAMP_BYTES = 9;

function wrap(page: Uint8Array, stamp: number): Uint8Array {
  const bytes = new Uint8Array(STAMP_BYTES + page.length);
  bytes[0] = FORMAT_VERSION;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(stamp));
  bytes.set(page, STAMP_BYTES);
  return bytes;
}

function unwrap(value: Uint8Array): { readonly page: Uint8Array; readonly stamp: number } {
  const version = value[0];
  if (version !== FORMAT_VERSION || value.length < STAMP_BYTES) {
    throw new Error(`a page of the views has format ${version}; this program knows format ${FORMAT_VERSION}`);
  }
  const stamp = Number(new DataView(value.buffer, value.byteOffset).getBigUint64(1));
  return { page: value.subarray(STAMP_BYTES), stamp };
}

/** For good: a head that came back after a loss of power could name a place that means something else by then. */
export async function dropViews(kv: KvStore): Promise<void> {
  if (!kv.applied().has(STRIPE)) return;
  await kv.dropStripe(STRIPE);
  await kv.checkpoint();
}

export interface Checkpoint {
  readonly head: ViewsHead;
  readonly bytes: number;
}

/**
 * Writes the pages that changed since `last`; all of them when there is no last. Rejects when the journal failed
 * meanwhile, with the views as good as before.
 */
export async function checkpointViews(
  kv: KvStore,
  writing: PageWriting,
  last: ViewsHead | undefined,
  cycle: CycleSummary | undefined,
): Promise<Checkpoint> {
  // Nothing of earlier ones may be left: a page that is empty by now would stay.
  if (last === undefined) await dropViews(kv);
  const id = randomBytes(ID_BYTES);
  const position = await writing.mark({ kind: 'checkpoint', id });
  const objectPosition = writing.objectEnd();
  // All at once: pages that change from here on are replayed.
  const changed = writing.tables.map((table) => table.takeDirty(Number.MAX_SAFE_INTEGER));
  const keys = (table: Table, index: number): Iterable<Uint8Array> =>
    last === undefined ? table.pageKeys() : (changed[index] ?? []);
  const applied = new Map([[STRIPE, BigInt(last?.position ?? 0)]]);
  let bytes = 0;
  let needs = Math.max(last?.needs ?? 0, position);
  for (const slice of pageSlices(writing, keys)) {
    const ops = slice.pages.map(({ table, key, page }) => viewOf(table, key, page, slice.stamp));
    bytes += slice.bytes;
    needs = Math.max(needs, await writing.barrier());
    if (last !== undefined) ops.push({ key: HEAD_KEY, value: encodeHead({ ...last, needs }) });
    await kv.write(ops, applied);
    await writing.pace(slice.bytes);
  }
  const head: ViewsHead = { position, id, objectPosition, needs, cycle };
  await kv.write([{ key: HEAD_KEY, value: encodeHead(head) }], new Map([[STRIPE, BigInt(position)]]));
  await kv.checkpoint();
  return { head, bytes };
}

function viewOf(table: number, key: Uint8Array, page: Page['page'] | undefined, stamp: number): KvOp {
  return { key: kvKey(STRIPE, table, key), value: page === undefined ? undefined : wrap(page, stamp) };
}
