/**
 * The state changes of a queue as they are journaled. Version byte, kind byte, fields; positions as distances. What
 * an entry says is true whatever the policy is: replay needs no clock, no filter and no look at the log.
 */
import { ByteReader, ByteWriter } from '../binary.ts';
import { isReference, type Reference } from './reference-list.ts';

export const DISCARD_REASONS = ['rejected', 'delivery-limit', 'overflow', 'expired'] as const;
export type DiscardReason = (typeof DISCARD_REASONS)[number];

export type QueueEntry =
  | {
      readonly kind: 'enqueue';
      readonly count: number;
      /** One per message; absent: all in the default band. */
      readonly bands?: readonly number[];
      /** One per message; absent: the positions are the log's own offsets. */
      readonly references?: readonly Reference[];
    }
  | {
      readonly kind: 'acquire';
      readonly holder: string;
      /** Infinity: never. */
      readonly expiresAtMs: number;
      /** Ascending, as all positions in entries. */
      readonly positions: readonly number[];
      /** One per position in an ordered queue. */
      readonly keys?: readonly number[];
    }
  | { readonly kind: 'accept'; readonly positions: readonly number[] }
  | { readonly kind: 'discard'; readonly reason: DiscardReason; readonly positions: readonly number[] }
  | {
      readonly kind: 'release';
      readonly positions: readonly number[];
      /** The delivery stays counted. */
      readonly failed: boolean;
      /** 0: at once. */
      readonly readyAtMs: number;
    }
  | { readonly kind: 'extend'; readonly positions: readonly number[]; readonly expiresAtMs: number }
  | { readonly kind: 'seek'; readonly position: number }
  /** There is nothing in these, up to but not including `to`: settled, whether they wait or are out. */
  | { readonly kind: 'skip'; readonly from: number; readonly to: number }
  | { readonly kind: 'purge' };

const VERSION = 1;
const KINDS = [
  'enqueue',
  'acquire',
  'accept',
  'discard',
  'release',
  'extend',
  'seek',
  'purge',
  'skip',
] as const;

export function encodeQueueEntry(entry: QueueEntry): Uint8Array {
  const to = new ByteWriter().u8(VERSION).u8(KINDS.indexOf(entry.kind));
  switch (entry.kind) {
    case 'enqueue': {
      const { bands, references } = entry;
      to.uint(entry.count).u8((bands === undefined ? 0 : 1) | (references === undefined ? 0 : 2));
      for (const band of bands ?? []) to.u8(band);
      for (const { log, offset } of references ?? []) to.uint(log).uint(offset);
      break;
    }
    case 'acquire':
      to.text(entry.holder).time(entry.expiresAtMs).ascending(entry.positions);
      to.u8(entry.keys === undefined ? 0 : 1);
      for (const key of entry.keys ?? []) to.uint(key);
      break;
    case 'accept':
      to.ascending(entry.positions);
      break;
    case 'discard':
      to.u8(DISCARD_REASONS.indexOf(entry.reason)).ascending(entry.positions);
      break;
    case 'release':
      to.u8(entry.failed ? 1 : 0)
        .uint(entry.readyAtMs)
        .ascending(entry.positions);
      break;
    case 'extend':
      to.time(entry.expiresAtMs).ascending(entry.positions);
      break;
    case 'seek':
      to.uint(entry.position);
      break;
    case 'skip':
      to.uint(entry.from).uint(entry.to - entry.from);
      break;
    case 'purge':
      break;
  }
  return to.finish();
}

/** Undefined when the bytes are not an entry of this version. */
export function decodeQueueEntry(bytes: Uint8Array): QueueEntry | undefined {
  const from = new ByteReader(bytes);
  if (from.u8() !== VERSION) return undefined;
  const entry = readFields(from);
  return from.isComplete ? entry : undefined;
}

function readFields(from: ByteReader): QueueEntry | undefined {
  const kind = from.oneOf(KINDS);
  switch (kind) {
    case 'enqueue':
      return readEnqueue(from);
    case 'acquire': {
      const holder = from.text();
      const expiresAtMs = from.time();
      const positions = from.ascending();
      if (from.u8() === 0) return { kind, holder, expiresAtMs, positions };
      return { kind, holder, expiresAtMs, positions, keys: positions.map(() => from.uint() >>> 0) };
    }
    case 'accept':
      return { kind, positions: from.ascending() };
    case 'discard':
      return { kind, reason: from.oneOf(DISCARD_REASONS), positions: from.ascending() };
    case 'release': {
      const failed = from.u8() !== 0;
      const readyAtMs = from.uint();
      return { kind, failed, readyAtMs, positions: from.ascending() };
    }
    case 'extend': {
      const expiresAtMs = from.time();
      return { kind, expiresAtMs, positions: from.ascending() };
    }
    case 'seek':
      return { kind, position: from.uint() };
    case 'skip': {
      const start = from.uint();
      return { kind, from: start, to: start + from.uint() };
    }
    case 'purge':
      return { kind };
  }
}

function readEnqueue(from: ByteReader): QueueEntry {
  const count = from.uint();
  const flags = from.u8();
  const bytesEach = ((flags & 1) === 0 ? 0 : 1) + ((flags & 2) === 0 ? 0 : 2);
  if (flags > 3 || count * bytesEach > from.bytesLeft) from.fail();
  const each = from.failed ? 0 : count;
  const bands: number[] = [];
  if ((flags & 1) !== 0) for (let i = 0; i < each; i++) bands.push(from.u8());
  const references: Reference[] = [];
  if ((flags & 2) !== 0) {
    for (let i = 0; i < each; i++) {
      const reference = { log: from.uint(), offset: from.uint() };
      if (!isReference(reference)) from.fail();
      references.push(reference);
    }
  }
  return {
    kind: 'enqueue',
    count,
    ...((flags & 1) === 0 ? {} : { bands }),
    ...((flags & 2) === 0 ? {} : { references }),
  };
}
