/** What produce, fetch and compaction ask about producers. Nothing here waits, and nothing is written but what `appended` adds. */
import type { Holding } from '../../../kernel/crossing/follower.ts';
import type { AbortedRange, Partition, Partitions, ProducerView } from '../../../kernel/log/partitions.ts';
import type { BatchHeader } from '../../../wasm/log.ts';
import { ErrorCode, errorName } from '../messages/errors.ts';
import type { ProduceOrigin, ProducerGate, Verdict } from '../produce/gate.ts';
import type { Coordinator } from './coordinator.ts';
import {
  applyBatch,
  duplicateOf,
  epochRefusal,
  isTransactional,
  makeRoom,
  newestOffset,
  refuse,
  sequenceRefusal,
  stableOffset,
} from './partition-producers.ts';
import type { ProducerStore } from './store.ts';

export interface ProducerGateOptions {
  readonly store: ProducerStore;
  readonly coordinator: Coordinator;
  readonly partitions: Pick<Partitions, 'isRemoved'>;
  readonly wallMs: () => number;
  readonly maxProducers: number;
  /** Where records wait that may yet be aborted. */
  readonly crossing: Pick<Holding, 'hold'>;
}

/** From which version of Produce on partitions join with their first batch, and errors may say that an abort helps. */
const IMPLICIT_SINCE = 12;
const ABORTABLE_SINCE = 11;

const ACCEPT: Verdict = { kind: 'accept' };
const NOTHING: readonly AbortedRange[] = [];

/** What the coordinator says, in the words that this API has for it. */
function producedError(error: ErrorCode, { apiVersion }: ProduceOrigin): ErrorCode {
  switch (error) {
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
      return ErrorCode.NOT_ENOUGH_REPLICAS;
    case ErrorCode.CONCURRENT_TRANSACTIONS:
      return apiVersion >= IMPLICIT_SINCE ? error : ErrorCode.NOT_ENOUGH_REPLICAS;
    case ErrorCode.INVALID_TXN_STATE:
      return apiVersion >= ABORTABLE_SINCE ? ErrorCode.TRANSACTION_ABORTABLE : error;
    default:
      return error;
  }
}

const producerOf = ({ producerId, producerEpoch: epoch }: BatchHeader) => ({ producerId, epoch });

export interface ProducerSides {
  readonly gate: ProducerGate;
  readonly view: ProducerView;
}

export function createProducerSides(options: ProducerGateOptions): ProducerSides {
  const { store, coordinator, partitions, maxProducers } = options;

  function lastStableOffset({ endOffset, startOffset, logId }: Partition): number {
    const state = store.logs.get(logId);
    if (state === undefined) return endOffset;
    return Math.max(stableOffset(state, endOffset), Math.min(startOffset, endOffset));
  }

  function aborted({ logId, startOffset }: Partition, from: number, to: number): readonly AbortedRange[] {
    if (store.aborted.count === 0) return NOTHING;
    return store.aborted.find(logId, Math.max(from, startOffset), to);
  }

  function transactionRefusal(partition: Partition, header: BatchHeader, origin: ProduceOrigin) {
    const { transactionalId, apiVersion } = origin;
    if (transactionalId === null || transactionalId === '') {
      return refuse(
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        'a transactional batch without a transactional id',
      );
    }
    const isV2 = apiVersion >= IMPLICIT_SINCE;
    const found = coordinator.ofBatch(transactionalId, producerOf(header), partition.logId, isV2);
    if (typeof found !== 'number') return undefined;
    return refuse(producedError(found, origin), `${errorName(found)} for ${transactionalId}`);
  }

  const gate: ProducerGate = {
    check(partition, header, origin) {
      if (header.producerId < 0) return ACCEPT;
      const known = store.logs.get(partition.logId)?.byId.get(header.producerId);
      const first = known && duplicateOf(known, header);
      if (first !== undefined) {
        return { kind: 'duplicate', baseOffset: first.baseOffset, logAppendTimeMs: first.appendTimeMs };
      }
      // Before the transaction's state: a fenced producer can recover from this, and not from that.
      const staleEpoch = epochRefusal(known, header);
      if (staleEpoch !== undefined) return staleEpoch;
      const isInTransaction = isTransactional(header);
      if (isInTransaction) {
        const refused = transactionRefusal(partition, header, origin);
        if (refused !== undefined) return refused;
      } else if (known !== undefined && known.openFrom >= 0) {
        return refuse(
          ErrorCode.INVALID_TXN_STATE,
          `producer ${header.producerId} has a transaction open, and this batch is not part of it`,
        );
      }
      const startsAtZero = isInTransaction && origin.apiVersion >= IMPLICIT_SINCE;
      return sequenceRefusal(known, header, startsAtZero) ?? ACCEPT;
    },

    appended(partition, header, baseOffset, logAppendTimeMs, origin) {
      if (header.producerId < 0) return;
      const { logId } = partition;
      const state = store.producersOf(partition);
      if (isTransactional(header) && origin.transactionalId !== null) {
        const transaction = store.transactions.get(origin.transactionalId);
        const isIn = transaction?.state === 'Ongoing' && transaction.partitions.has(logId);
        if (transaction !== undefined && !isIn) coordinator.join(transaction, [[logId, baseOffset]], true);
      }
      if (!state.byId.has(header.producerId)) makeRoom(state, maxProducers);
      if (isTransactional(header)) options.crossing.hold(partition, baseOffset);
      applyBatch(state, header, baseOffset, logAppendTimeMs, Math.floor(options.wallMs()));
      store.logChanged(logId);
    },

    // It moves with the end of the partition, when a marker is committed, and never else.
    lastStableOffset,
    // A reader who is told of an abort waits for its marker, which compaction may have removed with all that it aborted.
    aborted: (partition, from, to) =>
      aborted(partition, from, to).filter((each) => !partitions.isRemoved(partition, each.lastOffset)),
  };

  const view: ProducerView = {
    lastStableOffset,
    aborted,
    newestOffset({ logId }, producerId) {
      const producer = store.logs.get(logId)?.byId.get(producerId);
      return producer && newestOffset(producer);
    },
  };
  return { gate, view };
}
