/** What a durable session has beyond an ephemeral one. It changes with journal entries only. */
import type { ReferenceQueue } from '../../../kernel/reference-queue/reference-queue.ts';

export interface DurableState {
  /** By sequence number; a packet identifier follows from it, so that it needs no entry of its own. */
  readonly queue: ReferenceQueue;
  /** Of all deliveries that are not settled. */
  bytes: number;
  /** Next sequence number to look at for this connection; meaningless without one. */
  cursor: number;
  /** All below were put out at some time: they are repeated with DUP. */
  sentTo: number;
  /** PUBREC has come, PUBCOMP is awaited: in the order of their PUBRECs. */
  released: Set<number> | undefined;
  /** How often a delivery was repeated, for those that were. */
  repeats: Map<number, number> | undefined;
  /** Incoming QoS 2 identifiers that were received and not released. */
  received: Set<number> | undefined;
  /** Wall-clock time at which its last connection ended; 0 = it is connected. */
  detachedAtMs: number;
  /** Entries of the journal below this position are part of it. */
  stamp: number;
  isDirty: boolean;
  isLoading: boolean;
}

/** In place of a message that was never written down and ended with its process. */
export const NO_MESSAGE = 0xffffffff;

const IDENTIFIERS = 65_535;

export function packetIdOf(seq: number): number {
  return ((seq - 1) % IDENTIFIERS) + 1;
}

/** The newest sequence number below `next` that has this packet identifier. */
export function seqOf(packetId: number, next: number): number {
  const last = next - 1;
  const back = (last - packetId) % IDENTIFIERS;
  return last - (back < 0 ? back + IDENTIFIERS : back);
}

/** Whether another delivery still holds the identifier. */
export function isIdentifierTaken(state: DurableState, seq: number): boolean {
  const before = seq - IDENTIFIERS;
  return before > 0 && before >= state.queue.floor && !state.queue.isSettled(before);
}

export function createDurableState(queue: ReferenceQueue): DurableState {
  return {
    queue,
    bytes: 0,
    cursor: queue.floor,
    sentTo: queue.floor,
    released: undefined,
    repeats: undefined,
    received: undefined,
    detachedAtMs: 0,
    stamp: 0,
    isDirty: false,
    isLoading: false,
  };
}
