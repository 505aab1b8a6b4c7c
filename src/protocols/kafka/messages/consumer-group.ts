/** The consumer group protocol in which the broker assigns (KIP-848). */
import { array, bool, int8, int16, int32, string, struct, structs, uuid } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const consumerGroupHeartbeatRequest = message(
  'ConsumerGroupHeartbeatRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groupId: string({ entity: 'groupId' }),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: '0+', default: null }),
    rackId: string({ nullable: '0+', default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string({ entity: 'topicName' }), { nullable: '0+', default: null }),
    subscribedTopicRegex: string({ in: '1+', nullable: '1+', default: null }),
    serverAssignor: string({ nullable: '0+', default: null }),
    topicPartitions: structs(
      {
        topicId: uuid({ entity: 'topicId' }),
        partitions: array(int32()),
      },
      { nullable: '0+', default: null },
    ),
  },
);

export const consumerGroupHeartbeatResponse = message(
  'ConsumerGroupHeartbeatResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    memberId: string({ nullable: '0+', default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: structs({
          topicId: uuid({ entity: 'topicId' }),
          partitions: array(int32()),
        }),
      },
      { nullable: '0+', default: null },
    ),
  },
);

export const consumerGroupDescribeRequest = message(
  'ConsumerGroupDescribeRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groupIds: array(string({ entity: 'groupId' })),
    includeAuthorizedOperations: bool(),
  },
);

export const consumerGroupDescribeResponse = message(
  'ConsumerGroupDescribeResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    groups: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
      groupId: string({ entity: 'groupId' }),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: structs({
        memberId: string(),
        instanceId: string({ nullable: '0+', default: null }),
        rackId: string({ nullable: '0+', default: null }),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string({ entity: 'topicName' })),
        subscribedTopicRegex: string({ nullable: '0+', default: null }),
        assignment: struct({
          topicPartitions: structs({
            topicId: uuid({ entity: 'topicId' }),
            topicName: string({ entity: 'topicName' }),
            partitions: array(int32()),
          }),
        }),
        targetAssignment: struct({
          topicPartitions: structs({
            topicId: uuid({ entity: 'topicId' }),
            topicName: string({ entity: 'topicName' }),
            partitions: array(int32()),
          }),
        }),
        memberType: int8({ in: '1+', default: -1 }),
      }),
      authorizedOperations: int32({ default: -2147483648 }),
    }),
  },
);
