/** What each tenant may have and how fast; and under which name it is measured, of which there are not more than are useful. */
import type { Clock } from '../../kernel/clock.ts';
import { TokenBucket } from '../../kernel/rate-limiter.ts';
import { createUsage, type Usage } from '../guard/usage.ts';

/** 0 is no limit. */
export interface TenantLimits {
  readonly maxConnections: number;
  readonly maxSessions: number;
  readonly maxSubscriptions: number;
  readonly maxRetained: number;
  readonly maxTopics: number;
  readonly maxPartitions: number;
  readonly maxMessagesPerSecond: number;
  readonly maxBytesPerSecond: number;
}

export interface TenantsConfig {
  /** Tenants that have something at the same time; who is of one more is refused. */
  readonly maxTenants: number;
  /** Tenants with a label of their own in metrics; the others are `other`. */
  readonly maxLabels: number;
  /** Of tenants that are not in `list`. */
  readonly limits: TenantLimits;
  readonly list: readonly ({ readonly name: string } & TenantLimits)[];
}

/** Topics and partitions are those of Kafka. */
export type TenantResource = keyof typeof KEYS;

export interface TenantRates {
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
}

export interface TenantAccounts {
  limitsOf(tenant: string): TenantLimits;
  /** Takes `count` more, all or none; always for who has no tenant. */
  tryAdd(tenant: string, resource: TenantResource, count?: number): boolean;
  /** What is there already counts, whatever there may be. */
  add(tenant: string, resource: TenantResource, count: number): void;
  remove(tenant: string, resource: TenantResource, count?: number): void;
  /** Whether `tryAdd` would take them. */
  fits(tenant: string, resource: TenantResource, count: number): boolean;
  /** Those that are configured or have something. */
  names(): ReadonlySet<string>;
  /** Whether it has limits of its own. */
  isListed(tenant: string): boolean;
  used(tenant: string, resource: TenantResource): number;
  /** undefined: without a limit. */
  ratesOf(tenant: string): TenantRates | undefined;
  /** The value of the label `tenant` in metrics. */
  label(tenant: string): string;
  /** What is counted under its label, for who counts; undefined without a tenant. Stays the same object. */
  countsOf(tenant: string): TenantCounts | undefined;
  /** By label, of all tenants that there have been since the start. */
  counts(): ReadonlyMap<string, TenantCounts>;
  refused(resource: TenantResource): number;
}

/** Of all tenants of one label. */
export interface TenantCounts {
  /** Now. */
  connections: number;
  readonly messagesReceived: Record<TenantProtocol, number>;
  readonly messagesSent: Record<TenantProtocol, number>;
  readonly refused: Record<TenantResource, number>;
  /** Publishes and subscriptions that rules did not allow. */
  denied: number;
}

export type TenantProtocol = 'mqtt' | 'kafka';

const newCounts = (): TenantCounts => ({
  connections: 0,
  messagesReceived: { mqtt: 0, kafka: 0 },
  messagesSent: { mqtt: 0, kafka: 0 },
  refused: { connections: 0, sessions: 0, subscriptions: 0, retained: 0, topics: 0, partitions: 0 },
  denied: 0,
});

const KEYS = {
  connections: 'maxConnections',
  sessions: 'maxSessions',
  subscriptions: 'maxSubscriptions',
  retained: 'maxRetained',
  topics: 'maxTopics',
  partitions: 'maxPartitions',
} as const satisfies Readonly<Record<string, keyof TenantLimits>>;

export const OTHER_TENANTS = 'other';

export function createTenantAccounts(config: TenantsConfig, clock: Clock): TenantAccounts {
  const listed = new Map<string, TenantLimits>(config.list.map((each) => [each.name, each]));
  const usages: Readonly<Record<TenantResource, Usage>> = {
    connections: createUsage(config.maxTenants),
    sessions: createUsage(config.maxTenants),
    subscriptions: createUsage(config.maxTenants),
    retained: createUsage(config.maxTenants),
    topics: createUsage(config.maxTenants),
    partitions: createUsage(config.maxTenants),
  };
  const rates = new Map<string, TenantRates>();
  // Those that are configured have theirs first; `other` is nobody's own.
  const labels = new Set(
    config.list
      .map(({ name }) => name)
      .filter((name) => name !== OTHER_TENANTS)
      .slice(0, config.maxLabels),
  );

  const byLabel = new Map<string, TenantCounts>();

  const limitsOf = (tenant: string): TenantLimits => listed.get(tenant) ?? config.limits;

  const label = (tenant: string): string => {
    if (tenant === '' || labels.has(tenant)) return tenant;
    if (tenant === OTHER_TENANTS || labels.size >= config.maxLabels) return OTHER_TENANTS;
    labels.add(tenant);
    return tenant;
  };

  const countsOf = (tenant: string): TenantCounts | undefined => {
    if (tenant === '') return undefined;
    const key = label(tenant);
    let counts = byLabel.get(key);
    if (counts === undefined) {
      counts = newCounts();
      byLabel.set(key, counts);
    }
    return counts;
  };

  return {
    limitsOf,
    tryAdd(tenant, resource, count = 1) {
      if (tenant === '') return true;
      const isTaken = usages[resource].tryAdd(tenant, limitsOf(tenant)[KEYS[resource]], count);
      const counts = countsOf(tenant);
      if (counts === undefined) return isTaken;
      if (!isTaken) counts.refused[resource]++;
      else if (resource === 'connections') counts.connections += count;
      return isTaken;
    },
    remove(tenant, resource, count = 1) {
      if (tenant === '') return;
      usages[resource].remove(tenant, count);
      const counts = resource === 'connections' ? countsOf(tenant) : undefined;
      if (counts !== undefined) counts.connections -= count;
    },
    add(tenant, resource, count) {
      if (tenant !== '') usages[resource].add(tenant, count);
    },
    fits(tenant, resource, count) {
      const limit = limitsOf(tenant)[KEYS[resource]];
      return tenant === '' || limit === 0 || usages[resource].of(tenant) + count <= limit;
    },
    isListed: (tenant) => listed.has(tenant),
    names: () =>
      new Set([...listed.keys(), ...Object.values(usages).flatMap((usage) => [...usage.owners()])]),
    used: (tenant, resource) => usages[resource].of(tenant),
    ratesOf(tenant) {
      if (tenant === '') return undefined;
      let own = rates.get(tenant);
      if (own === undefined) {
        const { maxMessagesPerSecond, maxBytesPerSecond } = limitsOf(tenant);
        if (maxMessagesPerSecond === 0 && maxBytesPerSecond === 0) return undefined;
        // Only who is connected publishes, and so many tenants may be.
        if (rates.size >= config.maxTenants) dropUnused();
        own = {
          messages: new TokenBucket(clock, maxMessagesPerSecond),
          bytes: new TokenBucket(clock, maxBytesPerSecond),
        };
        rates.set(tenant, own);
      }
      return own;
    },
    label,
    countsOf,
    counts: () => byLabel,
    refused(resource) {
      const { refused, refusedOwners } = usages[resource].counters();
      return refused + refusedOwners;
    },
  };

  function dropUnused(): void {
    for (const tenant of [...rates.keys()]) if (usages.connections.of(tenant) === 0) rates.delete(tenant);
  }
}
