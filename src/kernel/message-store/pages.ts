/**
 * The pages of the table of messages: where the bodies of 1,024 ids lie, and one page with the next id, so that an id
 * whose message is long gone is not given again. Keys are the number of the page in six bytes; the page of the next id
 * has a key of one byte.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { type SlotTable, State } from './slot-table.ts';

export const IDS_PER_PAGE = 1024;
const VERSION = 1;
const KEY_BYTES = 6;
const NEXT_ID_KEY = Uint8Array.of(0);

export interface PageEntry {
  readonly id: number;
  readonly position: number;
  readonly offset: number;
  readonly length: number;
  readonly expiresAtMs: number;
}

export const pageOf = (id: number): number => Math.floor(id / IDS_PER_PAGE);

export function pageKey(page: number): Uint8Array {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeUIntBE(page, 0, KEY_BYTES);
  return key;
}

/** Undefined for the page of the next id. */
export function pageOfKey(key: Uint8Array): number | undefined {
  if (key.length !== KEY_BYTES) return undefined;
  return Buffer.from(key.buffer, key.byteOffset, KEY_BYTES).readUIntBE(0, KEY_BYTES);
}

export function encodePage(table: SlotTable, page: number): Uint8Array | undefined {
  const to = new ByteWriter(1024);
  to.u8(VERSION);
  let lastId = page * IDS_PER_PAGE;
  let lastPosition = 0;
  let isEmpty = true;
  for (let id = lastId, end = lastId + IDS_PER_PAGE; id < end; id++) {
    const slot = table.slotOf(id);
    if (slot === -1 || table.states[slot] !== State.Placed) continue;
    const position = table.positions[slot];
    const distance = position - lastPosition;
    to.uint(id - lastId)
      .uint(distance < 0 ? -distance * 2 - 1 : distance * 2)
      .uint(table.offsets[slot])
      .uint(table.lengths[slot])
      .uint(table.expiries[slot]);
    lastId = id;
    lastPosition = position;
    isEmpty = false;
  }
  return isEmpty ? undefined : to.finish();
}

/** False when the bytes are not a page of this version. */
export function decodePage(page: number, bytes: Uint8Array, onEntry: (entry: PageEntry) => void): boolean {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return false;
  let id = page * IDS_PER_PAGE;
  let position = 0;
  while (from.bytesLeft > 0) {
    id += from.uint();
    const distance = from.uint();
    position += distance % 2 === 1 ? -(distance + 1) / 2 : distance / 2;
    const offset = from.uint();
    const length = from.uint();
    const expiresAtMs = from.uint();
    if (from.failed) return false;
    onEntry({ id, position, offset, length, expiresAtMs });
  }
  return true;
}

export const encodeNextId = (nextId: number): Uint8Array =>
  new ByteWriter(16).u8(VERSION).uint(nextId).finish();

export function decodeNextId(bytes: Uint8Array): number | undefined {
  const from = new ByteReader(bytes);
  const isKnown = from.u8() === VERSION;
  const nextId = from.uint();
  return isKnown && from.isComplete ? nextId : undefined;
}

interface PageState {
  readonly page: number;
  placed: number;
  isDirty: boolean;
}

/** Which pages there are, and which changed. */
export class PageTracker {
  private readonly pages = new Map<number, PageState>();
  private dirty: number[] = [];
  private isNextIdDirty = false;
  /** Looked at last, and still there: ids come one after the other. */
  private last: PageState | undefined = undefined;

  nextIdChanged(): void {
    this.isNextIdDirty = true;
  }

  /** `placed`: how many more messages of the page have places. */
  changed(id: number, placed: -1 | 0 | 1): void {
    const page = pageOf(id);
    let state = this.last?.page === page ? this.last : this.pages.get(page);
    if (state === undefined) {
      state = { page, placed: 0, isDirty: false };
      this.pages.set(page, state);
    }
    this.last = state;
    state.placed += placed;
    if (state.isDirty) return;
    state.isDirty = true;
    this.dirty.push(page);
  }

  /** The lowest page that is not empty; -1 when there is none. */
  first(): number {
    let first = -1;
    for (const [page, { placed }] of this.pages) {
      if (placed > 0 && (first < 0 || page < first)) first = page;
    }
    return first;
  }

  *keys(): Iterable<Uint8Array> {
    yield NEXT_ID_KEY;
    for (const page of [...this.pages.keys()]) {
      if ((this.pages.get(page)?.placed ?? 0) > 0) yield pageKey(page);
    }
  }

  takeDirty(max: number): Uint8Array[] {
    const keys: Uint8Array[] = [];
    if (this.isNextIdDirty && max > 0) {
      this.isNextIdDirty = false;
      keys.push(NEXT_ID_KEY);
    }
    for (const page of this.dirty.splice(0, max - keys.length)) {
      const state = this.pages.get(page);
      if (state === undefined) continue;
      state.isDirty = false;
      if (state.placed === 0) {
        this.pages.delete(page);
        if (this.last === state) this.last = undefined;
      }
      keys.push(pageKey(page));
    }
    return keys;
  }
}
