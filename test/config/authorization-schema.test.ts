import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { defaultConfig, loadConfig } from '../../src/config/load.ts';
import { createAuthorization } from '../../src/security/authorization/authorization.ts';
import { configuredRules } from '../../src/security/authorization/configured-rules.ts';
import { createGuard } from '../../src/security/guard/guard.ts';
import { placeholder } from '../security/authorization/fixture.ts';
import { openSettings } from '../security/open-settings.ts';
import { principal } from '../security/principals.ts';
import { createManualClock } from '../support/manual-clock.ts';

async function problems(...sets: string[]): Promise<string> {
  const loaded = await loadConfig({ sets });
  return loaded.ok ? '' : loaded.problems.map(({ path, reason }) => `${path} ${reason}`).join();
}

async function configOf(...sets: string[]): Promise<Config> {
  const loaded = await loadConfig({ sets });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ reason }) => reason).join());
  return loaded.config;
}

const own = placeholder('username');

describe('configuration of authorization', () => {
  it('becomes rules, in which what is empty is no condition', async () => {
    const rules = [
      { effect: 'allow', actions: ['publish', 'subscribe'], filters: [`u/${own}/#`], clients: 'named' },
      { effect: 'deny', actions: ['publish'], filters: ['u/+/secret'], networks: ['10.0.0.0/8'] },
    ];
    const config = await configOf(`authorization.rules=${JSON.stringify(rules)}`);
    expect(configuredRules(config.authorization).rules[0]).toEqual({
      effect: 'allow',
      actions: ['publish', 'subscribe'],
      filters: [`u/${own}/#`],
      isAnonymous: false,
    });
    const authorization = createAuthorization({
      config: configuredRules(config.authorization),
      settings: openSettings(),
      isOpenListener: () => false,
    });
    expect(authorization.mayPublish(principal(), 'u/ann/secret')).toBe(true);
    expect(authorization.mayPublish(principal({ remoteAddress: '10.1.1.1' }), 'u/ann/secret')).toBe(false);
    expect(authorization.mayPublish(principal({ userName: undefined }), 'u/ann/x')).toBe(false);
  });

  it('a rule that forgets its effect denies', async () => {
    const config = await configOf('authorization.rules=[{"actions":["publish"],"filters":["a"]}]');
    expect(config.authorization.rules[0]?.effect).toBe('deny');
  });

  it('says what is wrong with rules, limits and tenants', async () => {
    const rule = (text: string): Promise<string> => problems(`authorization.rules=[${text}]`);
    expect(await rule('{"filters":["a"]}')).toMatch(/entry 0 needs actions/);
    expect(await rule('{"actions":["publish"]}')).toMatch(/entry 0 needs filters/);
    expect(await rule('{"actions":["publish"],"filters":["a/#/b"]}')).toMatch(/expected a topic filter/);
    expect(await rule(`{"actions":["publish"],"filters":["x-${own}"]}`)).toMatch(/expected a topic filter/);
    expect(await rule('{"actions":["read"],"filters":["a"]}')).toMatch(/one of publish, subscribe, manage/);
    expect(await rule('{"actions":["publish"],"filters":["a"],"user":["ann"]}')).toMatch(
      /did you mean users/,
    );
    expect(await rule('{"actions":["publish"],"filters":["a"],"listeners":["mqt"]}')).toMatch(
      /mqt is no listener/,
    );
    expect(await problems('guard.listeners=[{"listener":"x"}]')).toMatch(/entry 0 needs a listener/);
    expect(await problems('tenants.list=[{"name":"a"},{"name":"a"}]')).toMatch(/name of another/);
    expect(await problems('tenants.list=[{"name":"a.b"}]')).toMatch(/small letters/);
  });
});

describe('configuration of the guard', () => {
  it('keeps nobody out by default, and is what the guard is made of', () => {
    const { guard: config, tenants } = defaultConfig();
    const guard = createGuard({ config, tenants, settings: openSettings(), clock: createManualClock() });
    for (let i = 0; i < 1000; i++) {
      expect(guard.enter('mqtt', '10.0.0.1')).toBeUndefined();
      expect(guard.connected(principal({ tenant: 'acme' }))).toBeUndefined();
      expect(guard.quotas.tryAdd(principal(), 'retained')).toBe(true);
      guard.disconnected(principal({ tenant: 'acme' }));
    }
    expect(guard.meterOf(principal())).toBeUndefined();
    expect(guard.bans.count()).toBe(0);
    guard.close();
  });
});
