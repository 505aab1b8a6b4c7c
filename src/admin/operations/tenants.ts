/** Tenants: what each has, and may have. */
import type { SecurityParts } from '../node-view.ts';
import { found, named, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { boolean, type Infer, integer, object, string } from '../schema.ts';

const RESOURCES = [
  ['connections', 'maxConnections'],
  ['sessions', 'maxSessions'],
  ['subscriptions', 'maxSubscriptions'],
  ['retained', 'maxRetained'],
  ['topics', 'maxTopics'],
  ['partitions', 'maxPartitions'],
] as const;

const most = (what: string) => integer(`Most ${what}; 0 is no limit.`);

export const tenantView = object({
  name: string('Name.'),
  isConfigured: boolean('Whether it stands in tenants.list; others have the limits of tenants.limits.'),
  connections: integer('Connections now.'),
  sessions: integer('Sessions.'),
  subscriptions: integer('Subscriptions, of all sessions.'),
  retained: integer('Retained messages that were set since the start.'),
  topics: integer('Topics of Kafka.'),
  partitions: integer('Partitions of all its topics.'),
  maxConnections: most('connections'),
  maxSessions: most('sessions'),
  maxSubscriptions: most('subscriptions'),
  maxRetained: most('retained messages'),
  maxTopics: most('topics'),
  maxPartitions: most('partitions'),
  maxMessagesPerSecond: most('messages a second'),
  maxBytesPerSecond: most('bytes a second'),
});
export type TenantView = Infer<typeof tenantView>;

function shown({ guard: { tenants } }: SecurityParts, name: string): TenantView {
  const limits = tenants.limitsOf(name);
  const pairs = RESOURCES.flatMap(([resource, limit]) => [
    [resource, tenants.used(name, resource)],
    [limit, limits[limit]],
  ]);
  return {
    name,
    isConfigured: tenants.isListed(name),
    ...(Object.fromEntries(pairs) as Record<(typeof RESOURCES)[number][number], number>),
    maxMessagesPerSecond: limits.maxMessagesPerSecond,
    maxBytesPerSecond: limits.maxBytesPerSecond,
  };
}

export const tenantOperations = {
  tenantsList: operation({
    id: 'tenants.list',
    verb: {
      words: 'tenant list',
      examples: ['tenant list'],
      columns: ['name', 'connections', 'sessions', 'subscriptions', 'retained', 'topics', 'partitions'],
      usualLimit: 1000,
    },
    method: 'GET',
    path: '/tenants',
    summary: 'Tenants that are configured or have something, with what they have and may have.',
    scope: 'clients:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(tenantView),
    async run({ security }, input) {
      const { limit, after } = pageRequest('tenants.list', input);
      const names = [...security.guard.tenants.names()]
        .filter((name) => after === undefined || name > after)
        .toSorted();
      const items = names.slice(0, limit).map((name) => shown(security, name));
      const last = items.at(-1)?.name;
      const page = names.length > limit && last !== undefined ? { items, next: last } : { items };
      return shownPage('tenants.list', page, same);
    },
  }),
  tenantsShow: operation({
    id: 'tenants.show',
    verb: { words: 'tenant show', examples: ['tenant show acme'] },
    method: 'GET',
    path: '/tenants/{name}',
    summary: 'A tenant, with what it has and may have.',
    scope: 'clients:read',
    audit: 'none',
    pathParameters: { name: string('Name of a tenant.', { maxLength: 63 }) },
    output: tenantView,
    async run({ security }, { name }) {
      const isKnown = security.guard.tenants.names().has(name);
      return found(isKnown ? shown(security, name) : undefined, named('tenant', name));
    },
  }),
};
