/** Retained messages that a session is yet to get for one of its subscriptions. */
import type { Message } from '../../kernel/message.ts';
import type { RetainedCursor } from '../../kernel/retained.ts';

export interface RetainedJob {
  readonly filter: Uint8Array;
  readonly options: number;
  readonly identifier: number;
  cursor: RetainedCursor | undefined;
  /** Of the last page, last one first: what is left to deliver. */
  page: Message[];
  /** The store has no more. */
  isLast: boolean;
}
