import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGuard, type GuardConfig } from '../../../src/security/guard/guard.ts';
import { createUsage } from '../../../src/security/guard/usage.ts';
import type { TenantLimits } from '../../../src/security/tenants/limits.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { openSettings } from '../open-settings.ts';
import { principal } from '../principals.ts';

const NO_RATES = { maxMessagesPerSecond: 0, maxBytesPerSecond: 0 };
const NO_DOORS = { maxConnections: 0, maxConnectionsPerSecond: 0 };
const NO_LIMITS: TenantLimits = {
  maxConnections: 0,
  maxSessions: 0,
  maxSubscriptions: 0,
  maxRetained: 0,
  maxTopics: 0,
  maxPartitions: 0,
  maxMessagesPerSecond: 0,
  maxBytesPerSecond: 0,
};

function make(about: Partial<GuardConfig> = {}, limits: Partial<TenantLimits> = {}) {
  const clock = createManualClock();
  const guard = createGuard({
    config: {
      maxBans: 100,
      maxUsers: 100,
      flapping: { maxDisconnects: 3, windowMs: 60_000, banMs: 60_000, maxClients: 100 },
      logIn: { maxFailures: 5, maxFailuresPerAddress: 20, windowMs: 1000, lockMs: 1000, maxTracked: 100 },
      user: { maxSessions: 0, maxSubscriptions: 0, maxRetained: 0 },
      client: NO_RATES,
      address: NO_DOORS,
      listeners: [],
      ...about,
    },
    tenants: { maxTenants: 10, maxLabels: 10, limits: { ...NO_LIMITS, ...limits }, list: [] },
    settings: openSettings(),
    clock,
  });
  return { clock, guard };
}

const ban = { tenant: undefined, reason: '', by: 'ann', expiresAtMs: undefined } as const;

describe('the guard', () => {
  it('keeps banned addresses out before they say anything, and banned names once they have', async () => {
    const { guard } = make();
    await guard.bans.create({ ...ban, kind: 'network', value: '10.0.0.0/8' });
    await guard.bans.create({ ...ban, kind: 'user', value: 'bob' });
    expect(guard.enter('mqtt', '10.1.1.1')).toBe('banned');
    expect(guard.enter('mqtt', '11.1.1.1')).toBeUndefined();
    expect(guard.connected(principal({ userName: 'bob' }))).toBe('banned');
    expect(guard.connected(principal())).toBeUndefined();
    guard.close();
  });

  it('item 22: admits as many connections as an address and a listener may have, and as fast', async () => {
    const { guard, clock } = make({
      address: { maxConnections: 2, maxConnectionsPerSecond: 0 },
      listeners: [{ listener: 'ws', ...NO_RATES, maxConnections: 3, maxConnectionsPerSecond: 4 }],
    });
    expect(guard.enter('mqtt', '10.0.0.1')).toBeUndefined();
    expect(guard.enter('ws', '10.0.0.1')).toBeUndefined();
    expect(guard.enter('mqtt', '10.0.0.1')).toBe('busy');
    expect(guard.enter('ws', '10.0.0.2')).toBeUndefined();
    expect(guard.enter('ws', '10.0.0.3')).toBeUndefined();
    expect(guard.enter('ws', '10.0.0.4')).toBe('busy');
    guard.leave('ws', '10.0.0.3');
    expect(guard.enter('ws', '10.0.0.4')).toBeUndefined();
    guard.leave('ws', '10.0.0.4');
    expect(guard.enter('ws', '10.0.0.4')).toBe('throttled');
    await clock.advance(1000);
    expect(guard.enter('ws', '10.0.0.4')).toBeUndefined();
    expect(guard.rates.counters()).toEqual({ tooMany: 2, tooFast: 1, throttled: 0 });
    for (let i = 0; i < 5; i++) expect(guard.enter('mqtt', '')).toBeUndefined();
  });

  it('an address that comes back at once has not gained anything', () => {
    const { guard } = make({ address: { maxConnections: 0, maxConnectionsPerSecond: 2 } });
    for (const expected of [undefined, undefined, 'throttled', 'throttled']) {
      expect(guard.enter('mqtt', '10.0.0.1')).toBe(expected);
      if (expected === undefined) guard.leave('mqtt', '10.0.0.1');
    }
    expect(guard.enter('mqtt', '10.0.0.2')).toBeUndefined();
  });

  it('item 25: says how long to read nothing more of who is above its rate, in messages or bytes', async () => {
    const { guard, clock } = make(
      {
        client: { maxMessagesPerSecond: 100, maxBytesPerSecond: 10_000 },
        listeners: [{ listener: 'slow', ...NO_DOORS, maxMessagesPerSecond: 10, maxBytesPerSecond: 0 }],
      },
      { maxBytesPerSecond: 1000 },
    );
    const free = guard.meterOf(principal());
    expect(free?.charge(100, 5000)).toBe(0);
    expect(free?.charge(50, 0)).toBe(500);
    const [one, two] = [
      guard.meterOf(principal({ listener: 'slow' })),
      guard.meterOf(principal({ listener: 'slow' })),
    ];
    expect(one?.charge(10, 0)).toBe(0);
    expect(two?.charge(5, 0)).toBe(500);
    const acme = guard.meterOf(principal({ tenant: 'acme' }));
    expect(acme?.charge(1, 3000)).toBe(2000);
    await clock.advance(2000);
    expect(guard.meterOf(principal({ tenant: 'acme' }))?.charge(1, 0)).toBe(0);
    expect(guard.rates.counters().throttled).toBe(3);
    expect(make().guard.meterOf(principal())).toBeUndefined();
  });

  it('item 24: users and tenants have so many sessions, subscriptions and retained messages', () => {
    const { guard } = make(
      { user: { maxSessions: 2, maxSubscriptions: 0, maxRetained: 0 } },
      { maxSessions: 3, maxConnections: 1 },
    );
    const ann = principal({ tenant: 'acme' });
    const bob = principal({ tenant: 'acme', userName: 'bob' });
    expect(guard.quotas.tryAdd(ann, 'sessions', 2)).toBe(true);
    expect(guard.quotas.tryAdd(ann, 'sessions')).toBe(false);
    expect(guard.quotas.tryAdd(bob, 'sessions', 2)).toBe(false);
    expect(guard.quotas.used(bob, 'sessions')).toBe(0);
    expect(guard.quotas.tryAdd(bob, 'sessions')).toBe(true);
    expect(guard.quotas.tryAdd(principal({ tenant: 'evil' }), 'sessions', 2)).toBe(true);
    guard.quotas.remove(ann, 'sessions', 2);
    expect(guard.quotas.tryAdd(bob, 'sessions')).toBe(true);
    expect(guard.quotas.refused('sessions')).toBe(2);

    expect(guard.connected(ann)).toBeUndefined();
    expect(guard.connected(bob)).toBe('busy');
    guard.disconnected(ann);
    expect(guard.connected(bob)).toBeUndefined();
  });

  it('item 28: disconnects of who was let in count for flapping, and the ban is told', () => {
    const { guard } = make();
    const told: string[] = [];
    guard.onBan(({ value }) => told.push(value));
    for (let i = 0; i < 3; i++) {
      expect(guard.connected(principal())).toBeUndefined();
      guard.disconnected(principal());
    }
    expect(told).toEqual(['client-1']);
    expect(guard.connected(principal())).toBe('banned');
  });

  it('looks at no credentials of who failed too often', async () => {
    const { guard, clock } = make();
    for (let i = 0; i < 5; i++) guard.logIns.failed('ann', '10.0.0.1');
    expect(guard.mayLogIn('ann', '10.0.0.1')).toBe('throttled');
    await clock.advance(1000);
    expect(guard.mayLogIn('ann', '10.0.0.1')).toBeUndefined();
  });

  it('sweeps expired bans by itself, until it is closed', async () => {
    const { guard, clock } = make();
    await guard.bans.create({ ...ban, kind: 'user', value: 'bob', expiresAtMs: clock.wallMs() + 1 });
    await clock.advance(60_000);
    expect(guard.bans.count()).toBe(0);
    guard.close();
  });
});

describe('usage', () => {
  it('counts like a map, and never above a limit', () => {
    const step = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 4 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 0, max: 6 }), (steps, limit) => {
        const usage = createUsage(3);
        const model = new Map<string, number>();
        for (const [owner, count, isMore] of steps) {
          const before = model.get(owner) ?? 0;
          if (!isMore) {
            usage.remove(owner, Math.min(before, count));
            model.set(owner, Math.max(0, before - count));
          } else {
            const owners = [...model.values()].filter((each) => each > 0).length;
            const fits = (before > 0 || owners < 3) && (limit === 0 || before + count <= limit);
            expect(usage.tryAdd(owner, limit, count)).toBe(fits);
            if (fits) model.set(owner, before + count);
          }
          expect(usage.of(owner)).toBe(model.get(owner) ?? 0);
        }
      }),
    );
  });
});
