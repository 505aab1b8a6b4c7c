import { describe, expect, it } from 'vitest';
import {
  createTenantAccounts,
  type TenantLimits,
  type TenantsConfig,
} from '../../../src/security/tenants/limits.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const NONE: TenantLimits = {
  maxConnections: 0,
  maxSessions: 0,
  maxSubscriptions: 0,
  maxRetained: 0,
  maxTopics: 0,
  maxPartitions: 0,
  maxMessagesPerSecond: 0,
  maxBytesPerSecond: 0,
};

const accounts = (config: Partial<TenantsConfig>, clock = createManualClock()) =>
  createTenantAccounts({ maxTenants: 100, maxLabels: 100, limits: NONE, list: [], ...config }, clock);

describe('item 24: what a tenant has is limited', () => {
  it('each thing by itself, all or none, and given back', () => {
    const all = accounts({
      limits: { ...NONE, maxRetained: 3 },
      list: [{ ...NONE, name: 'big', maxRetained: 5 }],
    });
    expect(all.tryAdd('acme', 'retained', 2)).toBe(true);
    expect(all.tryAdd('acme', 'retained', 2)).toBe(false);
    expect(all.tryAdd('acme', 'retained')).toBe(true);
    expect(all.used('acme', 'retained')).toBe(3);
    expect(all.tryAdd('acme', 'sessions', 1000)).toBe(true);
    expect(all.tryAdd('big', 'retained', 5)).toBe(true);
    all.remove('acme', 'retained', 2);
    expect(all.tryAdd('acme', 'retained', 2)).toBe(true);
    expect(all.refused('retained')).toBe(1);
  });

  it('one tenant more than there may be gets nothing, until another has nothing', () => {
    const all = accounts({ maxTenants: 2 });
    expect(all.tryAdd('a', 'connections')).toBe(true);
    expect(all.tryAdd('b', 'connections')).toBe(true);
    expect(all.tryAdd('c', 'connections')).toBe(false);
    expect(all.tryAdd('', 'connections')).toBe(true);
    all.remove('a', 'connections');
    expect(all.tryAdd('c', 'connections')).toBe(true);
  });

  it('rates are the tenant’s, whichever connection asks', async () => {
    const clock = createManualClock();
    const all = accounts({ limits: { ...NONE, maxMessagesPerSecond: 10 } }, clock);
    const rates = all.ratesOf('acme');
    expect(all.ratesOf('acme')).toBe(rates);
    expect(all.ratesOf('')).toBeUndefined();
    expect(rates?.messages.tryTake(10)).toBe(true);
    expect(all.ratesOf('acme')?.messages.tryTake()).toBe(false);
    expect(all.ratesOf('other')?.messages.tryTake()).toBe(true);
    await clock.advance(1000);
    expect(rates?.messages.tryTake(10)).toBe(true);
    expect(accounts({}).ratesOf('acme')).toBeUndefined();
  });

  it('counts by label what is there and what was refused', () => {
    const all = accounts({ maxLabels: 1, limits: { ...NONE, maxConnections: 1 } });
    expect(all.countsOf('')).toBeUndefined();
    for (const tenant of ['a', 'b', 'c']) expect(all.tryAdd(tenant, 'connections')).toBe(true);
    expect(all.tryAdd('c', 'connections')).toBe(false);
    all.remove('b', 'connections');
    const shown = [...all.counts()].map(([label, { connections, refused }]) => [
      label,
      connections,
      refused.connections,
    ]);
    expect(shown).toEqual([
      ['a', 1, 0],
      ['other', 1, 1],
    ]);
    expect(all.countsOf('c')).toBe(all.countsOf('b'));
  });

  it('metrics have a bounded number of labels, those of the configuration first', () => {
    const all = accounts({ maxLabels: 2, list: [{ ...NONE, name: 'known' }] });
    expect(all.label('a')).toBe('a');
    expect(all.label('b')).toBe('other');
    expect(all.label('known')).toBe('known');
    expect(all.label('a')).toBe('a');
    expect(all.label('')).toBe('');
  });
});
