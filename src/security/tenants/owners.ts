/** Whose a name is that the broker keeps, and how its owner's clients write it. */
import { isTenantName, NO_TENANT, type Tenant, tenantOf } from './tenants.ts';

const KAFKA_TOPIC = /^\$tenant\.([^.]+)\./;

const known = (name: string | undefined): Tenant =>
  name !== undefined && isTenantName(name) ? tenantOf(name) : NO_TENANT;

/** Of a topic of Kafka; what has no tenant is the one without a name. */
export const ownerOfKafkaTopic = (topic: string): Tenant =>
  topic.startsWith('$') ? known(KAFKA_TOPIC.exec(topic)?.[1]) : NO_TENANT;

/** Of a group or a transactional id. */
export function ownerOfName(name: string): Tenant {
  const end = name.indexOf('\0');
  return end < 0 ? NO_TENANT : known(name.slice(0, end));
}

export const kafkaTopicAsWritten = (topic: string): string =>
  ownerOfKafkaTopic(topic).fromKafkaTopic(topic) ?? topic;

export const nameAsWritten = (name: string): string => ownerOfName(name).fromName(name) ?? name;
