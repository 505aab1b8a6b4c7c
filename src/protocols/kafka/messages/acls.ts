/** Who may do what. */
import { int8, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const describeAclsRequest = message(
  'DescribeAclsRequest',
  { versions: '0-3', flexible: '2+' },
  {
    resourceTypeFilter: int8(),
    resourceNameFilter: string({ nullable: '0+' }),
    patternTypeFilter: int8({ in: '1+', default: 3 }),
    principalFilter: string({ nullable: '0+' }),
    hostFilter: string({ nullable: '0+' }),
    operation: int8(),
    permissionType: int8(),
  },
);

export const describeAclsResponse = message(
  'DescribeAclsResponse',
  { versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+' }),
    resources: structs({
      resourceType: int8(),
      resourceName: string(),
      patternType: int8({ in: '1+', default: 3 }),
      acls: structs({
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
);

export const createAclsRequest = message(
  'CreateAclsRequest',
  { versions: '0-3', flexible: '2+' },
  {
    creations: structs({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8({ in: '1+', default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  },
);

export const createAclsResponse = message(
  'CreateAclsResponse',
  { versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    results: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
    }),
  },
);

export const deleteAclsRequest = message(
  'DeleteAclsRequest',
  { versions: '0-3', flexible: '2+' },
  {
    filters: structs({
      resourceTypeFilter: int8(),
      resourceNameFilter: string({ nullable: '0+' }),
      patternTypeFilter: int8({ in: '1+', default: 3 }),
      principalFilter: string({ nullable: '0+' }),
      hostFilter: string({ nullable: '0+' }),
      operation: int8(),
      permissionType: int8(),
    }),
  },
);

export const deleteAclsResponse = message(
  'DeleteAclsResponse',
  { versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32(),
    filterResults: structs({
      errorCode: int16(),
      errorMessage: string({ entity: 'message', nullable: '0+' }),
      matchingAcls: structs({
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '0+' }),
        resourceType: int8(),
        resourceName: string(),
        patternType: int8({ in: '1+', default: 3 }),
        principal: string(),
        host: string(),
        operation: int8(),
        permissionType: int8(),
      }),
    }),
  },
);
