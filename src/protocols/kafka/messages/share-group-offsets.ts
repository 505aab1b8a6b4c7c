/** Where share groups are in their partitions, for administrators. */
import { array, int16, int32, int64, string, structs, uuid } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const describeShareGroupOffsetsRequest = message(
  'DescribeShareGroupOffsetsRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groups: structs({
      groupId: string({ entity: 'groupId' }),
      topics: structs(
        {
          topicName: string({ entity: 'topicName' }),
          partitions: array(int32()),
        },
        { nullable: '0+' },
      ),
    }),
  },
);

export const describeShareGroupOffsetsResponse = message(
  'DescribeShareGroupOffsetsResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    groups: structs({
      groupId: string({ entity: 'groupId' }),
      topics: structs({
        topicName: string({ entity: 'topicName' }),
        topicId: uuid({ entity: 'topicId' }),
        partitions: structs({
          partitionIndex: int32(),
          startOffset: int64(),
          leaderEpoch: int32(),
          lag: int64({ in: '1+', default: -1 }),
          errorCode: int16(),
          errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
        }),
      }),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    }),
  },
);

export const alterShareGroupOffsetsRequest = message(
  'AlterShareGroupOffsetsRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: string({ entity: 'groupId' }),
    topics: structs({
      topicName: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
        startOffset: int64(),
      }),
    }),
  },
);

export const alterShareGroupOffsetsResponse = message(
  'AlterShareGroupOffsetsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    responses: structs({
      topicName: string({ entity: 'topicName' }),
      topicId: uuid({ entity: 'topicId' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
      }),
    }),
  },
);

export const deleteShareGroupOffsetsRequest = message(
  'DeleteShareGroupOffsetsRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: string({ entity: 'groupId' }),
    topics: structs({
      topicName: string({ entity: 'topicName' }),
    }),
  },
);

export const deleteShareGroupOffsetsResponse = message(
  'DeleteShareGroupOffsetsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    responses: structs({
      topicName: string({ entity: 'topicName' }),
      topicId: uuid({ entity: 'topicId' }),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    }),
  },
);
