/** Where a partition starts, ends and was at a time; moving its start. */
import { array, int8, int16, int32, int64, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const listOffsetsRequest = message(
  'ListOffsetsRequest',
  { versions: '0-11', flexible: '6+' },
  {
    replicaId: int32(),
    isolationLevel: int8({ in: '2+' }),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ in: '4+', default: -1 }),
        timestamp: int64(),
        maxNumOffsets: int32({ in: '0', default: 1 }),
      }),
    }),
    timeoutMs: int32({ in: '10+' }),
  },
);

export const listOffsetsResponse = message(
  'ListOffsetsResponse',
  { versions: '0-11', flexible: '6+' },
  {
    throttleTimeMs: int32({ in: '2+' }),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        oldStyleOffsets: array(int64(), { in: '0' }),
        timestamp: int64({ in: '1+', default: -1 }),
        offset: int64({ in: '1+', default: -1 }),
        leaderEpoch: int32({ in: '4+', default: -1 }),
      }),
    }),
  },
);

export const offsetForLeaderEpochRequest = message(
  'OffsetForLeaderEpochRequest',
  { versions: '0-4', flexible: '4+' },
  {
    replicaId: int32({ in: '3+', default: -2 }),
    topics: structs({
      topic: string({ entity: 'topicName' }),
      partitions: structs({
        partition: int32(),
        currentLeaderEpoch: int32({ in: '2+', default: -1 }),
        leaderEpoch: int32(),
      }),
    }),
  },
);

export const offsetForLeaderEpochResponse = message(
  'OffsetForLeaderEpochResponse',
  { versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: int32({ in: '2+' }),
    topics: structs({
      topic: string({ entity: 'topicName' }),
      partitions: structs({
        errorCode: int16(),
        partition: int32(),
        leaderEpoch: int32({ in: '1+', default: -1 }),
        endOffset: int64({ default: -1 }),
      }),
    }),
  },
);

export const deleteRecordsRequest = message(
  'DeleteRecordsRequest',
  { versions: '0-2', flexible: '2+' },
  {
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        offset: int64(),
      }),
    }),
    timeoutMs: int32(),
  },
);

export const deleteRecordsResponse = message(
  'DeleteRecordsResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        lowWatermark: int64(),
        errorCode: int16(),
      }),
    }),
  },
);
