/** What a queue promises, fixed when it is made, limits excepted. Its bounds are hard; what happens at each is said beside it. */
export interface QueuePolicy {
  /**
   * `none`: as they come. `per-key`: a message goes out only when all earlier ones of its key are settled or with
   * the same holder. `strict`: the same as if all had one key.
   */
  readonly order: 'none' | 'per-key' | 'strict';
  /** Number of priority bands, the highest served first. Ordered queues have one. */
  readonly bands: number;
  /** The band of messages enqueued without one. Waiting in it costs no memory; in another a bit or so. */
  readonly defaultBand: number;
  /** Leases and delayed messages together. At the bound nothing more is acquired. */
  readonly maxInFlight: number;
  readonly maxInFlightPerHolder: number;
  /** A message that failed this many times is discarded with reason `delivery-limit`; 0 = never. */
  readonly deliveryLimit: number;
  /** Waiting messages; `overflow` says what happens beyond. */
  readonly maxWaiting: number;
  readonly overflow: 'reject' | 'drop-head';
  /** How far deliveries may run ahead of the oldest unsettled message. At the bound only earlier ones go out. */
  readonly maxSpan: number;
  /** Positions are numbers of references into several logs, and not the offsets of one. */
  readonly references: boolean;
}

/** What may change while the queue is in use. */
export type QueueLimits = Pick<QueuePolicy, 'maxInFlight' | 'maxInFlightPerHolder' | 'deliveryLimit'>;

export const MAX_BANDS = 16;
export const MAX_SPAN = 2 ** 30;

const STANDARD: QueuePolicy = {
  order: 'none',
  bands: 1,
  defaultBand: 0,
  maxInFlight: 65_536,
  maxInFlightPerHolder: 65_536,
  deliveryLimit: 0,
  maxWaiting: Number.MAX_SAFE_INTEGER,
  overflow: 'reject',
  maxSpan: 2 ** 24,
  references: false,
};

export function queuePolicy(given: Partial<QueuePolicy>): QueuePolicy {
  const policy = { ...STANDARD, ...given };
  const between = (name: keyof QueuePolicy, low: number, high: number): void => {
    const value = policy[name];
    if (!Number.isSafeInteger(value) || Number(value) < low || Number(value) > high) {
      throw new RangeError(`${name} must be a whole number from ${low} to ${high}`);
    }
  };
  between('bands', 1, policy.order === 'none' ? MAX_BANDS : 1);
  between('defaultBand', 0, policy.bands - 1);
  between('maxInFlight', 1, 2 ** 24);
  between('maxInFlightPerHolder', 1, 2 ** 24);
  between('deliveryLimit', 0, 65_535);
  between('maxWaiting', 1, Number.MAX_SAFE_INTEGER);
  between('maxSpan', 1, MAX_SPAN);
  return policy;
}
