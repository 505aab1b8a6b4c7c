import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SecurityConfig } from '../../../src/config/config.ts';
import { defaultConfig } from '../../../src/config/load.ts';
import type { Answer, Authenticator } from '../../../src/security/authentication/authenticator.ts';
import {
  createDatabase,
  openSqlAuthenticator,
  type PgPoolConstructor,
} from '../../../src/security/authentication/open-sql.ts';
import { createSqlAuthenticator, parametersOf, type Row } from '../../../src/security/authentication/sql.ts';
import { formatPhc } from '../../../src/security/passwords/password-hash.ts';
import { createPasswords, type Passwords } from '../../../src/security/passwords/passwords.ts';
import { createCertificate } from '../../support/certificates.ts';
import { freePort } from '../../support/free-port.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { bytes, cheap, withPassword } from '../support.ts';

type Settings = SecurityConfig['authentication']['sql'];

const passwords: Passwords = createPasswords({ settings: cheap, clock: createManualClock() });
const noSignal = new AbortController().signal;

async function hashOf(password: string): Promise<string> {
  const hash = await passwords.hash(bytes(password));
  if (hash === 'busy') throw new Error('busy');
  return formatPhc(hash);
}

const ask = (authenticator: Authenticator, userName: string, password: string): Promise<Answer> =>
  Promise.resolve(authenticator.authenticate(withPassword(userName, password, { clientId: 'c1' }), noSignal));

describe('a query about a user', () => {
  const { hash: hashFormat } = defaultConfig().security.authentication.sql;
  function answering(rows: readonly Row[] | 'busy' | Error, query = 'select x where n = $1') {
    const asked: (readonly (string | null)[])[] = [];
    const authenticator = createSqlAuthenticator({
      query,
      hashFormat,
      passwords,
      database: {
        ask(values) {
          asked.push(values);
          return rows instanceof Error ? Promise.reject(rows) : Promise.resolve(rows);
        },
        close: () => {},
      },
    });
    return { asked, ask: (name: string, password: string) => ask(authenticator, name, password) };
  }

  it('answers with hashes of bcrypt as well, and of nobody it costs as much', async () => {
    const text = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
    const found: Row[] = [{ password_hash: text }];
    const database = answering(found);
    expect(await database.ask('alice', 'U*U')).toMatchObject({ kind: 'let-in' });
    expect(await database.ask('alice', 'U*V')).toMatchObject({ kind: 'refuse', refusal: 'bad-credentials' });
    found.length = 0;
    expect(await database.ask('bob', 'U*U')).toEqual({ kind: 'not-mine' });
  });

  it('is given as many values as it has parameters', async () => {
    expect(parametersOf('select 1')).toBe(0);
    const two = answering([], 'select * from u where name = $1 and client = $2 and $1 <> $2');
    expect(await two.ask('alice', 'x')).toEqual({ kind: 'not-mine' });
    expect(two.asked).toEqual([['alice', 'c1']]);
    const three = answering([], 'select $3, $1');
    await three.ask("alice' or '1'='1", 'x');
    expect(three.asked).toEqual([["alice' or '1'='1", 'c1', 'mqtt']]);
  });

  it('lets in with what the row says', async () => {
    const password_hash = await hashOf('wonder');
    const all = { password_hash, user_name: 'alice', is_superuser: true, roles: ['a', 'b'], tenant: 'acme' };
    expect(await answering([all]).ask('ALICE', 'wonder')).toMatchObject({
      kind: 'let-in',
      identity: { userName: 'alice', isSuperuser: true, roles: ['a', 'b'], tenant: 'acme' },
    });
    const none = { password_hash, user_name: null, is_superuser: null, roles: null, tenant: null };
    expect(await answering([none]).ask('bob', 'wonder')).toMatchObject({
      kind: 'let-in',
      identity: { userName: 'bob', isSuperuser: false, roles: [], tenant: '' },
    });
    expect(await answering([{ password_hash, roles: 'x y' }]).ask('bob', 'wonder')).toMatchObject({
      identity: { roles: ['x', 'y'] },
    });
  });

  it('refuses what is wrong, late, or not understood', async () => {
    const password_hash = await hashOf('wonder');
    const refused = async (rows: Parameters<typeof answering>[0], name = 'alice', password = 'wonder') =>
      answering(rows)
        .ask(name, password)
        .then((answer) => (answer.kind === 'refuse' ? answer.refusal : answer.kind));
    expect(await refused([{ password_hash }], 'alice', 'wrong')).toBe('bad-credentials');
    expect(await refused([{ password_hash: null }])).toBe('bad-credentials');
    expect(await refused([{ password_hash }], 'a\u0000b')).toBe('bad-credentials');
    expect(await refused('busy')).toBe('busy');
    for (const rows of [
      [{ password_hash }, { password_hash }],
      [{ hash: password_hash }],
      [{ password_hash: 'wonder' }],
      [{ password_hash: 7 }],
      [{ password_hash, is_superuser: 'yes' }],
      [{ password_hash, roles: [1] }],
      [{ password_hash, tenant: 'Not A Tenant' }],
      [{ password_hash, user_name: '' }],
    ]) {
      expect(await refused(rows)).toBe('unavailable');
    }
    await expect(refused(new Error('no database'))).rejects.toThrow('no database');
    const unasked = answering([{ password_hash }]);
    expect(await unasked.ask('alice', '')).toEqual({ kind: 'not-mine' });
    expect(unasked.asked).toEqual([]);
  });

  it('is asked a bounded number of times at once, and a lost connection is no crash', async () => {
    const waiting: (() => void)[] = [];
    const listeners: ((error: Error) => void)[] = [];
    class Pool {
      query() {
        return new Promise<{ rows: Row[] }>((resolve) => waiting.push(() => resolve({ rows: [] })));
      }
      on(_event: 'error', listener: (error: Error) => void) {
        listeners.push(listener);
      }
      end = () => Promise.reject(new Error('again'));
    }
    const warned: string[] = [];
    const settings = { ...defaultConfig().security.authentication.sql, maxConnections: 2, maxWaiting: 1 };
    const database = createDatabase(Pool satisfies PgPoolConstructor, {
      settings,
      ca: undefined,
      logger: { info: () => {}, warn: (_fields, message) => warned.push(message) },
    });
    const asked = [1, 2, 3, 4].map(() => database.ask(['x']));
    expect(await asked[3]).toBe('busy');
    expect(waiting).toHaveLength(2);
    while (waiting.length > 0) {
      waiting.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await Promise.all(asked.slice(0, 3))).toEqual([[], [], []]);
    for (const listener of listeners) listener(new Error('gone'));
    expect(warned).toHaveLength(1);
    database.close();
  });
});

const postgres = (existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [])
  .map((version) => `/usr/lib/postgresql/${version}/bin`)
  .find((folder) => existsSync(join(folder, 'initdb')));

/** It does not run as root. */
function account(): { uid?: number; gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {};
  try {
    const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}
const runsAs = account();
/** A database is made and started; only one that stands still takes so long. */
const START_MS = 120_000;

describe.skipIf(postgres === undefined || runsAs === undefined)('PostgreSQL', () => {
  const program = (name: string): string => join(postgres ?? '', name);
  let folder: string;
  let server: ChildProcess;
  let at: Settings;
  let ca: string;
  const opened: Authenticator[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'robustmq-sql-'));
    const own = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      if (runsAs?.uid !== undefined) chownSync(path, runsAs.uid, runsAs.gid ?? 0);
      return path;
    };
    if (runsAs?.uid !== undefined) chownSync(folder, runsAs.uid, runsAs.gid ?? 0);
    const authority = createCertificate({ commonName: 'authority', authority: true });
    const { certPem, keyPem } = createCertificate({
      commonName: 'localhost',
      names: ['localhost'],
      issuer: authority,
    });
    ca = authority.certPem;
    const data = join(folder, 'data');
    const pwfile = own('pw', 'asks');
    const initial = ['-D', data, '-U', 'asker', '--auth=scram-sha-256', `--pwfile=${pwfile}`, '--no-sync'];
    execFileSync(program('initdb'), [...initial, '--locale=C', '-E', 'UTF8'], {
      ...runsAs,
      cwd: folder,
      stdio: 'ignore',
    });
    const port = await freePort();
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: folder,
      fsync: 'off',
      ssl: 'on',
      ssl_cert_file: own('cert.pem', certPem),
      ssl_key_file: own('key.pem', keyPem),
    };
    const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    server = spawn(program('postgres'), ['-D', data, ...given], { ...runsAs, cwd: folder, stdio: 'ignore' });
    const hash = await hashOf('wonder');
    const tables = `create table people (name text primary key, hash text, chief boolean, roles text[]);
insert into people values ('alice', '${hash}', true, '{a,b}'), ('O''Brien', '${hash}', false, null);
create table noted (name text);
create table mqtt_user (username text, password_hash text, salt text, is_superuser boolean);
insert into mqtt_user values ('ann', encode(sha256('wonderslat_foo123'::bytea), 'hex'), 'slat_foo123', false);
insert into mqtt_user values (E'a\\\\''";--%_日', encode(sha256('wonderS'::bytea), 'hex'), 'S', true);
insert into mqtt_user values ('old', md5('wonder'), '', false);`;
    const psql = [
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-U',
      'asker',
      '-v',
      'ON_ERROR_STOP=1',
      '-q',
      'postgres',
    ];
    for (;;) {
      try {
        execFileSync(program('psql'), [...psql, '-c', tables], {
          cwd: folder,
          stdio: 'ignore',
          env: { ...process.env, PGPASSWORD: 'asks' },
        });
        break;
      } catch (error) {
        if (server.exitCode !== null) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
    at = {
      ...defaultConfig().security.authentication.sql,
      host: 'localhost',
      port,
      database: 'postgres',
      user: 'asker',
      password: 'asks',
      // Answers that do come are waited for, however slow the machine is.
      timeoutMs: 60_000,
      query:
        'select hash as password_hash, name as user_name, chief as is_superuser, roles from people where lower(name) = lower($1)',
    };
  }, START_MS);
  afterEach(() => {
    for (const each of opened.splice(0)) each.close?.();
  });
  afterAll(async () => {
    const exited = once(server, 'exit');
    server.kill('SIGQUIT');
    await exited;
    rmSync(folder, { recursive: true });
  });

  async function asking(settings: Partial<Settings> = {}, authority: string | undefined = ca) {
    const logger = { info: () => {}, warn: () => {} };
    const whole = { ...at, ...settings };
    const made = await openSqlAuthenticator({ settings: whole, ca: authority, passwords, logger });
    opened.push(made);
    return (name: string, password: string): Promise<Answer> => ask(made, name, password);
  }

  it('lets in by its rows, over TLS that is checked', async () => {
    const one = await asking();
    expect(await one('ALICE', 'wonder')).toMatchObject({
      kind: 'let-in',
      identity: { userName: 'alice', isSuperuser: true, roles: ['a', 'b'] },
    });
    expect(await one("O'Brien", 'wonder')).toMatchObject({ kind: 'let-in', identity: { roles: [] } });
    expect(await one('alice', 'wrong')).toMatchObject({ kind: 'refuse', refusal: 'bad-credentials' });
    expect(await one("x' or '1'='1", 'wonder')).toEqual({ kind: 'not-mine' });
    const other = createCertificate({ commonName: 'other', authority: true }).certPem;
    await expect((await asking({}, other))('alice', 'wonder')).rejects.toThrow(/certificate/);
    await expect((await asking({ host: '127.0.0.1' }))('alice', 'wonder')).rejects.toThrow(/127\.0\.0\.1/);
    expect(await (await asking({ host: folder, tls: false }))('alice', 'wonder')).toMatchObject({
      kind: 'let-in',
    });
  });

  it('reads a table of EMQX as it is, whatever letters are in its names', async () => {
    const query = 'select password_hash, salt, is_superuser from mqtt_user where username = $1';
    const one = await asking({ query, hash: { ...at.hash, format: 'sha256' } });
    expect(await one('ann', 'wonder')).toMatchObject({ identity: { userName: 'ann', isSuperuser: false } });
    expect(await one('ann', 'wander')).toMatchObject({ refusal: 'bad-credentials' });
    const odd = `a\\'";--%_日`;
    expect(await one(odd, 'wonder')).toMatchObject({ identity: { userName: odd, isSuperuser: true } });
    expect(await one('a%', 'wonder')).toEqual({ kind: 'not-mine' });
    expect(await one('old', 'wonder')).toMatchObject({
      refusal: 'unavailable',
      reason: expect.stringMatching(/MD5, which is too weak/),
    });
  });

  it('refuses without an answer: a wrong password of ours, a query that writes, takes long, or is none', async () => {
    await expect((await asking({ password: 'wrong' }))('alice', 'wonder')).rejects.toThrow(/authentication/);
    const writes = "with n as (insert into noted values ($1) returning 'x') select * from people, n";
    await expect((await asking({ query: writes }))('alice', 'wonder')).rejects.toThrow(/read-only/);
    const slow = await asking({ query: 'select pg_sleep(30), $1::text', timeoutMs: 300 });
    await expect(slow('alice', 'wonder')).rejects.toThrow(/time/);
    await expect((await asking({ query: 'select $1 from nothing' }))('alice', 'wonder')).rejects.toThrow();
    const typed = await asking({ query: 'select $1::integer' });
    await expect(typed('my-password', 'wonder')).rejects.toThrow(
      'the database cannot use a value of the client (22P02)',
    );
    await expect((await asking({ port: 1 }))('alice', 'wonder')).rejects.toThrow();
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    for (const tls of [true, false]) {
      const unheard = await asking({ host: '127.0.0.1', port, tls, timeoutMs: 300 });
      await expect(unheard('alice', 'wonder')).rejects.toThrow(/timeout/);
    }
    silent.close();
  });
});
