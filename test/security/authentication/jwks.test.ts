/** Tokens whose keys an issuer publishes: keys that change, names of keys that nobody knows, and an issuer that is not in order. */
import { createHmac, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { createSettings } from '../../../src/kernel/settings-table.ts';
import { TableId } from '../../../src/kernel/state/table.ts';
import { type OpenSecurity, openSecurity } from '../../../src/security/open-security.ts';
import { createCertificate } from '../../support/certificates.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { immediateLog, withPassword } from '../support.ts';
import { pairs, part, pem, signedToken } from '../tokens/signed.ts';

const authority = createCertificate({ commonName: 'authority', authority: true });
const { certPem, keyPem } = createCertificate({
  commonName: 'localhost',
  names: ['localhost'],
  issuer: authority,
});

const published = (key: KeyObject, more: object): object => ({ ...key.export({ format: 'jwk' }), ...more });
const ec = published(pairs.p256.publicKey, { kid: 'ec', use: 'sig' });
const ed = published(pairs.ed25519.publicKey, { kid: 'ed' });
const rsa = published(pairs.rsa.publicKey, { kid: 'rsa', alg: 'RS256' });

let folder: string;
let server: Server;
let answer: RequestListener;
let fetched: number;
let clock: ManualClock;
let warned: number;
let security: OpenSecurity;

const publish = (...keys: object[]): void => {
  answer = (_request, response) => void response.end(JSON.stringify({ keys }));
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-jwks-'));
  writeFileSync(join(folder, 'ca.pem'), authority.certPem);
  server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    fetched++;
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  fetched = warned = 0;
  clock = createManualClock();
  publish(ec);
  security = await openWith();
});
afterEach(() => security.close());

async function openWith(...sets: string[]): Promise<OpenSecurity> {
  const jwt = 'security.authentication.jwt';
  const loaded = await loadConfig({
    sets: [
      'security.authentication.authenticators=jwt',
      `${jwt}.jwks.url=https://localhost:${(server.address() as AddressInfo).port}/keys`,
      `${jwt}.jwks.caFile=${join(folder, 'ca.pem')}`,
      `${jwt}.jwks.refresh=1m`,
      `${jwt}.jwks.ttl=10m`,
      `${jwt}.jwks.minFetchInterval=10s`,
      `${jwt}.clockSkew=30s`,
      'security.authentication.timeout=1m',
      ...sets,
    ],
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return openSecurity({
    config: loaded.config,
    settings: createSettings(TableId.Security, 'security'),
    log: immediateLog().log,
    clock,
    logger: { info: () => {}, warn: () => void warned++, error: () => {} },
    auditDirectory: undefined,
  });
}

const inSeconds = (seconds: number): number => clock.wallMs() / 1000 + seconds;
const claims = (): object => ({ sub: 'alice', exp: inSeconds(3600) });
const ecToken = (kid = 'ec'): string => signedToken('ES256', claims(), { kid });
const edToken = (kid = 'ed'): string => signedToken('EdDSA', claims(), { kid });

async function show(token: string): Promise<boolean> {
  const outcome = await security.authentication.authenticate(withPassword('', token));
  return outcome.isLetIn;
}

describe('keys that an issuer publishes', () => {
  it('are believed by its certificate, and change while tokens of before and after are shown', async () => {
    expect(await show(ecToken())).toBe(true);
    publish(ec, ed);
    // Unknown so far, and asked for a moment ago.
    expect(await show(edToken())).toBe(false);
    await clock.advance(10_000);
    expect([await show(edToken()), await show(ecToken())]).toEqual([true, true]);
    publish(ed);
    await clock.advance(60_000);
    // Nobody waits for the keys that are fetched now.
    expect(await show(ecToken())).toBe(true);
    await expect.poll(() => show(ecToken())).toBe(false);
    expect(await show(edToken())).toBe(true);
    expect(fetched).toBe(3);
  });

  it('are not asked for by a storm of tokens with names that nobody knows', async () => {
    expect(await show(ecToken())).toBe(true);
    for (let interval = 0; interval < 3; interval++) {
      const storm = await Promise.all(Array.from({ length: 300 }, (_, i) => show(edToken(`none-${i}`))));
      expect(storm).toEqual(storm.map(() => false));
      expect(await show(ecToken())).toBe(true);
      expect(fetched).toBe(interval + 1);
      await clock.advance(10_000);
    }
  });

  it('count while the issuer is away, wrong or silent, for as long as configured; then nobody gets in', async () => {
    expect(await show(ecToken())).toBe(true);
    const faults: RequestListener[] = [
      (request) => request.socket.destroy(),
      (_request, response) => void response.writeHead(500).end('{"keys":[]}'),
      (_request, response) => void response.writeHead(302, { location: '/other' }).end(),
      (_request, response) => void response.end('<html>'),
      (_request, response) => void response.end('{"keys":[]}'),
      (_request, response) => void response.end(JSON.stringify({ keys: [ec], pad: 'x'.repeat(300_000) })),
      (_request, response) => void response.end(JSON.stringify({ keys: new Array(65).fill(ec) })),
    ];
    for (const [i, fault] of faults.entries()) {
      answer = fault;
      await clock.advance(60_000);
      expect(await show(ecToken())).toBe(true);
      await expect.poll(() => warned).toBe(i + 1);
    }
    await clock.advance(180_000);
    expect(await show(ecToken())).toBe(false);
    publish(ec);
    await clock.advance(10_000);
    expect(await show(ecToken())).toBe(true);
  });

  it('let nobody in whose issuer shows another certificate, or says nothing in time', async () => {
    const other = createCertificate({ commonName: 'other', authority: true });
    writeFileSync(join(folder, 'other.pem'), other.certPem);
    security.close();
    security = await openWith(`security.authentication.jwt.jwks.caFile=${join(folder, 'other.pem')}`);
    expect(await show(ecToken())).toBe(false);
    expect(fetched).toBe(0);
    answer = () => {};
    security.close();
    security = await openWith('security.authentication.timeout=300ms');
    expect(await show(ecToken())).toBe(false);
  });

  it('sign by their own algorithm alone, and tokens say nothing about that', async () => {
    publish(ec, rsa);
    const rs = (header: object = {}): string => signedToken('RS256', claims(), { kid: 'rsa', ...header });
    expect([await show(ecToken()), await show(rs())]).toEqual([true, true]);
    const none = `${part({ alg: 'none', kid: 'rsa' })}.${part(claims())}.`;
    // What is published, taken for a secret: as it is in a file, and as it travels.
    const secrets = [pem(pairs.rsa.publicKey), JSON.stringify(rsa), JSON.stringify(ec)];
    const confused = secrets.flatMap((secret) =>
      ['rsa', 'ec', undefined].map((kid) => {
        const text = `${part({ alg: 'HS256', kid })}.${part(claims())}`;
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      }),
    );
    const bad = [
      none,
      `${none}${rs().split('.')[2]}`,
      none.replace(part({ alg: 'none', kid: 'rsa' }), part({ alg: 'nOnE', kid: 'rsa' })),
      ...confused,
      signedToken('RS512', claims(), { kid: 'rsa' }),
      rs({ jwk: rsa, crit: ['jwk'] }),
      rs({ kid: 'ec' }),
      signedToken('ES384', claims(), { kid: 'ec', jwk: published(pairs.p384.publicKey, {}) }),
      signedToken('EdDSA', claims(), { kid: 'ec', jwk: ed }),
      signedToken('RS256', { ...claims(), pad: 'x'.repeat(16 * 1024) }, { kid: 'rsa' }),
    ];
    for (const token of bad)
      expect([token.slice(0, 80), await show(token)]).toEqual([token.slice(0, 80), false]);
  });

  it('count within the time of the token, give or take what clocks differ, and take the last of claims that are there twice', async () => {
    const at = (more: object): Promise<boolean> =>
      show(signedToken('ES256', { sub: 'alice', ...more }, { kid: 'ec' }));
    expect(await at({ exp: inSeconds(-29) })).toBe(true);
    expect(await at({ exp: inSeconds(-31) })).toBe(false);
    expect(await at({ exp: inSeconds(60), nbf: inSeconds(29) })).toBe(true);
    expect(await at({ exp: inSeconds(60), nbf: inSeconds(31) })).toBe(false);
    for (const exp of [undefined, null, 'soon', `${inSeconds(60)}`, -1, 1e300])
      expect(await at({ exp })).toBe(false);
    const [head] = signedToken('ES256', {}, { kid: 'ec' }).split('.');
    const twice = `{"sub":"root","sub":"alice","exp":1,"exp":${Math.floor(inSeconds(60))}}`;
    const text = `${head}.${Buffer.from(twice).toString('base64url')}`;
    const key = { key: pairs.p256.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    const signature = sign('sha256', Buffer.from(text), key).toString('base64url');
    const outcome = await security.authentication.authenticate(withPassword('', `${text}.${signature}`));
    expect(outcome).toMatchObject({ isLetIn: true, principal: { userName: 'alice' } });
  });
});
