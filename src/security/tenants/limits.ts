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

export type TenantResource = 'connections' | 'sessions' | 'subscriptions' | 'retained';

export interface TenantRates {
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
}

export interface TenantAccounts {
  limitsOf(tenant: string): TenantLimits;
  /** Takes `count` more, all or none; always for who has no tenant. */
  tryAdd(tenant: string, resource: TenantResource, count?: number): boolean;
  remove(tenant: string, resource: TenantResource, count?: number): void;
  used(tenant: string, resource: TenantResource): number;
  /** undefined: without a limit. */
  ratesOf(tenant: string): TenantRates | undefined;
  /** The value of the label `tenant` in metrics. */
  label(tenant: string): string;
  refused(resource: TenantResource): number;
}

const KEYS: Readonly<Record<TenantResource, keyof TenantLimits>> = {
  connections: 'maxConnections',
  sessions: 'maxSessions',
  subscriptions: 'maxSubscriptions',
  retained: 'maxRetained',
};

export const OTHER_TENANTS = 'other';

export function createTenantAccounts(config: TenantsConfig, clock: Clock): TenantAccounts {
  const listed = new Map<string, TenantLimits>(config.list.map((each) => [each.name, each]));
  const usages: Readonly<Record<TenantResource, Usage>> = {
    connections: createUsage(config.maxTenants),
    sessions: createUsage(config.maxTenants),
    subscriptions: createUsage(config.maxTenants),
    retained: createUsage(config.maxTenants),
  };
  const rates = new Map<string, TenantRates>();
  // Those that are configured have theirs first; `other` is nobody's own.
  const labels = new Set(
    config.list
      .map(({ name }) => name)
      .filter((name) => name !== OTHER_TENANTS)
      .slice(0, config.maxLabels),
  );

  const limitsOf = (tenant: string): TenantLimits => listed.get(tenant) ?? config.limits;

  return {
    limitsOf,
    tryAdd: (tenant, resource, count) =>
      tenant === '' || usages[resource].tryAdd(tenant, limitsOf(tenant)[KEYS[resource]], count),
    remove(tenant, resource, count) {
      if (tenant !== '') usages[resource].remove(tenant, count);
    },
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
    label(tenant) {
      if (tenant === '' || labels.has(tenant)) return tenant;
      if (tenant === OTHER_TENANTS || labels.size >= config.maxLabels) return OTHER_TENANTS;
      labels.add(tenant);
      return tenant;
    },
    refused(resource) {
      const { refused, refusedOwners } = usages[resource].counters();
      return refused + refusedOwners;
    },
  };

  function dropUnused(): void {
    for (const tenant of [...rates.keys()]) if (usages.connections.of(tenant) === 0) rates.delete(tenant);
  }
}
