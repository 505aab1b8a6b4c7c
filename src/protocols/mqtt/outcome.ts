/** What became of a delivery. */
export const Outcome = {
  /** Sent, or kept to be sent. */
  Taken: 0,
  /** Given up, and counted. */
  Dropped: 1,
  /** The queue would not take it: the publisher should hear of it. */
  Refused: 2,
  /** The subscriber's Maximum Packet Size is smaller. */
  TooLarge: 3,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];
