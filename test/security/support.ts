/** Users over settings that are durable at once, with hashes that cost nothing. */
import { createSettings, type Settings } from '../../src/kernel/settings-table.ts';
import type { Done, StateLog } from '../../src/kernel/state/state-log.ts';
import { TableId } from '../../src/kernel/state/table.ts';
import {
  createPasswords,
  type HashSettings,
  type Passwords,
  type PasswordsOptions,
} from '../../src/security/passwords/passwords.ts';
import type { Attempt } from '../../src/security/security.ts';
import { createUsers, type Users, type UsersOptions } from '../../src/security/users/users.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

/** A log in which every change is durable at once; `error` is what the next ones end with. */
export function immediateLog(): { readonly log: StateLog; error: Error | undefined; entries: Uint8Array[] } {
  const state = {
    error: undefined as Error | undefined,
    entries: [] as Uint8Array[],
    log: {
      add: (_table: number, entry: Uint8Array) => state.entries.push(entry),
      commit: (_level: string, done: Done) => done(state.error, state.error === undefined ? 0 : -1),
    } as unknown as StateLog,
  };
  return state;
}

export const cheap: HashSettings = {
  algorithm: 'scrypt',
  argon2: { memoryBytes: 8 * 1024 * 1024, passes: 1, parallelism: 1 },
  scrypt: { logCost: 4, blockSize: 8, parallelism: 1 },
};

export interface UserBench {
  readonly clock: ManualClock;
  readonly settings: Settings;
  readonly log: ReturnType<typeof immediateLog>;
  readonly passwords: Passwords;
  readonly users: Users;
  /** The same settings in another process. */
  restarted(options?: Partial<UsersOptions>): Promise<UserBench>;
}

export function userBench(
  options: Partial<UsersOptions> = {},
  hashing: Partial<PasswordsOptions> = {},
): UserBench {
  const clock = createManualClock();
  const log = immediateLog();
  const settings = createSettings(TableId.Security, 'security');
  settings.attach(log.log);
  const passwords = createPasswords({ settings: cheap, clock, ...hashing });
  const users = createUsers({
    settings,
    passwords,
    clock,
    policy: { minLength: 8 },
    scramIterations: 4096,
    configured: [],
    ...options,
  });
  return {
    clock,
    settings,
    log,
    passwords,
    users,
    async restarted(more = {}) {
      const next = userBench({ ...options, ...more }, hashing);
      for (const entry of log.entries) next.settings.table.apply(entry, { position: 0, offset: 0 });
      next.settings.table.recovered?.();
      return next;
    },
  };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const attempt = (fields: Partial<Attempt> = {}): Attempt => ({
  protocol: 'mqtt',
  listener: 'mqtt',
  transport: 'tcp',
  remoteAddress: '10.0.0.1',
  clientId: 'client',
  userName: undefined,
  password: undefined,
  certificate: undefined,
  ...fields,
});

export const withPassword = (userName: string, password: string, fields: Partial<Attempt> = {}): Attempt =>
  attempt({ userName, password: bytes(password), ...fields });
