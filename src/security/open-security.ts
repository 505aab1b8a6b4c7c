/** Makes what lets in, from the configuration and from what the node has kept: one user database for all protocols. */
import type { Config } from '../config/config.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Settings } from '../kernel/settings-table.ts';
import type { StateLog } from '../kernel/state/state-log.ts';
import { type Access, createAccess } from './access/access.ts';
import type { Authentication } from './authentication/authentication.ts';
import { openAuthentication } from './authentication/from-config.ts';
import type { RefusalLogger } from './authentication/refusal-log.ts';
import { createPasswords, type HashSettings, type Passwords } from './passwords/passwords.ts';
import { createUsers, type UserListener, type Users } from './users/users.ts';

export interface SecurityOptions {
  readonly config: Config;
  /** Rebuilt. */
  readonly settings: Settings;
  readonly log: StateLog;
  readonly clock: Clock;
  readonly logger: RefusalLogger;
}

export interface OpenSecurity {
  readonly settings: Settings;
  readonly passwords: Passwords;
  readonly users: Users;
  readonly authentication: Authentication;
  readonly access: Access;
  /** Users of the database and of the password file, until the returned function is called. */
  onUserChange(listener: UserListener): () => void;
  close(): void;
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
  return {
    settings,
    passwords,
    users,
    authentication,
    access: createAccess(settings, users, clock),
    onUserChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => authentication.close(),
  };
}
