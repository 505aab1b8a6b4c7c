/**
 * A transactional id and its rules, as Kafka's coordinator has them (KIP-98, KIP-360, KIP-890): which epoch may do what in which
 * state. Decisions only; what follows from them is done by the coordinator.
 */
import { ErrorCode } from '../messages/errors.ts';

export const TRANSACTION_STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
] as const;
export type TransactionState = (typeof TRANSACTION_STATES)[number];

export interface Transaction {
  readonly id: string;
  producerId: number;
  epoch: number;
  /** Before the epoch ran out; -1 if that never happened, or is of no interest. */
  lastProducerId: number;
  /** Of a request that may be repeated by who has not got its answer; -1 without one. */
  lastEpoch: number;
  timeoutMs: number;
  state: TransactionState;
  /** Transactions of version 2: an epoch each. Says what the client of the current one, or of the last, uses. */
  isV2: boolean;
  /** -1 while there is none. */
  startMs: number;
  updatedMs: number;
  /** Offset at which each partition was when it joined, by log: what its producer has in it begins there or behind. */
  readonly partitions: Map<number, number>;
  readonly groups: Set<string>;
}

export interface ProducerEpoch {
  readonly producerId: number;
  readonly epoch: number;
}

/** The last epoch is left for the marker that fences the one before. */
export const LAST_EPOCH = 32_766;
export const MAX_EPOCH = 32_767;

export const createTransaction = (id: string, producer: ProducerEpoch, nowMs: number): Transaction => ({
  id,
  producerId: producer.producerId,
  epoch: producer.epoch,
  lastProducerId: -1,
  lastEpoch: -1,
  timeoutMs: 0,
  state: 'Empty',
  isV2: false,
  startMs: -1,
  updatedMs: nowMs,
  partitions: new Map(),
  groups: new Set(),
});

/** It has been decided, and the decision is being written down. */
export const isEnding = ({ state }: Transaction): boolean =>
  state === 'PrepareCommit' || state === 'PrepareAbort';

export const isExhausted = (epoch: number): boolean => epoch >= LAST_EPOCH;

/** Of the broker's own abort: nobody has been given it, so that whoever still has the old one is fenced. */
export const fencingEpoch = ({ epoch, isV2 }: Transaction): number =>
  Math.min(MAX_EPOCH, epoch + (isV2 ? 2 : 1));

/** Of an ending transaction: whose markers end it. An epoch that was the last has been replaced by then. */
export function markedProducer(transaction: Transaction): ProducerEpoch {
  const { producerId, epoch, lastProducerId, lastEpoch, isV2 } = transaction;
  const isRotated = isV2 && epoch === 0 && lastProducerId >= 0 && lastEpoch === LAST_EPOCH;
  return isRotated ? { producerId: lastProducerId, epoch: MAX_EPOCH } : { producerId, epoch };
}

export type InitDecision =
  | { readonly error: ErrorCode }
  /** The answer to this request got lost. */
  | { readonly kind: 'repeat' }
  /** Another epoch, or another id where there is none left; with what is open aborted first. */
  | { readonly kind: 'bump'; readonly lastEpoch: number };

/** `expected`: what the producer believes to have; undefined from one that starts. */
export function decideInit(transaction: Transaction, expected: ProducerEpoch | undefined): InitDecision {
  if (isEnding(transaction)) return { error: ErrorCode.CONCURRENT_TRANSACTIONS };
  if (expected === undefined) return { kind: 'bump', lastEpoch: -1 };
  const { producerId, epoch, lastProducerId, lastEpoch, state } = transaction;
  const isCurrent = expected.producerId === producerId;
  if (isCurrent && expected.epoch === epoch) return { kind: 'bump', lastEpoch: epoch };
  const isRotated = expected.producerId === lastProducerId && isExhausted(expected.epoch);
  if (state !== 'Ongoing' && (isCurrent || isRotated) && expected.epoch === lastEpoch) {
    return { kind: 'repeat' };
  }
  return { error: ErrorCode.PRODUCER_FENCED };
}

/** Whether this producer may add something now; undefined when it may. */
export function decideAdd(
  transaction: Transaction | undefined,
  { producerId, epoch }: ProducerEpoch,
): ErrorCode | undefined {
  if (transaction === undefined || transaction.producerId !== producerId) {
    return ErrorCode.INVALID_PRODUCER_ID_MAPPING;
  }
  if (transaction.epoch !== epoch) return ErrorCode.PRODUCER_FENCED;
  return isEnding(transaction) ? ErrorCode.CONCURRENT_TRANSACTIONS : undefined;
}

export type EndDecision =
  | { readonly error: ErrorCode }
  /** It has ended this way already. */
  | { readonly kind: 'repeat' }
  | { readonly kind: 'end' };

const INVALID_STATE: EndDecision = { error: ErrorCode.INVALID_TXN_STATE };
const REPEAT: EndDecision = { kind: 'repeat' };
const END: EndDecision = { kind: 'end' };

function decideEndV1(transaction: Transaction, isCommit: boolean): EndDecision {
  switch (transaction.state) {
    case 'Ongoing':
      return END;
    case 'CompleteCommit':
      return isCommit ? REPEAT : INVALID_STATE;
    case 'CompleteAbort':
      return isCommit ? INVALID_STATE : REPEAT;
    case 'PrepareCommit':
      return isCommit ? { error: ErrorCode.CONCURRENT_TRANSACTIONS } : INVALID_STATE;
    case 'PrepareAbort':
      return isCommit ? INVALID_STATE : { error: ErrorCode.CONCURRENT_TRANSACTIONS };
    default:
      return INVALID_STATE;
  }
}

function decideEndV2(transaction: Transaction, isCommit: boolean, isRepeated: boolean): EndDecision {
  switch (transaction.state) {
    case 'Ongoing':
      return END;
    case 'CompleteCommit':
      if (isRepeated) return isCommit ? REPEAT : INVALID_STATE;
      return isCommit ? INVALID_STATE : END;
    case 'CompleteAbort':
      if (isRepeated) return isCommit ? INVALID_STATE : REPEAT;
      return isCommit ? INVALID_STATE : END;
    case 'Empty':
      return isCommit ? INVALID_STATE : END;
    default:
      return decideEndV1(transaction, isCommit);
  }
}

/** `isV2`: by the version of the request. */
export function decideEnd(
  transaction: Transaction | undefined,
  producer: ProducerEpoch,
  isCommit: boolean,
  isV2: boolean,
): EndDecision {
  if (transaction === undefined) return { error: ErrorCode.INVALID_PRODUCER_ID_MAPPING };
  const { producerId, epoch, lastProducerId, state } = transaction;
  const isOverflow =
    isV2 && lastProducerId === producer.producerId && producer.epoch === LAST_EPOCH && epoch === 0;
  if (producerId !== producer.producerId && !isOverflow) {
    return { error: ErrorCode.INVALID_PRODUCER_ID_MAPPING };
  }
  const isBumped = isV2 && transaction.isV2 && !isOverflow && epoch === producer.epoch + 1;
  const isSame = producerId === producer.producerId && epoch === producer.epoch;
  const isComplete = state === 'CompleteCommit' || state === 'CompleteAbort';
  const mayRepeat = (isBumped || isOverflow) && (isComplete || isEnding(transaction));
  if (!isSame && !mayRepeat) return { error: ErrorCode.PRODUCER_FENCED };
  return isV2 ? decideEndV2(transaction, isCommit, mayRepeat) : decideEndV1(transaction, isCommit);
}
