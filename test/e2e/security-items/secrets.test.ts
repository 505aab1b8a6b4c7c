/**
 * Item 48 of the security checklist: a secret in every place that takes one, and a search for them in everything that comes out: the log at its
 * lowest level, metrics, every answer of the API, errors, events, the audit log, the printed configuration, and what is on disk.
 */
import { createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Operation } from '../../../src/admin/operation.ts';
import { OPERATIONS } from '../../../src/admin/operations.ts';
import { run } from '../../../src/cli/program.ts';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { Secret } from '../../../src/security/secret.ts';
import { testIo } from '../../cli/support.ts';
import { openKafkaClient } from '../../support/kafka-client.ts';
import { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { startTestNode, type TestNode, until } from '../support.ts';

let planted = 0;
const secrets: string[] = [];
/** Long enough for every field, and nothing else is like it. */
function plant(what: string): string {
  const secret = `planted-${what}-${planted++}-Zq9w-xK3v-pT7s-mN5b`;
  secrets.push(secret);
  return secret;
}

const tokenSecret = plant('token-key');
const kafkaPassword = plant('kafka-password');
const adminPassword = plant('admin-password');
const settings = {
  'listeners.http.enabled': true,
  'listeners.http.port': 0,
  'listeners.kafka.enabled': true,
  'listeners.kafka.port': 0,
  'logging.level': 'trace',
  'security.passwords.scryptLogCost': 10,
  'security.authentication.anonymous': 'refuse',
  'security.authentication.authenticators': 'database,scram,jwt,http',
  'security.authentication.jwt.keys': JSON.stringify([{ id: '', algorithm: 'HS256', secret: tokenSecret }]),
  'security.authentication.http.url': 'http://127.0.0.1:9/nobody',
  'security.authentication.http.headers': JSON.stringify([{ name: 'authorization', value: plant('header') }]),
  'security.authentication.ldap.search.password': plant('directory'),
  'security.authentication.sql.password': plant('database'),
  'kafka.security.users': JSON.stringify([{ name: 'kate', password: kafkaPassword }]),
  'storage.object.accessKeyId': 'id',
  'storage.object.secretAccessKey': plant('object-store'),
  'telemetry.endpoint': 'http://127.0.0.1:9/',
  'telemetry.headers': JSON.stringify([{ name: 'x-token', value: plant('collector') }]),
  'guard.logIn.maxFailures': 0,
  // Time does not pass by itself here.
  'kafka.security.failureDelay': 0,
};

const log: string[] = [];
let folder: string;
let node: TestNode;
let url: string;
let cookie: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-secrets-'));
  const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) });
  node = await startTestNode({ dataDir: folder, ...settings }, { logger });
  const made = await node.node.security.users.create({
    name: 'root',
    password: new Secret(adminPassword),
    isSuperuser: true,
  });
  expect(made).toEqual({ isDone: true });
  url = `http://127.0.0.1:${portOf('http')}`;
  const answer = await send('POST', '/login', { user: 'root', password: adminPassword });
  expect(answer.status).toBe(200);
  cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  secrets.push(cookie.slice(cookie.indexOf('=') + 1));
});
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

function portOf(name: string): number {
  const address = node.node.listeners.find((each) => each.name === name)?.address;
  if (address === undefined || !('port' in address)) throw new Error(`no ${name} listener`);
  return address.port;
}

function send(method: string, path: string, body?: unknown): Promise<Response> {
  const headers = {
    origin: url,
    'content-type': 'application/json',
    ...(cookie !== undefined && { cookie }),
  };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(`${url}/api/v1${path}`, { method, headers, ...(body !== undefined && { body: text }) });
}

/** The secrets that are in it. */
const found = (text: string): string[] => secrets.filter((secret) => text.includes(secret));

function token(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', tokenSecret).update(signed).digest('base64url')}`;
}

async function mqtt(username: string, password: string): Promise<number | undefined> {
  const client = await RawClient.open(node.mqtt);
  client.send(wire.connect({ clientId: 'c', username, password }));
  const { reason } = await client.expect('connack');
  client.socket.destroy();
  return reason;
}

async function kafka(user: string, password: string): Promise<number> {
  const client = await openKafkaClient(portOf('kafka'));
  await client.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
  const authBytes = Buffer.from(`\0${user}\0${password}`);
  const { errorCode } = await client.call(Apis.saslAuthenticate, 2, { authBytes });
  client.close();
  return errorCode;
}

test('secrets are in nothing that comes out, whoever shows them where (item 48)', async () => {
  const shown: string[] = [];
  const userPassword = plant('user');
  const answers = [
    await send('POST', '/users', { name: 'ada', password: userPassword }),
    // What is refused is not said again.
    await send('POST', '/users', { name: 'bob', password: [plant('wrong-type')] }),
    await send('POST', '/users', { name: 'bob', pasword: plant('wrong-name') }),
    await send('POST', '/users', `{"name": "bob", "password": "${plant('no-json')}"`),
    await send('POST', '/login', { user: plant('name-of-nobody'), password: plant('guess') }),
    await send('GET', `/status?password=${plant('query')}`),
  ];
  expect(answers.map(({ status }) => status >= 400)).toEqual([false, true, true, true, true, true]);
  for (const answer of answers) shown.push(`${await answer.text()} ${JSON.stringify([...answer.headers])}`);

  const made = await send('POST', '/keys', { owner: 'root', scopes: ['status:read'], description: 'k' });
  expect(made.status).toBe(200);
  const { key } = (await made.json()) as { readonly key: string };
  secrets.push(key.split('_').slice(2).join('_'));
  expect(secrets.at(-1)?.length).toBeGreaterThan(20);

  expect(await mqtt('ada', userPassword)).toBe(0);
  expect(await mqtt('ada', plant('wrong-password'))).not.toBe(0);
  expect(await mqtt(plant('password-as-name'), '')).not.toBe(0);
  const signed = token({ sub: 'tess', exp: Math.floor(Date.now() / 1000) + 600 });
  secrets.push(signed);
  await mqtt('tess', signed);
  expect(await kafka('kate', kafkaPassword)).toBe(0);
  expect(await kafka('kate', plant('wrong-for-kafka'))).not.toBe(0);
  await node.clock.advance(2000);

  const rows: readonly Operation<never, unknown>[] = Object.values(OPERATIONS);
  const looks = rows.filter(
    ({ method, path, isStream }) => method === 'GET' && !path.includes('{') && isStream !== true,
  );
  expect(looks.length).toBeGreaterThan(20);
  for (const { path } of looks) shown.push(await (await send('GET', path)).text());
  shown.push(
    await (await send('GET', '/users/ada')).text(),
    await (await fetch(`${url}/metrics`, { headers: { cookie } })).text(),
  );

  const io = testIo();
  const sets = Object.entries(settings).flatMap(([name, setting]) => ['--set', `${name}=${setting}`]);
  await run(['config', 'print', '--sources', ...sets], io);
  await run(['config', 'print', '--set', `security.authentication.sql.pasword=${plant('misspelt')}`], io);
  expect(io.outText()).toContain('kafka');
  shown.push(io.outText(), io.errText());

  for (const text of shown) expect(found(text)).toEqual([]);
  expect(log).not.toEqual([]);
  for (const line of log) expect(found(line)).toEqual([]);

  await until('all is on disk', () => node.node.mqtt.state.connections === 0);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    expect([path, found(readFileSync(path).toString('latin1'))]).toEqual([path, []]);
  }
});
