/** What all connections of a run count together, and the buffers they share. */
import { createHistogram, type Histogram } from './histogram.ts';

/** What the scanner reads from a received payload, beside counting it. */
export const Observe = { Nothing: 0, Stamp: 1, Sender: 2 } as const;
export type ObserveMode = (typeof Observe)[keyof typeof Observe];

export interface Tally {
  readonly observe: ObserveMode;
  readonly payloadBytes: number;
  received: number;
  receivedBytes: number;
  acknowledged: number;
  /** Acknowledgements with a reason code of 0x80 and above. */
  refused: number;
  /** Latencies count only for messages meant to be sent from then on. */
  measureFromMs: number;
  readonly delivery: Histogram;
  readonly roundTrip: Histogram;
  /** Senders (payload's first four bytes) seen since the owner emptied it; used by one-outstanding runs. */
  readonly senders: Int32Array;
  senderCount: number;
  acks: Uint8Array;
  ackBytes: number;
}

/** What one read brings at most. */
export const WINDOW_BYTES = 256 * 1024;

export interface TallyOptions {
  readonly observe: ObserveMode;
  /** Of the messages that this process sends. */
  readonly payloadBytes: number;
  /** Of what is received; a longer frame ends the run. */
  readonly maxFrameBytes: number;
  readonly maxSenders?: number;
}

export function createTally({ observe, payloadBytes, maxFrameBytes, maxSenders = 0 }: TallyOptions): Tally {
  return {
    observe,
    payloadBytes,
    received: 0,
    receivedBytes: 0,
    acknowledged: 0,
    refused: 0,
    measureFromMs: Number.POSITIVE_INFINITY,
    delivery: createHistogram(),
    roundTrip: createHistogram(),
    senders: new Int32Array(maxSenders),
    senderCount: 0,
    // No frame that needs an answer is shorter than its answer.
    acks: new Uint8Array(maxFrameBytes + WINDOW_BYTES),
    ackBytes: 0,
  };
}
