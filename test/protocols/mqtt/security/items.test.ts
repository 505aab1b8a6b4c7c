/** Items 29 to 35 of the checklist of operations, as clients of MQTT meet them. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterEach, describe, expect, test } from 'vitest';
import { scramClient } from '../../../security/scram/client.ts';
import { pairs, part, pem, secret, signedToken } from '../../../security/tokens/signed.ts';
import { createCertificate, type Identity } from '../../../support/certificates.ts';
import { property, RawClient, type ServerPacket } from '../../../support/raw-client.ts';
import * as wire from '../../../support/wire.ts';
import { P } from '../../../support/wire.ts';
import { PASSWORD, type SecureNode, startSecureNode } from './support.ts';

let node: SecureNode;
const ends: (() => void)[] = [];
afterEach(async () => {
  await node.stop();
  for (const end of ends.splice(0)) end();
});

const METHOD = [P.authMethod, 'SCRAM-SHA-256'] as const;
const data = (text: string) => [P.authData, Buffer.from(text)] as const;
const wrong = (username: string, password: string | Buffer = 'wrong password') => ({
  clientId: 'c',
  username,
  password,
});

test('item 29: whatever is wrong with name and password, clients hear the same', async () => {
  node = await startSecureNode({ 'guard.logIn.maxFailures': 6 });
  await node.user('ann');
  await node.user('ren\u00e9');
  const attempts = [
    wrong('nobody'),
    wrong('ann', ''),
    wrong('ann', Buffer.alloc(65_535, 'x')),
    wrong('x'.repeat(65_535), PASSWORD),
    wrong('rene\u0301', PASSWORD),
    wrong('ANN', PASSWORD),
    wrong('ann ', PASSWORD),
  ];
  for (const attempt of attempts) expect(await node.refusal(attempt)).toBe(0x86);
  expect(await node.refusal({ ...wrong('ren\u00e9'), password: PASSWORD })).toBe(0);
  const client = await RawClient.open(node.mqtt, 5, 'nul');
  client.send(wire.connect(wrong('an\0n', PASSWORD)));
  expect((await client.closed()).every((packet) => 'reason' in packet && packet.reason >= 0x80)).toBe(true);
  for (let i = 0; i < 4; i++) expect(await node.refusal(wrong('ann'))).toBe(0x86);
  expect(await node.refusal({ ...wrong('ann'), password: PASSWORD })).toBe(0x97);
});

describe('item 30: SCRAM that is not right fails', () => {
  type Change = (final: string, serverFirst: string) => string;
  const fails = async (first: string, change: Change, user = 'ann'): Promise<number> => {
    const exchange = scramClient(user, PASSWORD, 'sha256');
    const client = await RawClient.open(node.mqtt, 5, 'c');
    client.send(wire.connect({ clientId: 'c', properties: [METHOD, data(first)] }));
    const answer = await client.next();
    if (answer.type === 'connack') return answer.reason;
    const serverFirst = Buffer.from(property(answer, P.authData) as Uint8Array).toString();
    client.send(wire.auth(0x18, [METHOD, data(change(exchange.final(serverFirst), serverFirst))]));
    return (await client.expect('connack')).reason;
  };

  test('nonces, channel binding, order, replay', async () => {
    node = await startSecureNode({ 'guard.logIn.maxFailures': 0, 'guard.logIn.maxFailuresPerAddress': 0 });
    await node.user('ann');
    const { first } = scramClient('ann', PASSWORD, 'sha256');
    let proven = '';
    const right: Change = (final) => {
      proven = final;
      return final;
    };
    expect(await fails(first, right)).toBe(0);
    const changes: readonly [string, Change][] = [
      [first, (final) => final.replace(/r=[^,]+/, 'r=short')],
      [first, (final) => final.replace(/r=([^,]+)/, 'r=$1x')],
      [first, () => proven],
      [first, (final) => final.replace(/c=[^,]+/, `c=${Buffer.from('p=tls-unique,,').toString('base64')}`)],
      [first, () => ''],
      [first.replace('n,,', 'p=tls-unique,,'), right],
      [first.replace('n,,', 'y,,'), right],
      ['c=biws,r=x,p=x', right],
    ];
    for (const [begin, change] of changes) expect(await fails(begin, change)).toBe(0x87);
  });

  test('a name that is not there has a salt that stays the same', async () => {
    node = await startSecureNode();
    const salts = new Set<string>();
    for (let i = 0; i < 3; i++) {
      await fails(scramClient('nobody', PASSWORD, 'sha256').first, (_final, serverFirst) => {
        salts.add(/s=[^,]+,i=\d+/.exec(serverFirst)?.[0] ?? '');
        return 'x';
      });
    }
    expect([...salts]).toEqual([expect.stringMatching(/^s=.{20,},i=4096$/)]);
  });
});

describe('item 31: tokens', () => {
  const start = () =>
    startSecureNode({
      'security.authentication.authenticators': 'jwt',
      'security.authentication.jwt.issuer': 'us',
      'security.authentication.jwt.audience': 'mqtt',
      'security.authentication.jwt.keys': JSON.stringify([{ algorithm: 'HS256', secret }]),
      'guard.logIn.maxFailures': 0,
    });
  const claims = (about: object = {}) => ({
    sub: 'ann',
    iss: 'us',
    aud: 'mqtt',
    exp: Math.floor(node.clock.wallMs() / 1000) + 60,
    acl: { pub: ['a/#'], sub: ['a/#'] },
    ...about,
  });
  const by = (password: string) => ({ clientId: 'c', username: 'whoever', password });

  test('those that are not right are refused', async () => {
    node = await start();
    const right = signedToken('HS256', claims());
    expect(await node.refusal(by(right))).toBe(0);
    const [, body = ''] = right.split('.');
    const refused = [
      `${part({ alg: 'none' })}.${body}.`,
      signedToken('RS256', claims()),
      signedToken('HS256', claims({ aud: 'other' })),
      signedToken('HS256', claims({ iss: 'other' })),
      signedToken('HS256', claims({ exp: Math.floor(node.clock.wallMs() / 1000) - 60 })),
      signedToken('HS256', claims({ exp: undefined })),
      signedToken('HS256', claims(), { kid: '../../etc/passwd' }).replace(/.$/, '!'),
      `${right.slice(0, -4)}AAAA`,
      'x'.repeat(60_000),
      pem(pairs.rsa.publicKey),
    ];
    for (const token of refused) expect(await node.refusal(by(token))).toBeGreaterThanOrEqual(0x86);
  });

  test('rules of the token hold, and the connection ends with it', async () => {
    node = await start();
    const client = await node.connect(by(signedToken('HS256', claims())));
    expect(client.connack?.reason).toBe(0);
    expect((await client.subscribe(['a/b', 'b'])).reasons).toEqual([2, 0x87]);
    expect(await client.publish({ topic: 'b', payload: '', qos: 1 })).toBe(0x87);
    await node.clock.advance(30_000);
    await client.quiet();
    await node.clock.advance(31_000);
    await client.expectRefusal(0xa0);
  });
});

test('item 32: certificates are who they say, and nobody else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const authority = createCertificate({ commonName: 'ours', authority: true });
  const others = createCertificate({ commonName: 'others', authority: true });
  const server = createCertificate({ commonName: 'broker', names: ['localhost'], issuer: authority });
  const files = { cert: server.certPem, key: server.keyPem, ca: authority.certPem };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.pem`), text);
  node = await startSecureNode({
    'security.authentication.authenticators': 'certificate',
    'listeners.mqtts.port': 0,
    'listeners.mqtts.tls.certFile': join(folder, 'cert.pem'),
    'listeners.mqtts.tls.keyFile': join(folder, 'key.pem'),
    'listeners.mqtts.tls.caFile': join(folder, 'ca.pem'),
    'listeners.mqtts.tls.clientCertificate': 'request',
    'guard.logIn.maxFailures': 0,
  });
  await node.rules([{ effect: 'allow', actions: ['publish'], filters: ['u/a,b=c d'], users: ['a,b=c d'] }]);
  const address = node.node.listeners.find(({ name }) => name === 'mqtts')?.address;
  const port = address !== undefined && 'port' in address ? address.port : 0;
  const connect = async (identity: Identity | undefined) => {
    const client = await mqtt.connectAsync(`mqtts://localhost:${port}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      ca: authority.certPem,
      // Not looked at: the certificate says who it is.
      ...(identity && { username: 'admin' }),
      ...(identity && { cert: identity.certPem, key: identity.keyPem }),
    });
    ends.push(() => client.end(true));
    return client;
  };
  const dayMs = 86_400_000;
  const bad = [
    createCertificate({ commonName: 'ann', issuer: others }),
    createCertificate({ commonName: 'ann' }),
    createCertificate({ commonName: 'ann', issuer: authority, validTo: new Date(Date.now() - dayMs) }),
    createCertificate({ commonName: 'ann', issuer: authority, validFrom: new Date(Date.now() + dayMs) }),
    undefined,
  ];
  for (const identity of bad) await expect(connect(identity)).rejects.toThrow();
  const odd = await connect(createCertificate({ commonName: 'a,b=c d', issuer: authority }));
  expect(node.node.mqtt.context.connections.find((each) => each?.isOpen)?.identity?.userName).toBe('a,b=c d');
  await expect(odd.publishAsync('u/a,b=c d', 'x', { qos: 1 })).resolves.toBeDefined();
  await expect(odd.publishAsync('u/b', 'x', { qos: 1 })).rejects.toThrow(/authorized/i);
});

test('item 33: nothing is done for who is not let in', async () => {
  node = await startSecureNode();
  await node.rules([], 'allow');
  const watcher = await node.as('watcher');
  await watcher.subscribe(['#']);
  const publish = wire.publish({ topic: 'a', payload: 'x', qos: 1, packetId: 1 });
  const early: readonly (readonly Uint8Array[])[] = [
    [publish],
    [wire.subscribe(5, 1, [{ filter: '#' }])],
    [wire.connect({ clientId: 'x', will: { topic: 'w', payload: 'x' } }), publish],
    [wire.connect(wrong('ann')), publish, wire.disconnect(4)],
    [wire.connect({ clientId: 'x', properties: [METHOD, data('n,,n=watcher,r=abc')] }), publish],
    [wire.connect({ clientId: 'x', properties: [METHOD] }), wire.auth(0x19, [METHOD])],
  ];
  for (const packets of early) {
    const client = await RawClient.open(node.mqtt, 5, 'x');
    client.send(...packets);
    const got: ServerPacket[] = await client.closed();
    expect(got.some((packet) => packet.type === 'puback' || packet.type === 'suback')).toBe(false);
    expect(got.some((packet) => packet.type === 'connack' && packet.reason === 0)).toBe(false);
  }
  await watcher.quiet();
  expect(node.node.mqtt.context.sessions.get('x')).toBeUndefined();
});

test('item 34: a service that is down, silent or says nonsense lets nobody in, and holds up nobody else', async () => {
  let answer: (response: ServerResponse) => void = () => {};
  const server = createServer((_request, response) => answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  node = await startSecureNode({
    'security.authentication.authenticators': 'http',
    'security.authentication.http.url': `http://127.0.0.1:${port}/`,
    'security.authentication.http.timeout': '300ms',
    'guard.logIn.maxFailures': 0,
  });
  const ask = () => node.refusal(wrong('ann'));
  answer = (response) => response.end(JSON.stringify({ result: 'allow' }));
  expect(await ask()).toBe(0);
  for (const body of ['', 'allow', '{}', '[]', '{"result":"yes"}', '{"result":"allow","roles":7}']) {
    answer = (response) => response.end(body);
    expect(await ask()).toBe(0x88);
  }
  answer = (response) => response.writeHead(500).end(JSON.stringify({ result: 'allow' }));
  expect(await ask()).toBe(0x88);
  answer = () => {};
  expect(await ask()).toBe(0x88);
  server.closeAllConnections();
  server.close();
  expect(await ask()).toBe(0x88);
});

test('item 35: a password file that breaks while the broker runs leaves its users as they were', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'users');
  // Of mosquitto_passwd: PBKDF2 of "wonderland".
  const { pbkdf2Sync } = await import('node:crypto');
  const salt = Buffer.alloc(12, 7);
  const hash = pbkdf2Sync('wonderland', salt, 101, 64, 'sha512').toString('base64');
  const line = `alice:$7$101$${salt.toString('base64')}$${hash}\n`;
  writeFileSync(path, line);
  node = await startSecureNode({
    'security.authentication.authenticators': 'file',
    'security.authentication.file.path': path,
  });
  const alice = { clientId: 'c', username: 'alice', password: 'wonderland' };
  const connected = await node.connect(alice);
  for (const broken of ['', 'alice\n', `${line}bob:plain\n`]) {
    writeFileSync(path, broken);
    await expect(node.node.reload()).rejects.toThrow();
    expect(await node.refusal({ ...alice, clientId: 'd' })).toBe(0);
    expect(await node.refusal({ ...alice, clientId: 'd', username: 'bob', password: 'plain' })).toBe(0x86);
  }
  await connected.quiet();
  writeFileSync(path, line.replace('alice', 'carol'));
  await node.node.reload();
  await connected.expectRefusal(0x98);
});
