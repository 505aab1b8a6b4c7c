/** Producers and transactions as administrators see them (KIP-664), and markers written by hand. */
import { array, bool, int8, int16, int32, int64, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const writeTxnMarkersRequest = message(
  'WriteTxnMarkersRequest',
  { versions: '0-2', flexible: '1+' },
  {
    markers: structs({
      producerId: int64(),
      producerEpoch: int16(),
      transactionResult: bool(),
      topics: structs({
        name: string({ entity: 'topicName' }),
        partitionIndexes: array(int32()),
      }),
      coordinatorEpoch: int32(),
      transactionVersion: int8({ in: '2+', default: 0 }),
    }),
  },
);

export const writeTxnMarkersResponse = message(
  'WriteTxnMarkersResponse',
  { versions: '0-2', flexible: '1+' },
  {
    markers: structs({
      producerId: int64(),
      topics: structs({
        name: string({ entity: 'topicName' }),
        partitions: structs({
          partitionIndex: int32(),
          errorCode: int16(),
        }),
      }),
    }),
  },
);

export const describeProducersRequest = message(
  'DescribeProducersRequest',
  { versions: '0', flexible: '0+' },
  {
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitionIndexes: array(int32()),
    }),
  },
);

export const describeProducersResponse = message(
  'DescribeProducersResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
        activeProducers: structs({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32({ default: -1 }),
          lastTimestamp: int64({ default: -1 }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64({ default: -1 }),
        }),
      }),
    }),
  },
);

export const describeTransactionsRequest = message(
  'DescribeTransactionsRequest',
  { versions: '0', flexible: '0+' },
  {
    transactionalIds: array(string({ entity: 'transactionalId' })),
  },
);

export const describeTransactionsResponse = message(
  'DescribeTransactionsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    transactionStates: structs({
      errorCode: int16(),
      transactionalId: string({ entity: 'transactionalId' }),
      transactionState: string(),
      transactionTimeoutMs: int32(),
      transactionStartTimeMs: int64(),
      producerId: int64(),
      producerEpoch: int16(),
      topics: structs({
        topic: string({ entity: 'topicName' }),
        partitions: array(int32()),
      }),
    }),
  },
);

export const listTransactionsRequest = message(
  'ListTransactionsRequest',
  { versions: '0-2', flexible: '0+' },
  {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ in: '1+', default: -1 }),
    transactionalIdPattern: string({ in: '2+', nullable: '2+', default: null }),
  },
);

export const listTransactionsResponse = message(
  'ListTransactionsResponse',
  { versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: structs({
      transactionalId: string({ entity: 'transactionalId' }),
      producerId: int64(),
      transactionState: string(),
    }),
  },
);
