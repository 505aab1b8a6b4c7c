/** Share groups: records handed to members one by one (KIP-932). */
import {
  array,
  bool,
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

export const shareGroupHeartbeatRequest = message(
  'ShareGroupHeartbeatRequest',
  { versions: '1', flexible: '1+' },
  {
    groupId: string({ entity: 'groupId' }),
    memberId: string(),
    memberEpoch: int32(),
    rackId: string({ nullable: '1+', default: null }),
    subscribedTopicNames: array(string({ entity: 'topicName' }), { nullable: '1+', default: null }),
  },
);

export const shareGroupHeartbeatResponse = message(
  'ShareGroupHeartbeatResponse',
  { versions: '1', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '1+', default: null }),
    memberId: string({ nullable: '1+', default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: structs({
          topicId: uuid({ entity: 'topicId' }),
          partitions: array(int32()),
        }),
      },
      { nullable: '1+', default: null },
    ),
  },
);

export const shareGroupDescribeRequest = message(
  'ShareGroupDescribeRequest',
  { versions: '1', flexible: '1+' },
  {
    groupIds: array(string({ entity: 'groupId' })),
    includeAuthorizedOperations: bool(),
  },
);

export const shareGroupDescribeResponse = message(
  'ShareGroupDescribeResponse',
  { versions: '1', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    groups: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '1+', default: null }),
      groupId: string({ entity: 'groupId' }),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: structs({
        memberId: string(),
        rackId: string({ nullable: '1+', default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string({ entity: 'topicName' })),
        assignment: struct({
          topicPartitions: structs({
            topicId: uuid({ entity: 'topicId' }),
            topicName: string({ entity: 'topicName' }),
            partitions: array(int32()),
          }),
        }),
      }),
      authorizedOperations: int32({ default: -2147483648 }),
    }),
  },
);

export const shareFetchRequest = message(
  'ShareFetchRequest',
  { versions: '1-2', flexible: '1+' },
  {
    groupId: string({ entity: 'groupId', nullable: '1+', default: null }),
    memberId: string({ nullable: '1+' }),
    shareSessionEpoch: int32(),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 2147483647 }),
    maxRecords: int32(),
    batchSize: int32(),
    shareAcquireMode: int8({ in: '2+', default: 0 }),
    isRenewAck: bool({ in: '2+', default: false }),
    topics: structs({
      topicId: uuid({ entity: 'topicId' }),
      partitions: structs({
        partitionIndex: int32(),
        acknowledgementBatches: structs({
          firstOffset: int64(),
          lastOffset: int64(),
          acknowledgeTypes: array(int8()),
        }),
      }),
    }),
    forgottenTopicsData: structs({
      topicId: uuid({ entity: 'topicId' }),
      partitions: array(int32()),
    }),
  },
);

export const shareFetchResponse = message(
  'ShareFetchResponse',
  { versions: '1-2', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '1+', default: null }),
    acquisitionLockTimeoutMs: int32(),
    responses: structs({
      topicId: uuid({ entity: 'topicId' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '1+', default: null }),
        acknowledgeErrorCode: int16(),
        acknowledgeErrorMessage: string({ entity: 'message', nullable: '1+', default: null }),
        currentLeader: struct({
          leaderId: int32(),
          leaderEpoch: int32(),
        }),
        records: records(),
        acquiredRecords: structs({
          firstOffset: int64(),
          lastOffset: int64(),
          deliveryCount: int16(),
        }),
      }),
    }),
    nodeEndpoints: structs({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullable: '1+', default: null }),
    }),
  },
);

export const shareAcknowledgeRequest = message(
  'ShareAcknowledgeRequest',
  { versions: '1-2', flexible: '1+' },
  {
    groupId: string({ entity: 'groupId', nullable: '1+', default: null }),
    memberId: string({ nullable: '1+' }),
    shareSessionEpoch: int32(),
    isRenewAck: bool({ in: '2+', default: false }),
    topics: structs({
      topicId: uuid({ entity: 'topicId' }),
      partitions: structs({
        partitionIndex: int32(),
        acknowledgementBatches: structs({
          firstOffset: int64(),
          lastOffset: int64(),
          acknowledgeTypes: array(int8()),
        }),
      }),
    }),
  },
);

export const shareAcknowledgeResponse = message(
  'ShareAcknowledgeResponse',
  { versions: '1-2', flexible: '1+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '1+', default: null }),
    acquisitionLockTimeoutMs: int32({ in: '2+' }),
    responses: structs({
      topicId: uuid({ entity: 'topicId' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '1+', default: null }),
        currentLeader: struct({
          leaderId: int32(),
          leaderEpoch: int32(),
        }),
      }),
    }),
    nodeEndpoints: structs({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullable: '1+', default: null }),
    }),
  },
);
