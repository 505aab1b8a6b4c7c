/** Requests about groups: where they are, which there are, what they look like, and that they go. */
import type { Kafka } from '../context.ts';
import type { HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import type { In } from '../schema/message.ts';
import { type Subject, tenantNameOf } from '../security/authorizer.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';
import { stateOf } from '../share/group.ts';
import { expectInternal } from '../topics/internal.ts';
import { metadataOf, NO_BYTES } from './classic-group.ts';
import { hasMembers } from './retention.ts';

const BATCHED_FIND_FROM = 4;
const NOT_FOUND_FROM = 6;
const OPERATIONS_FROM = 3;

const CoordinatorType = { Group: 0, Transaction: 1, Share: 2 } as const;
const SHARE_KEYS_FROM = 6;
/** By type: where Kafka would keep what the coordinator has. Tenants do not see them. */
const INTERNAL_OF = ['__consumer_offsets', '__transaction_state'] as const;

/** `group:topic:partition`, whose group may have colons. */
const isShareKey = (key: string): boolean => /^.+:[\w-]{22}:\d+$/s.test(key);

function findError(
  { authorizer }: Kafka,
  subject: Subject,
  version: number,
  type: number,
  key: string,
): number {
  if (type === CoordinatorType.Group) {
    return authorizer.allows(subject, Operation.Describe, ResourceType.Group, key)
      ? ErrorCode.NONE
      : ErrorCode.GROUP_AUTHORIZATION_FAILED;
  }
  if (type === CoordinatorType.Transaction) {
    if (key === '') return ErrorCode.INVALID_REQUEST;
    return authorizer.allows(subject, Operation.Describe, ResourceType.TransactionalId, key)
      ? ErrorCode.NONE
      : ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  if (type !== CoordinatorType.Share || version < SHARE_KEYS_FROM || !isShareKey(key)) {
    return ErrorCode.INVALID_REQUEST;
  }
  return authorizer.allows(subject, Operation.ClusterAction, ResourceType.Cluster, CLUSTER)
    ? ErrorCode.NONE
    : ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
}

type Described = In<typeof Apis.describeGroups.response>['groups'][number];

function describeGroup(
  { groups, authorizer }: Kafka,
  subject: Subject,
  version: number,
  withOperations: boolean,
  groupId: string,
): Described {
  const none = { groupId, groupState: '', protocolType: '', protocolData: '', members: [] };
  if (!authorizer.allows(subject, Operation.Describe, ResourceType.Group, groupId)) {
    return { ...none, errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
  }
  const operations = withOperations
    ? { authorizedOperations: authorizer.allowedOperations(subject, ResourceType.Group, groupId) }
    : {};
  const group = groups.find(groupId);
  if (group?.kind !== 'classic') {
    const isSaid = version >= NOT_FOUND_FROM;
    return {
      ...none,
      ...operations,
      groupState: 'Dead',
      errorCode: isSaid ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.NONE,
      errorMessage: isSaid ? `Group ${groupId} is not a classic group.` : null,
    };
  }
  const isStable = group.state === 'Stable';
  return {
    ...operations,
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map((member) => ({
      memberId: member.id,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? metadataOf(member, group.protocolName) : NO_BYTES,
      memberAssignment: member.assignment,
    })),
  };
}

/** Of all kinds. */
function* summaries(groups: Kafka['groups'], shares: Kafka['shares']) {
  for (const groupId of groups.ids()) yield { groupId, ...groups.summaryOf(groupId) };
  for (const group of shares.groups.list()) {
    yield { groupId: group.id, kind: 'share', state: stateOf(group), protocolType: 'share' };
  }
}

export const adminHandlers: HandlerTable = {
  findCoordinator(kafka, { connection, version, request }) {
    const { nodeId } = kafka.broker;
    const find = (key: string) => {
      const errorCode = findError(kafka, connection, version, request.keyType, key);
      const isFound = errorCode === ErrorCode.NONE;
      const internal = isFound ? INTERNAL_OF[request.keyType] : undefined;
      if (internal !== undefined && tenantNameOf(connection) === '') expectInternal(kafka, internal);
      return {
        key,
        errorCode,
        errorMessage: isFound ? null : 'The coordinator cannot be given.',
        nodeId: isFound ? nodeId : -1,
        host: isFound ? connection.endpoint.host : '',
        port: isFound ? connection.endpoint.port : -1,
      };
    };
    if (version >= BATCHED_FIND_FROM) return { coordinators: request.coordinatorKeys.map(find) };
    return find(request.key);
  },

  listGroups({ groups, shares, authorizer }, { connection, request }) {
    const lower = (filter: readonly string[]): Set<string> =>
      new Set(filter.map((each) => each.toLowerCase()));
    const states = lower(request.statesFilter);
    const types = lower(request.typesFilter);
    // Of a tenant's cluster there are only its groups, which each have to be asked about.
    const all =
      tenantNameOf(connection) === '' &&
      authorizer.allows(connection, Operation.Describe, ResourceType.Cluster, CLUSTER);
    const listed = [];
    for (const { groupId, protocolType, state, kind } of summaries(groups, shares)) {
      if (states.size > 0 && !states.has(state.toLowerCase())) continue;
      if (types.size > 0 && !types.has(kind)) continue;
      if (!all && !authorizer.allows(connection, Operation.Describe, ResourceType.Group, groupId)) continue;
      listed.push({ groupId, protocolType, groupState: state, groupType: kind });
    }
    return { errorCode: ErrorCode.NONE, groups: listed };
  },

  describeGroups(kafka, { connection, version, request }) {
    const withOperations = version >= OPERATIONS_FROM && request.includeAuthorizedOperations;
    return {
      groups: request.groups.map((groupId) =>
        describeGroup(kafka, connection, version, withOperations, groupId),
      ),
    };
  },

  async deleteGroups({ groups, shares, authorizer }, { connection, request }) {
    const results = request.groupsNames.map(async (groupId) => {
      if (!authorizer.allows(connection, Operation.Delete, ResourceType.Group, groupId)) {
        return { groupId, errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
      }
      const share = shares.groups.find(groupId);
      if (share !== undefined) {
        if (share.members.size > 0) return { groupId, errorCode: ErrorCode.NON_EMPTY_GROUP };
        shares.remove(share);
        const isWritten = await (share.pending ?? true);
        return { groupId, errorCode: isWritten ? ErrorCode.NONE : ErrorCode.COORDINATOR_NOT_AVAILABLE };
      }
      const group = groups.find(groupId);
      if (group === undefined) return { groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND };
      // Who has only been given an id is no member yet.
      const isInUse = group.kind === 'classic' ? group.state !== 'Empty' : hasMembers(group);
      if (isInUse) {
        return { groupId, errorCode: ErrorCode.NON_EMPTY_GROUP };
      }
      groups.remove(group);
      return new Promise<{ groupId: string; errorCode: number }>((resolve) => {
        const done = (errorCode: number): void => resolve({ groupId, errorCode });
        groups.host.answer(group, done, ErrorCode.NONE, ErrorCode.COORDINATOR_NOT_AVAILABLE);
      });
    });
    return { throttleTimeMs: 0, results: await Promise.all(results) };
  },
};
