import { once } from 'node:events';
import http from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpAccess } from '../../src/admin/access.ts';
import { createApi } from '../../src/admin/http-api.ts';
import { createRoutes } from '../../src/admin/http-routes.ts';
import { ALL_OPERATIONS } from '../../src/admin/operations.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createSettings } from '../../src/kernel/settings-table.ts';
import { TableId } from '../../src/kernel/state/table.ts';
import { scopesOf } from '../../src/security/authorization/scopes.ts';
import { type OpenSecurity, openSecurity } from '../../src/security/open-security.ts';
import { Secret } from '../../src/security/secret.ts';
import { immediateLog } from '../security/support.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createFakeNode, type FakeNode, fakeStreams } from './fake-node.ts';

const PASSWORD = 'correct horse battery';
let clock: ReturnType<typeof createManualClock>;
let security: OpenSecurity;
let node: FakeNode;
let server: http.Server;
let logged: string[];
let defects: unknown[];

beforeEach(async () => {
  const loaded = await loadConfig({ sets: ['security.passwords.scryptLogCost=10'] });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  clock = createManualClock();
  logged = [];
  defects = [];
  const keep = (fields: object, message: string): void => {
    logged.push(JSON.stringify(fields) + message);
  };
  security = await openSecurity({
    config: loaded.config,
    settings: createSettings(TableId.Security, 'security'),
    log: immediateLog().log,
    clock,
    logger: { info: keep, warn: keep, error: keep },
    auditDirectory: undefined,
  });
  for (const role of ['admin', 'operator', 'viewer']) {
    await security.users.create({ name: role, password: new Secret(PASSWORD), roles: [role] });
  }
  await security.users.create({ name: 'guest', password: new Secret(PASSWORD) });
  await security.users.create({
    name: 'tenant',
    password: new Secret(PASSWORD),
    tenant: 't1',
    roles: ['admin'],
  });
  node = createFakeNode(security);
  const access = createHttpAccess(security, () => clock.wallMs());
  const onDefect = (error: unknown): void => void defects.push(error);
  server = http.createServer(
    createRoutes({
      api: createApi({
        node,
        identify: access.identify,
        audit: security.audit,
        streams: fakeStreams(),
        onDefect,
      }),
      version: '1',
      health: () => node.health(),
      isServing: () => true,
      routes: access.routes,
      onDefect,
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await security.close();
  // Of operations that got as far as a part that the node of this test does not have.
  expect(defects.filter((each) => !/^this test has no/.test((each as Error).message))).toEqual([]);
});

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

async function ask(
  method: string,
  path: string,
  headers: http.OutgoingHttpHeaders = {},
  body?: unknown,
): Promise<Answer> {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const request = http.request({
    host: '127.0.0.1',
    port: address.port,
    method,
    path,
    agent: false,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
  };
}

const logIn = (user: string, password = PASSWORD): Promise<Answer> =>
  ask('POST', '/api/v1/login', {}, { user, password });

async function cookieOf(user: string): Promise<string> {
  const [cookie = ''] = (await logIn(user)).headers['set-cookie'] ?? [];
  return cookie.split(';')[0] ?? '';
}

async function keyOf(owner: string, scopes: readonly string[] = ['*']): Promise<string> {
  const made = await security.access.apiKeys.create({ description: 'test', owner, scopes });
  if (!made.isDone) throw new Error(made.reason);
  return made.key.reveal();
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('a log-in over HTTP', () => {
  it('gives a cookie that scripts cannot read, and ends (item 49)', async () => {
    const answer = await logIn('operator');
    expect(answer).toMatchObject({ status: 200, body: { user: 'operator' } });
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/^robustmq=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    const own = { cookie: cookie.split(';')[0] };
    expect((await ask('GET', '/api/v1/status', own)).status).toBe(200);
    const origin = { ...own, origin: 'http://127.0.0.1' };
    expect((await ask('POST', '/api/v1/logout', origin)).status).toBe(200);
    expect((await ask('GET', '/api/v1/status', own)).status).toBe(401);
  });

  it('is refused with the same words whether or not the user exists, and not at all after too many (items 29, 49)', async () => {
    const [wrong, nobody, empty] = [
      await logIn('admin', 'wrong password'),
      await logIn('nobody', 'wrong password'),
      await ask('POST', '/api/v1/login', {}, {}),
    ];
    expect(wrong).toMatchObject({ status: 401, body: { type: 'urn:robustmq:problem:bad-credentials' } });
    expect([nobody.body, empty.body]).toEqual([wrong.body, wrong.body]);
    for (let i = 0; i < 5; i++) await logIn('admin', 'wrong password');
    expect((await logIn('admin')).status).toBe(429);
    expect((await logIn('viewer')).status).toBe(200);
    await clock.advance(11 * 60_000);
    expect((await logIn('admin')).status).toBe(200);
  });

  it('makes a new session, whatever cookie was there before (item 49)', async () => {
    const first = await cookieOf('viewer');
    const again = await ask(
      'POST',
      '/api/v1/login',
      { cookie: first },
      { user: 'viewer', password: PASSWORD },
    );
    const [cookie = ''] = again.headers['set-cookie'] ?? [];
    expect(cookie.split(';')[0]).not.toBe(first);
    expect((await ask('GET', '/api/v1/status', { cookie: first })).status).toBe(401);
    const planted = `robustmq=${'x'.repeat(43)}`;
    expect((await ask('GET', '/api/v1/status', { cookie: planted })).status).toBe(401);
  });

  it('ends with the password, and with the user (item 49)', async () => {
    const cookie = await cookieOf('viewer');
    await security.users.setPassword('viewer', new Secret('another good phrase'));
    expect((await ask('GET', '/api/v1/status', { cookie })).status).toBe(401);
  });

  it('by a link works once (item 49)', async () => {
    const token = security.access.loginTokens.issue('viewer').reveal();
    expect((await ask('POST', '/api/v1/login', {}, { token })).status).toBe(200);
    expect((await ask('POST', '/api/v1/login', {}, { token })).status).toBe(401);
  });

  it('takes nothing but JSON, small and whole (items 42, 43)', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await ask('POST', '/api/v1/login', form)).status).toBe(415);
    expect((await ask('POST', '/api/v1/login', {}, { user: 'x'.repeat(100_000) })).status).toBe(413);
    expect((await ask('POST', '/api/v1/login', {}, { user: 'admin', admin: true })).status).toBe(400);
    expect((await ask('GET', '/api/v1/login')).status).toBe(405);
  });

  it('writes neither passwords nor tokens down (item 48)', async () => {
    const cookie = await cookieOf('admin');
    await logIn('admin', 'planted-secret-password');
    await ask('GET', '/api/v1/status', bearer('rmq_0123456789abcdef_planted'));
    const all = logged.join('\n');
    expect(all).toContain('"operation":"login"');
    for (const secret of [PASSWORD, 'planted', cookie.slice('robustmq='.length)])
      expect(all).not.toContain(secret);
  });
});

describe('a cookie', () => {
  it('changes nothing unless the browser says that the page is ours (item 42)', async () => {
    const cookie = await cookieOf('operator');
    expect((await ask('DELETE', '/api/v1/sessions/kitchen', { cookie })).status).toBe(403);
    expect(node.sessionTable.has('kitchen')).toBe(true);
    const same = { cookie, 'sec-fetch-site': 'same-origin' };
    expect((await ask('DELETE', '/api/v1/sessions/kitchen', same)).status).toBe(200);
  });
});

describe('an API key', () => {
  it('may what its owner may, and no more than it says', async () => {
    const all = bearer(await keyOf('operator'));
    const few = bearer(await keyOf('operator', ['sessions:read']));
    expect((await ask('GET', '/api/v1/queues', all)).status).toBe(200);
    expect((await ask('GET', '/api/v1/queues', few)).status).toBe(403);
    expect((await ask('GET', '/api/v1/sessions', few)).status).toBe(200);
    await security.users.update('operator', { roles: ['viewer'] });
    expect((await ask('DELETE', '/api/v1/sessions/kitchen', all)).status).toBe(403);
    await security.users.update('operator', { isDisabled: true });
    expect((await ask('GET', '/api/v1/sessions', all)).status).toBe(401);
  });

  it('is tried so often and no more (item 49)', async () => {
    const key = bearer(await keyOf('viewer'));
    const wrong = bearer('rmq_0123456789abcdef_wrong');
    let status = 401;
    for (let i = 0; i < 1000 && status === 401; i++)
      status = (await ask('GET', '/api/v1/status', wrong)).status;
    expect([status, (await ask('GET', '/api/v1/status', key)).status]).toEqual([429, 429]);
  });

  it('counts alone: what is beside it does not help', async () => {
    const cookie = await cookieOf('admin');
    for (const authorization of ['Bearer x', 'Basic YWRtaW46eA==', 'bearer', '']) {
      expect([authorization, (await ask('GET', '/api/v1/status', { cookie, authorization })).status]).toEqual(
        [authorization, authorization === '' ? 401 : 401],
      );
    }
  });
});

describe('every operation', () => {
  /** Of every parameter one that fits. */
  const target = (path: string): string =>
    `/api/v1${path.replaceAll('{partition}', '0').replace(/\{\w+\}/g, 'x')}`;

  it('is refused to whoever is nobody, to users without a role, and to tenants (items 33, 41)', async () => {
    const callers = [{}, bearer(await keyOf('guest')), bearer(await keyOf('tenant'))];
    for (const row of ALL_OPERATIONS) {
      const statuses = [];
      for (const headers of callers) {
        statuses.push((await ask(row.method, target(row.path), headers, row.body && {})).status);
      }
      expect([row.id, statuses]).toEqual([row.id, [401, 403, 403]]);
    }
  });

  it('is allowed to exactly the roles that have its scope (item 41)', async () => {
    for (const role of ['viewer', 'operator'] as const) {
      const headers = bearer(await keyOf(role));
      const scopes: readonly string[] = scopesOf(role);
      for (const row of ALL_OPERATIONS) {
        const { body } = await ask(row.method, target(row.path), headers, row.body && {});
        const isForScope = body.detail === `this needs the scope ${row.scope}`;
        expect([role, row.id, isForScope]).toEqual([role, row.id, !scopes.includes(row.scope)]);
      }
    }
  });

  it('has one spelling of its path (item 41)', async () => {
    const headers = bearer(await keyOf('viewer'));
    const variants = (path: string): string[] => [
      path.replace('/api', '//api'),
      path.replace('/api/v1/', '/api/v1//'),
      path.replace('/api/v1', '/API/v1'),
      path.replace('/api/v1', '/api/v1/.'),
      path.replace('/api/v1', '/api/x/../v1'),
      path.replace('/api/v1/', '/api%2fv1/'),
      path.replace('/api/v1/', '/api/v1;x/'),
      `${path}/`,
      `${path}%00`,
    ];
    for (const row of ALL_OPERATIONS.filter(({ method }) => method !== 'GET')) {
      for (const path of variants(target(row.path))) {
        const { status } = await ask(row.method, path, headers, row.body && {});
        expect([row.method, path, status >= 400]).toEqual([row.method, path, true]);
      }
    }
    expect(node.sessionTable.has('kitchen')).toBe(true);
    const options = await ask('OPTIONS', '/api/v1/sessions/kitchen', headers);
    expect([options.status, options.headers.allow]).toEqual([405, 'GET, DELETE']);
    const head = await ask('HEAD', '/api/v1/sessions/kitchen', headers);
    expect([head.status, head.body]).toEqual([200, {}]);
  });
});
