/** How many topics and partitions each tenant has, and may have. Streams of the configuration are nobody's. */
import type { TenantAccounts } from '../../../security/tenants/limits.ts';
import { ownerOfKafkaTopic } from '../../../security/tenants/owners.ts';

export type TenantRefusal = 'tenant-topics' | 'tenant-partitions';

export interface TenantQuota {
  /** By the names that the broker has. Takes them, all or none. */
  take(topic: string, topics: number, partitions: number): TenantRefusal | undefined;
  /** Says only whether `take` would. */
  refusal(topic: string, topics: number, partitions: number): TenantRefusal | undefined;
  /** What was there at the start. */
  count(topic: string, partitions: number): void;
  release(topic: string, topics: number, partitions: number): void;
}

export type TopicAccounts = Pick<TenantAccounts, 'tryAdd' | 'add' | 'remove' | 'fits'>;

export function createTenantQuota(accounts: TopicAccounts): TenantQuota {
  const ownerOf = (topic: string): string => ownerOfKafkaTopic(topic).name;
  return {
    take(topic, topics, partitions) {
      const owner = ownerOf(topic);
      if (topics > 0 && !accounts.tryAdd(owner, 'topics', topics)) return 'tenant-topics';
      if (accounts.tryAdd(owner, 'partitions', partitions)) return undefined;
      accounts.remove(owner, 'topics', topics);
      return 'tenant-partitions';
    },
    refusal(topic, topics, partitions) {
      const owner = ownerOf(topic);
      if (!accounts.fits(owner, 'topics', topics)) return 'tenant-topics';
      return accounts.fits(owner, 'partitions', partitions) ? undefined : 'tenant-partitions';
    },
    count(topic, partitions) {
      accounts.add(ownerOf(topic), 'topics', 1);
      accounts.add(ownerOf(topic), 'partitions', partitions);
    },
    release(topic, topics, partitions) {
      const owner = ownerOf(topic);
      if (topics > 0) accounts.remove(owner, 'topics', topics);
      if (partitions > 0) accounts.remove(owner, 'partitions', partitions);
    },
  };
}
