/**
 * JSON Web Tokens, signed ones: whether one is in order, and what it claims. A token without an end, or without a signature of
 * one of the keys, is refused like any other that is not in order. Where keys come from is not known here.
 */
import { createHmac, verify } from 'node:crypto';
import { isSame } from '../same-bytes.ts';
import { hashBits, type JwtAlgorithm, type JwtKey, jwtAlgorithms } from './keys.ts';

export interface JwtRules {
  /** Empty is any. */
  readonly issuer: string;
  readonly audience: string;
  readonly skewMs: number;
}

export type Claims = Readonly<Record<string, unknown>>;

export interface UncheckedToken {
  readonly algorithm: JwtAlgorithm;
  readonly keyId: string | undefined;
  readonly claims: Claims;
  readonly signed: string;
  readonly signature: Uint8Array;
}

export interface Token {
  readonly claims: Claims;
  /** Its own end; where that was a moment ago by this clock, which may be ahead, the end of that moment. */
  readonly expiresAtMs: number;
}

export const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_KEY_ID_LENGTH = 256;
const PART = /^[A-Za-z0-9_-]+$/;
/** Far beyond any clock; a larger number would not be one of ms any more. */
const MAX_SECONDS = 1e11;

function objectOf(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Claims)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A string is why it is none. */
export function readToken(text: string): UncheckedToken | string {
  if (text.length > MAX_TOKEN_BYTES) return 'the token is too long';
  const parts = text.split('.');
  const [head = '', body = '', end = ''] = parts;
  if (parts.length !== 3 || !parts.every((part) => PART.test(part))) return 'not a signed token';
  const header = objectOf(head);
  const claims = objectOf(body);
  if (header === undefined || claims === undefined || header.crit !== undefined) return 'not a token we know';
  const { kid, alg } = header;
  const algorithm = jwtAlgorithms.find((each) => each === alg);
  if (algorithm === undefined) return 'signed with none of our keys';
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KEY_ID_LENGTH)) {
    return 'not a token we know';
  }
  const signature = Buffer.from(end, 'base64url');
  return { algorithm, keyId: kid, claims, signed: `${head}.${body}`, signature };
}

function isSigned({ algorithm, key }: JwtKey, { signed, signature }: UncheckedToken): boolean {
  const hash = `sha${hashBits(algorithm)}`;
  if (key instanceof Uint8Array) return isSame(createHmac(hash, key).update(signed).digest(), signature);
  try {
    const how = algorithm.startsWith('ES') ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
    return verify(algorithm === 'EdDSA' ? null : hash, Buffer.from(signed), how, signature);
  } catch {
    return false;
  }
}

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= MAX_SECONDS;

function faultOf(claims: Claims, { issuer, audience, skewMs }: JwtRules, nowMs: number): string | undefined {
  const { exp, nbf, iss, aud } = claims;
  if (!isTime(exp)) return 'the token has no end';
  if (nowMs >= exp * 1000 + skewMs) return 'the token has expired';
  if (nbf !== undefined && !(isTime(nbf) && nowMs >= nbf * 1000 - skewMs)) {
    return 'the token is not valid yet';
  }
  if (issuer !== '' && iss !== issuer) return 'the token is of another issuer';
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return audience !== '' && !audiences.includes(audience) ? 'the token is for another audience' : undefined;
}

/** Which of the keys may have signed it. */
export const fitsKey = ({ algorithm, keyId }: UncheckedToken, key: JwtKey): boolean =>
  key.algorithm === algorithm && (key.id === '' || key.id === keyId || keyId === undefined);

/** A string is why it is refused, for the log. */
export function checkToken(
  token: UncheckedToken,
  keys: readonly JwtKey[],
  rules: JwtRules,
  nowMs: number,
): Token | string {
  if (!keys.some((key) => fitsKey(token, key) && isSigned(key, token))) return 'signed with none of our keys';
  const fault = faultOf(token.claims, rules, nowMs);
  if (fault !== undefined) return fault;
  const expMs = Number(token.claims.exp) * 1000;
  return { claims: token.claims, expiresAtMs: nowMs < expMs ? expMs : expMs + rules.skewMs };
}

/** With keys that are all there. */
export function verifyToken(
  text: string,
  keys: readonly JwtKey[],
  rules: JwtRules,
  nowMs: number,
): Token | string {
  const token = readToken(text);
  return typeof token === 'string' ? token : checkToken(token, keys, rules, nowMs);
}
