/**
 * Deduplication of published messages by an identifier that the publisher gives, as a table of the state log. An id is
 * known from when its message is staged, `pending` until that is committed and `duplicate` then, for the time of the
 * window and among the last so many; beyond both the oldest give way.
 *
 * A duplicate of what is pending must not be acknowledged before it: its publisher commits an empty change of the same
 * level, whose `done` the state log runs after the first one's. A message that is refused is never staged and leaves no
 * id behind. Ids in a table are numbered and never change, so entries and pages may be repeated.
 */
import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter } from './binary.ts';
import { RecentIds } from './recent-ids.ts';
import { type Table, TableId } from './state/table.ts';
import { withAccessors } from './with-accessors.ts';

export interface DeduplicationLimits {
  readonly maxIds: number;
  readonly windowMs: number;
}

/** An id whose message is part of a change. */
export interface StagedId {
  readonly key: string;
  readonly number: number;
  readonly atMs: number;
  readonly isVolatile: boolean;
  /** Belongs into the change of the message; empty when that is volatile. */
  readonly entry: Uint8Array;
}

export interface Deduplication {
  /** Nothing is remembered by asking. `key`: see `idKey`. */
  check(key: string, nowMs: number): 'new' | 'pending' | 'duplicate';
  /** For a `new` one, when nothing can refuse the message any more. */
  stage(key: string, nowMs: number, isVolatile?: boolean): StagedId;
  /** In the order of `stage`. */
  committed(staged: StagedId): void;
  /** It was not committed. */
  forgo(staged: StagedId): void;
  /** Committed ones. */
  readonly count: number;
  readonly table: Table;
}

const VERSION = 1;
const PAGE_IDS = 512;
/** Longer ones are known by their hash. */
const MAX_KEY_BYTES = 128;
const HASHED = 0xff;
const NOTHING = new Uint8Array(0);
const scratch = Buffer.alloc(MAX_KEY_BYTES);

/** Of an id within a scope; both are UTF-8 without U+0000. */
export function idKey(scope: Uint8Array, id: Uint8Array): string {
  const length = scope.length + 1 + id.length;
  if (length > MAX_KEY_BYTES) {
    const hash = createHash('sha256').update(scope).update(Uint8Array.of(0)).update(id).digest();
    return Buffer.from([HASHED, ...hash]).toString('latin1');
  }
  scratch.set(scope, 0);
  scratch[scope.length] = 0;
  scratch.set(id, scope.length + 1);
  return scratch.toString('latin1', 0, length);
}

/** Numbers are kept with a bit that says whether the id is in pages. */
const tagOf = (number: number, isVolatile: boolean): number => number * 2 + (isVolatile ? 1 : 0);
const numberOf = (tag: number): number => Math.floor(tag / 2);

function keyOfPage(number: number): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigUint64(0, BigInt(number));
  return key;
}

function checkVersion(version: number): void {
  if (version !== VERSION) throw new Error(`deduplication: version ${version} is unknown`);
}

export function createDeduplication({ maxIds, windowMs }: DeduplicationLimits): Deduplication {
  const ids = new RecentIds();
  const pending = new Map<string, StagedId>();
  const dirty = new Set<number>();
  let nextNumber = 0;

  const pageAt = (place: number): number => Math.floor(numberOf(ids.numberAt(place)) / PAGE_IDS);

  /** A page is rewritten without what is forgotten only when nothing is left of it. */
  const forgetOldest = (): void => {
    const page = pageAt(ids.first);
    ids.forgetOldest();
    if (ids.size === 0 || pageAt(ids.first) !== page) dirty.add(page);
  };

  const remember = (key: string, number: number, atMs: number, isVolatile: boolean): void => {
    const known = ids.find(key);
    // A known one is here again because it has aged, and with it all that came before it.
    for (let left = known - ids.first; known >= 0 && left >= 0; left--) forgetOldest();
    // What has aged goes two at a time, so that the window shrinks again without ever stopping the caller.
    for (let i = 0; i < 2 && ids.size > 0; i++) {
      if (atMs - ids.timeAt(ids.first) < windowMs) break;
      forgetOldest();
    }
    if (ids.size >= maxIds) forgetOldest();
    ids.append(key, tagOf(number, isVolatile), atMs);
    if (!isVolatile) dirty.add(Math.floor(number / PAGE_IDS));
  };

  /** The first place whose number is not below. */
  const placeFrom = (number: number): number => {
    let low = ids.first;
    let high = ids.first + ids.size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (numberOf(ids.numberAt(middle)) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const pageOf = (page: number): Uint8Array | undefined => {
    const end = placeFrom((page + 1) * PAGE_IDS);
    const to = new ByteWriter(PAGE_IDS * 32).u8(VERSION);
    let count = 0;
    for (let place = placeFrom(page * PAGE_IDS); place < end; place++) {
      const tag = ids.numberAt(place);
      if (tag % 2 === 1) continue;
      to.uint(numberOf(tag))
        .uint(ids.timeAt(place))
        .bytes(Buffer.from(ids.idAt(place), 'latin1'));
      count++;
    }
    return count === 0 ? undefined : to.finish();
  };

  /** What was read of the journal and of pages, by number. */
  const read = new Map<number, { readonly key: string; readonly atMs: number }>();
  const readInto = (from: ByteReader, isEntry: boolean): void => {
    const number = from.uint();
    const atMs = from.uint();
    const key = Buffer.from(from.bytes()).toString('latin1');
    if (from.failed) throw new Error('deduplication: an entry or a page is damaged');
    nextNumber = Math.max(nextNumber, number + 1);
    if (isEntry || !read.has(number)) read.set(number, { key, atMs });
    // Views that are written from now on are all that a later start has of it.
    if (isEntry) dirty.add(Math.floor(number / PAGE_IDS));
  };

  const recovered = (): void => {
    const numbers = Float64Array.from(read.keys()).sort();
    let newestMs = 0;
    for (const { atMs } of read.values()) newestMs = Math.max(newestMs, atMs);
    for (const number of numbers) {
      const each = read.get(number);
      if (each === undefined || newestMs - each.atMs >= windowMs) continue;
      const known = ids.find(each.key);
      for (let left = known - ids.first; known >= 0 && left >= 0; left--) ids.forgetOldest();
      if (ids.size >= maxIds) ids.forgetOldest();
      ids.append(each.key, tagOf(number, false), each.atMs);
    }
    read.clear();
  };

  return withAccessors<Deduplication, 'count'>(
    {
      get count() {
        return ids.size;
      },
    },
    {
      check(key, nowMs) {
        if (pending.size > 0 && pending.has(key)) return 'pending';
        const known = ids.find(key);
        return known >= 0 && nowMs - ids.timeAt(known) < windowMs ? 'duplicate' : 'new';
      },

      stage(key, nowMs, isVolatile = false) {
        const number = nextNumber++;
        const atMs = Math.max(0, Math.floor(nowMs));
        const entry = isVolatile ? NOTHING : encodeEntry(number, atMs, key);
        const staged = { key, number, atMs, isVolatile, entry };
        pending.set(key, staged);
        return staged;
      },

      committed(staged) {
        if (pending.get(staged.key) !== staged) return;
        pending.delete(staged.key);
        remember(staged.key, staged.number, staged.atMs, staged.isVolatile);
      },

      forgo(staged) {
        if (pending.get(staged.key) === staged) pending.delete(staged.key);
      },

      table: {
        id: TableId.Deduplication,
        name: 'deduplication',
        apply(entry) {
          const from = new ByteReader(entry);
          checkVersion(from.u8());
          readInto(from, true);
        },
        load(_key, page) {
          const from = new ByteReader(page);
          checkVersion(from.u8());
          while (from.bytesLeft > 0) readInto(from, false);
        },
        recovered,
        *pageKeys() {
          for (let place = ids.first; place < ids.first + ids.size; ) {
            const page = pageAt(place);
            if (pageOf(page) !== undefined) yield keyOfPage(page);
            place = Math.max(placeFrom((page + 1) * PAGE_IDS), ids.first);
          }
        },
        page(key) {
          return pageOf(Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0)));
        },
        takeDirty(max) {
          const keys: Uint8Array[] = [];
          for (const page of dirty) {
            if (keys.length >= max) break;
            dirty.delete(page);
            keys.push(keyOfPage(page));
          }
          return keys;
        },
      },
    },
  );
}

function encodeEntry(number: number, atMs: number, key: string): Uint8Array {
  const bytes = Buffer.from(key, 'latin1');
  return new ByteWriter(32 + bytes.length).u8(VERSION).uint(number).uint(atMs).bytes(bytes).finish();
}
