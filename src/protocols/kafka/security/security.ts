/** Security as the configuration wants it, over the settings that administrators change. */
import { readFileSync } from 'node:fs';
import type { KafkaConfig } from '../../../config/config.ts';
import type { Clock } from '../../../kernel/clock.ts';
import type { Settings } from '../../../kernel/settings-table.ts';
import { jwtKey } from '../../../security/tokens/keys.ts';
import type { Users } from '../../../security/users/users.ts';
import type { HandlerTable } from '../handlers.ts';
import { aclHandlers, keepAcls } from './acl-requests.ts';
import { type Acls, createAcls } from './acls.ts';
import { type AuthenticatedConnection, type Authentication, beginAuthentication } from './authentication.ts';
import { type Authorizer, openAuthorizer } from './authorizer.ts';
import type { MechanismName } from './mechanisms.ts';
import { keepQuotas, quotaHandlers } from './quota-requests.ts';
import { createQuotas, type Quotas } from './quotas.ts';
import { saslHandlers } from './sasl-requests.ts';
import { scramHandlers } from './scram-requests.ts';
import { createTokenVerifier, type TokenVerifier } from './token-verifier.ts';

export interface Security {
  readonly authorizer: Authorizer;
  /** undefined where there are none. */
  readonly acls: Acls | undefined;
  /** Of all protocols. */
  readonly users: Users;
  readonly quotas: Quotas;
  /** For a connection that was accepted; its principal is set. `subject`: of a client certificate that was verified. */
  begin(connection: AuthenticatedConnection, subject: string | undefined): Authentication;
}

export interface SecurityOptions {
  readonly config: KafkaConfig['security'];
  /** Before they are rebuilt. */
  readonly settings: Settings;
  readonly users: Users;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void };
  /** In place of the keys of the configuration. */
  readonly verifyToken?: TokenVerifier;
}

const ANONYMOUS = 'User:ANONYMOUS';

/** As rules are written elsewhere: the most particular part first. Commas in parts are escaped. */
const distinguishedName = (subject: string): string =>
  subject
    .split(/(?<!\\), /)
    .reverse()
    .join(',');

const ALL: readonly MechanismName[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'];

function verifierOf({ oauth }: KafkaConfig['security']): TokenVerifier | undefined {
  if (oauth.keys.length === 0) return undefined;
  const keys = oauth.keys.map(({ id, algorithm, file, secret }) =>
    jwtKey(id, algorithm, algorithm === 'HS256' ? secret : readFileSync(file, 'utf8')),
  );
  return createTokenVerifier({ ...oauth, keys, skewMs: oauth.clockSkewMs });
}

/** Ends the connections of users who have another credential, are disabled, or gone. */
function endWithUser(users: Users): (userName: string, connection: AuthenticatedConnection) => void {
  const byUser = new Map<string, Set<AuthenticatedConnection>>();
  users.onChange((userName, change) => {
    if (change === 'created' || change === 'access') return;
    for (const connection of [...(byUser.get(userName) ?? [])]) connection.end('its user has changed');
  });
  return (userName, connection) => {
    const connections = byUser.get(userName) ?? new Set();
    if (connections.has(connection)) return;
    byUser.set(userName, connections.add(connection));
    connection.onClose(() => {
      connections.delete(connection);
      if (connections.size === 0 && byUser.get(userName) === connections) byUser.delete(userName);
    });
  };
}

export function createSecurity(options: SecurityOptions): Security {
  const { config, settings, users, clock, log } = options;
  const verifyToken = options.verifyToken ?? verifierOf(config);
  const offered = config.mechanisms.length === 0 ? ALL : config.mechanisms;
  const mechanisms = offered.filter((each) => each !== 'OAUTHBEARER' || verifyToken !== undefined);
  if (config.authentication === 'sasl' && mechanisms.length === 0) {
    throw new Error('kafka.security: clients have to log in, and there is no way to');
  }
  const quotas = createQuotas(clock);
  keepQuotas(settings, quotas);
  const acls = config.authorization === 'acl' ? createAcls({ superUsers: config.superUsers }) : undefined;
  if (acls !== undefined) keepAcls(settings, acls);
  const { failureDelayMs, sessionMs, logInTimeoutMs: timeoutMs } = config;
  const isAsked = config.authentication === 'sasl';
  const rules = { isAsked, mechanisms, failureDelayMs, sessionMs, timeoutMs };
  const loggedIn = endWithUser(users);
  const parts = { users, loggedIn, verifyToken, wallMs: () => clock.wallMs(), clock, rules, log };
  return {
    authorizer: acls ?? openAuthorizer,
    acls,
    users,
    quotas,
    begin(connection, subject) {
      connection.principal =
        isAsked || subject === undefined ? ANONYMOUS : `User:${distinguishedName(subject)}`;
      return beginAuthentication(connection, parts);
    },
  };
}

export const securityHandlers = {
  ...saslHandlers,
  ...aclHandlers,
  ...scramHandlers,
  ...quotaHandlers,
} satisfies HandlerTable;
