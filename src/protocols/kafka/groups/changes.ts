/**
 * Changes of the durable table of groups, as entries of the state log have them. Offsets carry an order, which rises with each
 * change that has some: of a commit and a transaction that ends later, that which was written last counts, not which ended last.
 */
import { ByteReader, ByteWriter } from '../../../kernel/binary.ts';

export interface CommittedOffset {
  readonly offset: number;
  /** -1: the client did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly committedAtMs: number;
  /** Asked for by old clients; -1: as configured. */
  readonly expiresAtMs: number;
  readonly order: number;
}

/** By topic and partition. */
export type Offsets = Map<string, Map<number, CommittedOffset>>;

export type GroupChange =
  /** One of the pieces in which the state of a group is kept; no bytes: it is gone. */
  | { readonly kind: 'part'; readonly group: string; readonly part: string; readonly bytes: Uint8Array }
  /** `producerId` is -1, or that of a transaction which has to end before the offsets count. */
  | {
      readonly kind: 'offsets';
      readonly group: string;
      readonly producerId: number;
      readonly offsets: Offsets;
    }
  | {
      readonly kind: 'forget';
      readonly group: string;
      readonly partitions: ReadonlyMap<string, readonly number[]>;
    }
  /** The group with all that it has. */
  | { readonly kind: 'remove'; readonly group: string }
  | {
      readonly kind: 'end';
      readonly producerId: number;
      /** What the producer has staged behind it is of its next transaction. */
      readonly order: number;
      readonly isCommit: boolean;
      readonly atMs: number;
    };

const VERSION = 1;
const KINDS: readonly GroupChange['kind'][] = ['part', 'offsets', 'forget', 'remove', 'end'];

/** Numbers that may be negative, -1 in most cases. */
function writeSigned(to: ByteWriter, value: number): void {
  to.u8(value < 0 ? 1 : 0).uint(value < 0 ? -(value + 1) : value);
}

function readSigned(from: ByteReader): number {
  const isNegative = from.u8() === 1;
  const value = from.uint();
  return isNegative ? -value - 1 : value;
}

export function writePartitionOffsets(
  to: ByteWriter,
  partitions: ReadonlyMap<number, CommittedOffset>,
): void {
  to.uint(partitions.size);
  for (const [partition, each] of partitions) {
    to.uint(partition);
    writeSigned(to, each.offset);
    to.uint(each.leaderEpoch + 1)
      .text(each.metadata)
      .uint(each.committedAtMs)
      .uint(each.expiresAtMs + 1)
      .uint(each.order);
  }
}

export function readPartitionOffsets(from: ByteReader): Map<number, CommittedOffset> {
  const partitions = new Map<number, CommittedOffset>();
  for (let left = from.count(8); left > 0; left--) {
    partitions.set(from.uint(), {
      offset: readSigned(from),
      leaderEpoch: from.uint() - 1,
      metadata: from.text(),
      committedAtMs: from.uint(),
      expiresAtMs: from.uint() - 1,
      order: from.uint(),
    });
  }
  return partitions;
}

export function writeOffsets(to: ByteWriter, offsets: Offsets): void {
  to.uint(offsets.size);
  for (const [topic, partitions] of offsets) writePartitionOffsets(to.text(topic), partitions);
}

export function readOffsets(from: ByteReader): Offsets {
  const offsets: Offsets = new Map();
  for (let left = from.count(2); left > 0; left--) offsets.set(from.text(), readPartitionOffsets(from));
  return offsets;
}

export function encodeChange(change: GroupChange): Uint8Array {
  const to = new ByteWriter(128).u8(VERSION).u8(KINDS.indexOf(change.kind));
  if (change.kind === 'end') {
    return to
      .uint(change.producerId)
      .uint(change.order)
      .u8(change.isCommit ? 1 : 0)
      .uint(change.atMs)
      .finish();
  }
  to.text(change.group);
  if (change.kind === 'part') to.text(change.part).bytes(change.bytes);
  if (change.kind === 'offsets') writeOffsets(to.uint(change.producerId + 1), change.offsets);
  if (change.kind === 'forget') {
    to.uint(change.partitions.size);
    for (const [topic, numbers] of change.partitions) {
      to.text(topic).uint(numbers.length);
      for (const number of numbers) to.uint(number);
    }
  }
  return to.finish();
}

function readForgotten(from: ByteReader): Map<string, number[]> {
  const partitions = new Map<string, number[]>();
  for (let left = from.count(2); left > 0; left--) {
    const topic = from.text();
    partitions.set(
      topic,
      Array.from({ length: from.count() }, () => from.uint()),
    );
  }
  return partitions;
}

function read(from: ByteReader): GroupChange {
  const kind = from.oneOf(KINDS);
  if (kind === 'end') {
    const [producerId, order] = [from.uint(), from.uint()];
    return { kind, producerId, order, isCommit: from.u8() === 1, atMs: from.uint() };
  }
  const group = from.text();
  if (kind === 'part') return { kind, group, part: from.text(), bytes: from.bytes() };
  if (kind === 'offsets') return { kind, group, producerId: from.uint() - 1, offsets: readOffsets(from) };
  if (kind === 'forget') return { kind, group, partitions: readForgotten(from) };
  return { kind, group };
}

export function decodeChange(entry: Uint8Array): GroupChange {
  const from = new ByteReader(entry);
  const version = from.u8();
  if (version !== VERSION) throw new Error(`groups: version ${version} is unknown`);
  const change = read(from);
  if (!from.isComplete) throw new Error('groups: an entry is damaged');
  return change;
}
