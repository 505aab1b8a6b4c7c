/** What a queue's operations take and give. */
import type { DiscardReason, QueueEntry } from './entries.ts';
import type { Reference } from './reference-list.ts';

export interface Discarded {
  readonly position: number;
  readonly reason: DiscardReason;
  /** Of a queue over several logs: what it referred to, since it may be forgotten now. */
  readonly reference: Reference | undefined;
  readonly deliveries: number;
}

export interface Enqueued {
  readonly entries: readonly QueueEntry[];
  readonly first: number;
  /** Fewer than offered when the queue is full and rejects. */
  readonly accepted: number;
  readonly discarded: readonly Discarded[];
}

/** `stop`: neither this one nor any behind it is looked at. */
export type Verdict = 'take' | 'skip' | 'expired' | 'stop';

export interface AcquireRequest {
  readonly holder: string;
  readonly max: number;
  readonly nowMs: number;
  /** Infinity: until settled or released. */
  readonly leaseMs: number;
  /** The filter, and the message's own time to live. */
  readonly inspect?: (position: number) => Verdict;
  /** Hash of the message's key, 32 bits; needed by a queue in order per key. */
  readonly keyOf?: (position: number) => number;
  /** At most this many are looked at; has no effect where messages are in order of key or in bands. */
  readonly maxScan?: number;
  /** `scannedTo` of the last call, to go on behind what it looked at; 0 or absent: from the start. */
  readonly scanFrom?: number;
}

export interface Acquired {
  readonly entries: readonly QueueEntry[];
  readonly positions: readonly number[];
  /** The how-manieth delivery each is, from 1. */
  readonly deliveries: readonly number[];
  readonly expiresAtMs: number;
  readonly discarded: readonly Discarded[];
  /** Where `maxScan` ended the search; 0 when it was not what ended it. */
  readonly scannedTo: number;
}

export interface Settled {
  readonly entries: readonly QueueEntry[];
  readonly done: number;
  /** Positions that the holder does not hold (any more). */
  readonly missing: readonly number[];
  readonly discarded: readonly Discarded[];
}

export type Outcome =
  | { readonly kind: 'accept' }
  /** Not counted as a delivery, ready at once. */
  | { readonly kind: 'release' }
  | { readonly kind: 'reject' }
  | { readonly kind: 'modify'; readonly failed: boolean; readonly readyAtMs: number };

export interface LeaseInfo {
  readonly position: number;
  /** Empty for a message that waits out a delay. */
  readonly holder: string;
  readonly expiresAtMs: number;
  readonly deliveries: number;
}
