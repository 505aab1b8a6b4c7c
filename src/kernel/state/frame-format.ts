/**
 * What the state log writes. A frame is `[version u8 | entries]` with entries `[table u8 | length varint | bytes]`. Marks
 * and pages of snapshots have logs of their own, so that a start finds marks by the journal's index and pages can be
 * passed over. Each payload begins with the version; another one is refused.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { withAccessors } from '../with-accessors.ts';
import { StateFormatUnknown, StateLogDamaged } from './errors.ts';
import type { EntryPlace } from './table.ts';

export const STATE_LOG = 1;
export const MARK_LOG = 2;
export const PAGE_LOG = 3;

export const FORMAT_VERSION = 2;
const VERSION_BYTES = 1;
const MAX_HEAD_BYTES = 6;
/** Below this a loop is faster than a call. */
const SHORT_BYTES = 32;

/** Entries of one frame in a buffer that is used again and again; `take` copies it at its true size. */
export interface FrameBuffer {
  /** The version counts. */
  readonly length: number;
  /** Returns the offset of the entry's first byte in the payload. */
  add(table: number, entry: Uint8Array): number;
  /** Forgets what is behind `length`. */
  cut(length: number): void;
  take(): Uint8Array;
}

const INITIAL_BYTES = 64 * 1024;
const KEPT_BYTES = 1024 * 1024;

export function createFrameBuffer(): FrameBuffer {
  let bytes = new Uint8Array(INITIAL_BYTES);
  let length = VERSION_BYTES;
  return withAccessors<FrameBuffer, 'length'>(
    {
      get length() {
        return length;
      },
    },
    {
      add(table, entry) {
        const entryBytes = entry.length;
        const most = length + MAX_HEAD_BYTES + entryBytes;
        if (most > bytes.length) {
          const larger = new Uint8Array(Math.max(2 * bytes.length, most));
          larger.set(bytes.subarray(0, length));
          bytes = larger;
        }
        let at = length;
        bytes[at++] = table;
        let rest = entryBytes;
        for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
        bytes[at++] = rest;
        if (entryBytes < SHORT_BYTES) {
          for (let i = 0; i < entryBytes; i++) bytes[at + i] = entry[i] ?? 0;
        } else bytes.set(entry, at);
        length = at + entryBytes;
        return at;
      },
      cut(to) {
        length = to;
      },
      take() {
        bytes[0] = FORMAT_VERSION;
        const payload = bytes.slice(0, length);
        length = VERSION_BYTES;
        if (bytes.length > KEPT_BYTES) bytes = new Uint8Array(INITIAL_BYTES);
        return payload;
      },
    },
  );
}

export const EMPTY_FRAME_BYTES = VERSION_BYTES;

function checkVersion(version: number, position: number): void {
  if (version !== FORMAT_VERSION) {
    throw new StateFormatUnknown(
      `the state log has format ${version} at position ${position} of the journal; this program knows format ${FORMAT_VERSION}: start the version that wrote it`,
    );
  }
}

/** Calls `each` for the entries of a frame; the entry and its place are borrowed. */
export function walkEntries(
  payload: Uint8Array,
  position: number,
  each: (table: number, entry: Uint8Array, place: EntryPlace) => void,
): void {
  checkVersion(payload[0] ?? 0, position);
  const { buffer, byteOffset } = payload;
  const end = payload.length;
  const place = { position, offset: 0 };
  for (let at = VERSION_BYTES; at < end; ) {
    const table = payload[at++] ?? 0;
    let length = 0;
    let byte = 0x80;
    for (let scale = 1; byte >= 0x80; scale *= 0x80) {
      if (at >= end || scale > 2 ** 35) throw new StateLogDamaged(position, 'an entry without an end');
      byte = payload[at++] ?? 0;
      length += (byte & 0x7f) * scale;
    }
    if (at + length > end) throw new StateLogDamaged(position, 'an entry reaches over the end of its frame');
    place.offset = at;
    each(table, new Uint8Array(buffer, byteOffset + at, length), place);
    at += length;
  }
}

/**
 * `checkpoint`: views may replay from here; `id` ties them to it. `begin` and `end` are those of a snapshot cycle;
 * `objectPosition`: in the object storage's journal, records below it are in the pages.
 */
export type Mark =
  | { readonly kind: 'checkpoint'; readonly id: Uint8Array }
  | { readonly kind: 'begin' }
  | ({ readonly kind: 'end' } & CycleSummary);

export interface CycleSummary {
  /** Position of its first mark: entries from there on come on top of its pages. */
  readonly begin: number;
  readonly objectPosition: number;
  /** Of its pages. */
  readonly bytes: number;
}

const MARKS = ['checkpoint', 'begin', 'end'] as const;

export function encodeMark(mark: Mark): Uint8Array {
  const writer = new ByteWriter().u8(FORMAT_VERSION).u8(MARKS.indexOf(mark.kind));
  if (mark.kind === 'checkpoint') writer.bytes(mark.id);
  else if (mark.kind === 'end') writeCycle(writer, mark);
  return writer.finish();
}

export function decodeMark(payload: Uint8Array, position: number): Mark {
  const reader = new ByteReader(payload);
  checkVersion(reader.u8(), position);
  const kind = reader.oneOf(MARKS);
  const mark: Mark =
    kind === 'checkpoint'
      ? { kind, id: reader.bytes() }
      : kind === 'begin'
        ? { kind }
        : { kind, ...readCycle(reader) };
  if (!reader.isComplete) throw new StateLogDamaged(position, 'a mark that is not well-formed');
  return mark;
}

export function writeCycle(writer: ByteWriter, { begin, objectPosition, bytes }: CycleSummary): void {
  writer.uint(begin).uint(objectPosition).uint(bytes);
}

export function readCycle(reader: ByteReader): CycleSummary {
  return { begin: reader.uint(), objectPosition: reader.uint(), bytes: reader.uint() };
}

export interface Page {
  readonly table: number;
  readonly key: Uint8Array;
  readonly page: Uint8Array;
}

/** Pages that were taken at one moment; all entries below `stamp` are in them. */
export function encodePages(stamp: number, pages: readonly Page[]): Uint8Array {
  const bytes = pages.reduce((sum, { key, page }) => sum + key.length + page.length + 12, 16);
  const writer = new ByteWriter(bytes).u8(FORMAT_VERSION).uint(stamp);
  for (const { table, key, page } of pages) writer.u8(table).bytes(key).bytes(page);
  return writer.finish();
}

export function walkPages(
  payload: Uint8Array,
  position: number,
  each: (page: Page, stamp: number) => void,
): void {
  const reader = new ByteReader(payload);
  checkVersion(reader.u8(), position);
  const stamp = reader.uint();
  while (reader.bytesLeft > 0) {
    const page = { table: reader.u8(), key: reader.bytes(), page: reader.bytes() };
    if (reader.failed) break;
    each(page, stamp);
  }
  if (reader.failed) throw new StateLogDamaged(position, 'a page that is not well-formed');
}
