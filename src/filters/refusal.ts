/** Why a module is not taken. */
export type RefusalReason =
  | 'malformed'
  | 'limit'
  | 'section'
  | 'type'
  | 'import'
  | 'export'
  | 'opcode'
  | 'memory'
  | 'table'
  | 'start'
  | 'constant'
  | 'invalid'
  /** Its segments do not fit its memory or its table. */
  | 'instantiation'
  /** It took too long to compile. */
  | 'time'
  /** Too many wait to be compiled. */
  | 'busy'
  /** The compiler ended before it was done, or was closed. */
  | 'compiler';

export interface Refusal {
  readonly ok: false;
  readonly reason: RefusalReason;
  /** For the user who sent it: what is wrong, and where. */
  readonly detail: string;
}

/** Ends the pass over a module; it does not leave the folder. */
export class RefusalError extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

export function refuse(reason: RefusalReason, detail: string): never {
  throw new RefusalError(reason, detail);
}

/** `count` of `what`, when it is not too many. */
export function bounded(count: number, max: number, what: string): number {
  if (count > max) refuse('limit', `${count} ${what}, of which ${max} are allowed`);
  return count;
}
