import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JwtRules, verifyToken } from '../../../src/security/tokens/jwt.ts';
import { jwtKey } from '../../../src/security/tokens/keys.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
const secret = 's'.repeat(32);

const NOW = Date.UTC(2026, 0, 1);
const seconds = NOW / 1000;
const good = { sub: 'alice', exp: seconds + 60, iss: 'https://issuer', aud: ['kafka', 'else'] };

type Json = Record<string, unknown>;
const part = (value: Json): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(header: Json, claims: Json): string {
  const signed = `${part(header)}.${part(claims)}`;
  const data = Buffer.from(signed);
  const signature =
    header.alg === 'RS256'
      ? sign('sha256', data, rsa.privateKey)
      : header.alg === 'ES256'
        ? sign('sha256', data, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
        : createHmac('sha256', secret).update(data).digest();
  return `${signed}.${signature.toString('base64url')}`;
}

const keys = [
  jwtKey('r', 'RS256', pem(rsa.publicKey)),
  jwtKey('e', 'ES256', pem(ec.publicKey)),
  jwtKey('', 'HS256', secret),
];
const rules: JwtRules = { issuer: 'https://issuer', audience: 'kafka', skewMs: 1000 };
const check = (text: string, nowMs = NOW) => verifyToken(text, keys, rules, nowMs);

describe('tokens', () => {
  it.each([
    { alg: 'RS256', kid: 'r' },
    { alg: 'ES256', kid: 'e' },
    { alg: 'ES256' },
    { alg: 'HS256' },
    { alg: 'HS256', kid: 'any' },
  ])('are taken when one of our keys has signed them: %j', (header) => {
    expect(check(token(header, good))).toMatchObject({
      claims: { sub: 'alice' },
      expiresAtMs: (seconds + 60) * 1000,
    });
  });

  it.each([
    ['the end is missing', { exp: undefined }],
    ['the end is no number', { exp: `${seconds + 60}` }],
    ['it has ended', { exp: seconds - 2 }],
    ['it has not begun', { nbf: seconds + 2 }],
    ['the beginning is no number', { nbf: 'now' }],
    ['the issuer is another', { iss: 'https://other' }],
    ['the issuer is missing', { iss: undefined }],
    ['the audience is another', { aud: 'mqtt' }],
    ['the audience is missing', { aud: undefined }],
    ['the end is beyond all time', { exp: 1e300 }],
    ['the end is before all time', { exp: -1 }],
  ])('are refused when %s', (_why, wrong) => {
    expect(check(token({ alg: 'RS256', kid: 'r' }, { ...good, ...wrong }))).toBeTypeOf('string');
  });

  it('count as long as clocks may differ', () => {
    // Until then: it would be ended again before it has begun.
    expect(check(token({ alg: 'HS256' }, { ...good, exp: seconds - 0.5 }))).toMatchObject({
      expiresAtMs: (seconds + 0.5) * 1000,
    });
    expect(check(token({ alg: 'HS256' }, { ...good, nbf: seconds + 0.5 }))).toBeTypeOf('object');
  });

  it('are never taken without a signature of the algorithm that belongs to the key', () => {
    const unsigned = `${part({ alg: 'none' })}.${part(good)}.`;
    expect(check(unsigned)).toBe('not a signed token');
    expect(check(`${unsigned}AAAA`)).toBe('signed with none of our keys');
    // The public key as if it were a secret: the classic confusion.
    const signed = `${part({ alg: 'HS256', kid: 'r' })}.${part(good)}`;
    const forged = createHmac('sha256', pem(rsa.publicKey)).update(signed).digest('base64url');
    expect(check(`${signed}.${forged}`)).toBe('signed with none of our keys');
    const asRsa = token({ alg: 'ES256', kid: 'r' }, good);
    expect(check(asRsa)).toBe('signed with none of our keys');
    expect(check(token({ alg: 'RS256', kid: 'e' }, good))).toBe('signed with none of our keys');
    expect(check(token({ alg: 'HS256', crit: ['exp'] }, good))).toBeTypeOf('string');
  });

  it('are refused after any change, and whatever else comes', () => {
    const text = token({ alg: 'ES256', kid: 'e' }, good);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('A', 'z', '.', '!', ''), (at, other) => {
        const changed = text.slice(0, at) + other + text.slice(at + 1);
        const result = check(changed);
        if (changed !== text && !sameBytes(changed, text)) expect(result).toBeTypeOf('string');
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (noise) => void expect(check(noise)).toBeTypeOf('string')),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (header, claims) => {
        const parts = [header, claims].map((each) => Buffer.from(JSON.stringify(each)).toString('base64url'));
        expect(check(`${parts.join('.')}.AAAA`)).toBeTypeOf('string');
      }),
    );
  });

  it('are checked with keys that fit their algorithm only', () => {
    expect(() => jwtKey('x', 'HS256', 'short')).toThrow('at least 32 bytes');
    expect(() => jwtKey('x', 'RS256', pem(ec.publicKey))).toThrow('not one for RS256');
    expect(() => jwtKey('x', 'ES256', pem(rsa.publicKey))).toThrow('not one for ES256');
    expect(() => jwtKey('x', 'ES256', pem(otherEc.publicKey))).toThrow('not one for ES256');
    expect(() => jwtKey('x', 'RS256', 'nonsense')).toThrow();
  });
});

/** The last character of base64url may say nothing. */
function sameBytes(a: string, b: string): boolean {
  const bytes = (text: string) =>
    text.split('.').map((each) => Buffer.from(each, 'base64url').toString('hex'));
  return (
    a.split('.').slice(0, 2).join() === b.split('.').slice(0, 2).join() && bytes(a).join() === bytes(b).join()
  );
}
