import { describe, expect, it } from 'vitest';
import { createAccess } from '../../../src/security/access/access.ts';
import { createSessions } from '../../../src/security/access/sessions.ts';
import { Secret } from '../../../src/security/secret.ts';
import { userBench } from '../support.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const origin = { remoteAddress: '10.0.0.1', userAgent: 'a browser' };
const identity = (userName = 'alice') => ({
  userName,
  tenant: '',
  roles: ['viewer'],
  rules: [],
  isSuperuser: false,
  expiresAtMs: undefined,
});

async function setUp() {
  const bench = userBench();
  await bench.users.create({ name: 'alice', password: new Secret('wonderland'), roles: ['viewer'] });
  const access = createAccess(bench.settings, bench.users, bench.clock);
  const open = (userName?: string) => {
    const opened = access.sessions.open(identity(userName), origin);
    if (opened === 'full') throw new Error('full');
    return opened;
  };
  return { ...bench, ...access, open };
}

describe('ops 49: sessions', () => {
  it('are found by their token until they are closed', async () => {
    const { sessions, open } = await setUp();
    const { token, session } = open();
    expect(token.reveal()).toMatch(/^[\w-]{43}$/);
    expect(session.id).not.toContain(token.reveal().slice(0, 8));
    expect(sessions.find(token.reveal())).toMatchObject({ id: session.id, identity: identity(), ...origin });
    // As a word of a command line it must not be taken for an option.
    expect(session.id).toMatch(/^[0-9a-f]{16}$/);
    expect(sessions.close(token.reveal())).toBe(true);
    expect(sessions.find(token.reveal())).toBeUndefined();
    expect(sessions.close(token.reveal())).toBe(false);
  });

  it('are found by nothing else', async () => {
    const { sessions, open } = await setUp();
    const { token, session } = open();
    for (const guess of [
      '',
      session.id,
      token.reveal().slice(1),
      `${token.reveal()}A`,
      'A'.repeat(43),
      '__proto__',
    ]) {
      expect(sessions.find(guess)).toBeUndefined();
    }
  });

  it('end after an hour without use and after twelve in any case', async () => {
    const { sessions, open, clock } = await setUp();
    const { token } = open();
    for (let i = 0; i < 12; i++) {
      await clock.advance(59 * MINUTE_MS);
      expect(sessions.find(token.reveal())).toBeDefined();
    }
    await clock.advance(12 * MINUTE_MS);
    expect(sessions.find(token.reveal())).toBeUndefined();
    const idle = open().token;
    await clock.advance(HOUR_MS);
    expect(sessions.find(idle.reveal())).toBeUndefined();
    expect(sessions.list()).toEqual([]);
  });

  it('have another token after a change of rights, and the old one is nothing', async () => {
    const { sessions, open } = await setUp();
    const { token, session } = open();
    const rotated = sessions.rotate(token.reveal());
    expect(sessions.find(token.reveal())).toBeUndefined();
    expect(rotated?.session.id).not.toBe(session.id);
    expect(sessions.find(rotated?.token.reveal() ?? '')).toMatchObject({ identity: identity() });
    expect(sessions.rotate(token.reveal())).toBeUndefined();
  });

  it('never take a token that somebody brought along', async () => {
    const { sessions, open } = await setUp();
    const brought = 'B'.repeat(43);
    expect(sessions.find(brought)).toBeUndefined();
    expect(open().token.reveal()).not.toBe(brought);
    expect(sessions.find(brought)).toBeUndefined();
  });

  it('of a user all end when the password changes, and when the user is disabled or gone', async () => {
    const { sessions, open, users } = await setUp();
    await users.create({ name: 'bob' });
    for (const change of [
      () => users.setPassword('alice', new Secret('looking-glass')),
      () => users.disable('alice'),
      () => users.delete('alice'),
    ]) {
      const tokens = [open(), open()].map(({ token }) => token.reveal());
      const other = open('bob').token.reveal();
      await change();
      for (const token of tokens) expect(sessions.find(token)).toBeUndefined();
      expect(sessions.find(other)).toBeDefined();
      await users.disable('alice', false);
    }
  });

  it('have the roles that the user has now', async () => {
    const { sessions, open, users } = await setUp();
    const { token } = open();
    await users.update('alice', { roles: ['operator'] });
    expect(sessions.find(token.reveal())?.identity.roles).toEqual(['operator']);
  });

  it('can be listed and ended by others, who cannot log in with what they see', async () => {
    const { sessions, open } = await setUp();
    const first = open();
    const second = open();
    open('bob');
    expect(sessions.list('alice').map(({ id }) => id)).toEqual([first.session.id, second.session.id]);
    expect(JSON.stringify([sessions.list(), first])).not.toContain(first.token.reveal());
    expect(sessions.revoke(first.session.id)).toBe(true);
    expect(sessions.find(first.token.reveal())).toBeUndefined();
    expect(sessions.find(second.token.reveal())).toBeDefined();
    expect(sessions.revokeUser('alice')).toBe(1);
    expect(sessions.list()).toHaveLength(1);
  });

  it('are bounded: the oldest of a user ends, and nobody gets one when all are taken', async () => {
    const { users, clock } = userBench();
    const limits = { idleMs: HOUR_MS, absoluteMs: 12 * HOUR_MS, maxSessions: 3, maxSessionsPerUser: 2 };
    const sessions = createSessions(users, clock, limits);
    const open = (name: string) => sessions.open(identity(name), origin);
    const first = open('alice');
    open('alice');
    open('alice');
    expect(sessions.list('alice')).toHaveLength(2);
    expect(first !== 'full' && sessions.find(first.token.reveal())).toBeUndefined();
    expect(open('bob')).not.toBe('full');
    expect(open('carol')).toBe('full');
    await clock.advance(HOUR_MS);
    expect(open('carol')).not.toBe('full');
  });

  it('end with the credential that they were opened by', async () => {
    const { sessions, clock } = await setUp();
    const expiresAtMs = clock.wallMs() + MINUTE_MS;
    const opened = sessions.open({ ...identity('token user'), expiresAtMs }, origin);
    if (opened === 'full') throw new Error('full');
    expect(opened.session.expiresAtMs).toBe(expiresAtMs);
    await clock.advance(MINUTE_MS);
    expect(sessions.find(opened.token.reveal())).toBeUndefined();
  });
});

describe('ops 49: links for one log-in', () => {
  it('work once, for a quarter of an hour', async () => {
    const { loginTokens, clock } = await setUp();
    const token = loginTokens.issue('admin').reveal();
    expect(loginTokens.redeem(token)).toBe('admin');
    expect(loginTokens.redeem(token)).toBeUndefined();
    expect(loginTokens.redeem('A'.repeat(43))).toBeUndefined();
    expect(loginTokens.redeem('')).toBeUndefined();
    const late = loginTokens.issue('admin').reveal();
    await clock.advance(15 * MINUTE_MS);
    expect(loginTokens.redeem(late)).toBeUndefined();
  });

  it('are bounded: the oldest ends', async () => {
    const { loginTokens } = await setUp();
    const tokens = Array.from({ length: 65 }, () => loginTokens.issue('admin').reveal());
    expect(loginTokens.redeem(tokens[0] ?? '')).toBeUndefined();
    expect(loginTokens.redeem(tokens[1] ?? '')).toBe('admin');
  });
});

describe('API keys', () => {
  const wanted = { description: 'ci', owner: 'alice', scopes: ['topics:read'] };
  async function withKey(more = {}) {
    const bench = await setUp();
    const created = await bench.apiKeys.create({ ...wanted, ...more });
    if (!created.isDone) throw new Error(created.reason);
    return { ...bench, id: created.apiKey.id, key: created.key.reveal() };
  }

  it('are shown once, kept as a hash, and found after a restart', async () => {
    const bench = await withKey();
    expect(bench.key).toMatch(/^rmq_[0-9a-f]{16}_[\w-]{43}$/);
    expect(bench.apiKeys.check(bench.key, '10.0.0.1')).toMatchObject({ id: bench.id, ...wanted });
    const kept = Buffer.concat(bench.log.entries).toString('latin1');
    expect(kept).not.toContain(bench.key.slice(-43));
    const again = await bench.restarted();
    const { apiKeys } = createAccess(again.settings, again.users, again.clock);
    expect(apiKeys.check(bench.key, '10.0.0.1')).toMatchObject({ id: bench.id });
  });

  it('are refused when anything of them is another', async () => {
    const { apiKeys, key, id } = await withKey();
    const other = key.endsWith('A') ? 'B' : 'A';
    for (const wrong of [
      '',
      key.slice(0, -1),
      key.slice(0, -1) + other,
      key.replace('rmq_', 'RMQ_'),
      key.replace(id, '0'.repeat(16)),
      `${key} `,
      `rmq_${id}_${'A'.repeat(43)}`,
    ]) {
      expect(apiKeys.check(wrong, '10.0.0.1')).toBeUndefined();
    }
  });

  it('end, and work from their networks only', async () => {
    const bench = await setUp();
    const expiresAtMs = bench.clock.wallMs() + HOUR_MS;
    const networks = ['10.0.0.0/8', '::1'];
    const created = await bench.apiKeys.create({ ...wanted, expiresAtMs, networks });
    if (!created.isDone) throw new Error(created.reason);
    const from = (address: string) => bench.apiKeys.check(created.key.reveal(), address) !== undefined;
    expect(['10.1.2.3', '::1', '::ffff:10.1.2.3'].map(from)).toEqual([true, true, true]);
    expect(['192.0.2.1', '', 'nonsense'].map(from)).toEqual([false, false, false]);
    await bench.clock.advance(HOUR_MS);
    expect(from('10.1.2.3')).toBe(false);
  });

  it('work as long as their owner does, and are not inherited by one of the same name', async () => {
    const { apiKeys, users, key } = await withKey();
    await users.disable('alice');
    expect(apiKeys.check(key, '10.0.0.1')).toBeUndefined();
    await users.disable('alice', false);
    expect(apiKeys.check(key, '10.0.0.1')).toBeDefined();
    await users.delete('alice');
    await users.create({ name: 'alice' });
    expect(apiKeys.check(key, '10.0.0.1')).toBeUndefined();
    expect(apiKeys.list()).toEqual([]);
  });

  it('can be listed and revoked, and say when they were used last, to the hour on disk', async () => {
    const { apiKeys, key, id, clock, log } = await withKey();
    expect(apiKeys.get(id)?.lastUsedAtMs).toBe(Number.POSITIVE_INFINITY);
    const before = log.entries.length;
    for (let i = 0; i < 30; i++) {
      await clock.advance(MINUTE_MS);
      apiKeys.check(key, '10.0.0.1');
    }
    expect(apiKeys.list('alice')).toMatchObject([{ id, lastUsedAtMs: clock.wallMs() }]);
    expect(apiKeys.list('bob')).toEqual([]);
    await expect.poll(() => log.entries.length).toBe(before + 1);
    await apiKeys.revoke(id);
    expect(apiKeys.check(key, '10.0.0.1')).toBeUndefined();
    expect(apiKeys.list()).toEqual([]);
  });

  it('are refused in words when they cannot be made', async () => {
    const { apiKeys, clock } = await setUp();
    const reason = async (more: object) => {
      const outcome = await apiKeys.create({ ...wanted, ...more });
      return outcome.isDone ? 'done' : outcome.reason;
    };
    expect(await reason({ owner: 'nobody' })).toContain('no such user');
    expect(await reason({ networks: ['everywhere'] })).toContain('no network');
    expect(await reason({ expiresAtMs: clock.wallMs() })).toContain('past');
    expect(await reason({ description: 'x'.repeat(300) })).toContain('too long');
    expect(await reason({ scopes: Array.from({ length: 65 }, (_, i) => `s${i}`) })).toContain('too many');
    expect(apiKeys.list()).toEqual([]);
  });
});
