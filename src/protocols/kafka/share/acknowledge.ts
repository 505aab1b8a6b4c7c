/** ShareAcknowledge: what becomes of records that a member has, when it wants no others. */
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { acknowledgeAll } from './acknowledgements.ts';
import { admit, FINAL_EPOCH, FIRST_EPOCH, goOn, NO_LEADER } from './session-requests.ts';

type ShareAcknowledge = (typeof Apis)['shareAcknowledge'];
type Answer = In<ShareAcknowledge['response']>;
type PartitionAnswer = Answer['responses'][number]['partitions'][number];

const failed = (errorCode: ErrorCode): Answer => ({
  throttleTimeMs: 0,
  errorCode,
  responses: [],
  nodeEndpoints: [],
});

export const shareAcknowledge: Handler<ShareAcknowledge> = async (kafka, { connection, request }) => {
  const named = admit(kafka, connection, request);
  if (named.error !== undefined) return failed(named.error);
  const { shareSessionEpoch: epoch, topics, isRenewAck: isRenewal } = request;
  if (epoch === FIRST_EPOCH || epoch < FINAL_EPOCH) return failed(ErrorCode.INVALID_SHARE_SESSION_EPOCH);
  const session = goOn(kafka, named, epoch);
  if (typeof session === 'number') return failed(session);
  const acknowledged = await acknowledgeAll(kafka, connection, { ...named, topics, isRenewal });
  if (epoch === FINAL_EPOCH) kafka.shares.leave(named.group, named.member);
  const byTopic = new Map<string, PartitionAnswer[]>();
  for (const { topicId, partition, error } of acknowledged) {
    const partitions = byTopic.get(topicId) ?? [];
    byTopic.set(topicId, partitions);
    partitions.push({ partitionIndex: partition, errorCode: error, currentLeader: NO_LEADER });
  }
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    acquisitionLockTimeoutMs: kafka.shares.settingsOf(named.group).lockMs,
    responses: [...byTopic].map(([topicId, partitions]) => ({ topicId, partitions })),
    nodeEndpoints: [],
  };
};
