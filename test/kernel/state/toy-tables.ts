import { ByteReader, ByteWriter } from '../../../src/kernel/binary.ts';
import type { StateLog } from '../../../src/kernel/state/state-log.ts';
import type { EntryPlace, Table } from '../../../src/kernel/state/table.ts';

const PAGE_KEYS = 8;

/**
 * Numbers by number, eight to a page. Changes count at once; an entry sets a value, so that replaying it again is
 * harmless as long as the newest comes last.
 */
export interface ValueTable extends Table {
  readonly values: Map<number, number>;
  /** Sets in memory and adds the entry; 0 removes. */
  set(log: StateLog, key: number, value: number): void;
}

export function valueTable(id: number): ValueTable {
  const values = new Map<number, number>();
  const dirty = new Set<number>();
  const pageOf = (key: number): number => Math.floor(key / PAGE_KEYS);
  const change = (key: number, value: number): void => {
    if (value === 0) values.delete(key);
    else values.set(key, value);
    dirty.add(pageOf(key));
  };
  const bytesOf = (page: number): Uint8Array => new ByteWriter().uint(page).finish();
  const members = (page: number): [number, number][] =>
    Array.from({ length: PAGE_KEYS }, (_, i) => page * PAGE_KEYS + i).flatMap((key) => {
      const value = values.get(key);
      return value === undefined ? [] : [[key, value] as [number, number]];
    });
  return {
    id,
    name: `values ${id}`,
    values,
    set(log, key, value) {
      change(key, value);
      log.add(id, new ByteWriter().uint(key).uint(value).finish());
    },
    apply(entry) {
      const reader = new ByteReader(entry);
      change(reader.uint(), reader.uint());
      if (!reader.isComplete) throw new Error('not an entry of this table');
    },
    load(key, page) {
      const number = new ByteReader(key).uint();
      for (const [member] of members(number)) values.delete(member);
      const reader = new ByteReader(page);
      for (let left = reader.count(); left > 0; left--) values.set(reader.uint(), reader.uint());
    },
    *pageKeys() {
      for (const page of new Set([...values.keys()].map(pageOf))) yield bytesOf(page);
    },
    page(key) {
      const list = members(new ByteReader(key).uint());
      if (list.length === 0) return undefined;
      const writer = new ByteWriter().uint(list.length);
      for (const [member, value] of list) writer.uint(member).uint(value);
      return writer.finish();
    },
    takeDirty(max) {
      const taken = [...dirty].slice(0, max);
      for (const page of taken) dirty.delete(page);
      return taken.map(bytesOf);
    },
  };
}

/** Sums by number: an entry adds, so that applying it twice would show. Changes count when they are acknowledged. */
export interface SumTable extends Table {
  readonly sums: Map<number, number>;
  /** Adds the entry; `acknowledged` is to be called in its `done`. */
  add(log: StateLog, key: number, amount: number): void;
  acknowledged(key: number, amount: number, position: number): void;
}

export function sumTable(id: number): SumTable {
  const sums = new Map<number, number>();
  const dirty = new Set<number>();
  const stamps = new Map<number, number>();
  const keyBytes = (key: number): Uint8Array => new ByteWriter().uint(key).finish();
  const grow = (key: number, amount: number): void => {
    sums.set(key, (sums.get(key) ?? 0) + amount);
    dirty.add(key);
  };
  return {
    id,
    name: `sums ${id}`,
    sums,
    add(log, key, amount) {
      log.add(id, new ByteWriter().uint(key).uint(amount).finish());
    },
    acknowledged: grow,
    apply(entry, { position }) {
      const reader = new ByteReader(entry);
      const key = reader.uint();
      if (position >= (stamps.get(key) ?? 0)) grow(key, reader.uint());
    },
    load(key, page, position) {
      const number = new ByteReader(key).uint();
      sums.set(number, new ByteReader(page).uint());
      stamps.set(number, position);
    },
    *pageKeys() {
      for (const key of sums.keys()) yield keyBytes(key);
    },
    page(key) {
      const sum = sums.get(new ByteReader(key).uint());
      return sum === undefined ? undefined : new ByteWriter().uint(sum).finish();
    },
    takeDirty(max) {
      const taken = [...dirty].slice(0, max);
      for (const key of taken) dirty.delete(key);
      return taken.map(keyBytes);
    },
  };
}

/** Bodies that stay where they were appended: the table has their places. */
export interface BodyTable extends Table {
  readonly places: Map<number, EntryPlace & { readonly length: number }>;
  add(log: StateLog, key: number, body: Uint8Array): (position: number) => void;
}

export function bodyTable(id: number): BodyTable {
  const places = new Map<number, EntryPlace & { readonly length: number }>();
  const dirty = new Set<number>();
  const keyBytes = (key: number): Uint8Array => new ByteWriter().uint(key).finish();
  const put = (key: number, position: number, offset: number, length: number): void => {
    places.set(key, { position, offset, length });
    dirty.add(key);
  };
  return {
    id,
    name: `bodies ${id}`,
    places,
    add(log, key, body) {
      const head = keyBytes(key);
      const entry = Buffer.concat([head, body]);
      const offset = log.add(id, entry) + head.length;
      return (position) => put(key, position, offset, body.length);
    },
    apply(entry, { position, offset }) {
      const reader = new ByteReader(entry);
      const key = reader.uint();
      const head = entry.length - reader.bytesLeft;
      put(key, position, offset + head, reader.bytesLeft);
    },
    load(key, page) {
      const reader = new ByteReader(page);
      const place = { position: reader.uint(), offset: reader.uint(), length: reader.uint() };
      places.set(new ByteReader(key).uint(), place);
    },
    *pageKeys() {
      for (const key of places.keys()) yield keyBytes(key);
    },
    page(key) {
      const place = places.get(new ByteReader(key).uint());
      if (place === undefined) return undefined;
      return new ByteWriter().uint(place.position).uint(place.offset).uint(place.length).finish();
    },
    takeDirty(max) {
      const taken = [...dirty].slice(0, max);
      for (const key of taken) dirty.delete(key);
      return taken.map(keyBytes);
    },
    liveBytes(start, end) {
      let bytes = 0;
      for (const place of places.values()) {
        if (place.position >= start && place.position < end) bytes += place.length;
      }
      return bytes;
    },
  };
}
