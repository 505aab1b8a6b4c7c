/** Requests of the members of classic groups. */
import type { Kafka } from '../context.ts';
import type { HandlerTable } from '../handlers.ts';
import { ErrorCode } from '../messages/errors.ts';
import { Operation, ResourceType } from '../security/vocabulary.ts';
import { failedJoin, failedSync, type JoinResponse } from './classic-group.ts';
import { abandonJoin, type JoinRequest, joinGroup } from './classic-join.ts';
import { heartbeat, type Leaving, leaveGroup, type SyncRequest, syncGroup } from './classic-members.ts';
import {
  heartbeatInConsumerGroup,
  joinConsumerGroup,
  leaveConsumerGroup,
  syncConsumerGroup,
} from './consumer-classic.ts';
import type { Group, Groups } from './groups.ts';

type Refusable = Pick<Kafka, 'authorizer'>;

/** What a request of a member is refused with before its group is looked at. */
function refusal(
  { authorizer }: Refusable,
  connection: Parameters<Kafka['authorizer']['allows']>[0],
  groupId: string,
): number {
  if (!authorizer.allows(connection, Operation.Read, ResourceType.Group, groupId)) {
    return ErrorCode.GROUP_AUTHORIZATION_FAILED;
  }
  return groupId === '' ? ErrorCode.INVALID_GROUP_ID : ErrorCode.NONE;
}

const isUnused = (groups: Groups, groupId: string): boolean => groups.find(groupId) === undefined;

/** From this version on newcomers come back with the id that they were given. */
const MEMBER_ID_REQUIRED_FROM = 4;
const SKIP_ASSIGNMENT_FROM = 9;
const NULL_PROTOCOL_FROM = 7;
const BATCHED_LEAVE_FROM = 3;

function leave(groups: Groups, group: Group | undefined, leaving: readonly Leaving[]): readonly number[] {
  if (group === undefined) return leaving.map(() => ErrorCode.UNKNOWN_MEMBER_ID);
  if (group.kind === 'classic') return leaveGroup(groups.host, group, leaving);
  return leaveConsumerGroup(groups.consumers, group, leaving);
}

export const memberHandlers: HandlerTable = {
  joinGroup(kafka, { connection, version, clientId, request }) {
    const { groups } = kafka;
    const { groupId, memberId, sessionTimeoutMs, rebalanceTimeoutMs } = request;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = groups.host.settings;
    const noProtocol = version < NULL_PROTOCOL_FROM ? '' : null;
    const refuse = (errorCode: number) => ({ ...failedJoin(memberId, errorCode), protocolName: noProtocol });
    const refused = refusal(kafka, connection, groupId);
    if (refused !== ErrorCode.NONE) return refuse(refused);
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return refuse(ErrorCode.INVALID_SESSION_TIMEOUT);
    }
    if (memberId !== '' && isUnused(groups, groupId)) return refuse(ErrorCode.UNKNOWN_MEMBER_ID);
    if (groups.isForeign(groupId)) return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    const group = groups.openClassic(groupId);
    if (group === undefined) return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED);
    return new Promise((resolve) => {
      let unwatch = (): void => {};
      const reply = (response: JoinResponse): void => {
        unwatch();
        resolve({ ...response, protocolName: response.protocolName ?? noProtocol });
      };
      const joining: JoinRequest = {
        memberId,
        instanceId: request.groupInstanceId,
        clientId: clientId ?? '',
        clientHost: `/${connection.remoteAddress}`,
        sessionTimeoutMs,
        rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
        protocolType: request.protocolType,
        protocols: request.protocols,
        requiresMemberId: version >= MEMBER_ID_REQUIRED_FROM,
        canSkipAssignment: version >= SKIP_ASSIGNMENT_FROM,
      };
      if (group.kind === 'consumer') {
        joinConsumerGroup(groups.host, groups.consumers, group, joining, reply);
        return;
      }
      unwatch = connection.onClose(() => abandonJoin(groups.host, group, reply));
      joinGroup(groups.host, group, joining, reply);
    });
  },

  syncGroup(kafka, { connection, request }) {
    const { groups } = kafka;
    const refused = refusal(kafka, connection, request.groupId);
    if (refused !== ErrorCode.NONE) return failedSync(refused);
    const group = groups.find(request.groupId);
    if (group === undefined) return failedSync(ErrorCode.UNKNOWN_MEMBER_ID);
    const { memberId, groupInstanceId, generationId, protocolType, protocolName, assignments } = request;
    const asked: SyncRequest = {
      memberId,
      instanceId: groupInstanceId,
      generation: generationId,
      protocolType,
      protocolName,
      assignments,
    };
    return new Promise((resolve) => {
      if (group.kind === 'classic') syncGroup(groups.host, group, asked, resolve);
      else syncConsumerGroup(groups.host, groups.consumers, group, asked, resolve);
    });
  },

  heartbeat(kafka, { connection, request }) {
    const { groups } = kafka;
    const { groupId, memberId, groupInstanceId, generationId } = request;
    const refused = refusal(kafka, connection, groupId);
    if (refused !== ErrorCode.NONE) return { errorCode: refused };
    const group = groups.find(groupId);
    if (group === undefined) return { errorCode: ErrorCode.UNKNOWN_MEMBER_ID };
    const asked = { memberId, instanceId: groupInstanceId, generation: generationId };
    return {
      errorCode:
        group.kind === 'classic'
          ? heartbeat(group, asked)
          : heartbeatInConsumerGroup(groups.consumers, group, asked),
    };
  },

  leaveGroup(kafka, { connection, version, request }) {
    const { groups } = kafka;
    const refused = refusal(kafka, connection, request.groupId);
    if (refused !== ErrorCode.NONE) return { errorCode: refused, members: [] };
    const isBatched = version >= BATCHED_LEAVE_FROM;
    const leaving = isBatched
      ? request.members.map(({ memberId, groupInstanceId }) => ({ memberId, instanceId: groupInstanceId }))
      : [{ memberId: request.memberId, instanceId: null }];
    const group = groups.find(request.groupId);
    const errors = leave(groups, group, leaving);
    if (!isBatched) return { errorCode: errors[0] };
    return {
      errorCode: ErrorCode.NONE,
      members: leaving.map(({ memberId, instanceId }, i) => ({
        memberId,
        groupInstanceId: instanceId,
        errorCode: errors[i],
      })),
    };
  },
};
