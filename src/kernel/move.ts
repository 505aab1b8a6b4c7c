/**
 * Moving messages from a queue to another address (dead-letter, redrive, retry): the copy there and the settlement
 * here are one journal entry, so that a crash leaves both or neither. What happened to the message is recorded once:
 * the first reason and origin stay through further moves, only the number of moves and the latest reason change.
 */
import { ByteReader, ByteWriter } from './binary.ts';
import { DISCARD_REASONS, decodeQueueEntry, encodeQueueEntry, type QueueEntry } from './log-queue/entries.ts';

export const MOVE_REASONS = [...DISCARD_REASONS, 'redrive', 'retry'] as const;
export type MoveReason = (typeof MOVE_REASONS)[number];

/** Travels with the copy. */
export interface Provenance {
  readonly reason: MoveReason;
  /** Address it was first moved away from, its position there, and when. */
  readonly origin: string;
  readonly position: number;
  readonly atMs: number;
  readonly lastReason: MoveReason;
  readonly moves: number;
}

export interface MoveEntry {
  readonly source: string;
  readonly target: string;
  /** The changes of the source queue. */
  readonly settled: readonly QueueEntry[];
  /** One record to append to the target for each, in this order. */
  readonly copies: readonly { readonly position: number; readonly provenance: Provenance }[];
}

export function provenanceOf(
  before: Provenance | undefined,
  move: {
    readonly reason: MoveReason;
    readonly origin: string;
    readonly position: number;
    readonly atMs: number;
  },
): Provenance {
  if (before === undefined) return { ...move, lastReason: move.reason, moves: 1 };
  return { ...before, lastReason: move.reason, moves: before.moves + 1 };
}

export interface Moved {
  readonly entries: readonly QueueEntry[];
  readonly discarded: readonly { readonly position: number; readonly reason: MoveReason }[];
}

/** Of a queue operation that discarded messages. `before` reads the provenance a message came with. */
export function moveOf(
  source: string,
  target: string,
  atMs: number,
  { entries, discarded }: Moved,
  before: (position: number) => Provenance | undefined,
): MoveEntry {
  const copies = discarded.map(({ position, reason }) => ({
    position,
    provenance: provenanceOf(before(position), { reason, origin: source, position, atMs }),
  }));
  return { source, target, settled: entries, copies };
}

const VERSION = 1;

function write(to: ByteWriter, { reason, origin, position, atMs, lastReason, moves }: Provenance): void {
  to.u8(MOVE_REASONS.indexOf(reason)).text(origin).uint(position).uint(atMs);
  to.u8(MOVE_REASONS.indexOf(lastReason)).uint(moves);
}

function read(from: ByteReader): Provenance {
  return {
    reason: from.oneOf(MOVE_REASONS),
    origin: from.text(),
    position: from.uint(),
    atMs: from.uint(),
    lastReason: from.oneOf(MOVE_REASONS),
    moves: from.uint(),
  };
}

export function encodeProvenance(provenance: Provenance): Uint8Array {
  const to = new ByteWriter().u8(VERSION);
  write(to, provenance);
  return to.finish();
}

export function decodeProvenance(bytes: Uint8Array): Provenance | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const provenance = read(from);
  return from.isComplete ? provenance : undefined;
}

export function encodeMoveEntry({ source, target, settled, copies }: MoveEntry): Uint8Array {
  const to = new ByteWriter(256).u8(VERSION).text(source).text(target).uint(settled.length);
  for (const entry of settled) to.bytes(encodeQueueEntry(entry));
  to.uint(copies.length);
  for (const { position, provenance } of copies) write(to.uint(position), provenance);
  return to.finish();
}

/** Undefined when the bytes are not an entry of this version. */
export function decodeMoveEntry(bytes: Uint8Array): MoveEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const source = from.text();
  const target = from.text();
  const settled: QueueEntry[] = [];
  for (let left = from.count(2); left > 0 && !from.failed; left--) {
    const entry = decodeQueueEntry(from.bytes());
    if (entry === undefined) from.fail();
    else settled.push(entry);
  }
  const copies: { position: number; provenance: Provenance }[] = [];
  for (let left = from.count(7); left > 0 && !from.failed; left--) {
    copies.push({ position: from.uint(), provenance: read(from) });
  }
  return from.isComplete ? { source, target, settled, copies } : undefined;
}
