/**
 * What lets people and programs into the administration: sessions, links for one log-in, API keys, the first administrator.
 * Here are their stores; cookies, headers and pages are the HTTP side's, what scopes permit is authorization's.
 *
 * Guaranteed: of all that logs in only a hash is kept; a user who is gone, disabled or has another password has no session any
 * more; every table is bounded.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Settings } from '../../kernel/settings-table.ts';
import type { Users } from '../users/users.ts';
import { type ApiKeys, createApiKeys } from './api-keys.ts';
import { createLoginTokens, type LoginTokens } from './login-tokens.ts';
import { createSessions, type Sessions } from './sessions.ts';

export interface Access {
  readonly sessions: Sessions;
  readonly apiKeys: ApiKeys;
  readonly loginTokens: LoginTokens;
}

export const createAccess = (settings: Settings, users: Users, clock: Clock): Access => ({
  sessions: createSessions(users, clock),
  apiKeys: createApiKeys(settings, users, clock),
  loginTokens: createLoginTokens(clock),
});
