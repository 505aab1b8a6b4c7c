/** Groups as administrators see them. */
import { array, bool, bytes, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const listGroupsRequest = message(
  'ListGroupsRequest',
  { versions: '0-5', flexible: '3+' },
  {
    statesFilter: array(string(), { in: '4+' }),
    typesFilter: array(string(), { in: '5+' }),
  },
);

export const listGroupsResponse = message(
  'ListGroupsResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    errorCode: int16(),
    groups: structs({
      groupId: string({ entity: 'groupId' }),
      protocolType: string(),
      groupState: string({ in: '4+' }),
      groupType: string({ in: '5+' }),
    }),
  },
);

export const describeGroupsRequest = message(
  'DescribeGroupsRequest',
  { versions: '0-6', flexible: '5+' },
  {
    groups: array(string({ entity: 'groupId' })),
    includeAuthorizedOperations: bool({ in: '3+' }),
  },
);

export const describeGroupsResponse = message(
  'DescribeGroupsResponse',
  { versions: '0-6', flexible: '5+' },
  {
    throttleTimeMs: int32({ in: '1+' }),
    groups: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', in: '6+', nullable: '6+', default: null }),
      groupId: string({ entity: 'groupId' }),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: structs({
        memberId: string(),
        groupInstanceId: string({ in: '4+', nullable: '4+', default: null }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32({ in: '3+', default: -2147483648 }),
    }),
  },
);

export const deleteGroupsRequest = message(
  'DeleteGroupsRequest',
  { versions: '0-2', flexible: '2+' },
  {
    groupsNames: array(string({ entity: 'groupId' })),
  },
);

export const deleteGroupsResponse = message(
  'DeleteGroupsResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    results: structs({
      groupId: string({ entity: 'groupId' }),
      errorCode: int16(),
    }),
  },
);
