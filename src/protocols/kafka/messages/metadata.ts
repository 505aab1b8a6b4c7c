/** Who and what there is: brokers, topics, partitions. */
import { array, bool, int8, int16, int32, string, struct, structs, uuid } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const metadataRequest = message(
  'MetadataRequest',
  { versions: '0-13', flexible: '9+' },
  {
    topics: structs(
      {
        topicId: uuid({ entity: 'topicId', in: '10+' }),
        name: string({ entity: 'topicName', nullable: '10+' }),
      },
      { nullable: '1+' },
    ),
    allowAutoTopicCreation: bool({ in: '4+', default: true }),
    includeClusterAuthorizedOperations: bool({ in: '8-10' }),
    includeTopicAuthorizedOperations: bool({ in: '8+' }),
  },
);

export const metadataResponse = message(
  'MetadataResponse',
  { versions: '0-13', flexible: '9+' },
  {
    throttleTimeMs: int32({ in: '3+' }),
    brokers: structs({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ in: '1+', nullable: '1+', default: null }),
    }),
    clusterId: string({ in: '2+', nullable: '2+', default: null }),
    controllerId: int32({ in: '1+', default: -1 }),
    topics: structs({
      errorCode: int16(),
      name: string({ entity: 'topicName', nullable: '12+' }),
      topicId: uuid({ entity: 'topicId', in: '10+' }),
      isInternal: bool({ in: '1+', default: false }),
      partitions: structs({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ in: '7+', default: -1 }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { in: '5+' }),
      }),
      topicAuthorizedOperations: int32({ in: '8+', default: -2147483648 }),
    }),
    clusterAuthorizedOperations: int32({ in: '8-10', default: -2147483648 }),
    errorCode: int16({ in: '13+' }),
  },
);

export const describeClusterRequest = message(
  'DescribeClusterRequest',
  { versions: '0-2', flexible: '0+' },
  {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8({ in: '1+', default: 1 }),
    includeFencedBrokers: bool({ in: '2+' }),
  },
);

export const describeClusterResponse = message(
  'DescribeClusterResponse',
  { versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    endpointType: int8({ in: '1+', default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: structs({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullable: '0+', default: null }),
      isFenced: bool({ in: '2+' }),
    }),
    clusterAuthorizedOperations: int32({ default: -2147483648 }),
  },
);

export const describeTopicPartitionsRequest = message(
  'DescribeTopicPartitionsRequest',
  { versions: '0', flexible: '0+' },
  {
    topics: structs({
      name: string({ entity: 'topicName' }),
    }),
    responsePartitionLimit: int32({ default: 2000 }),
    cursor: struct(
      {
        topicName: string({ entity: 'topicName' }),
        partitionIndex: int32(),
      },
      { nullable: '0+', default: null },
    ),
  },
);

export const describeTopicPartitionsResponse = message(
  'DescribeTopicPartitionsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    topics: structs({
      errorCode: int16(),
      name: string({ entity: 'topicName', nullable: '0+' }),
      topicId: uuid({ entity: 'topicId' }),
      isInternal: bool({ default: false }),
      partitions: structs({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ default: -1 }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        eligibleLeaderReplicas: array(int32(), { nullable: '0+', default: null }),
        lastKnownElr: array(int32(), { nullable: '0+', default: null }),
        offlineReplicas: array(int32()),
      }),
      topicAuthorizedOperations: int32({ default: -2147483648 }),
    }),
    nextCursor: struct(
      {
        topicName: string({ entity: 'topicName' }),
        partitionIndex: int32(),
      },
      { nullable: '0+', default: null },
    ),
  },
);
