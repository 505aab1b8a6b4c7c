/** Tokens for one log-in by a link, such as the first one shows: good once, for a quarter of an hour, in this process. */
import type { Clock } from '../../kernel/clock.ts';
import { Secret } from '../secret.ts';
import { hashOfToken, isToken, newToken } from './opaque-token.ts';

export interface LoginTokens {
  /** Above a few that wait, the oldest ends. */
  issue(userName: string): Secret;
  /** Whose it was; it is used up. */
  redeem(token: string): string | undefined;
}

const LIFETIME_MS = 15 * 60_000;
const MAX_TOKENS = 64;

export function createLoginTokens(clock: Clock): LoginTokens {
  const tokens = new Map<string, { readonly userName: string; readonly endsAtMs: number }>();
  return {
    issue(userName) {
      for (const oldest of tokens.keys()) {
        if (tokens.size < MAX_TOKENS) break;
        tokens.delete(oldest);
      }
      const token = newToken();
      tokens.set(hashOfToken(token), { userName, endsAtMs: clock.monotonicMs() + LIFETIME_MS });
      return new Secret(token);
    },
    redeem(token) {
      if (!isToken(token)) return undefined;
      const hash = hashOfToken(token);
      const found = tokens.get(hash);
      tokens.delete(hash);
      return found !== undefined && clock.monotonicMs() < found.endsAtMs ? found.userName : undefined;
    },
  };
}
