/** What a request is to those who answer it. A handler is a function; which API it serves is said in dispatch.ts. */
import { createLoan, type Loan } from '../../kernel/log/partitions.ts';
import type { Caller, Kafka } from './context.ts';
import type { Api, Apis } from './messages/apis.ts';
import type { In, Out } from './schema/message.ts';

export type ApiTable = typeof Apis;
export type ApiName = keyof ApiTable;

export interface CallMemory {
  /** Nobody has views of the request any more: its memory is used again once it is answered. */
  letGo(): void;
  /** What of the answer is borrowed; it is given back when the answer has left. */
  readonly loan: Loan;
}

/** Of a request that came from no connection: nothing is used again. */
export const ownMemory = (): CallMemory => ({ letGo() {}, loan: createLoan() });

export interface Call<A extends Api> {
  readonly connection: Caller;
  readonly version: number;
  readonly clientId: string | null;
  /** Byte fields are views of the request's own memory: they may be kept, unless that is let go. */
  readonly request: Out<A['request']>;
  readonly memory: CallMemory;
}

/**
 * The answer, or a promise of it; undefined is no answer at all, which acks=0 wants. Requests of one connection run one
 * after the other, but for Produce after Produce: what is to happen in their order happens before the first await.
 * A handler that throws costs its connection.
 */
export type Handler<A extends Api> = (
  kafka: Kafka,
  call: Call<A>,
) => In<A['response']> | undefined | Promise<In<A['response']> | undefined>;

export type HandlerTable = { readonly [K in ApiName]?: Handler<ApiTable[K]> };
