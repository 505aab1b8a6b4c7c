/**
 * Tenants: several parties on one broker that do not know of each other. Here is how what a tenant's clients name is kept apart
 * (topics, filters, client identifiers, names of Kafka), and what each tenant may have. Whose somebody is comes from the
 * credential; rules are asked with the names that clients use, before these functions.
 *
 * A topic `a/b` of tenant `acme` is the broker's `$tenant/acme/a/b`, and `$own/b` is `$tenant$/acme/$own/b`: one prefix for each
 * side of MQTT's rule that wildcards in front do not match `$`, so that the rule holds for the tenant as for everybody.
 * Guaranteed: what one tenant names is never what another, or nobody's client, can name; what comes back is as it was written.
 */
import type { Tenant } from './names.ts';
import { clientNames, kafkaNames, tenantBefore } from './names.ts';
import { tenantNameIn, tenantTopics } from './topics.ts';

export type { Tenant } from './names.ts';

const spaces = new Map<string, Tenant>();
/** Above, they are made anew: they hold nothing. */
const MAX_KEPT = 1024;

/** Letters, digits and hyphens: nothing that ends a level in any protocol. */
export const isTenantName = (text: string): boolean => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text);

const make = (name: string): Tenant => ({
  name,
  ...tenantTopics(name),
  ...clientNames(name),
  ...kafkaNames(name),
});

/** Who has none. */
export const NO_TENANT: Tenant = make('');

/** '' is who has none. Throws for what is no name of a tenant. */
export function tenantOf(name: string): Tenant {
  if (name === '') return NO_TENANT;
  let tenant = spaces.get(name);
  if (tenant === undefined) {
    if (!isTenantName(name)) throw new Error(`${JSON.stringify(name)} is no name of a tenant`);
    if (spaces.size >= MAX_KEPT) spaces.clear();
    tenant = make(name);
    spaces.set(name, tenant);
  }
  return tenant;
}

/** Whose a client identifier, group or transactional id inside is. */
export function tenantOfName(name: string): Tenant {
  const tenant = tenantBefore(name);
  return tenant === '' ? NO_TENANT : tenantOf(tenant);
}

/** Whose a topic or filter inside is; one that could be several tenants' is nobody's. */
export function tenantOfTopic(topic: Uint8Array): Tenant {
  const name = tenantNameIn(topic);
  return isTenantName(name) ? tenantOf(name) : NO_TENANT;
}
