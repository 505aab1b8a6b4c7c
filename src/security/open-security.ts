/** Makes what lets in, from the configuration and from what the node has kept: one user database for all protocols. */
import type { Config } from '../config/config.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Settings } from '../kernel/settings-table.ts';
import type { StateLog } from '../kernel/state/state-log.ts';
import { type Access, createAccess } from './access/access.ts';
import { type Audit, openAudit } from './audit/audit.ts';
import { createLoggedAudit } from './audit/logged-audit.ts';
import type { Authentication } from './authentication/authentication.ts';
import { isOpenListener, openAuthentication } from './authentication/from-config.ts';
import type { RefusalLogger } from './authentication/refusal-log.ts';
import { type Authorization, createAuthorization } from './authorization/authorization.ts';
import { configuredRules } from './authorization/configured-rules.ts';
import { createGuard, type Guard } from './guard/guard.ts';
import { createPasswords, type HashSettings, type Passwords } from './passwords/passwords.ts';
import { createUsers, type UserListener, type Users } from './users/users.ts';

export interface SecurityOptions {
  readonly config: Config;
  /** Rebuilt. */
  readonly settings: Settings;
  readonly log: StateLog;
  readonly clock: Clock;
  readonly logger: SecurityLogger;
  /** For the audit log; undefined: changes are noted in the log of the process instead. */
  readonly auditDirectory: string | undefined;
}

export interface SecurityLogger extends RefusalLogger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface OpenSecurity {
  readonly settings: Settings;
  readonly passwords: Passwords;
  readonly users: Users;
  readonly authentication: Authentication;
  readonly access: Access;
  readonly authorization: Authorization;
  readonly guard: Guard;
  readonly audit: Audit;
  /** Users of the database and of the password file, until the returned function is called. */
  onUserChange(listener: UserListener): () => void;
  close(): Promise<void>;
}

const SCRYPT_BLOCK_SIZE = 8;

function hashSettings({ passwords }: Config['security']): HashSettings {
  const { argon2MemoryBytes: memoryBytes, argon2Passes: passes } = passwords;
  return {
    algorithm: passwords.hash,
    argon2: { memoryBytes, passes, parallelism: 1 },
    scrypt: {
      logCost: passwords.scryptLogCost,
      blockSize: SCRYPT_BLOCK_SIZE,
      parallelism: passwords.scryptParallelism,
    },
  };
}

/** Rejects when something that the configuration asks for is missing or broken. */
export async function openSecurity(options: SecurityOptions): Promise<OpenSecurity> {
  const { config, settings, log, clock, logger } = options;
  const listeners = new Set<UserListener>();
  const tell: UserListener = (userName, change) => {
    for (const listener of [...listeners]) listener(userName, change);
  };
  settings.attach(log);
  const passwords = createPasswords({ settings: hashSettings(config.security), clock });
  const users = createUsers({
    settings,
    passwords,
    clock,
    policy: config.security.passwords,
    scramIterations: config.security.passwords.scramIterations,
    configured: config.kafka.security.users,
  });
  users.onChange(tell);
  const authentication = await openAuthentication({
    config,
    users,
    passwords,
    clock,
    logger,
    onChange: tell,
  });
  await users.prepare();
  const authorization = createAuthorization({
    config: configuredRules(config.authorization),
    settings,
    isOpenListener: (name) => isOpenListener(config, name),
  });
  const guard = createGuard({ config: config.guard, tenants: config.tenants, settings, clock });
  const audit = await openAuditOf(options);
  return {
    settings,
    passwords,
    users,
    authentication,
    access: createAccess(settings, users, clock),
    authorization,
    guard,
    audit,
    onUserChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      guard.close();
      authentication.close();
      await audit.close();
    },
  };
}

async function openAuditOf({ auditDirectory, config, clock, logger }: SecurityOptions): Promise<Audit> {
  if (auditDirectory === undefined) return createLoggedAudit(logger);
  const audit = await openAudit({
    directory: auditDirectory,
    config: config.audit,
    clock,
    onMissing: ({ sequence }) =>
      logger.error(
        { sequence },
        'the last entry of the audit log is missing, or is not the one that was written',
      ),
  });
  // The log of the process goes elsewhere: what it says of the chain cannot be made anew with it.
  const { sequence, hash } = audit.head();
  if (sequence > 0) logger.info({ sequence, hash }, 'the audit log goes on behind this entry');
  audit.onAlarm((failure) => {
    if (failure === undefined) logger.info({}, 'the audit log is written again');
    else logger.error({ err: failure }, 'the audit log cannot be written');
  });
  return audit;
}
