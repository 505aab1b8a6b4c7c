import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TOKEN_BYTES, readToken, verifyToken } from '../../../src/security/tokens/jwt.ts';
import { isSymmetric, jwtAlgorithms, jwtKey, keyOfJwk } from '../../../src/security/tokens/keys.ts';
import { pairOf, pairs, part, pem, secret, signedToken } from './signed.ts';

const rules = { issuer: '', audience: '', skewMs: 0 };
const claims = { sub: 'alice', exp: 2_000_000_000 };
const keyFor = (algorithm: (typeof jwtAlgorithms)[number]) =>
  jwtKey('', algorithm, isSymmetric(algorithm) ? secret : pem(pairOf(algorithm).publicKey));

describe('ops 31: keys of tokens', () => {
  it.each(jwtAlgorithms)('check %s, and nothing that another of them has signed', (algorithm) => {
    const key = keyFor(algorithm);
    for (const other of jwtAlgorithms) {
      const result = verifyToken(signedToken(other, claims), [key], rules, 0);
      if (other === algorithm) expect(result).toMatchObject({ claims });
      else expect(result).toBe('signed with none of our keys');
    }
  });

  it.each(jwtAlgorithms)('of %s refuse its token after any change', (algorithm) => {
    const text = signedToken(algorithm, claims);
    const key = keyFor(algorithm);
    const decoded = (token: string): string =>
      token
        .split('.')
        .map((each) => Buffer.from(each, 'base64url').toString('hex'))
        .join('.');
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('A', 'z', '0', '.', ''), (at, other) => {
        const changed = text.slice(0, at) + other + text.slice(at + 1);
        if (decoded(changed) === decoded(text)) return;
        expect(verifyToken(changed, [key], rules, 0)).toBeTypeOf('string');
      }),
      { numRuns: 30 },
    );
  });

  it('refuse tokens without an algorithm, with a public key for a secret, and of a megabyte', () => {
    const keys = [keyFor('RS256'), keyFor('ES256')];
    for (const alg of [
      'none',
      'None',
      'NONE',
      '',
      undefined,
      'HS256',
      'PS256',
      ['RS256'],
      { a: 1 },
      '__proto__',
    ]) {
      const unsigned = `${part({ alg })}.${part(claims)}`;
      expect(verifyToken(`${unsigned}.`, keys, rules, 0)).toBeTypeOf('string');
      expect(verifyToken(`${unsigned}.AAAA`, keys, rules, 0)).toBeTypeOf('string');
    }
    const huge = signedToken('RS256', { ...claims, more: 'x'.repeat(1_000_000) });
    expect(readToken(huge)).toBe('the token is too long');
    const long = signedToken('RS256', { ...claims, more: 'x'.repeat(MAX_TOKEN_BYTES) });
    expect(verifyToken(long, keys, rules, 0)).toBe('the token is too long');
  });

  it('compare the identifier that a token names, and use it for nothing else', () => {
    const key = { ...keyFor('RS256'), id: 'a' };
    expect(verifyToken(signedToken('RS256', claims, { kid: 'a' }), [key], rules, 0)).toBeTypeOf('object');
    for (const kid of [
      '../../../../dev/null',
      'b',
      "a' OR 1=1",
      'file:///dev/null',
      'x'.repeat(300),
      7,
      ['a'],
    ]) {
      const token = signedToken('RS256', claims, { kid, jku: 'http://127.0.0.1:1/', jwk: { kty: 'oct' } });
      expect(verifyToken(token, [key], rules, 0)).toBeTypeOf('string');
    }
  });

  it('of a published set are taken when they are for signatures, and bound to their algorithm', () => {
    const jwk = (name: keyof typeof pairs, more: object = {}) => ({
      ...pairs[name].publicKey.export({ format: 'jwk' }),
      kid: 'k',
      ...more,
    });
    expect(keyOfJwk(jwk('rsa'))).toMatchObject({ id: 'k', algorithm: 'RS256' });
    expect(keyOfJwk(jwk('rsa', { alg: 'RS512' }))).toMatchObject({ algorithm: 'RS512' });
    expect(keyOfJwk(jwk('p256'))).toMatchObject({ algorithm: 'ES256' });
    expect(keyOfJwk(jwk('p384'))).toMatchObject({ algorithm: 'ES384' });
    expect(keyOfJwk(jwk('p521'))).toMatchObject({ algorithm: 'ES512' });
    expect(keyOfJwk(jwk('ed25519', { use: 'sig' }))).toMatchObject({ algorithm: 'EdDSA' });
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    for (const wrong of [
      jwk('rsa', { use: 'enc' }),
      jwk('rsa', { alg: 'HS256' }),
      jwk('rsa', { alg: 'RSA-OAEP' }),
      jwk('rsa', { kid: 7 }),
      jwk('p256', { alg: 'ES384' }),
      jwk('p256', { crv: 'P-384' }),
      jwk('p256', { crv: '__proto__' }),
      { kty: 'oct', k: Buffer.from(secret).toString('base64url'), kid: 'k' },
      { ...short, kid: 'k' },
      null,
      'text',
      {},
    ]) {
      expect(keyOfJwk(wrong)).toBeUndefined();
    }
  });
});
