/** Keys that sign tokens. Each is bound to one algorithm: the key says which is right, never the token. */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

export const jwtAlgorithms = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof jwtAlgorithms)[number];

export interface JwtKey {
  /** Empty fits tokens without one as well as all that have one. */
  readonly id: string;
  readonly algorithm: JwtAlgorithm;
  readonly key: KeyObject | Uint8Array;
}

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2048;
const CURVES: Readonly<Partial<Record<JwtAlgorithm, string>>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
};

/** Of the hash inside; 0 where the algorithm has its own. */
export const hashBits = (algorithm: JwtAlgorithm): number =>
  algorithm === 'EdDSA' ? 0 : Number(algorithm.slice(2));

export const isSymmetric = (algorithm: JwtAlgorithm): boolean => algorithm.startsWith('HS');

function fits(algorithm: JwtAlgorithm, key: KeyObject): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (algorithm === 'EdDSA') return type === 'ed25519';
  if (algorithm.startsWith('RS')) return type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS;
  return type === 'ec' && details?.namedCurve === CURVES[algorithm];
}

/** `material`: PEM of a public key or a certificate, or the secret of HS. Throws where the two do not fit. */
export function jwtKey(id: string, algorithm: JwtAlgorithm, material: string): JwtKey {
  if (isSymmetric(algorithm)) {
    const key = Buffer.from(material, 'utf8');
    if (key.length < MIN_SECRET_BYTES) {
      throw new Error(`a secret for ${algorithm} has at least ${MIN_SECRET_BYTES} bytes`);
    }
    return { id, algorithm, key };
  }
  const key = createPublicKey(material);
  if (!fits(algorithm, key)) throw new Error(`the key ${id} is not one for ${algorithm}`);
  return { id, algorithm, key };
}

const OF_CURVE: Readonly<Partial<Record<string, JwtAlgorithm>>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
};

type Json = Readonly<Record<string, unknown>>;

function algorithmOf({ kty, crv, alg }: Json): JwtAlgorithm | undefined {
  if (kty === 'RSA') return alg === undefined ? 'RS256' : jwtAlgorithms.find((each) => each === alg);
  if (typeof crv !== 'string' || !Object.hasOwn(OF_CURVE, crv)) return undefined;
  const algorithm = OF_CURVE[crv];
  return alg === undefined || alg === algorithm ? algorithm : undefined;
}

/** A key of a published set; undefined for one that is not for signatures that we check. Secrets are not published. */
export function keyOfJwk(jwk: unknown): JwtKey | undefined {
  if (typeof jwk !== 'object' || jwk === null) return undefined;
  const fields = jwk as Json;
  const { kid = '', use } = fields;
  const algorithm = algorithmOf(fields);
  if (typeof kid !== 'string' || (use !== undefined && use !== 'sig')) return undefined;
  if (algorithm === undefined || isSymmetric(algorithm)) return undefined;
  try {
    const key = createPublicKey({ key: fields as JsonWebKey, format: 'jwk' });
    return fits(algorithm, key) ? { id: kid, algorithm, key } : undefined;
  } catch {
    return undefined;
  }
}
