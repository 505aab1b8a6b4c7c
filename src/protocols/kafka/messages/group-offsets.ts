/** Offsets that groups commit. */
import { array, bool, int16, int32, int64, string, structs, uuid } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const offsetCommitRequest = message(
  'OffsetCommitRequest',
  { versions: '0-10', flexible: '8+' },
  {
    groupId: string({ entity: 'groupId' }),
    generationIdOrMemberEpoch: int32({ in: '1+', default: -1 }),
    memberId: string({ in: '1+' }),
    groupInstanceId: string({ in: '7+', nullable: '7+', default: null }),
    retentionTimeMs: int64({ in: '2-4', default: -1 }),
    topics: structs({
      name: string({ entity: 'topicName', in: '0-9' }),
      topicId: uuid({ entity: 'topicId', in: '10+' }),
      partitions: structs({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ in: '6+', default: -1 }),
        commitTimestamp: int64({ in: '1', default: -1 }),
        committedMetadata: string({ nullable: '0+' }),
      }),
    }),
  },
);

export const offsetCommitResponse = message(
  'OffsetCommitResponse',
  { versions: '0-10', flexible: '8+' },
  {
    throttleTimeMs: int32({ in: '3+' }),
    topics: structs({
      name: string({ entity: 'topicName', in: '0-9' }),
      topicId: uuid({ entity: 'topicId', in: '10+' }),
      partitions: structs({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
);

export const offsetFetchRequest = message(
  'OffsetFetchRequest',
  { versions: '0-10', flexible: '6+' },
  {
    groupId: string({ entity: 'groupId', in: '0-7' }),
    topics: structs(
      {
        name: string({ entity: 'topicName' }),
        partitionIndexes: array(int32()),
      },
      { in: '0-7', nullable: '2-7' },
    ),
    groups: structs(
      {
        groupId: string({ entity: 'groupId' }),
        memberId: string({ in: '9+', nullable: '9+', default: null }),
        memberEpoch: int32({ in: '9+', default: -1 }),
        topics: structs(
          {
            name: string({ entity: 'topicName', in: '8-9' }),
            topicId: uuid({ entity: 'topicId', in: '10+' }),
            partitionIndexes: array(int32()),
          },
          { nullable: '8+' },
        ),
      },
      { in: '8+' },
    ),
    requireStable: bool({ in: '7+', default: false }),
  },
);

export const offsetFetchResponse = message(
  'OffsetFetchResponse',
  { versions: '0-10', flexible: '6+' },
  {
    throttleTimeMs: int32({ in: '3+' }),
    topics: structs(
      {
        name: string({ entity: 'topicName' }),
        partitions: structs({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32({ in: '5+', default: -1 }),
          metadata: string({ nullable: '0+' }),
          errorCode: int16(),
        }),
      },
      { in: '0-7' },
    ),
    errorCode: int16({ in: '2-7', default: 0 }),
    groups: structs(
      {
        groupId: string({ entity: 'groupId' }),
        topics: structs({
          name: string({ entity: 'topicName', in: '8-9' }),
          topicId: uuid({ entity: 'topicId', in: '10+' }),
          partitions: structs({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1 }),
            metadata: string({ nullable: '8+' }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ default: 0 }),
      },
      { in: '8+' },
    ),
  },
);

export const offsetDeleteRequest = message(
  'OffsetDeleteRequest',
  { versions: '0', flexible: 'none' },
  {
    groupId: string({ entity: 'groupId' }),
    topics: structs({
      name: string({ entity: 'topicName' }),
      partitions: structs({
        partitionIndex: int32(),
      }),
    }),
  },
);

export const offsetDeleteResponse = message(
  'OffsetDeleteResponse',
  { versions: '0', flexible: 'none' },
  {
    errorCode: int16(),
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
