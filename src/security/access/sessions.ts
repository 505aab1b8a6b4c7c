/**
 * Sessions of people who have logged in to the administration: they live in memory, and end with the process. Who a session is
 * is asked of the user database each time, so that a user who is gone, disabled or has other roles is so at once.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Identity } from '../authentication/authenticator.ts';
import { Secret } from '../secret.ts';
import type { Users } from '../users/users.ts';
import { hashOfToken, isToken, newToken } from './opaque-token.ts';

export interface SessionOrigin {
  readonly remoteAddress: string;
  /** What the browser says of itself. */
  readonly userAgent: string;
}

export interface Session extends SessionOrigin {
  /** For lists and for ending it; nobody logs in with it. */
  readonly id: string;
  readonly identity: Identity;
  readonly createdAtMs: number;
  readonly lastSeenAtMs: number;
  /** At the latest. */
  readonly expiresAtMs: number;
}

export interface OpenedSession {
  readonly token: Secret;
  readonly session: Session;
}

export interface Sessions {
  /** Above the sessions of one user the oldest of them ends; above those of all it is refused. */
  open(identity: Identity, origin: SessionOrigin): OpenedSession | 'full';
  /** Finding it is using it. */
  find(token: string): Session | undefined;
  /** The same session by another token; the old one ends. For when somebody gains rights. */
  rotate(token: string): OpenedSession | undefined;
  close(token: string): boolean;
  revoke(id: string): boolean;
  revokeUser(userName: string): number;
  list(userName?: string): readonly Session[];
}

export interface SessionLimits {
  readonly idleMs: number;
  readonly absoluteMs: number;
  readonly maxSessions: number;
  readonly maxSessionsPerUser: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  idleMs: 60 * 60_000,
  absoluteMs: 12 * 60 * 60_000,
  maxSessions: 10_000,
  maxSessionsPerUser: 100,
};

const ID_LENGTH = 16;
const MAX_USER_AGENT_LENGTH = 256;

interface Kept {
  readonly session: Omit<Session, 'lastSeenAtMs'>;
  lastSeenAtMs: number;
}

export function createSessions(
  users: Users,
  clock: Clock,
  limits: SessionLimits = DEFAULT_SESSION_LIMITS,
): Sessions {
  /** By the hash of the token, in the order in which they were opened. */
  const sessions = new Map<string, Kept>();

  const hasEnded = ({ session, lastSeenAtMs }: Kept): boolean => {
    const nowMs = clock.wallMs();
    return nowMs >= session.expiresAtMs || nowMs - lastSeenAtMs >= limits.idleMs;
  };

  const sweep = (): void => {
    for (const [hash, kept] of sessions) if (hasEnded(kept)) sessions.delete(hash);
  };

  const ofUser = (userName: string): [string, Kept][] =>
    [...sessions].filter(([, { session }]) => session.identity.userName === userName);

  /** As the user is now; undefined where that is nobody any more. */
  const identityNow = (identity: Identity): Identity | undefined => {
    const user = users.get(identity.userName);
    if (user === undefined || user.tenant !== identity.tenant) return identity;
    const { roles, isSuperuser, isDisabled } = user;
    return isDisabled ? undefined : { ...identity, roles, isSuperuser };
  };

  const view = ({ session, lastSeenAtMs }: Kept): Session | undefined => {
    const identity = identityNow(session.identity);
    return identity && { ...session, identity, lastSeenAtMs };
  };

  const keep = (kept: Kept): OpenedSession => {
    const token = newToken();
    const hash = hashOfToken(token);
    // In digits: one that began with '-' would be an option on the command line.
    const id = Buffer.from(hash, 'base64url').toString('hex').slice(0, ID_LENGTH);
    const session = { ...kept.session, id };
    sessions.set(hash, { session, lastSeenAtMs: kept.lastSeenAtMs });
    return { token: new Secret(token), session: { ...session, lastSeenAtMs: kept.lastSeenAtMs } };
  };

  const find = (token: string): readonly [hash: string, kept: Kept] | undefined => {
    if (!isToken(token)) return undefined;
    const hash = hashOfToken(token);
    const kept = sessions.get(hash);
    if (kept === undefined) return undefined;
    if (!hasEnded(kept)) return [hash, kept];
    sessions.delete(hash);
    return undefined;
  };

  const endWhere = (ends: (kept: Kept) => boolean): number => {
    let ended = 0;
    for (const [hash, kept] of sessions) {
      if (!ends(kept)) continue;
      sessions.delete(hash);
      ended++;
    }
    return ended;
  };

  users.onChange((userName, change) => {
    if (change === 'credential' || change === 'disabled' || change === 'deleted') {
      endWhere(({ session }) => session.identity.userName === userName);
    }
  });

  return {
    open(identity, { remoteAddress, userAgent }) {
      const own = ofUser(identity.userName);
      const [oldest] = own;
      if (own.length >= limits.maxSessionsPerUser && oldest !== undefined) sessions.delete(oldest[0]);
      if (sessions.size >= limits.maxSessions) sweep();
      if (sessions.size >= limits.maxSessions) return 'full';
      const createdAtMs = clock.wallMs();
      const expiresAtMs = Math.min(
        createdAtMs + limits.absoluteMs,
        identity.expiresAtMs ?? Number.POSITIVE_INFINITY,
      );
      const session = {
        id: '',
        identity,
        remoteAddress,
        userAgent: userAgent.slice(0, MAX_USER_AGENT_LENGTH),
        createdAtMs,
        expiresAtMs,
      };
      return keep({ session, lastSeenAtMs: createdAtMs });
    },
    find(token) {
      const [, kept] = find(token) ?? [];
      if (kept === undefined) return undefined;
      kept.lastSeenAtMs = clock.wallMs();
      return view(kept);
    },
    rotate(token) {
      const found = find(token);
      if (found === undefined) return undefined;
      sessions.delete(found[0]);
      return keep(found[1]);
    },
    close(token) {
      const found = find(token);
      return found !== undefined && sessions.delete(found[0]);
    },
    revoke: (id) => endWhere(({ session }) => session.id === id) > 0,
    revokeUser: (userName) => endWhere(({ session }) => session.identity.userName === userName),
    list(userName) {
      sweep();
      return [...sessions.values()]
        .map(view)
        .filter((session) => session !== undefined)
        .filter(({ identity }) => userName === undefined || identity.userName === userName);
    },
  };
}
