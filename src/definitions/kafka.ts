/** Access control lists, quotas and topics of Kafka as definitions. */
import {
  type Infer,
  integer,
  nullable,
  object,
  oneOf,
  record,
  type Schema,
  SchemaFault,
  string,
} from '../admin/schema.ts';
import type { Settings } from '../kernel/settings-table.ts';
import { faultOf as aclFault, aclOf, setAcl } from '../protocols/kafka/security/acl-requests.ts';
import type { Acl } from '../protocols/kafka/security/acls.ts';
import {
  entityOf,
  faultOf as quotaFault,
  nameOf as quotaName,
} from '../protocols/kafka/security/quota-requests.ts';
import { SettingKind } from '../protocols/kafka/security/setting-kinds.ts';
import { Operation, PatternType, Permission, ResourceType } from '../protocols/kafka/security/vocabulary.ts';
import { checkOverrides } from '../protocols/kafka/topics/configs.ts';
import { MAX_PARTITIONS } from '../protocols/kafka/topics/limits.ts';
import { topicNameFault } from '../protocols/kafka/topics/names.ts';
import type { Topic, Topics } from '../protocols/kafka/topics/topics.ts';
import type { Section, SettingsSection } from './section.ts';

const text = (description: string, maxLength = 4096) => string(description, { maxLength });
const tenant = text("Tenant; '' is none.", 255);

/** Words in place of the numbers of the protocol. */
function words(numbers: Readonly<Record<string, number>>) {
  const names = Object.keys(numbers).filter(
    (name) => name !== 'Unknown' && name !== 'Any' && name !== 'Match',
  );
  return {
    schema: oneOf(names, 'As the protocol names it.'),
    of: (number: number): string => names.find((name) => numbers[name] === number) ?? String(number),
    to: (name: string): number => numbers[name] ?? 0,
  };
}
const resourceType = words(ResourceType);
const patternType = words(PatternType);
const operation = words(Operation);
const permission = words(Permission);

const acl = object({
  principal: text('Of the form type:name.'),
  host: text('Address, or *.'),
  resourceType: resourceType.schema,
  resourceName: text('Name, or start of names.'),
  patternType: patternType.schema,
  operation: operation.schema,
  permission: permission.schema,
  tenant,
});
type AclItem = Infer<typeof acl>;

const shownAcl = (rule: Acl): AclItem => ({
  principal: rule.principal,
  host: rule.host,
  resourceType: resourceType.of(rule.resourceType),
  resourceName: rule.resourceName,
  patternType: patternType.of(rule.patternType),
  operation: operation.of(rule.operation),
  permission: permission.of(rule.permissionType),
  tenant: rule.tenant ?? '',
});

const aclFrom = (item: AclItem): Acl => ({
  principal: item.principal,
  host: item.host,
  resourceType: resourceType.to(item.resourceType),
  resourceName: item.resourceName,
  patternType: patternType.to(item.patternType),
  operation: operation.to(item.operation),
  permissionType: permission.to(item.permission),
  tenant: item.tenant,
});

/** A rule has no name but what it says: there is nothing in it that could be another. */
export const aclSection = (settings: Settings, isEnabled: boolean): SettingsSection<AclItem> => ({
  name: 'kafkaAcls',
  table: 'kafka',
  schema: acl,
  keyOf: (item) => Object.values(item).join(' ').trim(),
  meaningOf: (item) => item,
  faultOf: (item) =>
    isEnabled ? aclFault(aclFrom(item)) : 'there are no access control lists: kafka.security.authorization',
  *current() {
    for (const [name] of settings.list(SettingKind.Acl)) yield shownAcl(aclOf(name));
  },
  editOf: (item) => setAcl(aclFrom(item)),
});

const number: Schema<number> = {
  json: { type: 'number', exclusiveMinimum: 0 },
  fromJson(value, at) {
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw new SchemaFault(`${at} must be a number`);
  },
};

const entityName = nullable(text('Name; null is the default.', 1024));
const quota = object({
  entity: object({}, { user: entityName, clientId: entityName, ip: entityName }),
  tenant,
  values: record(number, 'Quotas by their names.', { maxEntries: 16 }),
});
type QuotaItem = Infer<typeof quota>;

const TYPES = { user: 'user', clientId: 'client-id', ip: 'ip' } as const;

function entityFrom({ entity, tenant: of }: QuotaItem): ReturnType<typeof entityOf> {
  const parts = Object.entries(TYPES).flatMap(([field, entityType]) => {
    const entityNamed = entity[field as keyof typeof TYPES];
    return entityNamed === undefined ? [] : [{ entityType, entityName: entityNamed }];
  });
  return entityOf(parts, of);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const quotaSection = (settings: Settings): SettingsSection<QuotaItem> => ({
  name: 'kafkaQuotas',
  table: 'kafka',
  schema: quota,
  keyOf: ({ entity, tenant: of }) =>
    [
      ...Object.keys(TYPES).flatMap((field) => {
        const value = entity[field as keyof typeof TYPES];
        return value === undefined ? [] : [`${field}=${value ?? '<default>'}`];
      }),
      ...(of === '' ? [] : [`tenant=${of}`]),
    ].join(' '),
  meaningOf: ({ values, ...item }) => ({ ...item, values: Object.entries(values).toSorted() }),
  faultOf(item) {
    const entity = entityFrom(item);
    if (typeof entity === 'string') return entity;
    const ops = Object.entries(item.values).map(([key, value]) => ({ key, value, remove: false }));
    return ops.length === 0 ? 'it limits nothing' : quotaFault(entity, ops);
  },
  *current() {
    for (const [name, value] of settings.list(SettingKind.Quota)) {
      const { tenant: of = '', ...entity } = JSON.parse(name) as QuotaItem['entity'] & { tenant?: string };
      const values = JSON.parse(decoder.decode(value)) as QuotaItem['values'];
      yield { entity, tenant: of, values: Object.fromEntries(Object.entries(values).toSorted()) };
    }
  },
  editOf(item) {
    const entity = entityFrom(item);
    if (typeof entity === 'string') throw new Error(entity);
    return {
      kind: SettingKind.Quota,
      name: quotaName(entity),
      value: encoder.encode(JSON.stringify(item.values)),
    };
  },
});

const topic = object({
  name: text('Name.', 249),
  partitions: integer('How many.', { min: 1, max: MAX_PARTITIONS }),
  configs: record(text('Value.', 65_536), 'What was set for this topic.', { maxEntries: 100 }),
});
export type TopicItem = Infer<typeof topic>;

const shownTopic = ({ name, partitions, overrides }: Topic): TopicItem => ({
  name,
  partitions: partitions.length,
  configs: Object.fromEntries([...overrides].toSorted()),
});

/** Streams of the configuration and what the broker made for itself are not among them. */
export const topicSection = (topics: Topics): Section<TopicItem> => ({
  name: 'kafkaTopics',
  schema: topic,
  keyOf: (item) => item.name,
  meaningOf: ({ configs, ...item }) => ({ ...item, configs: Object.entries(configs).toSorted() }),
  faultOf({ name, partitions, configs }) {
    const fault = topicNameFault(name) ?? checkOverrides(new Map(Object.entries(configs)));
    if (fault !== undefined) return fault;
    const known = topics.get(name);
    if (known === undefined) {
      const similar = topics.colliding(name);
      return similar && `its name cannot be told from that of ${similar.name} by all tools`;
    }
    if (known.isConfigured) return 'it is a stream of the configuration of this node';
    if (partitions < known.partitions.length) {
      return `it has ${known.partitions.length} partitions here, and they do not get fewer`;
    }
    return undefined;
  },
  *current() {
    for (const each of topics.list()) if (!each.isConfigured && !each.isInternal) yield shownTopic(each);
  },
});
