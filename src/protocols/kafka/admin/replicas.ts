/** Questions about replicas, to which one node has one answer: everything is led here, and nothing moves. */
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';

export const electLeaders: Handler<(typeof Apis)['electLeaders']> = (kafka, { connection, request }) => {
  const isAllowed = kafka.authorizer.allows(connection, Operation.Alter, ResourceType.Cluster, CLUSTER);
  const refused = { errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, errorMessage: null };
  const partitionResult = (topic: string, partitionId: number) => {
    if (!isAllowed) return { partitionId, ...refused };
    return kafka.topics.partition(topic, partitionId) === undefined
      ? {
          partitionId,
          errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          errorMessage: 'there is no such partition',
        }
      : {
          partitionId,
          errorCode: ErrorCode.ELECTION_NOT_NEEDED,
          errorMessage: 'its leader is the right one',
        };
  };
  return {
    throttleTimeMs: 0,
    errorCode: isAllowed ? ErrorCode.NONE : ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    // Of all partitions only those are named whose leader changes.
    replicaElectionResults: (request.topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => partitionResult(topic, partitionId)),
    })),
  };
};

export const listPartitionReassignments: Handler<(typeof Apis)['listPartitionReassignments']> = (
  kafka,
  { connection },
) => {
  const isAllowed = kafka.authorizer.allows(connection, Operation.Describe, ResourceType.Cluster, CLUSTER);
  const errorCode = isAllowed ? ErrorCode.NONE : ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
  return { throttleTimeMs: 0, errorCode, errorMessage: null, topics: [] };
};
