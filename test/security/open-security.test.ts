import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { createSettings } from '../../src/kernel/settings-table.ts';
import { TableId } from '../../src/kernel/state/table.ts';
import { type OpenSecurity, openSecurity } from '../../src/security/open-security.ts';
import { Secret } from '../../src/security/secret.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { attempt, immediateLog, withPassword } from './support.ts';
import { pairs, pem, signedToken } from './tokens/signed.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0)) await each();
});

async function opened(
  ...sets: string[]
): Promise<OpenSecurity & { clock: ReturnType<typeof createManualClock> }> {
  const loaded = await loadConfig({ sets: ['security.passwords.scryptLogCost=10', ...sets] });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const clock = createManualClock();
  const logger = { info: () => {}, warn: () => {}, error: () => {} };
  const security = await openSecurity({
    config: loaded.config,
    settings: createSettings(TableId.Security, 'security'),
    log: immediateLog().log,
    clock,
    logger,
    auditDirectory: undefined,
  });
  cleanUp.push(() => security.close());
  return { ...security, clock };
}
const chain = (...names: string[]): string =>
  `security.authentication.authenticators=${JSON.stringify(names)}`;
const own = (...entries: object[]): string => `security.authentication.listeners=${JSON.stringify(entries)}`;
const letsIn = async ({ authentication }: OpenSecurity, from = attempt()): Promise<boolean> =>
  (await authentication.authenticate(from)).isLetIn;

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'security-'));
  cleanUp.push(() => rm(made, { recursive: true }));
  return made;
}

describe('security as configured', () => {
  it('lets everybody in on loopback by default, as nobody', async () => {
    const security = await opened();
    expect(await security.authentication.authenticate(withPassword('alice', 'x'))).toMatchObject({
      isLetIn: true,
      principal: { userName: undefined, isSuperuser: false },
    });
    // Who administers is asked in any case.
    expect(await letsIn(security, attempt({ listener: 'http' }))).toBe(false);
  });

  it('asks for users where it is told to, and lets in those who show nothing only on loopback', async () => {
    const security = await opened(chain('database'), 'listeners.ws.host=0.0.0.0');
    await security.users.create({ name: 'alice', password: new Secret('wonderland') });
    for (const listener of ['mqtt', 'ws'] as const) {
      expect(await letsIn(security, withPassword('alice', 'wonderland', { listener }))).toBe(true);
      expect(await letsIn(security, withPassword('alice', 'wonderlands', { listener }))).toBe(false);
      expect(await letsIn(security, attempt({ listener }))).toBe(listener === 'mqtt');
    }
  });

  it('takes no PROXY for loopback, and nobody where that is said', async () => {
    const behindProxy = await opened(
      chain('database'),
      'listeners.mqtt.proxyProtocol=true',
      'listeners.mqtt.proxyTrustedNetworks=127.0.0.1',
    );
    expect(await letsIn(behindProxy)).toBe(false);
    expect(await letsIn(await opened('security.authentication.anonymous=refuse'))).toBe(false);
    const mixed = await opened(
      chain('database'),
      'security.authentication.anonymous=refuse',
      own({ listener: 'ws', anonymous: 'allow' }),
    );
    expect(await letsIn(mixed)).toBe(false);
    expect(await letsIn(mixed, attempt({ listener: 'ws' }))).toBe(true);
    expect(await letsIn(mixed, withPassword('eve', 'x', { listener: 'ws' }))).toBe(false);
  });

  it('lets everybody in where that was insisted on', async () => {
    const security = await opened('security.allowInsecure=true', 'listeners.mqtt.host=0.0.0.0');
    expect(await letsIn(security)).toBe(true);
    const asked = await opened(
      'security.allowInsecure=true',
      'listeners.mqtt.host=0.0.0.0',
      chain('database'),
    );
    expect(await letsIn(asked)).toBe(false);
  });

  it('has SCRAM where it is in the chain', async () => {
    const { authentication } = await opened(
      chain('database'),
      own({ listener: 'ws', authenticators: ['scram'] }),
    );
    expect(authentication.mechanisms('ws')).toHaveLength(2);
    expect(authentication.mechanisms('mqtt')).toEqual([]);
  });

  it('has the users of the Kafka section for every protocol', async () => {
    const users = JSON.stringify([{ name: 'alice', password: 'wonderland' }]);
    const security = await opened(chain('database'), `kafka.security.users=${users}`);
    expect(await letsIn(security, withPassword('alice', 'wonderland'))).toBe(true);
    expect(await letsIn(security, withPassword('alice', 'wonderlands'))).toBe(false);
  });

  it('reads keys of tokens from files', async () => {
    const path = join(await directory(), 'key.pem');
    const keys = (file: string): string =>
      `security.authentication.jwt.keys=${JSON.stringify([{ algorithm: 'ES256', file }])}`;
    await expect(opened(chain('jwt'), keys(path))).rejects.toThrow('jwt.keys entry 0 cannot be read');
    await writeFile(path, pem(pairs.rsa.publicKey));
    await expect(opened(chain('jwt'), keys(path))).rejects.toThrow('cannot be used');
    await writeFile(path, pem(pairs.p256.publicKey));
    const security = await opened(chain('jwt'), keys(path));
    const exp = security.clock.wallMs() / 1000 + 60;
    expect(await letsIn(security, withPassword('', signedToken('ES256', { sub: 'alice', exp })))).toBe(true);
    expect(await letsIn(security, withPassword('', signedToken('RS256', { sub: 'alice', exp })))).toBe(false);
  });

  async function serve(answer: (body: string) => object): Promise<string> {
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      response.end(JSON.stringify(answer(body)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUp.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  it('fetches the keys of an issuer when the first token comes', async () => {
    let fetched = 0;
    const url = await serve(() => {
      fetched++;
      return { keys: [{ ...pairs.ed25519.publicKey.export({ format: 'jwk' }), kid: 'a', use: 'sig' }] };
    });
    const security = await opened(chain('jwt'), `security.authentication.jwt.jwks.url=${url}`);
    expect(fetched).toBe(0);
    const exp = security.clock.wallMs() / 1000 + 60;
    const show = (kid: string) =>
      letsIn(security, withPassword('', signedToken('EdDSA', { sub: 'alice', exp }, { kid })));
    expect(await show('a')).toBe(true);
    expect(await show('b')).toBe(false);
    expect(fetched).toBe(1);
  });

  it('asks a service with the fields and headers that are configured', async () => {
    const asked: string[] = [];
    const url = await serve((body) => {
      asked.push(body);
      return { result: 'allow', roles: ['r'] };
    });
    const fields = JSON.stringify([{ name: 'login', value: `${'$'}{username}` }]);
    const security = await opened(
      chain('http'),
      `security.authentication.http.url=${url}`,
      `security.authentication.http.body=${fields}`,
    );
    expect(await letsIn(security, withPassword('alice', 'x'))).toBe(true);
    expect(asked).toEqual(['{"login":"alice"}']);
  });

  it('ops 35: does not start without its password file, and keeps it when it is gone later', async () => {
    const path = join(await directory(), 'users');
    const file = `security.authentication.file.path=${path}`;
    await expect(opened(chain('file'), file)).rejects.toThrow('cannot be used');
    await writeFile(
      path,
      'alice:$6$c2FsdHNhbHRzYWx0$PBlOtrOGjvOeI+IiN5MmKjjcmG5g1hbwE1mIVwGAnw13BgvkHtyPSTSBnKcEL1d4WVFMz6+NuJKMR65FRcqwQQ==\n',
    );
    const security = await opened(chain('file'), file);
    const told: string[] = [];
    security.onUserChange((name, change) => told.push(`${name} ${change}`));
    await rm(path);
    expect(await security.authentication.reload()).toEqual([expect.stringContaining('stay')]);
    expect(told).toEqual([]);
    expect(await letsIn(security, withPassword('alice', 'wrong'))).toBe(false);
    await security.users.create({ name: 'bob' });
    expect(told).toEqual(['bob created']);
  });
});
