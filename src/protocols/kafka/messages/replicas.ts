/** Where replicas are, for tools that ask even of one node. */
import { array, bool, int8, int16, int32, int64, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const describeLogDirsRequest = message(
  'DescribeLogDirsRequest',
  { versions: '0-4', flexible: '2+' },
  {
    topics: structs(
      {
        topic: string({ entity: 'topicName' }),
        partitions: array(int32()),
      },
      { nullable: '0+' },
    ),
  },
);

export const describeLogDirsResponse = message(
  'DescribeLogDirsResponse',
  { versions: '0-4', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16({ in: '3+' }),
    results: structs({
      errorCode: int16(),
      logDir: string(),
      topics: structs({
        name: string({ entity: 'topicName' }),
        partitions: structs({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: bool(),
        }),
      }),
      totalBytes: int64({ in: '4+', default: -1 }),
      usableBytes: int64({ in: '4+', default: -1 }),
    }),
  },
);

export const electLeadersRequest = message(
  'ElectLeadersRequest',
  { versions: '0-2', flexible: '2+' },
  {
    electionType: int8({ in: '1+' }),
    topicPartitions: structs(
      {
        topic: string({ entity: 'topicName' }),
        partitions: array(int32()),
      },
      { nullable: '0+' },
    ),
    timeoutMs: int32({ default: 60000 }),
  },
);

export const electLeadersResponse = message(
  'ElectLeadersResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16({ in: '1+' }),
    replicaElectionResults: structs({
      topic: string({ entity: 'topicName' }),
      partitionResult: structs({
        partitionId: int32(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '0+' }),
      }),
    }),
  },
);

export const listPartitionReassignmentsRequest = message(
  'ListPartitionReassignmentsRequest',
  { versions: '0', flexible: '0+' },
  {
    timeoutMs: int32({ default: 60000 }),
    topics: structs(
      {
        name: string({ entity: 'topicName' }),
        partitionIndexes: array(int32()),
      },
      { nullable: '0+', default: null },
    ),
  },
);

export const listPartitionReassignmentsResponse = message(
  'ListPartitionReassignmentsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+' }),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32()),
      }),
    }),
  },
);
