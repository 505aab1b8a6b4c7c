/** What a durable session has beyond an ephemeral one. It changes with journal entries only. */
import type { ReferenceQueue } from '../../../kernel/reference-queue/reference-queue.ts';

export interface DurableState {
  /** By sequence number; a packet identifier follows from it, so that it needs no entry of its own. */
  readonly queue: ReferenceQueue;
  /** Of all deliveries that are not settled, without those that are leaving. */
  bytes: number;
  /** Next sequence number to look at for this connection; meaningless without one. */
  cursor: number;
  /** All below were put out at some time: they are repeated with DUP. */
  sentTo: number;
  /** Behind the last delivery of QoS 0; below the cursor there is none any more. */
  looseTo: number;
  /** PUBREC has come, PUBCOMP is awaited: in the order of their PUBRECs. */
  released: Set<number> | undefined;
  /** How often a delivery was repeated, for those that were. */
  repeats: Map<number, number> | undefined;
  /** Given up, and settled when their dead letters are published (dead-letters.ts). */
  leaving: Set<number> | undefined;
  /** How often all that had been sent was repeated. */
  rounds: number;
  /** Incoming QoS 2 identifiers that were received and not released. */
  received: Set<number> | undefined;
  /** Wall-clock time at which its last connection ended; 0 = it is connected. */
  detachedAtMs: number;
  /** Entries of the journal below this position are part of it. */
  stamp: number;
  isDirty: boolean;
  isLoading: boolean;
}

/** Some are given up and still there. */
export function hasLeaving({ leaving }: DurableState): boolean {
  return leaving !== undefined && leaving.size > 0;
}

/** In place of a message that was never written down and ended with its process. */
export const NO_MESSAGE = 0xffffffff;

const IDENTIFIERS = 65_535;

export function packetIdOf(seq: number): number {
  return ((seq - 1) % IDENTIFIERS) + 1;
}

/**
 * The delivery that the client has under this packet identifier; -1 = none. Below the cursor there is at most one: later
 * ones with the same identifier were settled without being sent. The cursor of a new connection may not have come to
 * what was released before.
 */
export function seqOf({ queue, cursor, released }: DurableState, packetId: number): number {
  const last = cursor - 1;
  const back = (last - packetId) % IDENTIFIERS;
  const found = unsettledFrom(queue, last - (back < 0 ? back + IDENTIFIERS : back));
  if (found !== -1) return found;
  for (const seq of released ?? []) if (packetIdOf(seq) === packetId) return seq;
  return -1;
}

/** Whether another delivery still holds the identifier. */
export function isIdentifierTaken({ queue }: DurableState, seq: number): boolean {
  return unsettledFrom(queue, seq - IDENTIFIERS) !== -1;
}

function unsettledFrom(queue: ReferenceQueue, newest: number): number {
  for (let seq = newest; seq >= queue.floor; seq -= IDENTIFIERS) if (!queue.isSettled(seq)) return seq;
  return -1;
}

/** All that is not settled and was put out once is put out once more. */
export function noteRepeats(state: DurableState): void {
  const { queue } = state;
  state.rounds++;
  for (let seq = queue.nextFrom(queue.floor); seq < state.sentTo; seq = queue.nextFrom(seq + 1)) {
    state.repeats ??= new Map();
    state.repeats.set(seq, (state.repeats.get(seq) ?? 0) + 1);
  }
}

export function createDurableState(queue: ReferenceQueue): DurableState {
  return {
    queue,
    bytes: 0,
    cursor: queue.floor,
    sentTo: queue.floor,
    looseTo: 0,
    released: undefined,
    repeats: undefined,
    leaving: undefined,
    rounds: 0,
    received: undefined,
    detachedAtMs: 0,
    stamp: 0,
    isDirty: false,
    isLoading: false,
  };
}
