import { describe, expect, it } from 'vitest';
import { createBans } from '../../../src/security/guard/bans.ts';
import { createFlapping } from '../../../src/security/guard/flapping.ts';
import { createLogInThrottle, type LogInConfig } from '../../../src/security/guard/log-in-throttle.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { openSettings } from '../open-settings.ts';

const MINUTE = 60_000;
const HOME = '192.0.2.1';

function logIns(about: Partial<LogInConfig> = {}) {
  const clock = createManualClock();
  const config: LogInConfig = {
    maxFailures: 5,
    maxFailuresPerAddress: 20,
    windowMs: 5 * MINUTE,
    lockMs: 10 * MINUTE,
    maxTracked: 1000,
    ...about,
  };
  return { clock, throttle: createLogInThrottle(config, clock) };
}

describe('item 29: log-ins that fail', () => {
  it('the sixth is not looked at for ten minutes, whether there is such a user or not', async () => {
    const { clock, throttle } = logIns();
    for (let i = 0; i < 5; i++) {
      expect(throttle.waitMs('ann', HOME)).toBe(0);
      throttle.failed('ann', HOME);
    }
    expect(throttle.waitMs('ann', HOME)).toBe(10 * MINUTE);
    expect(throttle.waitMs('ann', '198.51.100.9')).toBe(10 * MINUTE);
    expect(throttle.waitMs('bob', HOME)).toBe(0);
    await clock.advance(10 * MINUTE - 1);
    expect(throttle.waitMs('ann', HOME)).toBe(1);
    await clock.advance(1);
    for (let i = 0; i < 5; i++) {
      expect(throttle.waitMs('ann', HOME)).toBe(0);
      throttle.failed('ann', HOME);
    }
    expect(throttle.waitMs('ann', HOME)).toBeGreaterThan(0);
    expect(throttle.locks()).toBe(2);
  });

  it('what is long ago does not count, nor what was before a success', async () => {
    const { clock, throttle } = logIns();
    for (let i = 0; i < 4; i++) throttle.failed('ann', HOME);
    await clock.advance(5 * MINUTE + 1);
    for (let i = 0; i < 4; i++) throttle.failed('ann', HOME);
    expect(throttle.waitMs('ann', HOME)).toBe(0);
    throttle.succeeded('ann');
    for (let i = 0; i < 4; i++) throttle.failed('ann', HOME);
    expect(throttle.waitMs('ann', HOME)).toBe(0);
    throttle.failed('ann', HOME);
    expect(throttle.waitMs('ann', HOME)).toBeGreaterThan(0);
  });

  it('a lock that ends within the window starts the count anew', async () => {
    const { clock, throttle } = logIns({ lockMs: 1000 });
    for (let i = 0; i < 5; i++) throttle.failed('ann', HOME);
    await clock.advance(1000);
    for (let i = 0; i < 4; i++) throttle.failed('ann', HOME);
    expect(throttle.waitMs('ann', HOME)).toBe(0);
    throttle.failed('ann', HOME);
    expect(throttle.waitMs('ann', HOME)).toBe(1000);
  });

  it('an address that tries many names is kept waiting, and success with one name is no excuse', () => {
    const { throttle } = logIns();
    for (let i = 0; i < 20; i++) {
      throttle.succeeded(`user-${i}`);
      throttle.failed(`user-${i}`, HOME);
    }
    expect(throttle.waitMs('new', HOME)).toBeGreaterThan(0);
    expect(throttle.waitMs(undefined, HOME)).toBeGreaterThan(0);
    expect(throttle.waitMs('new', '192.0.2.2')).toBe(0);
  });

  it('addresses of one subscriber are one', () => {
    const { throttle } = logIns();
    for (let i = 0; i < 20; i++) throttle.failed(`user-${i}`, `2001:db8:1:2::${i.toString(16)}`);
    expect(throttle.waitMs('new', '2001:db8:1:2:ffff::1')).toBeGreaterThan(0);
    expect(throttle.waitMs('new', '2001:db8:1:3::1')).toBe(0);
    const mapped = logIns().throttle;
    for (let i = 0; i < 20; i++) mapped.failed(`user-${i}`, '::ffff:192.0.2.1');
    expect(mapped.waitMs('new', HOME)).toBeGreaterThan(0);
  });

  it('with a full table names share counters: nobody gets more tries, and who is locked stays so', () => {
    const { throttle } = logIns({ maxTracked: 10, maxFailuresPerAddress: 0 });
    for (let i = 0; i < 5; i++) throttle.failed('first', HOME);
    for (let i = 0; i < 5000; i++) throttle.failed(`flood-${i}`, HOME);
    expect(throttle.waitMs('first', HOME)).toBeGreaterThan(0);
    for (let i = 0; i < 5; i++) throttle.failed('last', HOME);
    expect(throttle.waitMs('last', HOME)).toBeGreaterThan(0);
  });

  it('a full table has room again when its windows are over', async () => {
    const { clock, throttle } = logIns({ maxTracked: 10, maxFailuresPerAddress: 0 });
    for (let i = 0; i < 10; i++) throttle.failed(`old-${i}`, HOME);
    await clock.advance(5 * MINUTE + 1);
    for (let i = 0; i < 4; i++) throttle.failed('ann', HOME);
    throttle.succeeded('ann');
    for (let i = 0; i < 4; i++) throttle.failed('ann', HOME);
    expect(throttle.waitMs('ann', HOME)).toBe(0);
  });
});

describe('item 28: clients that come and go', () => {
  it('are banned after so many disconnects in the window, and let in again', async () => {
    const clock = createManualClock();
    const bans = createBans({ settings: openSettings(), clock, maxBans: 10 });
    const config = { maxDisconnects: 3, windowMs: MINUTE, banMs: 5 * MINUTE, maxClients: 2 };
    const flapping = createFlapping(config, clock, bans);
    const isBanned = (clientId: string, tenant = ''): boolean =>
      bans.ofNames({ tenant, clientId, userName: undefined }) !== undefined;
    expect(flapping.disconnected('', 'c')).toBe(false);
    await clock.advance(MINUTE + 1);
    expect(flapping.disconnected('', 'c')).toBe(false);
    expect(flapping.disconnected('', 'c')).toBe(false);
    expect(flapping.disconnected('acme', 'c')).toBe(false);
    expect(isBanned('c')).toBe(false);
    expect(flapping.disconnected('', 'c')).toBe(true);
    expect(isBanned('c')).toBe(true);
    expect(isBanned('c', 'acme')).toBe(false);
    await clock.advance(5 * MINUTE);
    expect(isBanned('c')).toBe(false);
    for (let i = 0; i < 100; i++) flapping.disconnected('', `c-${i}`);
    expect(flapping.tracked()).toBe(2);
  });

  it('are not, where that is off', () => {
    const clock = createManualClock();
    const bans = createBans({ settings: openSettings(), clock, maxBans: 10 });
    const off = createFlapping({ maxDisconnects: 0, windowMs: 1, banMs: 1, maxClients: 1 }, clock, bans);
    for (let i = 0; i < 100; i++) expect(off.disconnected('', 'c')).toBe(false);
    expect(off.tracked()).toBe(0);
  });
});
