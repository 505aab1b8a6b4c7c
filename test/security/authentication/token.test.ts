import { describe, expect, it } from 'vitest';
import { createTokenAuthenticator, type TokenOptions } from '../../../src/security/authentication/token.ts';
import { createKeySet } from '../../../src/security/tokens/key-set.ts';
import { jwtKey } from '../../../src/security/tokens/keys.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { attempt, withPassword } from '../support.ts';
import { pairs, pem, signedToken } from '../tokens/signed.ts';

const names = {
  userClaim: 'sub',
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
  rulesClaim: 'acl',
  superuserClaim: '',
};

function setUp(options: Partial<TokenOptions> = {}) {
  const clock = createManualClock();
  const authenticator = createTokenAuthenticator({
    from: 'password',
    rules: { issuer: 'me', audience: 'mqtt', skewMs: 0 },
    names,
    keys: [jwtKey('', 'ES256', pem(pairs.p256.publicKey))],
    keySet: undefined,
    clock,
    ...options,
  });
  const exp = clock.wallMs() / 1000 + 60;
  return {
    clock,
    exp,
    claims: { sub: 'alice', exp, iss: 'me', aud: 'mqtt' },
    ask: (from = attempt()) => authenticator.authenticate(from, new AbortController().signal),
    show: (token: string) =>
      authenticator.authenticate(withPassword('x', token), new AbortController().signal),
  };
}

describe('ops 31: tokens in the chain', () => {
  it('are who they say, with tenant, roles, rules and an end', async () => {
    const { show, claims, exp } = setUp();
    const acl = { sub: ['a/#'] };
    expect(await show(signedToken('ES256', { ...claims, tenant: 'acme', roles: ['r'], acl }))).toEqual({
      kind: 'let-in',
      identity: {
        userName: 'alice',
        tenant: 'acme',
        roles: ['r'],
        rules: [{ effect: 'allow', actions: ['subscribe'], filters: ['a/#'] }],
        isSuperuser: false,
        expiresAtMs: exp * 1000,
      },
    });
  });

  it('are read from the user name where that is configured', async () => {
    const { ask, claims } = setUp({ from: 'username' });
    expect(await ask(attempt({ userName: signedToken('ES256', claims) }))).toMatchObject({ kind: 'let-in' });
    expect(await ask(withPassword('alice', signedToken('ES256', claims)))).toEqual({ kind: 'not-mine' });
  });

  it('make superusers only by the claim that is configured for it', async () => {
    const plain = setUp();
    const told = { ...plain.claims, root: true, isSuperuser: true };
    expect(await plain.show(signedToken('ES256', told))).toMatchObject({ identity: { isSuperuser: false } });
    const { show, claims } = setUp({ names: { ...names, superuserClaim: 'root' } });
    expect(await show(signedToken('ES256', { ...claims, root: true }))).toMatchObject({
      identity: { isSuperuser: true },
    });
    expect(await show(signedToken('ES256', { ...claims, root: 'true' }))).toMatchObject({
      identity: { isSuperuser: false },
    });
  });

  it.each([
    ['has ended', { exp: 1 }],
    ['has no end', { exp: undefined }],
    ['is of another issuer', { iss: 'you' }],
    ['is for another audience', { aud: 'kafka' }],
    ['names nobody', { sub: undefined }],
    ['names nobody with letters', { sub: 'a\0b' }],
    ['names an object', { sub: { $ne: '' } }],
    ['has rules that cannot be understood', { acl: [{ effect: 'deny' }] }],
    ['has roles that are none', { roles: { admin: true } }],
    ['has a role twice', { roles: ['a', 'a'] }],
    ['has a tenant that is none', { tenant: ['acme'] }],
  ])('refuse one that %s', async (_what, wrong) => {
    const { show, claims } = setUp();
    expect(await show(signedToken('ES256', { ...claims, ...wrong }))).toMatchObject({
      kind: 'refuse',
      refusal: 'bad-credentials',
    });
  });

  it('take claims from the token alone, not from what every object has', async () => {
    const { show, claims } = setUp({ names: { ...names, userClaim: 'constructor' } });
    expect(await show(signedToken('ES256', claims))).toMatchObject({ kind: 'refuse' });
  });

  it('leave to others what does not look like a token', async () => {
    const { ask, show } = setUp();
    expect(await ask(attempt())).toEqual({ kind: 'not-mine' });
    for (const text of ['secret', 'a.b', 'a.b.c.d', 'ä.b.c', `${'x'.repeat(1_000_000)}.a.b`]) {
      expect(await show(text)).toEqual({ kind: 'not-mine' });
    }
    expect(await show('a.b.c')).toMatchObject({ kind: 'refuse' });
  });

  it('need keys of the issuer: without any they are refused, for a while with those seen last', async () => {
    const clock = createManualClock();
    let isDown = false;
    const keySet = createKeySet({
      clock,
      fetch: async () => {
        if (isDown) throw new Error('down');
        return { keys: [{ ...pairs.ed25519.publicKey.export({ format: 'jwk' }), kid: 'a' }] };
      },
      refreshMs: 1000,
      ttlMs: 10_000,
      minFetchIntervalMs: 100,
      failed: () => {},
    });
    const { show, claims } = setUp({ keys: [], keySet, clock });
    const token = signedToken('EdDSA', { ...claims, exp: claims.exp + 3600 }, { kid: 'a' });
    expect(await show(token)).toMatchObject({ kind: 'let-in' });
    isDown = true;
    await clock.advance(9_000);
    expect(await show(token)).toMatchObject({ kind: 'let-in' });
    expect(await show(signedToken('EdDSA', claims, { kid: 'b' }))).toMatchObject({
      refusal: 'bad-credentials',
    });
    await clock.advance(1_000);
    expect(await show(token)).toMatchObject({ kind: 'refuse', refusal: 'unavailable' });
  });
});
