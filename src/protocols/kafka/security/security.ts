/** Security as the configuration wants it, over the settings that administrators change and the rules of all protocols. */
import { readFileSync } from 'node:fs';
import type { Config, KafkaConfig } from '../../../config/config.ts';
import { authenticationOf } from '../../../config/security-checks.ts';
import type { Clock } from '../../../kernel/clock.ts';
import type { Settings } from '../../../kernel/settings-table.ts';
import { isOpenListener } from '../../../security/authentication/from-config.ts';
import { createRefusalLog, type RefusalLogger } from '../../../security/authentication/refusal-log.ts';
import { concerns } from '../../../security/guard/bans.ts';
import type { OpenSecurity } from '../../../security/open-security.ts';
import type { Principal } from '../../../security/security.ts';
import type { TenantAccounts } from '../../../security/tenants/limits.ts';
import { jwtKey } from '../../../security/tokens/keys.ts';
import type { Users } from '../../../security/users/users.ts';
import type { HandlerTable } from '../handlers.ts';
import { aclHandlers, keepAcls } from './acl-requests.ts';
import { type Acls, createAcls } from './acls.ts';
import {
  type AuthenticatedConnection,
  type Authentication,
  beginAuthentication,
  type ListenerRules,
  type Shown,
} from './authentication.ts';
import { type Authorizer, createAuthorizer } from './authorizer.ts';
import { createCommonRules } from './common-rules.ts';
import { createChainLogIns, createOwnLogIns, guardedLogIns } from './log-ins.ts';
import { allowedMechanisms, ownMechanisms } from './offered.ts';
import { keepQuotas, quotaHandlers } from './quota-requests.ts';
import { createQuotas, type Quotas } from './quotas.ts';
import { saslHandlers } from './sasl-requests.ts';
import { scramHandlers } from './scram-requests.ts';
import { createTokenVerifier, type TokenVerifier } from './token-verifier.ts';

/** What of the security of all protocols Kafka stands on. */
export type SharedSecurity = Pick<
  OpenSecurity,
  'users' | 'authentication' | 'authorization' | 'guard' | 'audit' | 'onUserChange'
>;

export interface Security {
  readonly authorizer: Authorizer;
  /** undefined where there are none. */
  readonly acls: Acls | undefined;
  /** Of all protocols. */
  readonly users: Users;
  readonly quotas: Quotas;
  /** What is counted of tenants. */
  readonly tenants: Pick<TenantAccounts, 'countsOf'>;
  /** For a connection that was accepted. */
  begin(connection: AuthenticatedConnection, shown: Shown): Authentication;
}

export interface SecurityOptions {
  readonly config: Config;
  /** Before they are rebuilt. */
  readonly settings: Settings;
  readonly shared: Omit<SharedSecurity, 'audit'>;
  readonly clock: Clock;
  readonly log: RefusalLogger;
  /** In place of the keys of the configuration. */
  readonly verifyToken?: TokenVerifier;
}

const LISTENERS = ['kafka', 'kafkas'] as const;

function verifierOf({ oauth }: KafkaConfig['security']): TokenVerifier | undefined {
  if (oauth.keys.length === 0) return undefined;
  const keys = oauth.keys.map(({ id, algorithm, file, secret }) =>
    jwtKey(id, algorithm, algorithm === 'HS256' ? secret : readFileSync(file, 'utf8')),
  );
  return createTokenVerifier({ ...oauth, keys, skewMs: oauth.clockSkewMs });
}

/** Ends connections of users who are not any more what they were when they logged in, and those that are banned. */
function watchConnections({ onUserChange, guard }: SecurityOptions['shared']) {
  const all = new Set<AuthenticatedConnection>();
  const byUser = new Map<string, Set<AuthenticatedConnection>>();
  onUserChange((userName, change) => {
    if (change === 'created') return;
    for (const connection of [...(byUser.get(userName) ?? [])]) connection.end('its user has changed');
  });
  guard.onBan((ban) => {
    const isBanned = concerns(ban);
    for (const connection of [...all]) {
      const { identity, remoteAddress } = connection;
      const peer = identity ?? { tenant: '', clientId: undefined, userName: undefined, remoteAddress };
      if (isBanned(peer)) connection.end('it is banned');
    }
  });
  return {
    opened(connection: AuthenticatedConnection): void {
      all.add(connection);
      connection.onClose(() => all.delete(connection));
    },
    loggedIn(userName: string, connection: AuthenticatedConnection): void {
      const connections = byUser.get(userName) ?? new Set();
      if (connections.has(connection)) return;
      byUser.set(userName, connections.add(connection));
      connection.onClose(() => {
        connections.delete(connection);
        if (connections.size === 0 && byUser.get(userName) === connections) byUser.delete(userName);
      });
    },
  };
}

/** What each listener asks for, by its name. */
function listenerRules(options: SecurityOptions): ReadonlyMap<string, ListenerRules> {
  const { config, shared, clock } = options;
  const own = config.kafka.security;
  const { authentication } = config.security;
  const verifyToken = options.verifyToken ?? verifierOf(own);
  const allowed = allowedMechanisms(own);
  const mechanisms = ownMechanisms(own, verifyToken !== undefined);
  const wallMs = (): number => clock.wallMs();
  const rules = new Map<string, ListenerRules>();
  for (const name of LISTENERS) {
    const { authenticators } = authenticationOf(authentication, name);
    const hasChain = authenticators.length > 0;
    const hasOwnKeys = verifyToken !== undefined;
    const parts = { users: shared.users, verifyToken, wallMs };
    const byUsers = createOwnLogIns({ ...parts, mechanisms: hasChain ? allowed : mechanisms });
    const byChain = { authentication: shared.authentication, authenticators, own: byUsers, hasOwnKeys };
    const logIns = hasChain ? createChainLogIns({ ...byChain, tokenFrom: authentication.jwt.from }) : byUsers;
    const mustLogIn = own.authentication === 'sasl';
    if (mustLogIn && config.listeners[name].enabled && logIns.mechanisms.length === 0) {
      throw new Error(`listeners.${name}: clients have to log in, and there is no way to`);
    }
    rules.set(name, {
      logIns: guardedLogIns(logIns, shared.guard),
      mustLogIn,
      admit: hasChain && !mustLogIn ? (attempt) => shared.authentication.authenticate(attempt) : undefined,
    });
  }
  return rules;
}

/** Whether what nothing is said about is allowed, where there are no access control lists. */
function openness(
  config: Config,
  authorization: OpenSecurity['authorization'],
): (principal: Principal) => boolean {
  const { security } = config;
  const isUnruled = (listener: string): boolean =>
    authorization.config.rules.length === 0 &&
    authenticationOf(security.authentication, listener).authenticators.length === 0;
  return ({ userName, tenant, listener }) => {
    const { noMatch } = authorization.config;
    if (noMatch !== 'auto') return noMatch === 'allow';
    if (tenant !== '') return false;
    if (isUnruled(listener)) return true;
    return userName === undefined && isOpenListener(config, listener);
  };
}

export function createSecurity(options: SecurityOptions): Security {
  const { config, settings, shared, clock, log } = options;
  const own = config.kafka.security;
  const rules = listenerRules(options);
  const quotas = createQuotas(clock);
  keepQuotas(settings, quotas);
  const acls = own.authorization === 'acl' ? createAcls({ superUsers: own.superUsers }) : undefined;
  if (acls !== undefined) keepAcls(settings, acls);
  const { authorization, guard, users } = shared;
  const { opened, loggedIn } = watchConnections(shared);
  const { failureDelayMs, sessionMs, logInTimeoutMs: timeoutMs } = own;
  const parts = {
    clock,
    rules: { failureDelayMs, sessionMs, timeoutMs },
    guard,
    refusals: createRefusalLog(log, clock),
    loggedIn,
  };
  return {
    authorizer: createAuthorizer(
      acls,
      createCommonRules({ authorization, isOpen: openness(config, authorization) }),
    ),
    acls,
    users,
    quotas,
    tenants: guard.tenants,
    begin(connection, shown) {
      const listener = rules.get(connection.listener);
      if (listener === undefined) throw new Error(`${connection.listener} is no listener of Kafka`);
      opened(connection);
      return beginAuthentication(connection, shown, { ...parts, listener });
    },
  };
}

export const securityHandlers = {
  ...saslHandlers,
  ...aclHandlers,
  ...scramHandlers,
  ...quotaHandlers,
} satisfies HandlerTable;
