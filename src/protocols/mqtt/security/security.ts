/**
 * Security on MQTT. Here the node's security (src/security) is put behind the seams of the front-end: the chain of the listener at
 * CONNECT and SCRAM in AUTH packets (log-in.ts), the standing of a connection and its end (standing.ts, revocation.ts), what
 * sessions may receive (access.ts), rates (metering.ts). Not here: rules, users, bans; those are the same for every protocol.
 *
 * Guaranteed: nobody is let in whom the listener's chain does not let in; what a client is told never says whether a user
 * exists; a session is its owner's; what is not allowed is neither taken nor delivered, by whatever way it comes.
 */
import type { OpenSecurity } from '../../../security/open-security.ts';
import type { UserListener } from '../../../security/users/users.ts';
import type { Authenticator, AuthMethod, Authorizer, Gate } from '../auth.ts';
import { createAuthorizer } from './authorizer.ts';
import { createAuthenticator, createAuthMethods, type LogInLogger } from './log-in.ts';
import type { Revocations } from './revocation.ts';

type Parts = Pick<OpenSecurity, 'authentication' | 'authorization' | 'guard' | 'users' | 'onUserChange'>;

export interface MqttSecurity {
  readonly authenticator: Authenticator;
  readonly authMethods: readonly AuthMethod[];
  readonly authorizer: Authorizer;
  readonly gate: Gate;
  readonly revocations: Revocations;
}

export function createMqttSecurity(
  { authentication, authorization, guard, users, onUserChange }: Parts,
  logger: LogInLogger,
): MqttSecurity {
  const logIn = { authentication, guard, logger };
  return {
    authenticator: createAuthenticator(logIn),
    authMethods: createAuthMethods(logIn),
    authorizer: createAuthorizer(authorization, users),
    gate: guard,
    revocations: {
      user: (name) => users.get(name),
      onUserChange: (listener: UserListener) => onUserChange(listener),
      onBan: (listener) => guard.onBan(listener),
    },
  };
}
