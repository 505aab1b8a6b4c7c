import { createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../../src/config/config.ts';
import { createSettings } from '../../../../src/kernel/settings-table.ts';
import { Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode } from '../../../../src/protocols/kafka/messages/errors.ts';
import type { AuthenticatedConnection } from '../../../../src/protocols/kafka/security/authentication.ts';
import { createSecurity } from '../../../../src/protocols/kafka/security/security.ts';
import {
  credentialOf,
  type ScramCredential,
  type ScramMechanism,
} from '../../../../src/security/scram/scram.ts';
import { Secret } from '../../../../src/security/secret.ts';
import { userBench } from '../../../security/support.ts';
import { defaults, immediateLog, sharedSecurity } from './support.ts';

const secret = 'k'.repeat(40);
const users = [
  { name: 'alice', password: 'wonderland' },
  { name: 'bob', password: 'builder' },
];

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function begin(own: Partial<Config['kafka']['security']> = {}) {
  const settings = createSettings(11, 'settings');
  settings.attach(immediateLog().log);
  const people = userBench({ configured: own.users ?? users });
  const { users: known, clock } = people;
  const setScram = (userName: string, mechanism: ScramMechanism, credential: ScramCredential | undefined) =>
    known.editScram(() => [{ userName, mechanism, credential }]);
  const logged: object[] = [];
  const config: Config = {
    ...defaults,
    kafka: {
      ...defaults.kafka,
      security: {
        ...defaults.kafka.security,
        authentication: 'sasl',
        users,
        failureDelayMs: 0,
        oauth: { ...defaults.kafka.security.oauth, keys: [{ id: '', algorithm: 'HS256', file: '', secret }] },
        ...own,
      },
    },
  };
  const log = (fields: object): unknown => logged.push(fields);
  const security = createSecurity({
    config,
    settings,
    shared: sharedSecurity(config, people),
    clock,
    log: { info: log, warn: log },
  });
  const ends: string[] = [];
  const connection: AuthenticatedConnection = {
    principal: '',
    identity: undefined,
    meter: undefined,
    listener: 'kafka',
    remoteAddress: '10.0.0.1',
    isClosed: false,
    end: (reason) => ends.push(reason),
    onClose: () => () => {},
    pump: () => {},
  };
  const authentication = security.begin(connection, { kind: 'tcp', peerCertificate: undefined });
  const send = (text: string) => authentication.authenticate(Buffer.from(text));
  return { clock, setScram, known, logged, ends, connection, authentication, security, send };
}

const plain = (user: string, password: string, authorizationId = ''): string =>
  `${authorizationId}\0${user}\0${password}`;
const bearer = (token: string): string => `n,,\x01auth=Bearer ${token}\x01\x01`;

/** As a client does it, by the text of the RFC. */
function scramClient(user: string, password: string, digest: 'sha256' | 'sha512', header = 'n,,') {
  const bare = `n=${user},r=nonce`;
  return {
    first: header + bare,
    final(serverFirst: string, prefix = ''): string {
      const {
        r = '',
        s = '',
        i = '',
      } = Object.fromEntries(serverFirst.split(',').map((field) => [field[0], field.slice(2)]));
      const bytes = digest === 'sha256' ? 32 : 64;
      const salted = pbkdf2Sync(password, Buffer.from(s, 'base64'), Number(i), bytes, digest);
      const { storedKey } = credentialOf(
        digest === 'sha256' ? 'SCRAM-SHA-256' : 'SCRAM-SHA-512',
        salted,
        1,
        salted,
      );
      const clientKey = createHmac(digest, salted).update('Client Key').digest();
      const without = `c=${Buffer.from(header).toString('base64')},r=${prefix}${r}`;
      const signature = createHmac(digest, storedKey).update(`${bare},${serverFirst},${without}`).digest();
      const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
      return `${without},p=${proof.toString('base64')}`;
    },
  };
}

describe('a connection that has to log in', () => {
  it('may ask for versions and log in, and do nothing else before', async () => {
    const { authentication, send, connection } = begin();
    expect(connection.principal).toBe('User:ANONYMOUS');
    expect(authentication.isThrough).toBe(false);
    for (const api of Object.values(Apis)) {
      expect([api.name, authentication.admits(api)]).toEqual([
        api.name,
        api === Apis.apiVersions || api === Apis.saslHandshake,
      ]);
    }
    expect(authentication.handshake(1, 'PLAIN')).toEqual({
      errorCode: 0,
      mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    });
    expect(authentication.admits(Apis.produce)).toBe(false);
    expect(authentication.admits(Apis.saslAuthenticate)).toBe(true);
    expect(await send(plain('alice', 'wonderland'))).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 });
    expect(connection.principal).toBe('User:alice');
    for (const api of Object.values(Apis)) expect(authentication.admits(api)).toBe(true);
  });

  it.each([
    ['a wrong password', plain('alice', 'builder')],
    ['a user that there is not', plain('eve', 'wonderland')],
    ['an empty password', plain('alice', '')],
    ['an empty user', plain('', 'wonderland')],
    ['the name of another', plain('alice', 'wonderland', 'bob')],
    ['too few parts', 'alice'],
    ['too many parts', `${plain('alice', 'wonderland')}\0`],
    ['nothing', ''],
  ])('is refused with %s, in the same words', async (_what, token) => {
    const { authentication, send, ends, connection, logged } = begin();
    authentication.handshake(1, 'PLAIN');
    const answer = await send(token);
    expect(answer).toMatchObject({
      errorCode: 58,
      errorMessage: 'authentication failed',
      sessionLifetimeMs: 0,
    });
    expect(ends).toHaveLength(1);
    expect(connection.principal).toBe('User:ANONYMOUS');
    expect(authentication.admits(Apis.saslHandshake)).toBe(false);
    expect(JSON.stringify(logged)).not.toMatch(/wonderland|builder/);
  });

  it.each([
    ['SCRAM-SHA-256', 'sha256'],
    ['SCRAM-SHA-512', 'sha512'],
  ] as const)(
    'logs in by %s, with a password of the configuration or a credential that was set',
    async (name, digest) => {
      const salt = Buffer.from('0123456789');
      const bytes = digest === 'sha256' ? 32 : 64;
      const credential = credentialOf(name, salt, 5000, pbkdf2Sync('carrot', salt, 5000, bytes, digest));
      for (const [user, password, isRight] of [
        ['alice', 'wonderland', true],
        ['carol', 'carrot', true],
        ['carol', 'wonderland', false],
        ['eve', 'carrot', false],
      ] as const) {
        const { authentication, send, setScram, connection } = begin();
        await setScram('carol', name, credential);
        authentication.handshake(1, name);
        const client = scramClient(user, password, digest);
        const challenge = await send(client.first);
        expect(challenge.errorCode).toBe(0);
        const answer = await send(client.final(Buffer.from(challenge.authBytes).toString()));
        expect(answer.errorCode).toBe(isRight ? 0 : 58);
        expect(connection.principal).toBe(isRight ? `User:${user}` : 'User:ANONYMOUS');
      }
    },
  );

  it('may say its part of the nonce twice, as librdkafka long did, and neither leave out ours nor add to it', async () => {
    for (const [prefix, code] of [
      ['nonce', 0],
      ['noncenonce', 58],
      ['x', 58],
    ] as const) {
      const { authentication, send } = begin();
      authentication.handshake(1, 'SCRAM-SHA-256');
      const client = scramClient('alice', 'wonderland', 'sha256');
      const challenge = Buffer.from((await send(client.first)).authBytes).toString();
      expect((await send(client.final(challenge, prefix))).errorCode).toBe(code);
    }
    const { authentication, send } = begin();
    authentication.handshake(1, 'SCRAM-SHA-256');
    const client = scramClient('alice', 'wonderland', 'sha256');
    const challenge = Buffer.from((await send(client.first)).authBytes).toString();
    const withoutOurs = challenge.replace(/^r=[^,]*/, 'r=nonce');
    expect((await send(client.final(withoutOurs))).errorCode).toBe(58);
  });

  it('cannot tell by SCRAM who is a user', async () => {
    const first = async (user: string) => {
      const { authentication, send, security } = begin();
      authentication.handshake(1, 'SCRAM-SHA-256');
      const { authBytes } = await send(`n,,n=${user},r=x`);
      const again = await security.users.scramCredential('SCRAM-SHA-256', user);
      const text = Buffer.from(authBytes).toString();
      if (again === 'busy') throw new Error('busy');
      // The salt does not change from one try to the next, as that of a user does not.
      expect(text).toContain(Buffer.from(again.salt).toString('base64'));
      return text.replace(/[^,=]{20,}/g, 'X').replace(/X=+/g, 'X');
    };
    expect(await first('eve')).toBe(await first('alice'));
  });

  it('logs in by a password against what SCRAM keeps of it', async () => {
    const salt = Buffer.from('0123456789');
    const salted = pbkdf2Sync('carrot', salt, 4096, 64, 'sha512');
    for (const [password, code] of [
      ['carrot', 0],
      ['carrots', 58],
    ] as const) {
      const { authentication, send, setScram } = begin();
      await setScram('carol', 'SCRAM-SHA-512', credentialOf('SCRAM-SHA-512', salt, 4096, salted));
      authentication.handshake(1, 'PLAIN');
      expect((await send(plain('carol', password))).errorCode).toBe(code);
    }
  });

  it('ends when its user has another password or other roles, is disabled or gone, and not when another is', async () => {
    const password = new Secret('carrot cake');
    for (const [change, isEnded] of [
      ['setPassword', true],
      ['disable', true],
      ['delete', true],
      ['update', true],
      ['another', false],
    ] as const) {
      const { authentication, send, known, ends } = begin();
      await known.create({ name: 'carol', password });
      await known.create({ name: 'dave', password });
      authentication.handshake(1, 'PLAIN');
      expect((await send(plain('carol', 'carrot cake'))).errorCode).toBe(0);
      if (change === 'setPassword') await known.setPassword('carol', new Secret('another cake'));
      else if (change === 'disable') await known.disable('carol');
      else if (change === 'delete') await known.delete('carol');
      else if (change === 'update') await known.update('carol', { roles: ['baker'] });
      else await known.delete('dave');
      expect([change, ends.length > 0]).toEqual([change, isEnded]);
    }
  });

  it('does not log in by a token as a user who is disabled', async () => {
    const { authentication, send, known } = begin();
    await known.create({ name: 'carol', isDisabled: true });
    authentication.handshake(1, 'OAUTHBEARER');
    const exp = Date.UTC(2026, 0, 1) / 1000 + 60;
    expect(Buffer.from((await send(bearer(jwt({ sub: 'carol', exp })))).authBytes).toString()).toContain(
      'invalid',
    );
    expect((await send('\x01')).errorCode).toBe(58);
  });

  it('no longer logs in when its credential was removed', async () => {
    const { authentication, send, setScram } = begin();
    const salt = Buffer.from('0123456789');
    const salted = pbkdf2Sync('carrot', salt, 4096, 32, 'sha256');
    const credential = credentialOf('SCRAM-SHA-256', salt, 4096, salted);
    await setScram('carol', 'SCRAM-SHA-256', credential);
    await setScram('carol', 'SCRAM-SHA-256', undefined);
    authentication.handshake(1, 'PLAIN');
    expect((await send(plain('carol', 'carrot'))).errorCode).toBe(58);
  });

  it('logs in by a token, for as long as that lasts, and is then heard no more until it has a new one', async () => {
    const { authentication, send, clock, connection } = begin();
    const token = (forSeconds: number, sub = 'alice') =>
      jwt({ sub, exp: clock.wallMs() / 1000 + forSeconds });
    authentication.handshake(1, 'OAUTHBEARER');
    expect(await send(bearer(token(60)))).toMatchObject({ errorCode: 0, sessionLifetimeMs: 60_000 });
    expect(connection.principal).toBe('User:alice');
    await clock.advance(59_999);
    expect(authentication.admits(Apis.fetch)).toBe(true);
    await clock.advance(1);
    expect(authentication.admits(Apis.fetch)).toBe(false);
    expect(authentication.admits(Apis.saslHandshake)).toBe(true);
    authentication.handshake(1, 'OAUTHBEARER');
    expect(await send(bearer(token(60)))).toMatchObject({ errorCode: 0 });
    expect(authentication.admits(Apis.fetch)).toBe(true);
  });

  it('hears why a token is refused, and then that it is', async () => {
    const { authentication, send, ends } = begin();
    authentication.handshake(1, 'OAUTHBEARER');
    const { errorCode, authBytes } = await send(bearer(jwt({ sub: 'alice', exp: 1 })));
    expect(errorCode).toBe(0);
    expect(JSON.parse(Buffer.from(authBytes).toString())).toEqual({ status: 'invalid_token' });
    expect(ends).toEqual([]);
    expect(await send('\x01')).toMatchObject({ errorCode: 58 });
    expect(ends).toHaveLength(1);
  });

  it.each([
    'n,,\x01auth=Bearer \x01',
    'n,,\x01auth=Basic x\x01\x01',
    'n,,\x01\x01',
    'p,,\x01auth=Bearer x\x01\x01',
    'n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01',
    '',
  ])('is refused when it sends %j for a token', async (text) => {
    const { authentication, send } = begin();
    authentication.handshake(1, 'OAUTHBEARER');
    expect((await send(text)).errorCode).toBe(58);
  });

  it('is told which mechanisms there are when it wants another, and is let go', () => {
    const { authentication, ends } = begin({ mechanisms: ['SCRAM-SHA-512'] });
    expect(authentication.handshake(1, 'PLAIN')).toEqual({
      errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
      mechanisms: ['SCRAM-SHA-512'],
    });
    expect(ends).toHaveLength(1);
    expect(authentication.admits(Apis.saslHandshake)).toBe(false);
  });

  it('is not offered tokens when there is nothing to check them with', () => {
    const { oauth } = defaults.kafka.security;
    const { authentication } = begin({ oauth });
    expect(authentication.handshake(1, 'PLAIN').mechanisms).not.toContain('OAUTHBEARER');
  });

  it('has a limited time, and tokens of a limited size', async () => {
    const slow = begin({ logInTimeoutMs: 5000 });
    await slow.clock.advance(5000);
    expect(slow.ends).toHaveLength(1);
    const quick = begin({ logInTimeoutMs: 5000 });
    quick.authentication.handshake(1, 'PLAIN');
    await quick.send(plain('alice', 'wonderland'));
    await quick.clock.advance(10_000);
    expect(quick.ends).toEqual([]);
    const large = begin();
    large.authentication.handshake(1, 'PLAIN');
    expect((await large.send('x'.repeat(65_537))).errorCode).toBe(58);
  });

  it('hears of a refusal later, so that guessing takes its time', async () => {
    const { authentication, send, clock, ends } = begin({ failureDelayMs: 100 });
    authentication.handshake(1, 'PLAIN');
    let isAnswered = false;
    const answer = send('nonsense').then(() => {
      isAnswered = true;
    });
    await clock.advance(99);
    expect([isAnswered, ends.length]).toEqual([false, 0]);
    await clock.advance(1);
    await answer;
    expect(ends).toHaveLength(1);
  });

  it('sends tokens without a header after version 0 of the handshake, until it is through', async () => {
    const { authentication } = begin();
    authentication.handshake(0, 'PLAIN');
    expect(authentication.isRaw).toBe(true);
    const answer = await authentication.authenticateRaw(Buffer.from(plain('alice', 'wonderland')));
    expect(answer).toHaveLength(0);
    expect([authentication.isRaw, authentication.isThrough]).toEqual([false, true]);
    const refused = begin();
    refused.authentication.handshake(0, 'PLAIN');
    expect(await refused.authentication.authenticateRaw(Buffer.from('x'))).toBeUndefined();
  });

  it('may log in again as who it is, in the way it did', async () => {
    for (const [mechanism, token, code] of [
      ['PLAIN', plain('alice', 'wonderland'), 0],
      ['PLAIN', plain('bob', 'builder'), 58],
      ['OAUTHBEARER', bearer(jwt({ sub: 'alice', exp: 1e10 })), 58],
    ] as const) {
      const { authentication, send, connection } = begin({ sessionMs: 10_000 });
      authentication.handshake(1, 'PLAIN');
      expect((await send(plain('alice', 'wonderland'))).sessionLifetimeMs).toBe(10_000);
      authentication.handshake(1, mechanism);
      expect(authentication.admits(Apis.fetch)).toBe(false);
      expect((await send(token)).errorCode).toBe(code);
      expect(connection.principal).toBe('User:alice');
      expect(authentication.admits(Apis.fetch)).toBe(code === 0);
    }
  });

  it('is told that its state is wrong when it sends a token without a handshake', async () => {
    const { authentication, send, ends } = begin();
    expect((await send('x')).errorCode).toBe(ErrorCode.ILLEGAL_SASL_STATE);
    expect(ends).toHaveLength(1);
    const through = begin();
    through.authentication.handshake(1, 'PLAIN');
    await through.send(plain('alice', 'wonderland'));
    expect((await through.send('x')).errorCode).toBe(ErrorCode.ILLEGAL_SASL_STATE);
    expect(through.ends).toEqual([]);
    expect(authentication.isThrough).toBe(false);
  });
});

describe('a connection that need not log in', () => {
  it('may do everything, as nobody or as its certificate says', async () => {
    const { security, connection } = begin({ authentication: 'none' });
    const authentication = security.begin(connection, {
      kind: 'tls',
      peerCertificate: {
        commonName: 'device',
        subject: 'O=A\\, B factory, CN=device',
        fingerprint256: '',
      },
    });
    expect(authentication.admits(Apis.produce)).toBe(true);
    expect(connection.principal).toBe('User:CN=device,O=A\\, B factory');
    expect(authentication.handshake(1, 'PLAIN')).toEqual({
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
      mechanisms: [],
    });
    expect((await authentication.authenticate(Buffer.from('x'))).errorCode).toBe(
      ErrorCode.ILLEGAL_SASL_STATE,
    );
    security.begin(connection, { kind: 'tcp', peerCertificate: undefined });
    expect(connection.principal).toBe('User:ANONYMOUS');
  });
});
