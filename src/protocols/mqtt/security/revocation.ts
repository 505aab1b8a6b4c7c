/** Users and bans that change, and credentials that end, while clients are connected: who is concerned is disconnected, with the reason that it was administration. */
import { narrowed } from '../../../security/authorization/owner.ts';
import type { Ban } from '../../../security/guard/bans.ts';
import { concerns } from '../../../security/guard/bans.ts';
import type { Principal } from '../../../security/security.ts';
import type { User, UserChange, UserListener } from '../../../security/users/users.ts';
import { ReasonCode } from '../codec/reason-codes.ts';
import type { Connection } from '../connection.ts';
import type { Mqtt } from '../context.ts';
import { closeConnection } from '../disconnect.ts';
import { invalidateFlows } from '../lifecycle.ts';
import { discardWill } from '../will.ts';
import { awaitEnd } from './standing.ts';

export interface Revocations {
  user(name: string): User | undefined;
  onUserChange(listener: UserListener): () => void;
  onBan(listener: (ban: Ban) => void): () => void;
}

const SENTENCES: Readonly<Record<Exclude<UserChange, 'created'>, string>> = {
  credential: 'the credentials of the user have changed',
  access: 'the user may do something else now: log in again',
  disabled: 'the user is disabled',
  deleted: 'the user is gone',
};

/** Returns how to stop it. */
export function followRevocations(mqtt: Mqtt, revocations: Revocations): () => void {
  const endWhere = (isConcerned: (principal: Principal) => boolean, message: string): void => {
    for (const connection of [...mqtt.connections]) {
      const { identity } = connection ?? {};
      if (connection === undefined || identity === undefined || !isConcerned(identity)) continue;
      mqtt.guard(connection, () => end(mqtt, connection, message));
    }
    mqtt.turn.wake();
  };

  const stopUsers = revocations.onUserChange((name, change) => {
    if (change === 'created') return;
    forgetIn(mqtt, name, change, revocations.user(name));
    // A credential of a service or an issuer may give other roles than the database: it is asked again rather than guessed.
    endWhere(({ userName }) => userName === name, SENTENCES[change]);
  });
  const stopBans = revocations.onBan((ban) => {
    const isConcerned = concerns(ban);
    endWhere(isConcerned, 'banned');
  });
  return () => {
    stopUsers();
    stopBans();
  };
}

function end(mqtt: Mqtt, connection: Connection, message: string): void {
  closeConnection(mqtt, connection, {
    reasonCode: ReasonCode.AdministrativeAction,
    message,
    silent: !connection.isOpen,
  });
}

/**
 * Sessions outlive connections, and so would what their owners could do. Wills of users who are gone are not published; of
 * others a session keeps what it could do and can still do, never more.
 */
function forgetIn(mqtt: Mqtt, name: string, change: UserChange, user: User | undefined): void {
  const isGone = change === 'deleted' || change === 'disabled';
  if (!isGone && change !== 'access') return;
  for (const session of mqtt.sessions.all()) {
    const { principal } = session;
    if (principal?.userName !== name) continue;
    if (isGone) discardWill(mqtt, session);
    if (!mqtt.access.assume(session, narrowed(principal, user))) invalidateFlows(mqtt, session);
  }
}

/** The timer's. */
export function credentialEnded(mqtt: Mqtt, connection: Connection): void {
  connection.credentialTimer = 0;
  if (connection.isGone) return;
  const expiresAtMs = connection.identity?.expiresAtMs;
  if (expiresAtMs === undefined || expiresAtMs > mqtt.clock.wallMs()) {
    awaitEnd(mqtt, connection);
    return;
  }
  const isOpen = connection.phase === 'open';
  closeConnection(mqtt, connection, {
    reasonCode: ReasonCode.MaximumConnectTime,
    message: 'the credential has ended',
    silent: !isOpen,
  });
}
