import { describe, expect, it } from 'vitest';
import { createAuthorization } from '../../../src/security/authorization/authorization.ts';
import { createRoles, type NewRole } from '../../../src/security/authorization/roles.ts';
import { readRule } from '../../../src/security/authorization/rule-format.ts';
import { allScopes, includesScope } from '../../../src/security/authorization/scopes.ts';
import { SettingKind } from '../../../src/security/setting-kinds.ts';
import { openSettings } from '../open-settings.ts';
import { principal } from '../principals.ts';
import { allow, authorizationOf, deny } from './fixture.ts';

const role = (name: string, about: Partial<NewRole> = {}): NewRole => ({
  name,
  description: '',
  scopes: [],
  rules: [allow('publish', 'a')],
  ...about,
});

describe('roles', () => {
  it('are created once, changed and deleted where they are, and those built in stay', async () => {
    const roles = createRoles(openSettings(), () => undefined);
    expect(await roles.create(role('r'))).toEqual({ type: 'changed' });
    expect(await roles.create(role('r'))).toEqual({ type: 'exists' });
    expect(await roles.update(role('r', { description: 'new' }))).toEqual({ type: 'changed' });
    expect(roles.get('r')).toEqual({ ...role('r', { description: 'new' }), isBuiltIn: false });
    expect(await roles.update(role('s'))).toEqual({ type: 'missing' });
    for (const name of ['admin', 'operator', 'viewer']) {
      expect(await roles.create(role(name))).toEqual({ type: 'built-in' });
      expect(await roles.update(role(name))).toEqual({ type: 'built-in' });
      expect(await roles.delete(name)).toEqual({ type: 'built-in' });
    }
    expect(await roles.delete('r')).toEqual({ type: 'changed' });
    expect(await roles.delete('r')).toEqual({ type: 'missing' });
  });

  it('are refused with what is wrong with them', async () => {
    const roles = createRoles(openSettings(), () => undefined);
    const wrong: [Partial<NewRole> & { name?: string }, RegExp][] = [
      [{ name: 'a b' }, /name/],
      [{ scopes: ['users:fly'] }, /not a scope/],
      [{ rules: [allow('publish', 'a/#/b')] }, /rule 0: .*wildcard/],
      [{ rules: [allow('publish', 'a'), allow([], 'a')] }, /rule 1: .*actions/],
      [{ rules: [allow('publish', '$share/g/a')] }, /rules are about the topic/],
      [{ rules: [allow('publish', `x-$\{username}`)] }, /level of its own/],
      [{ rules: [deny('publish', 'a', { networks: ['10.0.0.0/33'] })] }, /not a network/],
    ];
    for (const [about, problem] of wrong) {
      const outcome = await roles.create(role('r', about));
      expect(outcome.type).toBe('invalid');
      if (outcome.type === 'invalid') expect(outcome.problem).toMatch(problem);
    }
  });

  it('come in pages, in one order', async () => {
    const roles = createRoles(openSettings(), () => undefined);
    for (const name of ['c', 'a', 'b']) await roles.create(role(name));
    const names: string[] = [];
    let after: string | undefined;
    do {
      const page = roles.list({ after, limit: 2 });
      names.push(...page.roles.map((each) => each.name));
      after = page.next;
    } while (after !== undefined);
    expect(names).toEqual(['admin', 'operator', 'viewer', 'a', 'b', 'c']);
    await roles.delete('b');
    expect(roles.list({ after: 'b', limit: 9 }).roles.map((each) => each.name)).toEqual(['c']);
  });

  it('who has one that cannot be read may do nothing', async () => {
    const settings = openSettings();
    const authorization = createAuthorization({
      config: { noMatch: 'allow', wideSubscriptions: 'refuse', rules: [allow('publish', '#')] },
      settings,
      isOpenListener: () => true,
    });
    const who = principal({ roles: ['r', 'admin'] });
    expect(authorization.mayPublish(who, 'a')).toBe(true);
    for (const value of [
      '{',
      '{}',
      '{"version":1,"description":"","scopes":[],"rules":[{"effect":"maybe"}]}',
    ]) {
      await settings.change(() => [{ kind: SettingKind.Role, name: 'r', value: Buffer.from(value) }]);
      expect(authorization.mayPublish(who, 'a')).toBe(false);
      expect(authorization.maySubscribe(who, 'a')).toBe(false);
      expect(authorization.mayUse(who, 'status:read')).toBe(false);
      expect(authorization.decide(who, 'publish', 'a').reason).toBe('unreadable-rules');
    }
    expect(authorization.mayPublish(principal(), 'a')).toBe(true);
  });

  it('a credential with a rule that makes no sense may do nothing', () => {
    const authorization = authorizationOf([allow('publish', '#')]);
    const who = principal({ rules: [deny('publish', 'a/#/b')] });
    expect(authorization.decide(who, 'publish', 'x').reason).toBe('unreadable-rules');
  });

  it('are there after a start, whether they are asked for before or after what was kept is read', async () => {
    const before = openSettings();
    await createRoles(before, () => undefined).create(role('r'));
    const after = openSettings();
    const config = { noMatch: 'deny', wideSubscriptions: 'refuse', rules: [] } as const;
    const make = () => createAuthorization({ config, settings: after, isOpenListener: () => false });
    const early = make();
    const holder = principal({ roles: ['r'] });
    expect(early.mayPublish(holder, 'a')).toBe(false);
    for (const key of before.table.pageKeys()) {
      after.table.load(key, before.table.page(key) ?? new Uint8Array(0), 0);
    }
    after.table.recovered?.();
    for (const each of [early, make()]) expect(each.mayPublish(holder, 'a')).toBe(true);
  });

  it('that do not exist permit nothing', () => {
    const authorization = authorizationOf([]);
    expect(authorization.mayPublish(principal({ roles: ['nobody'] }), 'a')).toBe(false);
    expect(authorization.mayUse(principal({ roles: ['nobody'] }), 'status:read')).toBe(false);
  });
});

describe('scopes', () => {
  const authorization = authorizationOf([]);
  const holding = (name: string) => principal({ roles: [name] });

  it('administrators have all, others none of who may do what', () => {
    for (const scope of allScopes()) {
      expect(authorization.mayUse(holding('admin'), scope)).toBe(true);
      expect(authorization.mayUse(principal({ isSuperuser: true }), scope)).toBe(true);
      expect(authorization.mayUse(principal(), scope)).toBe(false);
      if (!scope.endsWith(':read')) expect(authorization.mayUse(holding('viewer'), scope)).toBe(false);
    }
    for (const scope of ['users:write', 'roles:write', 'keys:write', 'config:write', 'audit:read'] as const) {
      expect(authorization.mayUse(holding('operator'), scope)).toBe(false);
    }
    expect(authorization.mayUse(holding('operator'), 'sessions:write')).toBe(true);
    expect(authorization.mayUse(holding('viewer'), 'messages:read')).toBe(false);
  });

  it('are the node’s, so that nobody of a tenant has any', () => {
    for (const who of [
      principal({ tenant: 'acme', isSuperuser: true }),
      principal({ tenant: 'acme', roles: ['admin'] }),
    ]) {
      for (const scope of allScopes()) expect(authorization.mayUse(who, scope)).toBe(false);
    }
  });

  it('are given by name or by kind', () => {
    expect(includesScope(['users:*'], 'users:write')).toBe(true);
    expect(includesScope(['user:*', 'users', 'users:read'], 'users:write')).toBe(false);
  });
});

describe('rules as they are sent', () => {
  it('are read back as they were', () => {
    const full = deny(['publish', 'manage'], ['a/+', '#'], {
      users: ['u'],
      clientIds: ['c'],
      roles: ['r'],
      tenants: ['t'],
      isAnonymous: false,
      protocols: ['kafka'],
      listeners: ['l'],
      networks: ['10.0.0.0/8', '::1'],
    });
    expect(readRule(JSON.parse(JSON.stringify(full)))).toEqual({ rule: full });
  });

  it('are refused with a condition that is not known, or not understood', () => {
    const base = { effect: 'allow', actions: ['publish'], filters: ['a'] };
    for (const more of [
      { user: ['ann'] },
      { users: 'ann' },
      { users: [1] },
      { protocols: ['amqp'] },
      { isAnonymous: 'yes' },
      { actions: ['read'] },
      { effect: 'Allow' },
      { filters: 'a' },
      { networks: ['x'] },
    ]) {
      expect(readRule({ ...base, ...more }).rule).toBeUndefined();
    }
    for (const none of [null, [], 'allow', 1]) expect(readRule(none).rule).toBeUndefined();
    expect(
      readRule(JSON.parse('{"__proto__":{"effect":"allow"},"actions":["publish"],"filters":["a"]}')).rule,
    ).toBeUndefined();
  });
});
