/** Requests of members of share groups to their coordinator, and what such groups look like. */
import type { Kafka } from '../context.ts';
import { fromAssignment } from '../groups/assignment.ts';
import { type HeartbeatResponse, heartbeatAnswered, heartbeatRefused } from '../groups/heartbeat-answer.ts';
import type { Call, Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import type { Subject } from '../security/authorizer.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { ASSIGNOR, type ShareGroup, stateOf } from './group.ts';
import type { ShareHeartbeat } from './heartbeat.ts';

type Heartbeat = typeof Apis.shareGroupHeartbeat;
type HeartbeatCall = Call<Heartbeat>;

const JOINING_EPOCH = 0;
const LEAVING_EPOCH = -1;
/** It stands beside each record that a member has. */
const MAX_MEMBER_ID = 255;

/** What is wrong with the request itself. */
function faultOf({
  groupId,
  memberId,
  memberEpoch,
  rackId,
  subscribedTopicNames: names,
}: HeartbeatCall['request']) {
  if (memberId === '') return 'MemberId is empty.';
  if (memberId.length > MAX_MEMBER_ID) return 'MemberId is too long.';
  if (groupId === '') return 'GroupId is empty.';
  if (rackId === '') return 'RackId is empty.';
  if (memberEpoch < LEAVING_EPOCH) return `MemberEpoch is ${memberEpoch}.`;
  if (memberEpoch === JOINING_EPOCH && (names === null || names.length === 0)) {
    return 'Who joins has to subscribe to something.';
  }
  return undefined;
}

/** A group of its own kind; the identifiers of all kinds are one space. */
function groupOf(
  { shares, groups }: Kafka,
  groupId: string,
  isJoining: boolean,
): ShareGroup | HeartbeatResponse {
  const known = shares.groups.find(groupId);
  if (known !== undefined) return known;
  if (!isJoining || groups.find(groupId) !== undefined) {
    return heartbeatRefused(ErrorCode.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a share group.`);
  }
  return (
    shares.groups.open(groupId) ??
    heartbeatRefused(ErrorCode.GROUP_MAX_SIZE_REACHED, 'There are too many groups.')
  );
}

export const shareGroupHeartbeat: Handler<Heartbeat> = async (kafka, { request, connection, clientId }) => {
  const { shares, authorizer } = kafka;
  const { groupId, memberId, memberEpoch, rackId, subscribedTopicNames } = request;
  if (!authorizer.allows(connection, Operation.Read, ResourceType.Group, groupId)) {
    return heartbeatRefused(ErrorCode.GROUP_AUTHORIZATION_FAILED, 'Not allowed.');
  }
  const isHidden = (name: string): boolean =>
    !authorizer.allows(connection, Operation.Describe, ResourceType.Topic, name);
  if (subscribedTopicNames?.some(isHidden)) {
    return heartbeatRefused(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Not allowed.');
  }
  const fault = faultOf(request);
  if (fault !== undefined) return heartbeatRefused(ErrorCode.INVALID_REQUEST, fault);
  const group = groupOf(kafka, groupId, memberEpoch === JOINING_EPOCH);
  if (!('members' in group)) return group;
  const asked: ShareHeartbeat = {
    memberId,
    memberEpoch,
    rackId,
    clientId: clientId ?? '',
    clientHost: `/${connection.remoteAddress}`,
    topicNames: subscribedTopicNames ?? undefined,
  };
  const answer =
    memberEpoch === LEAVING_EPOCH ? shares.groups.leave(group, asked) : shares.groups.heartbeat(group, asked);
  // One that nobody could join is none.
  if (answer.memberId === undefined && group.epoch === 0) shares.groups.remove(group);
  const isWritten = await (group.pending ?? true);
  return isWritten
    ? heartbeatAnswered(answer, shares.settingsOf(groupId).heartbeatIntervalMs)
    : heartbeatRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'The change could not be written down.');
};

type Described = In<typeof Apis.shareGroupDescribe.response>['groups'][number];

const notDescribed = (groupId: string, errorCode: number, errorMessage: string): Described => ({
  errorCode,
  errorMessage,
  groupId,
  groupState: '',
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: '',
  members: [],
});

function describe(
  { topics, authorizer }: Kafka,
  subject: Subject,
  group: ShareGroup,
  withOperations: boolean,
): Described {
  for (const name of group.topics.keys()) {
    if (!authorizer.allows(subject, Operation.Describe, ResourceType.Topic, name)) {
      return notDescribed(group.id, ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Not allowed.');
    }
  }
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.id,
    groupState: stateOf(group),
    groupEpoch: group.epoch,
    assignmentEpoch: group.epoch,
    assignorName: ASSIGNOR,
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topicNames,
      assignment: {
        topicPartitions: fromAssignment(member.assigned).flatMap(({ topicId, partitions }) => {
          const topicName = topics.byId(topicId)?.name;
          return topicName === undefined ? [] : [{ topicId, topicName, partitions }];
        }),
      },
    })),
    ...(withOperations
      ? { authorizedOperations: authorizer.allowedOperations(subject, ResourceType.Group, group.id) }
      : {}),
  };
}

export const shareGroupDescribe: Handler<typeof Apis.shareGroupDescribe> = (
  kafka,
  { connection, request },
) => ({
  throttleTimeMs: 0,
  groups: request.groupIds.map((groupId) => {
    if (!kafka.authorizer.allows(connection, Operation.Describe, ResourceType.Group, groupId)) {
      return notDescribed(groupId, ErrorCode.GROUP_AUTHORIZATION_FAILED, 'Not allowed.');
    }
    const group = kafka.shares.groups.find(groupId);
    if (group !== undefined) return describe(kafka, connection, group, request.includeAuthorizedOperations);
    return notDescribed(groupId, ErrorCode.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a share group.`);
  }),
});
