/** Requests about access control lists. */
import type { Edit, Settings } from '../../../kernel/settings-table.ts';
import type { Caller, Kafka } from '../context.ts';
import type { Handler, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { type Acl, type AclFilter, type Acls, passes } from './acls.ts';
import { tenantNameOf } from './authorizer.ts';
import { GOOD, refusalOf } from './refusals.ts';
import { SettingKind } from './setting-kinds.ts';
import { CLUSTER, Operation, PatternType, Permission, ResourceType } from './vocabulary.ts';

const NO_AUTHORIZER = 'no access control lists: kafka.security.authorization is none';
const MAX_NAME_LENGTH = 4096;

/** The name of a rule among the settings is the rule: the same rule is there once. */
export const nameOf = (acl: Acl): string =>
  JSON.stringify([
    acl.resourceType,
    acl.resourceName,
    acl.patternType,
    acl.principal,
    acl.host,
    acl.operation,
    acl.permissionType,
    ...(acl.tenant === '' ? [] : [acl.tenant]),
  ]);

export function aclOf(name: string): Acl {
  type Fields = readonly [number, string, number, string, string, number, number, string?];
  const fields = JSON.parse(name) as Fields;
  const [resourceType, resourceName, patternType, principal, host, operation, permissionType, tenant = ''] =
    fields;
  return { resourceType, resourceName, patternType, principal, host, operation, permissionType, tenant };
}

/** Rules are in force from when their settings are. */
export function keepAcls(settings: Settings, acls: Acls): void {
  settings.watch(SettingKind.Acl, (name, value) => {
    if (value === undefined) acls.delete(name);
    else acls.set(name, aclOf(name));
  });
}

const NOTHING = new Uint8Array(0);

export const setAcl = (acl: Acl): Edit => ({ kind: SettingKind.Acl, name: nameOf(acl), value: NOTHING });

const isOneOf = (values: Readonly<Record<string, number>>, value: number): boolean =>
  value > 1 && Object.values(values).includes(value);

/** Why there can be no such rule. */
export function faultOf(acl: Acl): string | undefined {
  const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = acl;
  if (!isOneOf(ResourceType, resourceType)) return 'the type of the resource is not one';
  if (patternType !== PatternType.Literal && patternType !== PatternType.Prefixed) {
    return 'the pattern is neither literal nor prefixed';
  }
  if (resourceName === '') return 'the resource has no name';
  if (resourceType === ResourceType.Cluster && resourceName !== CLUSTER) {
    return `the only resource of type cluster is ${CLUSTER}`;
  }
  if (!isOneOf(Operation, operation)) return 'the operation is not one';
  if (!isOneOf(Permission, permissionType)) return 'the permission is neither to allow nor to deny';
  if (!/^[^:]+:./.test(principal)) return 'the principal is not of the form type:name';
  if (host === '') return 'the host is empty';
  if (Math.max(resourceName.length, principal.length, host.length) > MAX_NAME_LENGTH)
    return 'a name is too long';
  return undefined;
}

interface WireFilter {
  readonly resourceTypeFilter: number;
  readonly resourceNameFilter: string | null;
  readonly patternTypeFilter: number;
  readonly principalFilter: string | null;
  readonly hostFilter: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

/** undefined where something of it is unknown. */
function filterOf(wire: WireFilter, tenant: string): AclFilter | undefined {
  const known =
    (wire.resourceTypeFilter === 1 || isOneOf(ResourceType, wire.resourceTypeFilter)) &&
    (wire.patternTypeFilter === 1 || isOneOf(PatternType, wire.patternTypeFilter)) &&
    (wire.operation === 1 || isOneOf(Operation, wire.operation)) &&
    (wire.permissionType === 1 || isOneOf(Permission, wire.permissionType));
  if (!known) return undefined;
  return {
    resourceType: wire.resourceTypeFilter,
    resourceName: wire.resourceNameFilter,
    patternType: wire.patternTypeFilter,
    principal: wire.principalFilter,
    host: wire.hostFilter,
    operation: wire.operation,
    permissionType: wire.permissionType,
    tenant,
  };
}

function refused(kafka: Kafka, caller: Caller, operation: Operation) {
  if (kafka.security.acls === undefined) {
    return { errorCode: ErrorCode.SECURITY_DISABLED, errorMessage: NO_AUTHORIZER };
  }
  if (kafka.authorizer.allows(caller, operation, ResourceType.Cluster, CLUSTER)) return undefined;
  return { errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, errorMessage: null };
}

const UNKNOWN_FILTER = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'the filter has unknown elements',
};

export const describeAcls: Handler<(typeof Apis)['describeAcls']> = (kafka, { connection, request }) => {
  const refusal = refused(kafka, connection, Operation.Describe);
  if (refusal !== undefined) return { throttleTimeMs: 0, ...refusal, resources: [] };
  const filter = filterOf(request, tenantNameOf(connection));
  if (filter === undefined) return { throttleTimeMs: 0, ...UNKNOWN_FILTER, resources: [] };
  const resources = new Map<
    string,
    { resourceType: number; resourceName: string; patternType: number; acls: Acl[] }
  >();
  for (const [, acl] of kafka.security.acls?.list() ?? []) {
    if (!passes(filter, acl)) continue;
    const { resourceType, resourceName, patternType } = acl;
    const key = `${resourceType} ${patternType} ${resourceName}`;
    const known = resources.get(key);
    if (known === undefined) resources.set(key, { resourceType, resourceName, patternType, acls: [acl] });
    else known.acls.push(acl);
  }
  return { throttleTimeMs: 0, ...GOOD, resources: [...resources.values()] };
};

export const createAcls: Handler<(typeof Apis)['createAcls']> = async (kafka, { connection, request }) => {
  const { creations } = request;
  const refusal = refused(kafka, connection, Operation.Alter);
  if (refusal !== undefined) return { throttleTimeMs: 0, results: creations.map(() => refusal) };
  const tenant = tenantNameOf(connection);
  const wanted = creations.map(
    ({ resourcePatternType, ...rest }): Acl => ({ ...rest, patternType: resourcePatternType, tenant }),
  );
  const faults = wanted.map(faultOf);
  const good = wanted.filter((_, i) => faults[i] === undefined);
  const outcome = await kafka.settings.change(() => good.map(setAcl));
  return {
    throttleTimeMs: 0,
    results: faults.map((fault) =>
      fault === undefined
        ? refusalOf(outcome)
        : { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: fault },
    ),
  };
};

export const deleteAcls: Handler<(typeof Apis)['deleteAcls']> = async (kafka, { connection, request }) => {
  const { acls } = kafka.security;
  const refusal = refused(kafka, connection, Operation.Alter);
  if (refusal !== undefined || acls === undefined) {
    const result = { ...(refusal ?? GOOD), matchingAcls: [] };
    return { throttleTimeMs: 0, filterResults: request.filters.map(() => result) };
  }
  const tenant = tenantNameOf(connection);
  const filters = request.filters.map((each) => filterOf(each, tenant));
  let found: Acl[][] = [];
  const outcome = await kafka.settings.change(() => {
    const all = [...acls.list()].map(([, acl]) => acl);
    found = filters.map((filter) => (filter === undefined ? [] : all.filter((acl) => passes(filter, acl))));
    const names = new Set(found.flat().map(nameOf));
    return [...names].map((name) => ({ kind: SettingKind.Acl, name, value: undefined }));
  });
  const result = refusalOf(outcome);
  return {
    throttleTimeMs: 0,
    filterResults: filters.map((filter, i) =>
      filter === undefined
        ? { ...UNKNOWN_FILTER, matchingAcls: [] }
        : { ...GOOD, matchingAcls: (found[i] ?? []).map((acl) => ({ ...result, ...acl })) },
    ),
  };
};

export const aclHandlers = { describeAcls, createAcls, deleteAcls } satisfies HandlerTable;
