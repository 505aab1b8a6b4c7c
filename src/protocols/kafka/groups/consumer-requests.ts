/** Requests of members of consumer groups, in which the broker assigns, and what such groups look like. */

import { parsePattern } from '../../../kernel/filter/pattern.ts';
import type { Kafka } from '../context.ts';
import type { Call, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import type { Subject } from '../security/authorizer.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { type Assignment, fromAssignment, toAssignment } from './assignment.ts';
import { ASSIGNORS } from './assignors.ts';
import { AWAY_EPOCH, assignorOf, type ConsumerGroup, stateOf } from './consumer-group.ts';
import type { ConsumerHeartbeat } from './consumer-heartbeat.ts';
import { type HeartbeatResponse, heartbeatAnswered, heartbeatRefused } from './heartbeat-answer.ts';

type HeartbeatCall = Call<typeof Apis.consumerGroupHeartbeat>;
type HeartbeatRequest = HeartbeatCall['request'];

/** From this version on a member brings its own id. */
const OWN_ID_FROM = 1;
const LEAVING_EPOCH = -1;
const CONSUMER_MEMBER = 1;
const CLASSIC_MEMBER = 0;

/** What is wrong with the request itself. */
function faultOf(version: number, request: HeartbeatRequest): string | undefined {
  const { groupId, memberId, memberEpoch, instanceId, rackId, subscribedTopicNames: names } = request;
  const isJoining = memberEpoch === 0;
  if (groupId === '') return 'GroupId is empty.';
  if (memberId === '' && (version >= OWN_ID_FROM || !isJoining)) return 'MemberId is empty.';
  if (instanceId === '') return 'InstanceId is empty.';
  if (rackId === '') return 'RackId is empty.';
  if (memberEpoch < AWAY_EPOCH) return `MemberEpoch is ${memberEpoch}.`;
  if (memberEpoch === AWAY_EPOCH && instanceId === null) return 'Only a static member can leave for a while.';
  if (!isJoining) return undefined;
  if (request.rebalanceTimeoutMs === -1) return 'Who joins has to say its rebalance timeout.';
  if (request.topicPartitions === null || request.topicPartitions.length > 0) {
    return 'Who joins has to say that it has no partitions.';
  }
  const subscribes = names !== null || (version >= OWN_ID_FROM && request.subscribedTopicRegex !== null);
  return subscribes ? undefined : 'Who joins has to subscribe to something.';
}

function readHeartbeat(
  { request, connection, clientId }: HeartbeatCall,
  memberId: string,
): ConsumerHeartbeat {
  const { rebalanceTimeoutMs, topicPartitions } = request;
  return {
    memberId,
    memberEpoch: request.memberEpoch,
    instanceId: request.instanceId,
    rackId: request.rackId,
    clientId: clientId ?? '',
    clientHost: `/${connection.remoteAddress}`,
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? undefined : rebalanceTimeoutMs,
    topicNames: request.subscribedTopicNames ?? undefined,
    regex: request.subscribedTopicRegex ?? undefined,
    assignor: request.serverAssignor ?? undefined,
    owned: topicPartitions === null ? undefined : toAssignment(topicPartitions),
  };
}

function heartbeat(kafka: Kafka, call: HeartbeatCall): HeartbeatResponse | Promise<HeartbeatResponse> {
  const { groups, authorizer } = kafka;
  const { request, version, connection } = call;
  const { groupId, memberEpoch, serverAssignor, subscribedTopicNames, subscribedTopicRegex } = request;
  if (!authorizer.allows(connection, Operation.Read, ResourceType.Group, groupId)) {
    return heartbeatRefused(ErrorCode.GROUP_AUTHORIZATION_FAILED, 'Not allowed.');
  }
  const isHidden = (name: string): boolean =>
    !authorizer.allows(connection, Operation.Describe, ResourceType.Topic, name);
  if (subscribedTopicNames?.some(isHidden)) {
    return heartbeatRefused(ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Not allowed.');
  }
  const fault = faultOf(version, request);
  if (fault !== undefined) return heartbeatRefused(ErrorCode.INVALID_REQUEST, fault);
  if (serverAssignor !== null && !ASSIGNORS.has(serverAssignor)) {
    const names = [...ASSIGNORS.keys()].join(', ');
    return heartbeatRefused(ErrorCode.UNSUPPORTED_ASSIGNOR, `${serverAssignor} is none of ${names}.`);
  }
  const pattern = subscribedTopicRegex ? parsePattern(subscribedTopicRegex) : undefined;
  if (pattern !== undefined && 'reason' in pattern) {
    return heartbeatRefused(
      ErrorCode.INVALID_REGULAR_EXPRESSION,
      `In the regular expression is ${pattern.reason}.`,
    );
  }
  const isNew = memberEpoch === 0 && !groups.isForeign(groupId);
  const group = isNew ? groups.openConsumer(groupId) : groups.find(groupId);
  if (group === undefined && isNew) {
    return heartbeatRefused(ErrorCode.GROUP_MAX_SIZE_REACHED, 'There are too many groups.');
  }
  if (group?.kind !== 'consumer') {
    return heartbeatRefused(ErrorCode.GROUP_ID_NOT_FOUND, `Group ${groupId} is not a consumer group.`);
  }
  const asked = readHeartbeat(call, request.memberId === '' ? groups.host.newId() : request.memberId);
  const isLeaving = memberEpoch === LEAVING_EPOCH || memberEpoch === AWAY_EPOCH;
  const answer = isLeaving ? groups.consumers.leave(group, asked) : groups.consumers.heartbeat(group, asked);
  const { consumerTimes, consumerHeartbeatIntervalMs } = groups.host.settings;
  const heartbeatIntervalMs = consumerTimes?.(groupId).heartbeatIntervalMs ?? consumerHeartbeatIntervalMs;
  return new Promise((resolve) => {
    groups.host.answer(
      group,
      resolve,
      heartbeatAnswered(answer, heartbeatIntervalMs),
      heartbeatRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'The change could not be written down.'),
    );
  });
}

type Described = In<typeof Apis.consumerGroupDescribe.response>['groups'][number];

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
  group: ConsumerGroup,
  withOperations: boolean,
): Described {
  const isHidden = (name: string): boolean =>
    !authorizer.allows(subject, Operation.Describe, ResourceType.Topic, name);
  for (const name of group.topics.keys()) {
    if (isHidden(name)) return notDescribed(group.id, ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Not allowed.');
  }
  const named = (assignment: Assignment) => ({
    topicPartitions: fromAssignment(assignment).flatMap(({ topicId, partitions }) => {
      const topicName = topics.byId(topicId)?.name;
      return topicName === undefined ? [] : [{ topicId, topicName, partitions }];
    }),
  });
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.id,
    groupState: stateOf(group),
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: assignorOf(group),
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topicNames,
      subscribedTopicRegex: member.regex === '' ? null : member.regex,
      assignment: named(member.assigned),
      targetAssignment: named(member.target),
      memberType: member.classic === undefined ? CONSUMER_MEMBER : CLASSIC_MEMBER,
    })),
    ...(withOperations
      ? { authorizedOperations: authorizer.allowedOperations(subject, ResourceType.Group, group.id) }
      : {}),
  };
}

export const consumerHandlers: HandlerTable = {
  consumerGroupHeartbeat: heartbeat,

  consumerGroupDescribe(kafka, { connection, request }) {
    const { groups, authorizer } = kafka;
    return {
      throttleTimeMs: 0,
      groups: request.groupIds.map((groupId) => {
        if (!authorizer.allows(connection, Operation.Describe, ResourceType.Group, groupId)) {
          return notDescribed(groupId, ErrorCode.GROUP_AUTHORIZATION_FAILED, 'Not allowed.');
        }
        const group = groups.find(groupId);
        if (group?.kind === 'consumer') {
          return describe(kafka, connection, group, request.includeAuthorizedOperations);
        }
        const reason = `Group ${groupId} is not a consumer group.`;
        return notDescribed(groupId, ErrorCode.GROUP_ID_NOT_FOUND, reason);
      }),
    };
  },
};
