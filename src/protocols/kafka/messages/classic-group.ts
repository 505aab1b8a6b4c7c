/** The classic group protocol: members agree on an assignment that their leader makes. */
import { array, bool, bytes, int8, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const findCoordinatorRequest = message(
  'FindCoordinatorRequest',
  { versions: '0-6', flexible: '3+' },
  {
    key: string({ entity: 'groupId', in: '0-3' }),
    keyType: int8({ in: '1+', default: 0 }),
    coordinatorKeys: array(string({ entity: 'groupId' }), { in: '4+' }),
  },
);

export const findCoordinatorResponse = message(
  'FindCoordinatorResponse',
  { versions: '0-6', flexible: '3+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    errorCode: int16({ in: '0-3' }),
    errorMessage: string({ entity: 'message', in: '1-3', nullable: '1-3' }),
    nodeId: int32({ in: '0-3' }),
    host: string({ in: '0-3' }),
    port: int32({ in: '0-3' }),
    coordinators: structs(
      {
        key: string({ entity: 'groupId' }),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '4+' }),
      },
      { in: '4+' },
    ),
  },
);

export const joinGroupRequest = message(
  'JoinGroupRequest',
  { versions: '0-9', flexible: '6+' },
  {
    groupId: string({ entity: 'groupId' }),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ in: '1+', default: -1 }),
    memberId: string(),
    groupInstanceId: string({ in: '5+', nullable: '5+', default: null }),
    protocolType: string(),
    protocols: structs({
      name: string(),
      metadata: bytes(),
    }),
    reason: string({ in: '8+', nullable: '8+', default: null }),
  },
);

export const joinGroupResponse = message(
  'JoinGroupResponse',
  { versions: '0-9', flexible: '6+' },
  {
    throttleTimeMs: int32({ in: '2+' }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ in: '7+', nullable: '7+', default: null }),
    protocolName: string({ nullable: '7+' }),
    leader: string(),
    skipAssignment: bool({ in: '9+', default: false }),
    memberId: string(),
    members: structs({
      memberId: string(),
      groupInstanceId: string({ in: '5+', nullable: '5+', default: null }),
      metadata: bytes(),
    }),
  },
);

export const syncGroupRequest = message(
  'SyncGroupRequest',
  { versions: '0-5', flexible: '4+' },
  {
    groupId: string({ entity: 'groupId' }),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ in: '3+', nullable: '3+', default: null }),
    protocolType: string({ in: '5+', nullable: '5+', default: null }),
    protocolName: string({ in: '5+', nullable: '5+', default: null }),
    assignments: structs({
      memberId: string(),
      assignment: bytes(),
    }),
  },
);

export const syncGroupResponse = message(
  'SyncGroupResponse',
  { versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    errorCode: int16(),
    protocolType: string({ in: '5+', nullable: '5+', default: null }),
    protocolName: string({ in: '5+', nullable: '5+', default: null }),
    assignment: bytes(),
  },
);

export const heartbeatRequest = message(
  'HeartbeatRequest',
  { versions: '0-4', flexible: '4+' },
  {
    groupId: string({ entity: 'groupId' }),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ in: '3+', nullable: '3+', default: null }),
  },
);

export const heartbeatResponse = message(
  'HeartbeatResponse',
  { versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    errorCode: int16(),
  },
);

export const leaveGroupRequest = message(
  'LeaveGroupRequest',
  { versions: '0-5', flexible: '4+' },
  {
    groupId: string({ entity: 'groupId' }),
    memberId: string({ in: '0-2' }),
    members: structs(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: '3+', default: null }),
        reason: string({ in: '5+', nullable: '5+', default: null }),
      },
      { in: '3+' },
    ),
  },
);

export const leaveGroupResponse = message(
  'LeaveGroupResponse',
  { versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    errorCode: int16(),
    members: structs(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: '3+' }),
        errorCode: int16(),
      },
      { in: '3+' },
    ),
  },
);
