/** Requests about quotas. */
import { isIP } from 'node:net';
import type { Edit, Settings } from '../../../kernel/settings-table.ts';
import type { Handler, HandlerTable } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { tenantNameOf } from './authorizer.ts';
import { QUOTA_KEYS, type Quota, type QuotaEntity, type QuotaKey, type Quotas } from './quotas.ts';
import { type Answered, GOOD, refusalOf } from './refusals.ts';
import { SettingKind } from './setting-kinds.ts';
import { CLUSTER, Operation, ResourceType } from './vocabulary.ts';

interface WireEntity {
  readonly entityType: string;
  readonly entityName: string | null;
}

const FIELDS = { user: 'user', 'client-id': 'clientId', ip: 'ip' } as const;
const Match = { Exact: 0, Default: 1, Any: 2 } as const;
const MAX_NAME_LENGTH = 1024;

const isType = (type: string): type is keyof typeof FIELDS => Object.hasOwn(FIELDS, type);
const isKey = (key: string): key is QuotaKey => Object.hasOwn(QUOTA_KEYS, key);
const invalid = (errorMessage: string): Answered => ({ errorCode: ErrorCode.INVALID_REQUEST, errorMessage });
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const nameOf = ({ user, clientId, ip, tenant }: QuotaEntity): string =>
  JSON.stringify({ user, clientId, ip, tenant });

export function keepQuotas(settings: Settings, quotas: Quotas): void {
  settings.watch(SettingKind.Quota, (name, value) => {
    const entity = JSON.parse(name) as QuotaEntity;
    quotas.set(name, value === undefined ? undefined : { entity, values: JSON.parse(decoder.decode(value)) });
  });
}

/** A string is why it is none. */
export function entityOf(parts: readonly WireEntity[], tenant: string): QuotaEntity | string {
  const entity: { user?: string | null; clientId?: string | null; ip?: string | null } = {};
  for (const { entityType, entityName } of parts) {
    if (!isType(entityType)) return `there is no entity of type ${entityType}`;
    const field = FIELDS[entityType];
    if (entity[field] !== undefined) return `the entity has two of type ${entityType}`;
    if (entityName === '') return 'the entity has an empty name';
    if ((entityName?.length ?? 0) > MAX_NAME_LENGTH) return 'the name is too long';
    if (field === 'ip' && entityName !== null && isIP(entityName) === 0) return `${entityName} is no address`;
    entity[field] = entityName;
  }
  if (parts.length === 0) return 'the entity is empty';
  if (entity.ip !== undefined && parts.length > 1) return 'an address stands alone';
  if (tenant === '') return entity;
  return entity.ip === undefined ? { ...entity, tenant } : 'addresses are not limited for a tenant';
}

interface Op {
  readonly key: string;
  readonly value: number;
  readonly remove: boolean;
}

export function faultOf(entity: QuotaEntity, ops: readonly Op[]): string | undefined {
  const wanted = entity.ip === undefined ? 'client' : 'ip';
  for (const { key, value, remove } of ops) {
    if (!isKey(key) || QUOTA_KEYS[key] !== wanted) return `there is no quota ${key} for this entity`;
    if (!remove && !(Number.isFinite(value) && value > 0)) return `${key} must be above 0`;
  }
  return new Set(ops.map(({ key }) => key)).size < ops.length ? 'a quota is there twice' : undefined;
}

function editOf(settings: Settings, entity: QuotaEntity, ops: readonly Op[]): Edit {
  const name = nameOf(entity);
  const old = settings.get(SettingKind.Quota, name);
  const values = new Map<string, number>(
    old === undefined ? [] : Object.entries(JSON.parse(decoder.decode(old))),
  );
  for (const { key, value, remove } of ops) {
    if (remove) values.delete(key);
    else values.set(key, value);
  }
  const value = values.size === 0 ? undefined : encoder.encode(JSON.stringify(Object.fromEntries(values)));
  return { kind: SettingKind.Quota, name, value };
}

export const alterClientQuotas: Handler<(typeof Apis)['alterClientQuotas']> = async (
  kafka,
  { connection, request },
) => {
  const answers = (each: (i: number) => Answered) => ({
    throttleTimeMs: 0,
    entries: request.entries.map(({ entity }, i) => ({ ...each(i), entity })),
  });
  if (!kafka.authorizer.allows(connection, Operation.AlterConfigs, ResourceType.Cluster, CLUSTER)) {
    return answers(() => ({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, errorMessage: null }));
  }
  const tenant = tenantNameOf(connection);
  const names = new Set<string>();
  const wanted = request.entries.map(({ entity: parts, ops }) => {
    const entity = entityOf(parts, tenant);
    if (typeof entity === 'string') return entity;
    const name = nameOf(entity);
    if (names.has(name)) return 'the entity is there twice';
    names.add(name);
    return faultOf(entity, ops) ?? { entity, ops };
  });
  const good = wanted.filter((each) => typeof each !== 'string');
  const outcome = request.validateOnly
    ? 'changed'
    : await kafka.settings.change(() => good.map(({ entity, ops }) => editOf(kafka.settings, entity, ops)));
  const result = refusalOf(outcome);
  return answers((i) => {
    const each = wanted[i];
    return typeof each === 'string' ? invalid(each) : result;
  });
};

interface Component {
  readonly entityType: string;
  readonly matchType: number;
  readonly match: string | null;
}

function componentFault(components: readonly Component[]): Answered | undefined {
  const types = components.map(({ entityType }) => entityType);
  const unknown = types.find((type) => !isType(type));
  if (unknown !== undefined) {
    return {
      errorCode: ErrorCode.UNSUPPORTED_VERSION,
      errorMessage: `there is no entity of type ${unknown}`,
    };
  }
  if (new Set(types).size < types.length) return invalid('a type of entity is there twice');
  if (types.includes('ip') && types.length > 1) return invalid('an address stands alone');
  for (const { matchType, match } of components) {
    if (matchType < Match.Exact || matchType > Match.Any) return invalid(`there is no match ${matchType}`);
    if (matchType === Match.Exact && (match === null || match === '')) return invalid('a match has no name');
  }
  return undefined;
}

function matchesAll({ entity }: Quota, components: readonly Component[], isStrict: boolean): boolean {
  const { tenant: _, ...parts } = entity;
  if (isStrict && Object.values(parts).filter((each) => each !== undefined).length !== components.length)
    return false;
  return components.every(({ entityType, matchType, match }) => {
    const name = isType(entityType) ? entity[FIELDS[entityType]] : undefined;
    if (name === undefined) return false;
    if (matchType === Match.Any) return true;
    return matchType === Match.Default ? name === null : name === match;
  });
}

export const describeClientQuotas: Handler<(typeof Apis)['describeClientQuotas']> = (
  kafka,
  { connection, request },
) => {
  const { components, strict } = request;
  if (!kafka.authorizer.allows(connection, Operation.DescribeConfigs, ResourceType.Cluster, CLUSTER)) {
    const errorCode = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
    return { throttleTimeMs: 0, errorCode, errorMessage: null, entries: null };
  }
  const fault = componentFault(components);
  if (fault !== undefined) return { throttleTimeMs: 0, ...fault, entries: null };
  const tenant = tenantNameOf(connection);
  const found = [...kafka.security.quotas.list()].filter(
    (quota) => (quota.entity.tenant ?? '') === tenant && matchesAll(quota, components, strict),
  );
  return {
    throttleTimeMs: 0,
    ...GOOD,
    entries: found.map(({ entity, values }) => ({
      entity: Object.entries(FIELDS).flatMap(([entityType, field]) => {
        const entityName = entity[field];
        return entityName === undefined ? [] : [{ entityType, entityName }];
      }),
      values: Object.entries(values).map(([key, value]) => ({ key, value })),
    })),
  };
};

export const quotaHandlers = { alterClientQuotas, describeClientQuotas } satisfies HandlerTable;
