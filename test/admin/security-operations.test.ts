import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ControlServer, startControlServer } from '../../src/admin/control-server.ts';
import { run } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createSettings } from '../../src/kernel/settings-table.ts';
import { TableId } from '../../src/kernel/state/table.ts';
import { type OpenSecurity, openSecurity } from '../../src/security/open-security.ts';
import { testIo } from '../cli/support.ts';
import { immediateLog } from '../security/support.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createFakeNode, fakeStreams } from './fake-node.ts';

const PASSWORD = 'correct horse battery';
let folder: string;
let security: OpenSecurity;
let server: ControlServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-security-'));
  const loaded = await loadConfig({ sets: ['security.passwords.scryptLogCost=10'] });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const logger = { info() {}, warn() {}, error() {} };
  const settings = createSettings(TableId.Security, 'security');
  const { log } = immediateLog();
  const clock = createManualClock();
  const auditDirectory = join(folder, 'audit');
  security = await openSecurity({ config: loaded.config, settings, log, clock, logger, auditDirectory });
  server = await startControlServer({
    path: join(folder, 'control.sock'),
    node: createFakeNode(security),
    audit: security.audit,
    streams: fakeStreams(),
    onDefect(error) {
      throw error;
    },
  });
});
afterEach(async () => {
  await server.close();
  await security.close();
  rmSync(folder, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function robustmq(argv: readonly string[], input = ''): Promise<Ran> {
  const io = testIo(input);
  const code = await run([...argv, '--data-dir', folder], io);
  return { code, out: io.outText(), err: io.errText() };
}

async function json(...argv: string[]): Promise<unknown> {
  const { code, out, err } = await robustmq([...argv, '-o', 'json']);
  expect([argv, code, err]).toEqual([argv, 0, '']);
  return JSON.parse(out) as unknown;
}

describe('users from the shell', () => {
  it('are made, shown, changed and deleted', async () => {
    const made = await robustmq(
      ['user', 'create', 'alice', '--roles', 'viewer', '--roles', 'sensors', '--password-stdin'],
      `${PASSWORD}\n`,
    );
    expect(made).toMatchObject({ code: 0, out: '', err: 'the user alice is there\n' });
    expect(await security.users.checkPassword('alice', Buffer.from(PASSWORD))).toBe('right');
    expect(await json('user', 'show', 'alice')).toMatchObject({
      name: 'alice',
      tenant: null,
      roles: ['viewer', 'sensors'],
      hasPassword: true,
      isDisabled: false,
    });
    expect((await robustmq(['user', 'update', 'alice', '--roles', ''])).code).toBe(0);
    expect(security.users.get('alice')).toMatchObject({ roles: [], isDisabled: false });
    expect((await robustmq(['user', 'update', 'alice', '--is-disabled'])).code).toBe(0);
    expect(security.users.get('alice')).toMatchObject({ isDisabled: true, roles: [] });
    expect((await robustmq(['user', 'create', 'alice'])).code).toBe(1);
    expect((await robustmq(['user', 'delete', 'alice'])).code).toBe(0);
    expect(await robustmq(['user', 'show', 'alice'])).toMatchObject({
      code: 1,
      err: 'robustmq: there is no user "alice"\n',
    });
  });

  it('take passwords out of files and standard input, never out of arguments (item 48)', async () => {
    await robustmq(['user', 'create', 'alice']);
    const file = join(folder, 'secret');
    writeFileSync(file, `${PASSWORD}\n`);
    expect((await robustmq(['user', 'set-password', 'alice', '--password-file', file])).code).toBe(0);
    expect(await security.users.checkPassword('alice', Buffer.from(PASSWORD))).toBe('right');
    expect((await robustmq(['user', 'set-password', 'alice', '--password', 'x'])).code).toBe(2);
    expect(await robustmq(['user', 'set-password', 'alice'])).toMatchObject({ code: 2 });
    expect((await robustmq(['user', 'set-password', 'alice', '--password-stdin'], 'short')).code).toBe(2);
  });
});

describe('roles, and why they decide', () => {
  it('are made of rules, and asked', async () => {
    await robustmq(['user', 'create', 'alice', '--roles', 'sensors']);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
    const filters = ['sensors/${username}/#'];
    const rules = JSON.stringify([{ effect: 'allow', actions: ['publish'], filters }]);
    expect((await robustmq(['role', 'create', 'sensors', '--rules', rules])).code).toBe(0);
    const asked = (topic: string, ...rest: string[]) =>
      json('acl', 'test', '--user', 'alice', '--action', 'publish', '--topic', topic, ...rest);
    expect(await asked('sensors/alice/1')).toMatchObject({
      isAllowed: true,
      rule: expect.stringContaining('role sensors') as string,
    });
    // As a client of Kafka names it: rules are about the address.
    expect(await asked('sensors.alice.1', '--protocol', 'kafka')).toMatchObject({ isAllowed: true });
    expect(await asked('sensors.alice.1')).toMatchObject({ isAllowed: false });
    expect(await asked('sensors/bob/1')).toMatchObject({ isAllowed: false, reason: 'no-match', rule: null });
    await robustmq(['role', 'update', 'sensors', '--rules', '[]']);
    expect(await asked('sensors/alice/1')).toMatchObject({ isAllowed: false });
    expect((await robustmq(['role', 'update', 'admin', '--rules', '[]'])).code).toBe(1);
    expect((await robustmq(['role', 'create', 'x', '--rules', '[{}]'])).code).toBe(2);
    expect((await robustmq(['role', 'create', 'x', '--rules', 'no json'])).code).toBe(2);
    expect((await robustmq(['role', 'delete', 'sensors'])).code).toBe(0);
    const names = ((await json('role', 'list')) as { name: string }[]).map(({ name }) => name);
    expect(names.sort()).toEqual(['admin', 'operator', 'viewer']);
  });
});

describe('API keys', () => {
  it('are shown once, listed without their secret, and revoked', async () => {
    await robustmq(['user', 'create', 'alice', '--roles', 'admin']);
    const made = (await json('key', 'create', 'alice', '--scopes', 'sessions:read')) as {
      id: string;
      key: string;
    };
    expect(security.access.apiKeys.check(made.key, '127.0.0.1')).toMatchObject({ scopes: ['sessions:read'] });
    const listed = await robustmq(['key', 'list', '-o', 'json']);
    expect(JSON.parse(listed.out)).toMatchObject([{ id: made.id, owner: 'alice', expiresAtMs: null }]);
    expect(listed.out).not.toContain(made.key.slice(-43));
    expect((await robustmq(['key', 'revoke', made.id])).code).toBe(0);
    expect(security.access.apiKeys.check(made.key, '127.0.0.1')).toBeUndefined();
    expect((await robustmq(['key', 'revoke', made.id])).code).toBe(1);
    expect((await robustmq(['key', 'create', 'nobody'])).code).toBe(1);
  });
});

describe('bans', () => {
  it('are set and lifted', async () => {
    expect((await robustmq(['ban', 'create', 'network', '10.1.2.3/16', '--reason', 'scans'])).code).toBe(0);
    expect(security.guard.bans.ofAddress('10.1.9.9')).toMatchObject({
      reason: 'scans',
      by: 'control socket',
    });
    expect(await json('ban', 'list')).toMatchObject([
      { kind: 'network', value: '10.1.0.0/16', tenant: null },
    ]);
    expect((await robustmq(['ban', 'create', 'network', 'nonsense'])).code).toBe(2);
    expect((await robustmq(['ban', 'create', 'planet', 'x'])).code).toBe(2);
    expect((await robustmq(['ban', 'delete', 'network', '10.1.0.0/16'])).code).toBe(0);
    expect((await robustmq(['ban', 'delete', 'network', '10.1.0.0/16'])).code).toBe(1);
  });
});

describe('the audit log', () => {
  it('has what was changed, by whom and with what outcome, and no secret (item 48)', async () => {
    await robustmq(['user', 'create', 'alice', '--password-stdin'], PASSWORD);
    await robustmq(['user', 'delete', 'nobody']);
    const entries = (await json('audit', 'list')) as Record<string, unknown>[];
    expect(entries.map(({ operation, result }) => [operation, result])).toEqual([
      ['users.delete', 'failed'],
      ['users.delete', 'begun'],
      ['users.create', 'ok'],
      ['users.create', 'begun'],
    ]);
    expect(JSON.stringify(entries)).not.toContain(PASSWORD);
    expect(entries[3]).toMatchObject({ via: 'socket', user: null });
    expect(await json('audit', 'list', '--operation', 'users.create', '--result', 'ok')).toHaveLength(1);
  });
});
