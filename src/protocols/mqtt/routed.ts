/** What became of a message on its way to its subscribers. */
export const Routed = {
  /** At least one subscriber was found. */
  Delivered: 0,
  Unmatched: 1,
  /** Subscribers were found and none of them had room. */
  Refused: 2,
} as const;
export type Routed = (typeof Routed)[keyof typeof Routed];
