/** What a transaction is made of, and its state changes as they are journaled. */
import { ByteReader, ByteWriter } from '../binary.ts';

export interface Append {
  readonly log: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** To be accepted on behalf of its holder when the transaction commits. */
export interface Settlement {
  readonly queue: string;
  readonly holder: string;
  /** Ascending. */
  readonly positions: readonly number[];
}

export interface CursorCommit {
  readonly group: string;
  readonly epoch: number;
  readonly log: string;
  readonly offset: number;
}

export interface Parts {
  readonly appends: readonly Append[];
  readonly settlements: readonly Settlement[];
  readonly cursorCommits: readonly CursorCommit[];
}

export type TransactionEntry =
  | { readonly kind: 'open'; readonly id: string; readonly atMs: number; readonly timeoutMs: number }
  | { readonly kind: 'add'; readonly id: string; readonly parts: Parts }
  | { readonly kind: 'prepare' | 'commit' | 'abort'; readonly id: string; readonly atMs: number }
  | { readonly kind: 'trim'; readonly log: string; readonly below: number };

const VERSION = 1;
const KINDS = ['open', 'add', 'prepare', 'commit', 'abort', 'trim'] as const;

export function encodeTransactionEntry(entry: TransactionEntry): Uint8Array {
  const to = new ByteWriter().u8(VERSION).u8(KINDS.indexOf(entry.kind));
  if (entry.kind === 'trim') return to.text(entry.log).uint(entry.below).finish();
  to.text(entry.id);
  if (entry.kind === 'add') writeParts(to, entry.parts);
  else to.uint(entry.atMs);
  if (entry.kind === 'open') to.uint(entry.timeoutMs);
  return to.finish();
}

/** Undefined when the bytes are not an entry of this version. */
export function decodeTransactionEntry(bytes: Uint8Array): TransactionEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const entry = readEntry(from);
  return from.isComplete ? entry : undefined;
}

function readEntry(from: ByteReader): TransactionEntry {
  const kind = from.oneOf(KINDS);
  const name = from.text();
  switch (kind) {
    case 'trim':
      return { kind, log: name, below: from.uint() };
    case 'add':
      return { kind, id: name, parts: readParts(from) };
    case 'open':
      return { kind, id: name, atMs: from.uint(), timeoutMs: from.uint() };
    default:
      return { kind, id: name, atMs: from.uint() };
  }
}

export function writeParts(to: ByteWriter, { appends, settlements, cursorCommits }: Parts): void {
  to.uint(appends.length);
  for (const { log, firstOffset, lastOffset } of appends) to.text(log).uint(firstOffset).uint(lastOffset);
  to.uint(settlements.length);
  for (const { queue, holder, positions } of settlements) to.text(queue).text(holder).ascending(positions);
  to.uint(cursorCommits.length);
  for (const { group, epoch, log, offset } of cursorCommits)
    to.text(group).uint(epoch).text(log).uint(offset);
}

export function readParts(from: ByteReader): Parts {
  const list = <T>(bytesEach: number, read: () => T): T[] => {
    const items: T[] = [];
    const count = from.count(bytesEach);
    for (let i = 0; i < count && !from.failed; i++) items.push(read());
    return items;
  };
  return {
    appends: list(3, () => ({ log: from.text(), firstOffset: from.uint(), lastOffset: from.uint() })),
    settlements: list(3, () => ({ queue: from.text(), holder: from.text(), positions: from.ascending() })),
    cursorCommits: list(4, () => ({
      group: from.text(),
      epoch: from.uint(),
      log: from.text(),
      offset: from.uint(),
    })),
  };
}
