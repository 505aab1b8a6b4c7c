/** Records in and out. Their batches are opaque here: see ../records. */
import {
  array,
  int8,
  int16,
  int32,
  int64,
  records,
  string,
  struct,
  structs,
  uuid,
} from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const produceRequest = message(
  'ProduceRequest',
  { versions: '0-13', flexible: '9+' },
  {
    transactionalId: string({ entity: 'transactionalId', in: '3+', nullable: '3+', default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: structs({
      name: string({ entity: 'topicName', in: '0-12' }),
      topicId: uuid({ entity: 'topicId', in: '13+' }),
      partitionData: structs({
        index: int32(),
        records: records({ nullable: '0+' }),
      }),
    }),
  },
);

export const produceResponse = message(
  'ProduceResponse',
  { versions: '0-13', flexible: '9+' },
  {
    responses: structs({
      name: string({ entity: 'topicName', in: '0-12' }),
      topicId: uuid({ entity: 'topicId', in: '13+' }),
      partitionResponses: structs({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ in: '2+', default: -1 }),
        logStartOffset: int64({ in: '5+', default: -1 }),
        recordErrors: structs(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ entity: 'message', nullable: '8+', default: null }),
          },
          { in: '8+' },
        ),
        errorMessage: string({ entity: 'message', in: '8+', nullable: '8+', default: null }),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { in: '10+', tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32({ in: '1+', default: 0 }),
    nodeEndpoints: structs(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '10+', default: null }),
      },
      { in: '10+', tag: 0 },
    ),
  },
);

export const fetchRequest = message(
  'FetchRequest',
  { versions: '4-18', flexible: '12+' },
  {
    clusterId: string({ in: '12+', nullable: '12+', tag: 0, default: null }),
    replicaId: int32({ in: '4-14', default: -1 }),
    replicaState: struct(
      {
        replicaId: int32({ default: -1 }),
        replicaEpoch: int64({ default: -1 }),
      },
      { in: '15+', tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 2147483647 }),
    isolationLevel: int8({ default: 0 }),
    sessionId: int32({ in: '7+', default: 0 }),
    sessionEpoch: int32({ in: '7+', default: -1 }),
    topics: structs({
      topic: string({ entity: 'topicName', in: '4-12' }),
      topicId: uuid({ entity: 'topicId', in: '13+' }),
      partitions: structs({
        partition: int32(),
        currentLeaderEpoch: int32({ in: '9+', default: -1 }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ in: '12+', default: -1 }),
        logStartOffset: int64({ in: '5+', default: -1 }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({ in: '17+', tag: 0 }),
        highWatermark: int64({ in: '18+', tag: 1, default: Number.MAX_SAFE_INTEGER }),
      }),
    }),
    forgottenTopicsData: structs(
      {
        topic: string({ entity: 'topicName', in: '7-12' }),
        topicId: uuid({ entity: 'topicId', in: '13+' }),
        partitions: array(int32()),
      },
      { in: '7+' },
    ),
    rackId: string({ in: '11+', default: '' }),
  },
);

export const fetchResponse = message(
  'FetchResponse',
  { versions: '4-18', flexible: '12+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16({ in: '7+' }),
    sessionId: int32({ in: '7+', default: 0 }),
    responses: structs({
      topic: string({ entity: 'topicName', in: '4-12' }),
      topicId: uuid({ entity: 'topicId', in: '13+' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ default: -1 }),
        logStartOffset: int64({ in: '5+', default: -1 }),
        divergingEpoch: struct(
          {
            epoch: int32({ default: -1 }),
            endOffset: int64({ default: -1 }),
          },
          { in: '12+', tag: 0 },
        ),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { in: '12+', tag: 1 },
        ),
        snapshotId: struct(
          {
            endOffset: int64({ default: -1 }),
            epoch: int32({ default: -1 }),
          },
          { in: '12+', tag: 2 },
        ),
        abortedTransactions: structs(
          {
            producerId: int64(),
            firstOffset: int64(),
          },
          { nullable: '4+' },
        ),
        preferredReadReplica: int32({ in: '11+', default: -1 }),
        records: records({ nullable: '4+' }),
      }),
    }),
    nodeEndpoints: structs(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: '16+', default: null }),
      },
      { in: '16+', tag: 0 },
    ),
  },
);
