/** A durable session as its page has it, which may be one with others. */
import type { ByteReader, ByteWriter } from '../../../kernel/binary.ts';
import type { ReferencePools } from '../../../kernel/reference-queue/chunk-pool.ts';
import {
  decodeReferenceQueue,
  type ReferenceQueue,
} from '../../../kernel/reference-queue/reference-queue.ts';
import type { Router } from '../../../kernel/router.ts';
import type { PendingWill } from '../pending-will.ts';
import { encodeOwner, ownerOf } from '../security/owner.ts';
import type { Session } from '../session.ts';
import { readName, readWill, type SubscriptionName, writeWill } from './session-entries.ts';
import type { DurableState } from './session-state.ts';

export interface SessionPage {
  readonly serial: number;
  readonly clientId: string;
  readonly expirySeconds: number;
  readonly detachedAtMs: number;
  /** See security/owner.ts. */
  readonly owner: string;
  readonly will: PendingWill | undefined;
  readonly sentTo: number;
  readonly released: Set<number> | undefined;
  readonly rounds: number;
  readonly repeats: Map<number, number> | undefined;
  readonly received: Set<number> | undefined;
  readonly subscriptions: readonly Subscription[];
  readonly queue: ReferenceQueue;
}

interface Subscription extends SubscriptionName {
  readonly options: number;
  readonly identifier: number;
}

const SHARED = 1;

export function writeSession(
  to: ByteWriter,
  session: Session,
  durable: DurableState,
  subscriptions: ReturnType<Router['subscriptionsOf']>,
  idOf: (slot: number) => number,
): void {
  to.uint(session.serial).text(session.clientId);
  to.uint(session.expirySeconds).uint(durable.detachedAtMs);
  const owner = ownerOf(session);
  to.text(owner === undefined ? '' : encodeOwner(owner));
  writeWill(to, session.will);
  to.uint(durable.sentTo);
  to.uint(durable.released?.size ?? 0);
  for (const seq of durable.released ?? []) to.uint(seq);
  to.uint(durable.rounds).uint(durable.repeats?.size ?? 0);
  for (const [seq, times] of durable.repeats ?? []) to.uint(seq).uint(times);
  to.ascending([...(durable.received ?? [])].sort((a, b) => a - b));
  // In an order of their own: the router's says how they came about, and a start makes them in another way.
  const sorted = subscriptions.sort(
    (a, b) => Buffer.compare(a.filter, b.filter) || ((a.group ?? '') < (b.group ?? '') ? -1 : 1),
  );
  to.uint(sorted.length);
  for (const { group, filter, options, identifier } of sorted) {
    if (group === undefined) to.u8(0);
    else to.u8(SHARED).text(group);
    to.bytes(filter).u8(options).uint(identifier);
  }
  durable.queue.encode(to, idOf);
}

/** What comes of damaged bytes says `failed`. */
export function readSession(
  from: ByteReader,
  pools: ReferencePools,
  slotOf: (id: number) => number,
): SessionPage {
  const serial = from.uint();
  const clientId = from.text();
  const expirySeconds = from.uint();
  const detachedAtMs = from.uint();
  const owner = from.text();
  const will = readWill(from);
  const sentTo = from.uint();
  const released = readNumbers(from);
  const rounds = from.uint();
  const repeats = readRepeats(from);
  const received = from.ascending();
  const subscriptions: Subscription[] = [];
  for (let left = from.count(4); left > 0; left--) {
    const { group, filter } = readName(from);
    subscriptions.push({ group, filter, options: from.u8(), identifier: from.uint() });
  }
  const queue = decodeReferenceQueue(from, pools, slotOf);
  return {
    serial,
    clientId,
    expirySeconds,
    detachedAtMs,
    owner,
    will,
    sentTo,
    released,
    rounds,
    repeats,
    received: received.length === 0 ? undefined : new Set(received),
    subscriptions,
    queue,
  };
}

/** Most sessions have none of these, and are read by the hundred thousand. */
function readNumbers(from: ByteReader): Set<number> | undefined {
  let left = from.count();
  if (left === 0) return undefined;
  const numbers = new Set<number>();
  for (; left > 0; left--) numbers.add(from.uint());
  return numbers;
}

function readRepeats(from: ByteReader): Map<number, number> | undefined {
  let left = from.count(2);
  if (left === 0) return undefined;
  const repeats = new Map<number, number>();
  for (; left > 0; left--) repeats.set(from.uint(), from.uint());
  return repeats;
}
