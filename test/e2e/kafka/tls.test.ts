/** kafkajs over TLS: with passwords, and with a certificate of its own. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCertificate } from '../../support/certificates.ts';
import { type KafkaNode, type Settings, startKafkaNode } from './node.ts';

const authority = createCertificate({ commonName: 'authority', authority: true });
const server = createCertificate({
  commonName: 'broker',
  names: ['localhost', '127.0.0.1'],
  issuer: authority,
});
const device = createCertificate({ commonName: 'device', issuer: authority });
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

let folder: string;
const brokers: KafkaNode[] = [];
const admins: Admin[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-kafka-tls-'));
  writeFileSync(join(folder, 'cert.pem'), server.certPem);
  writeFileSync(join(folder, 'key.pem'), server.keyPem);
  writeFileSync(join(folder, 'ca.pem'), authority.certPem);
  writeFileSync(join(folder, 'issuer.pem'), keys.publicKey.export({ type: 'spki', format: 'pem' }));
});
afterEach(async () => {
  for (const admin of admins.splice(0)) await admin.disconnect();
  for (const broker of brokers.splice(0)) await broker.stop();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(settings: Settings): Promise<number> {
  const broker = await startKafkaNode({
    'listeners.kafka.enabled': false,
    'listeners.http.enabled': false,
    'listeners.kafkas.enabled': true,
    'listeners.kafkas.port': 0,
    'listeners.kafkas.tls.certFile': join(folder, 'cert.pem'),
    'listeners.kafkas.tls.keyFile': join(folder, 'key.pem'),
    'kafka.security.authorization': 'acl',
    ...settings,
  });
  brokers.push(broker);
  const address = broker.node.listeners.find(({ name }) => name === 'kafkas')?.address;
  if (address === undefined || !('port' in address)) throw new Error('no listener');
  return address.port;
}

async function adminOf(port: number, options: Partial<KafkaConfig>): Promise<Admin> {
  const kafka = new Kafka({
    brokers: [`localhost:${port}`],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    ...options,
    ssl: { ca: authority.certPem, ...(options.ssl as object) },
  });
  const admin = kafka.admin();
  await admin.connect();
  admins.push(admin);
  return admin;
}

describe('kafkajs over TLS', () => {
  test('logs in by a password', async () => {
    const port = await start({
      'kafka.security.authentication': 'sasl',
      'kafka.security.users': '[{"name":"admin","password":"admin-secret"}]',
      'kafka.security.superUsers': '["User:admin"]',
    });
    // A new object each: the client writes into it.
    const sasl = (password: string): SASLOptions => ({
      mechanism: 'scram-sha-512',
      username: 'admin',
      password,
    });
    const admin = await adminOf(port, { sasl: sasl('admin-secret') });
    expect(await admin.createTopics({ topics: [{ topic: 't' }] })).toBe(true);
    const { brokers } = await admin.describeCluster();
    expect(brokers).toEqual([{ nodeId: 1, host: 'localhost', port }]);
    await expect(adminOf(port, { sasl: sasl('wrong') })).rejects.toThrow();
  });

  test('logs in by a token that the key of an issuer has signed', async () => {
    const port = await start({
      'kafka.security.authentication': 'sasl',
      'kafka.security.mechanisms': '["OAUTHBEARER"]',
      'kafka.security.oauth.keys': JSON.stringify([
        { id: 'k', algorithm: 'RS256', file: join(folder, 'issuer.pem') },
      ]),
      'kafka.security.oauth.issuer': 'https://issuer',
      'kafka.security.superUsers': '["User:admin"]',
    });
    const token = (claims: object): string => {
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const signed = `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}`;
      return `${signed}.${sign('sha256', Buffer.from(signed), keys.privateKey).toString('base64url')}`;
    };
    const exp = Date.now() / 1000 + 60;
    const logIn = (claims: object) =>
      adminOf(port, {
        sasl: { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: token(claims) }) },
      });
    expect(await (await logIn({ sub: 'admin', iss: 'https://issuer', exp })).listTopics()).toEqual([]);
    await expect((await logIn({ sub: 'admin', iss: 'https://other', exp })).listTopics()).rejects.toThrow();
  });

  test('is who the authenticator says that its certificate names', async () => {
    const port = await start({
      'listeners.kafkas.tls.caFile': join(folder, 'ca.pem'),
      'listeners.kafkas.tls.clientCertificate': 'request',
      'kafka.security.authorization': 'none',
      'security.authentication.authenticators': '["certificate"]',
      'security.authentication.anonymous': 'refuse',
      'authorization.rules': JSON.stringify([
        // biome-ignore lint/suspicious/noTemplateCurlyInString: what users write
        { effect: 'allow', actions: ['manage'], filters: ['of/${certname}'], users: ['device'] },
      ]),
    });
    const known = await adminOf(port, { ssl: { cert: device.certPem, key: device.keyPem } });
    expect(await known.createTopics({ topics: [{ topic: 'of.device' }] })).toBe(true);
    await expect(known.createTopics({ topics: [{ topic: 'of.another' }] })).rejects.toThrow();
    const unknown = await adminOf(port, {});
    await expect(unknown.listTopics()).rejects.toThrow();
  });

  test('is who its certificate says', async () => {
    const port = await start({
      'listeners.kafkas.tls.caFile': join(folder, 'ca.pem'),
      'listeners.kafkas.tls.clientCertificate': 'request',
      'kafka.security.superUsers': '["User:CN=device"]',
    });
    const known = await adminOf(port, { ssl: { cert: device.certPem, key: device.keyPem } });
    expect(await known.createTopics({ topics: [{ topic: 't' }] })).toBe(true);
    const unknown = await adminOf(port, {});
    await expect(unknown.createTopics({ topics: [{ topic: 'u' }] })).rejects.toThrow();
    expect(await unknown.listTopics()).toEqual([]);
  });
});
