/**
 * JSON Web Tokens, checked against keys of the configuration. The key says which algorithm is right, never the token; a
 * token without an end, or without a signature, is refused like any other that is not in order.
 */
import { createHmac, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { isSame } from './scram.ts';

export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256';

export interface JwtKey {
  /** Empty fits tokens without one as well as all that have one. */
  readonly id: string;
  readonly algorithm: JwtAlgorithm;
  readonly key: KeyObject | Uint8Array;
}

export interface JwtRules {
  readonly keys: readonly JwtKey[];
  /** Empty is any. */
  readonly issuer: string;
  readonly audience: string;
  readonly principalClaim: string;
  readonly skewMs: number;
}

export interface Token {
  readonly user: string;
  readonly expiresAtMs: number;
}

/** A string instead of a token is the reason, for the log. */
export type TokenVerifier = (token: string, nowMs: number) => Token | string | Promise<Token | string>;

type Json = Readonly<Record<string, unknown>>;

const MIN_SECRET_BYTES = 32;
const PART = /^[A-Za-z0-9_-]+$/;

/** `material`: PEM of a public key, or the secret of HS256. Throws where the two do not fit. */
export function jwtKey(id: string, algorithm: JwtAlgorithm, material: string): JwtKey {
  if (algorithm === 'HS256') {
    const key = Buffer.from(material, 'utf8');
    if (key.length < MIN_SECRET_BYTES)
      throw new Error(`a secret for HS256 has at least ${MIN_SECRET_BYTES} bytes`);
    return { id, algorithm, key };
  }
  const key = createPublicKey(material);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const fits = algorithm === 'RS256' ? type === 'rsa' : type === 'ec' && details?.namedCurve === 'prime256v1';
  if (!fits) throw new Error(`the key ${id} is not one for ${algorithm}`);
  return { id, algorithm, key };
}

function objectOf(part: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

function isSigned({ algorithm, key }: JwtKey, signed: string, signature: Buffer): boolean {
  if (key instanceof Uint8Array) return isSame(createHmac('sha256', key).update(signed).digest(), signature);
  try {
    const how = algorithm === 'ES256' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
    return verify('sha256', Buffer.from(signed), how, signature);
  } catch {
    return false;
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function faultOf(claims: Json, { issuer, audience, skewMs }: JwtRules, nowMs: number): string | undefined {
  const { exp, nbf, iss, aud } = claims;
  if (!isNumber(exp)) return 'the token has no end';
  if (nowMs >= exp * 1000 + skewMs) return 'the token has expired';
  if (nbf !== undefined && !(isNumber(nbf) && nowMs >= nbf * 1000 - skewMs))
    return 'the token is not valid yet';
  if (issuer !== '' && iss !== issuer) return 'the token is of another issuer';
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return audience !== '' && !audiences.includes(audience) ? 'the token is for another audience' : undefined;
}

export function createJwtVerifier(rules: JwtRules): TokenVerifier {
  return (token, nowMs) => {
    const parts = token.split('.');
    const [head = '', body = '', end = ''] = parts;
    if (parts.length !== 3 || !parts.every((part) => PART.test(part))) return 'not a signed token';
    const header = objectOf(head);
    const claims = objectOf(body);
    if (header === undefined || claims === undefined || header.crit !== undefined)
      return 'not a token we know';
    const { kid, alg } = header;
    const signature = Buffer.from(end, 'base64url');
    const key = rules.keys.find(
      (each) =>
        each.algorithm === alg &&
        (each.id === '' || each.id === kid || kid === undefined) &&
        isSigned(each, `${head}.${body}`, signature),
    );
    if (key === undefined) return 'signed with none of our keys';
    const fault = faultOf(claims, rules, nowMs);
    if (fault !== undefined) return fault;
    const user = claims[rules.principalClaim];
    if (typeof user !== 'string' || user === '') return `the token has no ${rules.principalClaim}`;
    return { user, expiresAtMs: Number(claims.exp) * 1000 };
  };
}
