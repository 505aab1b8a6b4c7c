/** What members are told of their heartbeats, by the coordinators of consumer groups and of share groups, and on the wire. */
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { type Assignment, fromAssignment } from './assignment.ts';

export type HeartbeatAnswer =
  | { readonly errorCode: number; readonly reason: string; readonly memberId?: undefined }
  | {
      readonly errorCode: 0;
      readonly memberId: string;
      readonly memberEpoch: number;
      /** Where the member has to hear of it. */
      readonly assignment: Assignment | undefined;
    };

/** The same fields for both kinds of groups. */
export type HeartbeatResponse = In<typeof Apis.consumerGroupHeartbeat.response> &
  In<typeof Apis.shareGroupHeartbeat.response>;

export const heartbeatRefused = (errorCode: number, errorMessage: string): HeartbeatResponse => ({
  throttleTimeMs: 0,
  errorCode,
  errorMessage,
  memberId: null,
  memberEpoch: 0,
  heartbeatIntervalMs: 0,
  assignment: null,
});

export function heartbeatAnswered(answer: HeartbeatAnswer, heartbeatIntervalMs: number): HeartbeatResponse {
  if (answer.memberId === undefined) return heartbeatRefused(answer.errorCode, answer.reason);
  const { memberId, memberEpoch, assignment } = answer;
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    memberId,
    memberEpoch,
    heartbeatIntervalMs,
    assignment: assignment === undefined ? null : { topicPartitions: fromAssignment(assignment) },
  };
}
