/**
 * The guard: who is kept out, and how much of the broker anybody gets. Here are bans, the detection of flapping clients, the
 * throttle of log-ins, rates and quotas, in the order in which a connection meets them. Not here: credentials, what may be done
 * where, and limits of the process as a whole.
 *
 * Guaranteed: every table has a bound and says what happens above it; what is granted is counted until it is given back.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Settings } from '../../kernel/settings-table.ts';
import type { Principal, Refusal } from '../security.ts';
import { createTenantAccounts, type TenantAccounts, type TenantsConfig } from '../tenants/limits.ts';
import { type Ban, type Bans, createBans } from './bans.ts';
import { createFlapping, type Flapping, type FlappingConfig } from './flapping.ts';
import { createLogInThrottle, type LogInConfig, type LogInThrottle } from './log-in-throttle.ts';
import { createQuotas, type Quotas, type UserLimits } from './quotas.ts';
import { createRates, type Meter, type Rates, type RatesConfig } from './rates.ts';

export interface GuardConfig extends RatesConfig {
  readonly maxBans: number;
  readonly flapping: FlappingConfig;
  readonly logIn: LogInConfig;
  readonly user: UserLimits;
  /** Users who have something at the same time; who is one more gets nothing. */
  readonly maxUsers: number;
}

export interface GuardOptions {
  readonly config: GuardConfig;
  readonly tenants: TenantsConfig;
  readonly settings: Settings;
  readonly clock: Clock;
}

export interface Guard {
  /** A connection was accepted and has said nothing yet. undefined: it may go on, and owes a `leave`. */
  enter(listener: string, remoteAddress: string): Refusal | undefined;
  leave(listener: string, remoteAddress: string): void;
  /** Somebody shows credentials: whether they are looked at at all. */
  mayLogIn(userName: string | undefined, remoteAddress: string): Refusal | undefined;
  /** Somebody was let in by its credentials. undefined: it may go on, and owes a `disconnected`. */
  connected(principal: Principal): Refusal | undefined;
  disconnected(principal: Principal): void;
  /** undefined: nothing limits it. */
  meterOf(principal: Principal): Meter | undefined;
  /** Who is connected and concerned is to be disconnected. */
  onBan(listener: (ban: Ban) => void): () => void;
  readonly bans: Bans;
  readonly logIns: LogInThrottle;
  readonly flapping: Flapping;
  readonly rates: Rates;
  readonly quotas: Quotas;
  readonly tenants: TenantAccounts;
  close(): void;
}

const SWEEP_INTERVAL_MS = 60_000;

export function createGuard({ config, tenants: tenantsConfig, settings, clock }: GuardOptions): Guard {
  const tenants = createTenantAccounts(tenantsConfig, clock);
  const bans = createBans({ settings, clock, maxBans: config.maxBans });
  const flapping = createFlapping(config.flapping, clock, bans);
  const logIns = createLogInThrottle(config.logIn, clock);
  const rates = createRates(config, clock, tenants);
  const quotas = createQuotas(config.user, config.maxUsers, tenants);
  const stopSweeping = clock.every(SWEEP_INTERVAL_MS, () => {
    // What is not swept now is no longer in force, and swept later.
    bans.sweep().catch(() => undefined);
  });

  return {
    bans,
    logIns,
    flapping,
    rates,
    quotas,
    tenants,
    enter(listener, remoteAddress) {
      if (bans.ofAddress(remoteAddress) !== undefined) return 'banned';
      const admitted = rates.enter(listener, remoteAddress);
      if (admitted === 'admitted') return undefined;
      return admitted === 'too fast' ? 'throttled' : 'busy';
    },
    leave: rates.leave,
    mayLogIn: (userName, remoteAddress) =>
      logIns.waitMs(userName, remoteAddress) > 0 ? 'throttled' : undefined,
    connected(principal) {
      if (bans.ofNames(principal) !== undefined) return 'banned';
      return tenants.tryAdd(principal.tenant, 'connections') ? undefined : 'busy';
    },
    disconnected({ tenant, clientId }) {
      tenants.remove(tenant, 'connections');
      if (clientId !== undefined) flapping.disconnected(tenant, clientId);
    },
    meterOf: ({ listener, tenant }) => rates.meterOf(listener, tenant),
    onBan: bans.onBan,
    close: stopSweeping,
  };
}
