/** A transactional producer of either version: the older says beforehand where it writes, the newer gets an epoch with each end. */
import { setTimeout as delay } from 'node:timers/promises';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../src/protocols/kafka/messages/errors.ts';
import { batchFrom, produceRequest, type TestRecord } from '../../e2e/kafka/batches.ts';
import { accept, type Wire } from './wire.ts';

export const TRANSACTION_TIMEOUT_MS = 2500;
const RETRY_MS = 20;

export interface OffsetsToSend {
  readonly groupId: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export class TransactionalProducer {
  private readonly wire: Wire;
  private readonly id: string;
  private readonly isNew: boolean;
  private producerId = -1;
  private producerEpoch = -1;
  private sequences = new Map<string, number>();

  constructor(wire: Wire, id: string, isNew: boolean) {
    this.wire = wire;
    this.id = id;
    this.isNew = isNew;
  }

  /** Ends what the one before it has left. */
  async init(): Promise<void> {
    for (;;) {
      const answer = await this.wire.call(Apis.initProducerId, 4, {
        transactionalId: this.id,
        transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      });
      if (answer.errorCode === ErrorCode.CONCURRENT_TRANSACTIONS) {
        await delay(RETRY_MS);
        continue;
      }
      accept('InitProducerId', answer.errorCode);
      this.producerId = answer.producerId;
      this.producerEpoch = answer.producerEpoch;
      this.sequences = new Map();
      return;
    }
  }

  private get who() {
    const { id: transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }

  /** While the last transaction is still being ended, the next cannot begin. */
  private async patiently(ask: () => Promise<number>, what: string): Promise<void> {
    for (;;) {
      const errorCode = await ask();
      if (errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS) return accept(what, errorCode);
      await delay(RETRY_MS);
    }
  }

  async send(topic: string, partition: number, records: readonly TestRecord[]): Promise<void> {
    if (!this.isNew) {
      await this.patiently(async () => {
        const { resultsByTopicV3AndBelow: results } = await this.wire.call(Apis.addPartitionsToTxn, 3, {
          v3AndBelowTransactionalId: this.id,
          v3AndBelowProducerId: this.producerId,
          v3AndBelowProducerEpoch: this.producerEpoch,
          v3AndBelowTopics: [{ name: topic, partitions: [partition] }],
        });
        return results[0]?.resultsByPartition[0]?.partitionErrorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
      }, 'AddPartitionsToTxn');
    }
    const place = `${topic}-${partition}`;
    const baseSequence = this.sequences.get(place) ?? 0;
    const batch = batchFrom(records, {
      producer: { id: this.producerId, epoch: this.producerEpoch, baseSequence },
      isTransactional: true,
    });
    const request = {
      ...produceRequest(topic, batch, { acks: -1, index: partition }),
      transactionalId: this.id,
    };
    await this.patiently(async () => {
      const { responses } = await this.wire.call(Apis.produce, this.isNew ? 12 : 11, request);
      return responses[0]?.partitionResponses[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    }, 'Produce');
    this.sequences.set(place, baseSequence + records.length);
  }

  async sendOffsets(offsets: OffsetsToSend): Promise<void> {
    const { groupId, generation, memberId, instanceId, topic, partition, offset } = offsets;
    if (!this.isNew) {
      await this.patiently(
        async () => (await this.wire.call(Apis.addOffsetsToTxn, 3, { ...this.who, groupId })).errorCode,
        'AddOffsetsToTxn',
      );
    }
    await this.patiently(async () => {
      const { topics } = await this.wire.call(Apis.txnOffsetCommit, this.isNew ? 5 : 3, {
        ...this.who,
        groupId,
        generationId: generation,
        memberId,
        groupInstanceId: instanceId,
        topics: [
          {
            name: topic,
            partitions: [{ partitionIndex: partition, committedOffset: offset, committedMetadata: '' }],
          },
        ],
      });
      return topics[0]?.partitions[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    }, 'TxnOffsetCommit');
  }

  async end(committed: boolean): Promise<void> {
    await this.patiently(async () => {
      const answer = await this.wire.call(Apis.endTxn, this.isNew ? 5 : 3, { ...this.who, committed });
      if (answer.errorCode === ErrorCode.NONE && this.isNew) {
        this.producerId = answer.producerId;
        this.producerEpoch = answer.producerEpoch;
        this.sequences = new Map();
      }
      return answer.errorCode;
    }, 'EndTxn');
  }
}
