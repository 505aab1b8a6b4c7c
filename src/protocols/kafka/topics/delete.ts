/** DeleteTopics. */

import type { Kafka } from '../context.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { ZERO_UUID } from '../schema/fields.ts';
import type { In } from '../schema/message.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { repeated } from './create.ts';

type DeleteTopics = (typeof Apis)['deleteTopics'];
type Answer = In<DeleteTopics['response']>['responses'][number];

interface Wanted {
  readonly name: string | null;
  readonly topicId: string;
}

async function deleteOne(kafka: Kafka, { connection }: Call<DeleteTopics>, wanted: Wanted): Promise<Answer> {
  const { name, topicId } = wanted;
  const isById = name === null;
  const topic = isById ? kafka.topics.byId(topicId) : kafka.topics.get(name);
  const failed = (errorCode: ErrorCode, errorMessage: string): Answer => ({
    name,
    topicId,
    errorCode,
    errorMessage,
  });
  const may = (operation: Operation): boolean =>
    kafka.authorizer.allows(connection, operation, ResourceType.Topic, topic?.name ?? name ?? '');
  const refusal = 'it may not delete this topic';
  if (topic === undefined) {
    if (isById) return failed(ErrorCode.UNKNOWN_TOPIC_ID, 'there is no topic with this id');
    // Who may not see it does not hear whether it is there.
    if (!may(Operation.Describe)) return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED, refusal);
    return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic');
  }
  if (!may(Operation.Describe) && isById) return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED, refusal);
  if (!may(Operation.Delete)) return failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED, refusal);
  if (topic.isConfigured) {
    return failed(ErrorCode.POLICY_VIOLATION, 'the topic is a stream of the configuration of the broker');
  }
  try {
    await kafka.topics.delete(topic);
  } catch (error) {
    kafka.logger.error({ err: error, topic: topic.name }, 'a topic could not be deleted');
    return failed(ErrorCode.KAFKA_STORAGE_ERROR, 'the topic could not be deleted');
  }
  return { name: topic.name, topicId: topic.id, errorCode: ErrorCode.NONE };
}

export const deleteTopics: Handler<DeleteTopics> = async (kafka, call) => {
  const { topics, topicNames } = call.request;
  const wanted: Wanted[] = [...topics, ...topicNames.map((name) => ({ name, topicId: ZERO_UUID }))];
  const keyOf = ({ name, topicId }: Wanted): string => (name === null ? `#${topicId}` : name);
  const twice = repeated(wanted.map(keyOf));
  const responses = await Promise.all(
    wanted
      .filter((each, at) => wanted.findIndex((other) => keyOf(other) === keyOf(each)) === at)
      .map(async (each) => {
        if (!twice.has(keyOf(each))) return deleteOne(kafka, call, each);
        const errorMessage = 'the topic is in the request more than once';
        return { ...each, errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
      }),
  );
  return { responses };
};
