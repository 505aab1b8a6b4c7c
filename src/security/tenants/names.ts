/** Names that are not topics of MQTT, there and back: client identifiers, groups, transactional ids, topics of Kafka. */
import type { TenantTopics } from './topics.ts';

export interface TenantNames {
  /** Client identifiers, groups and transactional ids; undefined for a name that could be a tenant's and is nobody's. */
  toName(name: string): string | undefined;
  /** undefined where it is not the tenant's. */
  fromName(name: string): string | undefined;
  /** Of a topic whose name is legal in Kafka. What comes out is not, so that no client can name it. */
  toKafkaTopic(name: string): string;
  fromKafkaTopic(name: string): string | undefined;
}

export interface Tenant extends TenantTopics, TenantNames {
  readonly name: string;
}

/** No client identifier of MQTT has it; what has it in Kafka is refused to clients without a tenant. */
const MARK = '\0';
const TOPICS = '$tenant.';

const behind = (name: string, prefix: string): string | undefined =>
  name.startsWith(prefix) ? name.slice(prefix.length) : undefined;

/** What stands in front of the mark; '' where there is none. */
export const tenantBefore = (name: string): string => name.slice(0, Math.max(0, name.indexOf(MARK)));

export function clientNames(tenant: string): Pick<TenantNames, 'toName' | 'fromName'> {
  if (tenant === '') {
    const unmarked = (name: string): string | undefined => (name.includes(MARK) ? undefined : name);
    return { toName: unmarked, fromName: unmarked };
  }
  const prefix = tenant + MARK;
  return { toName: (name) => prefix + name, fromName: (name) => behind(name, prefix) };
}

/** The same address as the tenant's topic of MQTT, once `.` is `/`. */
export function kafkaNames(tenant: string): Pick<TenantNames, 'toKafkaTopic' | 'fromKafkaTopic'> {
  if (tenant === '') {
    return {
      toKafkaTopic: (name) => name,
      fromKafkaTopic: (name) => (name.startsWith(TOPICS) ? undefined : name),
    };
  }
  const prefix = `${TOPICS}${tenant}.`;
  return { toKafkaTopic: (name) => prefix + name, fromKafkaTopic: (name) => behind(name, prefix) };
}
