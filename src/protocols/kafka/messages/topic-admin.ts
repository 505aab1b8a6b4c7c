/** Topics and their partitions: made, grown, deleted. */
import { array, bool, int8, int16, int32, string, structs, uuid } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const createTopicsRequest = message(
  'CreateTopicsRequest',
  { versions: '0-7', flexible: '5+' },
  {
    topics: structs({
      name: string({ entity: 'topicName' }),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: structs({
        partitionIndex: int32(),
        brokerIds: array(int32()),
      }),
      configs: structs({
        name: string(),
        value: string({ nullable: '0+' }),
      }),
    }),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool({ in: '1+', default: false }),
  },
);

export const createTopicsResponse = message(
  'CreateTopicsResponse',
  { versions: '0-7', flexible: '5+' },
  {
    throttleTimeMs: int32({ in: '2+' }),
    topics: structs({
      name: string({ entity: 'topicName' }),
      topicId: uuid({ entity: 'topicId', in: '7+' }),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', in: '1+', nullable: '1+' }),
      topicConfigErrorCode: int16({ in: '5+', tag: 0 }),
      numPartitions: int32({ in: '5+', default: -1 }),
      replicationFactor: int16({ in: '5+', default: -1 }),
      configs: structs(
        {
          name: string(),
          value: string({ nullable: '5+' }),
          readOnly: bool(),
          configSource: int8({ default: -1 }),
          isSensitive: bool(),
        },
        { in: '5+', nullable: '5+' },
      ),
    }),
  },
);

export const deleteTopicsRequest = message(
  'DeleteTopicsRequest',
  { versions: '0-6', flexible: '4+' },
  {
    topics: structs(
      {
        name: string({ entity: 'topicName', nullable: '6+', default: null }),
        topicId: uuid({ entity: 'topicId' }),
      },
      { in: '6+' },
    ),
    topicNames: array(string({ entity: 'topicName' }), { in: '0-5' }),
    timeoutMs: int32(),
  },
);

export const deleteTopicsResponse = message(
  'DeleteTopicsResponse',
  { versions: '0-6', flexible: '4+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    responses: structs({
      name: string({ entity: 'topicName', nullable: '6+' }),
      topicId: uuid({ entity: 'topicId', in: '6+' }),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', in: '5+', nullable: '5+', default: null }),
    }),
  },
);

export const createPartitionsRequest = message(
  'CreatePartitionsRequest',
  { versions: '0-3', flexible: '2+' },
  {
    topics: structs({
      name: string({ entity: 'topicName' }),
      count: int32(),
      assignments: structs(
        {
          brokerIds: array(int32()),
        },
        { nullable: '0+' },
      ),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
);

export const createPartitionsResponse = message(
  'CreatePartitionsResponse',
  { versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    results: structs({
      name: string({ entity: 'topicName' }),
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+', default: null }),
    }),
  },
);
