/** Tokens that are in order, and keys for them. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { hashBits, isSymmetric, type JwtAlgorithm } from '../../../src/security/tokens/keys.ts';

export const secret = 's'.repeat(64);
export const pairs = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  ed25519: generateKeyPairSync('ed25519'),
};

export function pairOf(algorithm: JwtAlgorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === 'EdDSA') return pairs.ed25519;
  if (algorithm.startsWith('RS')) return pairs.rsa;
  return algorithm === 'ES256' ? pairs.p256 : algorithm === 'ES384' ? pairs.p384 : pairs.p521;
}

export const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
export const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function signedToken(algorithm: JwtAlgorithm, claims: object, header: object = {}): string {
  const text = `${part({ alg: algorithm, ...header })}.${part(claims)}`;
  const data = Buffer.from(text);
  if (isSymmetric(algorithm)) {
    return `${text}.${createHmac(`sha${hashBits(algorithm)}`, secret)
      .update(data)
      .digest('base64url')}`;
  }
  const { privateKey: key } = pairOf(algorithm);
  const how = algorithm.startsWith('ES') ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
  const signature = sign(algorithm === 'EdDSA' ? null : `sha${hashBits(algorithm)}`, data, how);
  return `${text}.${signature.toString('base64url')}`;
}
