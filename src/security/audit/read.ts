/** Reading the audit log from its end, a bounded part at a time. */
import type { FileHandle } from 'node:fs/promises';
import { type ChainHead, hashOfLine } from './chain.ts';
import { type AuditEntry, type AuditResult, decodeEntry } from './entry.ts';
import type { AuditFiles } from './files.ts';

/** All that are given must fit. */
export interface AuditFilter {
  readonly user?: string | undefined;
  readonly tenant?: string | undefined;
  /** With all below it: `roles` is also `roles.update`. */
  readonly operation?: string | undefined;
  readonly result?: AuditResult | undefined;
  readonly remoteAddress?: string | undefined;
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

export interface AuditPage {
  /** Newest first. */
  readonly entries: readonly AuditEntry[];
  /** Goes on where this ended; undefined at the beginning of the log. A page may be empty and not the last. */
  readonly next: string | undefined;
  /** Lines that are no entries: cut off by a crash or a full disk. */
  readonly unreadable: number;
}

/** The last line of the log that is an entry; undefined in an empty one. */
export async function lastEntry(files: AuditFiles): Promise<ChainHead | undefined> {
  for (const { number, bytes } of (await files.list()).toReversed()) {
    const file = await files.read(number);
    try {
      for await (const { text } of backwards(file, bytes)) {
        const entry = decodeEntry(text);
        if (entry !== undefined) return { sequence: entry.sequence, hash: hashOfLine(Buffer.from(text)) };
      }
    } finally {
      await file.close();
    }
  }
  return undefined;
}

const CHUNK_BYTES = 64 * 1024;
const MAX_SCANNED_BYTES = 16 * 1024 * 1024;
/** More without an end is no line of ours. */
const MAX_LINE_BYTES = 256 * 1024;
const LINE_END = 0x0a;

interface Line {
  readonly text: string;
  /** Where it begins. */
  readonly offset: number;
}

/** Lines in front of `end`, the last first. */
async function* backwards(file: FileHandle, end: number): AsyncGenerator<Line> {
  let start = end;
  let rest = Buffer.alloc(0);
  while (start > 0) {
    const from = Math.max(0, start - CHUNK_BYTES);
    const chunk = Buffer.alloc(start - from);
    const { bytesRead } = await file.read(chunk, 0, chunk.length, from);
    rest = Buffer.concat([chunk.subarray(0, bytesRead), rest]);
    start = from;
    // The line end of the last line is its own; the one before it ends the line before.
    let stop = rest.length;
    for (;;) {
      const before = rest.lastIndexOf(LINE_END, stop - 2);
      if (before < 0 || stop < 2) break;
      yield { text: rest.toString('utf8', before + 1, stop), offset: start + before + 1 };
      stop = before + 1;
    }
    rest = rest.subarray(0, stop);
    if (rest.length > MAX_LINE_BYTES) {
      yield { text: '', offset: start };
      rest = Buffer.alloc(0);
    }
  }
  if (rest.length > 0) yield { text: rest.toString(), offset: 0 };
}

function fits(entry: AuditEntry, filter: AuditFilter): boolean {
  const { user, tenant, operation, result, remoteAddress, sinceMs, untilMs } = filter;
  return (
    (user === undefined || entry.user === user) &&
    (tenant === undefined || entry.tenant === tenant) &&
    (operation === undefined ||
      entry.operation === operation ||
      entry.operation.startsWith(`${operation}.`)) &&
    (result === undefined || entry.result === result) &&
    (remoteAddress === undefined || entry.remoteAddress === remoteAddress) &&
    (sinceMs === undefined || entry.atMs >= sinceMs) &&
    (untilMs === undefined || entry.atMs < untilMs)
  );
}

/** undefined where the cursor is none of ours. */
function placeOf(cursor: string): { readonly number: number; readonly offset: number } | undefined {
  const found = /^(\d{1,15}):(\d{1,15})$/.exec(cursor);
  return found === null ? undefined : { number: Number(found[1]), offset: Number(found[2]) };
}

export async function readAudit(
  files: AuditFiles,
  {
    cursor,
    limit,
    ...filter
  }: AuditFilter & { readonly cursor?: string | undefined; readonly limit: number },
): Promise<AuditPage | undefined> {
  const place = cursor === undefined ? undefined : placeOf(cursor);
  if (cursor !== undefined && place === undefined) return undefined;
  const entries: AuditEntry[] = [];
  let unreadable = 0;
  let scanned = 0;
  for (const { number, bytes } of (await files.list()).toReversed()) {
    if (place !== undefined && number > place.number) continue;
    const end = number === place?.number ? Math.min(place.offset, bytes) : bytes;
    const file = await files.read(number);
    try {
      let last = end;
      for await (const { text, offset } of backwards(file, end)) {
        if (entries.length >= limit || scanned >= MAX_SCANNED_BYTES) {
          return { entries, next: `${number}:${last}`, unreadable };
        }
        scanned += last - offset;
        last = offset;
        if (text === '\n') continue;
        const entry = decodeEntry(text);
        if (entry === undefined) unreadable++;
        else if (fits(entry, filter)) entries.push(entry);
      }
    } finally {
      await file.close();
    }
  }
  return { entries, next: undefined, unreadable };
}
