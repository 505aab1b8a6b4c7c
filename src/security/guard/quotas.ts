/** How much of what a user, and its tenant, may have. Who is anonymous is one user of its tenant. */
import type { TenantAccounts } from '../tenants/limits.ts';
import { createUsage } from './usage.ts';

/** 0 is no limit. */
export interface UserLimits {
  readonly maxSessions: number;
  readonly maxSubscriptions: number;
  readonly maxRetained: number;
}

export type UserResource = 'sessions' | 'subscriptions' | 'retained';

export interface Owner {
  readonly tenant: string;
  readonly userName: string | undefined;
}

export interface Quotas {
  /** Takes `count` more for the user and its tenant, all or none. Who was given something owes a `remove`. */
  tryAdd(owner: Owner, resource: UserResource, count?: number): boolean;
  remove(owner: Owner, resource: UserResource, count?: number): void;
  used(owner: Owner, resource: UserResource): number;
  refused(resource: UserResource): number;
}

const LIMITS: Readonly<Record<UserResource, keyof UserLimits>> = {
  sessions: 'maxSessions',
  subscriptions: 'maxSubscriptions',
  retained: 'maxRetained',
};

const nameOf = ({ tenant, userName }: Owner): string =>
  userName === undefined ? tenant : `${tenant}\0${userName}`;

export function createQuotas(limits: UserLimits, maxUsers: number, tenants: TenantAccounts): Quotas {
  const usages = {
    sessions: createUsage(maxUsers),
    subscriptions: createUsage(maxUsers),
    retained: createUsage(maxUsers),
  };
  return {
    tryAdd(owner, resource, count) {
      if (!usages[resource].tryAdd(nameOf(owner), limits[LIMITS[resource]], count)) return false;
      if (tenants.tryAdd(owner.tenant, resource, count)) return true;
      usages[resource].remove(nameOf(owner), count);
      return false;
    },
    remove(owner, resource, count) {
      usages[resource].remove(nameOf(owner), count);
      tenants.remove(owner.tenant, resource, count);
    },
    used: (owner, resource) => usages[resource].of(nameOf(owner)),
    refused(resource) {
      const { refused, refusedOwners } = usages[resource].counters();
      return refused + refusedOwners + tenants.refused(resource);
    },
  };
}
