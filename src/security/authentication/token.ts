/** Tokens (JWT) in the field of the password or of the user name. What looks like one and is not in order is refused. */
import type { Clock } from '../../kernel/clock.ts';
import type { Attempt } from '../security.ts';
import { claimedRoles, claimedRules } from '../tokens/claimed-rules.ts';
import {
  type Claims,
  checkToken,
  fitsKey,
  type JwtRules,
  MAX_TOKEN_BYTES,
  readToken,
} from '../tokens/jwt.ts';
import type { KeySet } from '../tokens/key-set.ts';
import type { JwtKey } from '../tokens/keys.ts';
import { accessFault, nameFault } from '../users/faults.ts';
import { type Answer, type Authenticator, letIn, notMine, refuse } from './authenticator.ts';

export interface ClaimNames {
  readonly userClaim: string;
  /** Empty takes none. */
  readonly tenantClaim: string;
  readonly rolesClaim: string;
  readonly rulesClaim: string;
  readonly superuserClaim: string;
}

export interface TokenOptions {
  readonly from: 'password' | 'username';
  readonly rules: JwtRules;
  readonly names: ClaimNames;
  readonly keys: readonly JwtKey[];
  readonly keySet: KeySet | undefined;
  readonly clock: Clock;
}

const JWT_SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/;

/** undefined: not one, so that somebody else may know it. */
function tokenOf({ userName, password }: Attempt, from: TokenOptions['from']): string | undefined {
  const text =
    from === 'username'
      ? userName
      : password !== undefined && password.length <= MAX_TOKEN_BYTES
        ? Buffer.from(password.buffer, password.byteOffset, password.length).toString('latin1')
        : undefined;
  return text !== undefined && text.length <= MAX_TOKEN_BYTES && JWT_SHAPE.test(text) ? text : undefined;
}

const own = (claims: Claims, name: string): unknown =>
  name !== '' && Object.hasOwn(claims, name) ? claims[name] : undefined;

function answerOf(claims: Claims, names: ClaimNames, expiresAtMs: number): Answer {
  const bad = (reason: string): Answer => refuse('bad-credentials', reason);
  const userName = own(claims, names.userClaim);
  if (typeof userName !== 'string' || userName === '') return bad(`the token has no ${names.userClaim}`);
  const tenant = own(claims, names.tenantClaim) ?? '';
  const roles = claimedRoles(own(claims, names.rolesClaim));
  const rules = claimedRules(own(claims, names.rulesClaim));
  if (typeof tenant !== 'string') return bad('the tenant of the token is no text');
  if (roles === undefined) return bad('the roles of the token are none');
  if (rules === undefined) return bad('the rules of the token cannot be understood');
  const fault = nameFault(userName) ?? accessFault({ tenant, roles });
  if (fault !== undefined) return bad(fault);
  const isSuperuser = own(claims, names.superuserClaim) === true;
  return letIn({ userName, tenant, roles, rules, isSuperuser, expiresAtMs });
}

export function createTokenAuthenticator(options: TokenOptions): Authenticator {
  const { from, rules, names, keys, keySet, clock } = options;
  return {
    name: 'jwt',
    async authenticate(attempt) {
      const text = tokenOf(attempt, from);
      if (text === undefined) return notMine;
      const token = readToken(text);
      if (typeof token === 'string') return refuse('bad-credentials', token);
      const fits = (each: JwtKey): boolean => fitsKey(token, each);
      let candidates = keys;
      if (keySet !== undefined && !keys.some((key) => key.id !== '' && fits(key))) {
        const published = await keySet.keys((known) => known.some(fits));
        if (published === undefined && !keys.some(fits)) {
          return refuse('unavailable', 'the keys of the issuer are not to be had');
        }
        candidates = [...keys, ...(published ?? [])];
      }
      const checked = checkToken(token, candidates, rules, clock.wallMs());
      if (typeof checked === 'string') return refuse('bad-credentials', checked);
      return answerOf(checked.claims, names, checked.expiresAtMs);
    },
  };
}
