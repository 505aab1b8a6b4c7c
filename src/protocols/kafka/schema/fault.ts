/** What may be wrong with bytes or values, and where: the path is that of the field, `topics[3].partitions[0].records`. */

export type WireFaultReason =
  /** The bytes end before the field does, or a count promises more than they can hold. */
  | 'truncated'
  /** A length below -1, or of more than five bytes, or above 2^31-1. */
  | 'length'
  /** null where the version has no null. */
  | 'null'
  | 'utf8'
  /** An int64 that a number cannot hold exactly. */
  | 'number-range'
  /** A tagged field that is shorter or longer than it said. */
  | 'tag-size'
  /** More elements in all arrays together than the reader was allowed. */
  | 'too-many-elements'
  /** Of an encoder: a value that the field cannot carry. */
  | 'value';

export interface WireFault {
  readonly reason: WireFaultReason;
  readonly path: string;
}

/** Thrown inside a decoder, which gives it back as a value; thrown by encoders, whose caller made the value. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly reason: WireFaultReason;
  path = '';

  constructor(reason: WireFaultReason) {
    super(reason);
    this.reason = reason;
  }

  /** Says in which field or element it was, from the inside out. */
  within(step: string): this {
    this.path = this.path === '' || this.path.startsWith('[') ? step + this.path : `${step}.${this.path}`;
    this.message = `${this.reason} at ${this.path}`;
    return this;
  }
}

/** The same error with the place added, if it is one of ours. */
export function within(error: unknown, step: string): unknown {
  return error instanceof WireError ? error.within(step) : error;
}
