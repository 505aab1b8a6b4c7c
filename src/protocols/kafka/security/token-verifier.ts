/** Who a token of OAUTHBEARER says somebody is. */
import { type JwtRules, verifyToken } from '../../../security/tokens/jwt.ts';
import type { JwtKey } from '../../../security/tokens/keys.ts';

export interface TokenRules extends JwtRules {
  readonly keys: readonly JwtKey[];
  readonly principalClaim: string;
}

export interface TokenUser {
  readonly user: string;
  readonly expiresAtMs: number;
}

/** A string instead of a user is the reason, for the log. */
export type TokenVerifier = (
  token: string,
  nowMs: number,
) => TokenUser | string | Promise<TokenUser | string>;

export function createTokenVerifier(rules: TokenRules) {
  return (text: string, nowMs: number): TokenUser | string => {
    const token = verifyToken(text, rules.keys, rules, nowMs);
    if (typeof token === 'string') return token;
    const user = token.claims[rules.principalClaim];
    if (typeof user !== 'string' || user === '') return `the token has no ${rules.principalClaim}`;
    return { user, expiresAtMs: token.expiresAtMs };
  };
}
