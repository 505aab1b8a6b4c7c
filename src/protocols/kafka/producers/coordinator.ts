/**
 * The coordinator of transactions: gives producer ids, opens and ends transactions, fences and times out. A state changes at once,
 * in one change with the markers that say so; its answer comes when that is durable. Until then a transaction is ending, and whoever
 * wants something of it is asked to come again.
 */
import type { Partition } from '../../../kernel/log/partitions.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { ChangeLog, Open } from './change-log.ts';
import type { ProducerStore } from './store.ts';
import {
  createTransaction,
  decideAdd,
  decideEnd,
  decideInit,
  fencingEpoch,
  isEnding,
  isExhausted,
  MAX_EPOCH,
  type ProducerEpoch,
  type Transaction,
} from './transaction.ts';

export interface ProducerLimits {
  /** Of each partition; those idle for longest are forgotten. */
  readonly maxProducers: number;
  readonly maxTransactionalIds: number;
  /** Partitions, and groups, of one transaction. */
  readonly maxPartsEach: number;
  /** Of all partitions; above it no partition joins a transaction until retention has removed some. */
  readonly maxAbortedRanges: number;
  readonly maxTimeoutMs: number;
  readonly producerIdleMs: number;
  readonly transactionalIdIdleMs: number;
}

/** What a transaction has besides records: offsets that groups keep for it until it ends. */
export interface TransactionOffsets {
  /** Adds what the end of the transaction does to them to the current change. What it returns runs after the commit. */
  endTransaction(producerId: number, isCommit: boolean): () => void;
}

export type Result = ProducerEpoch | { readonly error: ErrorCode };

export interface Coordinator {
  /** Without a transactional id the producer is idempotent only. */
  init(id: string | null, timeoutMs: number, expected: ProducerEpoch | undefined): Promise<Result>;
  /** NONE, or why the partitions may not join. */
  addPartitions(id: string, producer: ProducerEpoch, partitions: readonly Partition[]): Promise<ErrorCode>;
  /** Of partitions that should have joined: NONE, or why a batch may not be part of the transaction. */
  verify(id: string, producer: ProducerEpoch, partition: Partition): ErrorCode;
  /** NONE, or why the group may not join. */
  addGroup(id: string, producer: ProducerEpoch, group: string): Promise<ErrorCode>;
  /**
   * NONE when offsets for the group may be staged: it is part of the transaction, or, in version 2, becomes so in the current change,
   * which the caller commits with them.
   */
  joinGroup(id: string, producer: ProducerEpoch, group: string, isV2: boolean): ErrorCode;
  /** The transaction of a batch, or why it has none. In version 2 the partition may still have to join. */
  ofBatch(id: string, producer: ProducerEpoch, logId: number, isV2: boolean): Transaction | ErrorCode;
  /** In the current change, which the caller commits. */
  join(transaction: Transaction, partitions: readonly (readonly [number, number])[], isV2: boolean): void;
  end(id: string, producer: ProducerEpoch, isCommit: boolean, isV2: boolean): Promise<Result>;
  /** A marker that an administrator asks for. */
  mark(partition: Partition, producer: ProducerEpoch, isCommit: boolean): Promise<ErrorCode>;
  /** Aborts what has taken too long. */
  expire(): void;
  /** Forgets transactional ids that have not been used for long. */
  forgetIdle(): void;

  /** Ends it; its markers, and its producer from now on, have that epoch. */
  finish(transaction: Transaction, isCommit: boolean, epoch: number): Promise<ErrorCode>;
  /** Of one that is ending since before a crash: with the markers that are missing. */
  finishAgain(transaction: Transaction, parts: readonly Open[]): Promise<ErrorCode>;
  /** What pages have and partitions do not, so that the next start does not take what came instead for known. */
  noteLost(lost: ReadonlyMap<number, number>): Promise<ErrorCode>;
  /** Aborts what nobody will end, and commits. */
  abortOrphans(parts: readonly Open[]): Promise<ErrorCode>;
}

export interface CoordinatorOptions {
  readonly store: ProducerStore;
  readonly changes: ChangeLog;
  readonly offsets: TransactionOffsets;
  readonly wallMs: () => number;
  readonly limits: ProducerLimits;
}

const MAX_ID_CHARS = 4096;
const { NONE, COORDINATOR_NOT_AVAILABLE } = ErrorCode;

export function createCoordinator(options: CoordinatorOptions): Coordinator {
  const { store, changes, offsets, limits } = options;
  const nowMs = (): number => Math.floor(options.wallMs());

  async function initIdempotent(): Promise<Result> {
    const producer = { producerId: changes.takeId(), epoch: 0 };
    if (changes.isGranted(producer.producerId)) return producer;
    const error = await changes.commit();
    return error === NONE ? producer : { error };
  }

  function rotate(transaction: Transaction): void {
    transaction.lastProducerId = transaction.producerId;
    transaction.producerId = changes.takeId();
    transaction.epoch = 0;
  }

  function bump(transaction: Transaction, timeoutMs: number, lastEpoch: number): void {
    if (isExhausted(transaction.epoch)) rotate(transaction);
    else transaction.epoch++;
    transaction.lastEpoch = lastEpoch;
    transaction.timeoutMs = timeoutMs;
    transaction.state = 'Empty';
    transaction.startMs = -1;
    transaction.updatedMs = nowMs();
    transaction.partitions.clear();
    transaction.groups.clear();
  }

  async function init(
    id: string | null,
    timeoutMs: number,
    expected: ProducerEpoch | undefined,
  ): Promise<Result> {
    if (id === '' || (id?.length ?? 0) > MAX_ID_CHARS) return { error: ErrorCode.INVALID_REQUEST };
    if (!changes.isOpen) return { error: COORDINATOR_NOT_AVAILABLE };
    if (id === null) return initIdempotent();
    if (timeoutMs <= 0 || timeoutMs > limits.maxTimeoutMs) {
      return { error: ErrorCode.INVALID_TRANSACTION_TIMEOUT };
    }
    let transaction = store.transactions.get(id);
    if (transaction === undefined) {
      if (store.transactions.size >= limits.maxTransactionalIds) return { error: COORDINATOR_NOT_AVAILABLE };
      transaction = createTransaction(id, { producerId: changes.takeId(), epoch: 0 }, nowMs());
      transaction.timeoutMs = timeoutMs;
    } else {
      const decision = decideInit(transaction, expected);
      if ('error' in decision) return decision;
      if (transaction.state === 'Ongoing') {
        const error = await abort(transaction);
        // Whoever had it is fenced by now, so what the caller believed is of no interest any more.
        return error === NONE ? init(id, timeoutMs, undefined) : { error };
      }
      if (decision.kind === 'bump') bump(transaction, timeoutMs, decision.lastEpoch);
    }
    const { producerId, epoch } = transaction;
    changes.add({ kind: 'state', transaction, ended: [] });
    const error = await changes.commit();
    return error === NONE ? { producerId, epoch } : { error };
  }

  function join(
    { id, producerId, epoch }: Transaction,
    partitions: readonly (readonly [number, number])[],
    isV2: boolean,
    groups: readonly string[] = [],
  ): void {
    changes.add({ kind: 'join', id, producerId, epoch, isV2, atMs: nowMs(), partitions, groups });
  }

  function found(id: string, producer: ProducerEpoch): Transaction | ErrorCode {
    if (id === '') return ErrorCode.INVALID_REQUEST;
    const transaction = store.transactions.get(id);
    return decideAdd(transaction, producer) ?? transaction ?? ErrorCode.INVALID_PRODUCER_ID_MAPPING;
  }

  function refusalOfParts(transaction: Transaction, fresh: number): ErrorCode | undefined {
    const known = transaction.state === 'Ongoing' ? transaction.partitions.size : 0;
    if (known + fresh > limits.maxPartsEach) return ErrorCode.POLICY_VIOLATION;
    return store.aborted.count >= limits.maxAbortedRanges ? COORDINATOR_NOT_AVAILABLE : undefined;
  }

  function ofBatch(
    id: string,
    producer: ProducerEpoch,
    logId: number,
    isV2: boolean,
  ): Transaction | ErrorCode {
    const transaction = found(id, producer);
    if (typeof transaction === 'number') return transaction;
    if (transaction.state === 'Ongoing' && transaction.partitions.has(logId)) return transaction;
    if (!isV2) return ErrorCode.INVALID_TXN_STATE;
    return refusalOfParts(transaction, 1) ?? transaction;
  }

  async function addPartitions(
    id: string,
    producer: ProducerEpoch,
    wanted: readonly Partition[],
  ): Promise<ErrorCode> {
    const transaction = found(id, producer);
    if (typeof transaction === 'number') return transaction;
    const known = transaction.state === 'Ongoing' ? transaction.partitions : undefined;
    const fresh = wanted.filter(({ logId }) => known?.has(logId) !== true);
    if (fresh.length === 0 && known !== undefined) return NONE;
    if (!changes.isOpen) return COORDINATOR_NOT_AVAILABLE;
    const refused = refusalOfParts(transaction, fresh.length);
    if (refused !== undefined) return refused;
    // Makes the partition known, which is found by its log at the end.
    for (const partition of fresh) store.producersOf(partition);
    join(
      transaction,
      fresh.map(({ logId, nextOffset }) => [logId, nextOffset]),
      false,
    );
    // Should it be lost with the power, a batch that comes after it is refused, and the transaction aborted.
    return changes.commit({ level: 'os' });
  }

  function groupToJoin(id: string, producer: ProducerEpoch, group: string): Transaction | ErrorCode {
    const transaction = found(id, producer);
    if (typeof transaction === 'number') return transaction;
    if (transaction.state !== 'Ongoing') return changes.isOpen ? transaction : COORDINATOR_NOT_AVAILABLE;
    if (transaction.groups.has(group)) return NONE;
    if (transaction.groups.size >= limits.maxPartsEach) return ErrorCode.POLICY_VIOLATION;
    return changes.isOpen ? transaction : COORDINATOR_NOT_AVAILABLE;
  }

  function joinGroup(id: string, producer: ProducerEpoch, group: string, isV2: boolean): ErrorCode {
    const transaction = groupToJoin(id, producer, group);
    if (typeof transaction === 'number') return transaction;
    if (!isV2) return ErrorCode.INVALID_TXN_STATE;
    join(transaction, [], true, [group]);
    return NONE;
  }

  async function addGroup(id: string, producer: ProducerEpoch, group: string): Promise<ErrorCode> {
    const transaction = groupToJoin(id, producer, group);
    if (typeof transaction === 'number') return transaction;
    join(transaction, [], false, [group]);
    return changes.commit({ level: 'os' });
  }

  const partsOf = ({ partitions, producerId }: Transaction, epoch: number): Open[] =>
    [...partitions.keys()].flatMap((logId) => {
      const partition = store.partitionOf(logId);
      const producer = { producerId, epoch };
      return partition === undefined || partition.isDeleted ? [] : [{ partition, producer }];
    });

  async function finish(transaction: Transaction, isCommit: boolean, epoch: number): Promise<ErrorCode> {
    const { producerId } = transaction;
    const marked = partsOf(transaction, epoch);
    if (!changes.canMark(marked)) return COORDINATOR_NOT_AVAILABLE;
    const ended = changes.mark(marked, isCommit);
    const isClientsOwn = transaction.isV2 && epoch === transaction.epoch + 1;
    if (epoch !== transaction.epoch) transaction.lastEpoch = isClientsOwn ? transaction.epoch : -1;
    transaction.epoch = epoch;
    if (isClientsOwn && epoch === MAX_EPOCH) rotate(transaction);
    transaction.state = isCommit ? 'PrepareCommit' : 'PrepareAbort';
    transaction.updatedMs = nowMs();
    changes.add({ kind: 'state', transaction, ended });
    const settle = offsets.endTransaction(producerId, isCommit);
    const onDurable = (): void => {
      complete(transaction);
      settle();
    };
    return changes.commit({ isSettlement: true, marked, onDurable });
  }

  async function finishAgain(transaction: Transaction, marked: readonly Open[]): Promise<ErrorCode> {
    if (marked.length > 0) {
      if (!changes.canMark(marked)) return COORDINATOR_NOT_AVAILABLE;
      const ended = changes.mark(marked, transaction.state === 'PrepareCommit');
      changes.add({ kind: 'state', transaction, ended });
    }
    return changes.commit({ isSettlement: true, marked, onDurable: () => complete(transaction) });
  }

  function complete(transaction: Transaction): void {
    transaction.state = transaction.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort';
    transaction.startMs = -1;
    transaction.partitions.clear();
    transaction.groups.clear();
    store.touched(transaction);
  }

  const abort = (transaction: Transaction): Promise<ErrorCode> =>
    finish(transaction, false, fencingEpoch(transaction));

  async function end(id: string, producer: ProducerEpoch, isCommit: boolean, isV2: boolean): Promise<Result> {
    if (id === '') return { error: ErrorCode.INVALID_REQUEST };
    const transaction = store.transactions.get(id);
    const decision = decideEnd(transaction, producer, isCommit, isV2);
    if ('error' in decision) return decision;
    if (transaction === undefined) return { error: ErrorCode.INVALID_PRODUCER_ID_MAPPING };
    if (decision.kind === 'end') {
      if (isV2) transaction.isV2 = true;
      const epoch = isV2 ? transaction.epoch + 1 : transaction.epoch;
      const error = await finish(transaction, isCommit, epoch);
      if (error !== NONE) return { error };
    }
    return { producerId: transaction.producerId, epoch: transaction.epoch };
  }

  function abortMark(part: Open): void {
    const ended = changes.mark([part], false);
    changes.add({ kind: 'aborted', producerId: part.producer.producerId, ended });
  }

  return {
    init,
    addPartitions,
    addGroup,
    joinGroup,
    ofBatch,
    verify(id, producer, { logId }) {
      const transaction = ofBatch(id, producer, logId, false);
      return typeof transaction === 'number' ? transaction : NONE;
    },
    join,
    end,
    finish,
    finishAgain,
    async abortOrphans(parts) {
      if (!changes.canMark(parts)) return COORDINATOR_NOT_AVAILABLE;
      for (const part of parts) abortMark(part);
      return changes.commit({ isSettlement: true, marked: parts });
    },
    async noteLost(lost) {
      if (!changes.isOpen) return COORDINATOR_NOT_AVAILABLE;
      for (const [logId, endOffset] of lost) changes.add({ kind: 'lost', logId, endOffset });
      return changes.commit({ isSettlement: true });
    },
    async mark(partition, producer, isCommit) {
      const known = store.logs.get(partition.logId)?.byId.get(producer.producerId);
      if (known !== undefined && producer.epoch < known.epoch) return ErrorCode.INVALID_PRODUCER_EPOCH;
      const part = { partition, producer };
      if (!changes.canMark([part])) return ErrorCode.NOT_ENOUGH_REPLICAS;
      if (isCommit) changes.mark([part], true);
      else abortMark(part);
      return changes.commit({ isSettlement: true, marked: [part] });
    },
    expire() {
      const atMs = nowMs();
      for (const transaction of store.ongoing) {
        if (transaction.startMs + transaction.timeoutMs <= atMs) void abort(transaction);
      }
    },
    forgetIdle() {
      if (!changes.isOpen) return;
      const sinceMs = nowMs() - limits.transactionalIdIdleMs;
      const idle = [...store.transactions.values()].filter(
        (each) => each.state !== 'Ongoing' && !isEnding(each) && each.updatedMs <= sinceMs,
      );
      for (const { id } of idle) changes.add({ kind: 'forget', id });
      if (idle.length > 0) void changes.commit({ isSettlement: true });
    },
  };
}
