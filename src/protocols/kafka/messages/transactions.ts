/** Producer ids and transactions (KIP-98, KIP-890). */
import { array, bool, int16, int32, int64, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const initProducerIdRequest = message(
  'InitProducerIdRequest',
  { versions: '0-5', flexible: '2+' },
  {
    transactionalId: string({ entity: 'transactionalId', nullable: '0+' }),
    transactionTimeoutMs: int32(),
    producerId: int64({ in: '3+', default: -1 }),
    producerEpoch: int16({ in: '3+', default: -1 }),
  },
);

export const initProducerIdResponse = message(
  'InitProducerIdResponse',
  { versions: '0-5', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
  },
);

export const addPartitionsToTxnRequest = message(
  'AddPartitionsToTxnRequest',
  { versions: '0-5', flexible: '3+' },
  {
    transactions: structs(
      {
        transactionalId: string({ entity: 'transactionalId' }),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: bool({ default: false }),
        topics: structs({
          name: string({ entity: 'topicName' }),
          partitions: array(int32()),
        }),
      },
      { in: '4+' },
    ),
    v3AndBelowTransactionalId: string({ entity: 'transactionalId', in: '0-3' }),
    v3AndBelowProducerId: int64({ in: '0-3' }),
    v3AndBelowProducerEpoch: int16({ in: '0-3' }),
    v3AndBelowTopics: structs(
      {
        name: string({ entity: 'topicName' }),
        partitions: array(int32()),
      },
      { in: '0-3' },
    ),
  },
);

export const addPartitionsToTxnResponse = message(
  'AddPartitionsToTxnResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16({ in: '4+' }),
    resultsByTransaction: structs(
      {
        transactionalId: string({ entity: 'transactionalId' }),
        topicResults: structs({
          name: string({ entity: 'topicName' }),
          resultsByPartition: structs({
            partitionIndex: int32(),
            partitionErrorCode: int16(),
          }),
        }),
      },
      { in: '4+' },
    ),
    resultsByTopicV3AndBelow: structs(
      {
        name: string({ entity: 'topicName' }),
        resultsByPartition: structs({
          partitionIndex: int32(),
          partitionErrorCode: int16(),
        }),
      },
      { in: '0-3' },
    ),
  },
);

export const addOffsetsToTxnRequest = message(
  'AddOffsetsToTxnRequest',
  { versions: '0-4', flexible: '3+' },
  {
    transactionalId: string({ entity: 'transactionalId' }),
    producerId: int64(),
    producerEpoch: int16(),
    groupId: string({ entity: 'groupId' }),
  },
);

export const addOffsetsToTxnResponse = message(
  'AddOffsetsToTxnResponse',
  { versions: '0-4', flexible: '3+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
  },
);

export const endTxnRequest = message(
  'EndTxnRequest',
  { versions: '0-5', flexible: '3+' },
  {
    transactionalId: string({ entity: 'transactionalId' }),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool(),
  },
);

export const endTxnResponse = message(
  'EndTxnResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ in: '5+', default: -1 }),
    producerEpoch: int16({ in: '5+', default: -1 }),
  },
);

export const txnOffsetCommitRequest = message(
  'TxnOffsetCommitRequest',
  { versions: '0-5', flexible: '3+' },
  {
    transactionalId: string({ entity: 'transactionalId' }),
    groupId: string({ entity: 'groupId' }),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ in: '3+', default: -1 }),
    memberId: string({ in: '3+', default: '' }),
    groupInstanceId: string({ in: '3+', nullable: '3+', default: null }),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ in: '2+', default: -1 }),
        committedMetadata: string({ nullable: '0+' }),
      }),
    }),
  },
);

export const txnOffsetCommitResponse = message(
  'TxnOffsetCommitResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32(),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
);
