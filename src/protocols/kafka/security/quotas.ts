/**
 * Quotas: how much users, clients and addresses may do per second. Nobody is refused: who was over waits as long as it
 * takes to be at the rate again, by throttle time and by not being read. Of what was set the most specific counts, key by
 * key.
 */
import type { Clock } from '../../../kernel/clock.ts';

export const QUOTA_KEYS = {
  producer_byte_rate: 'client',
  consumer_byte_rate: 'client',
  request_percentage: 'client',
  controller_mutation_rate: 'client',
  connection_creation_rate: 'ip',
} as const;
export type QuotaKey = keyof typeof QUOTA_KEYS;
type ClientKey = { [K in QuotaKey]: (typeof QUOTA_KEYS)[K] extends 'client' ? K : never }[QuotaKey];

/** null is the default, for all that have none of their own; undefined is no part of it. */
export interface QuotaEntity {
  readonly user?: string | null;
  readonly clientId?: string | null;
  readonly ip?: string | null;
  /** Whose quota it is: it is for the clients of that tenant, or for those without one. */
  readonly tenant?: string;
}

export type QuotaValues = Readonly<Partial<Record<QuotaKey, number>>>;

export interface Quota {
  readonly entity: QuotaEntity;
  readonly values: QuotaValues;
}

export interface Quotas {
  /** False while nothing is limited. */
  readonly isEnabled: boolean;
  /** What was done; gives how long to wait from now, in ms. Of `request_percentage`, ms of work. */
  charge(key: ClientKey, user: string, clientId: string, amount: number, tenant?: string): number;
  connected(ip: string): number;
  set(key: string, quota: Quota | undefined): void;
  list(): Iterable<Quota>;
}

/** What is saved up while nothing happens: this much of the rate. */
const BURST_MS = 1000;
const MAX_WAIT_MS = 30_000;
const MAX_METERS = 20_000;

/** A bucket that may be overdrawn. */
class Meter {
  readonly perSecond: number;
  readonly most: number;
  level: number;
  atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.perSecond = perSecond;
    this.most = (perSecond * BURST_MS) / 1000;
    this.level = this.most;
    this.atMs = nowMs;
  }

  take(amount: number, nowMs: number): number {
    const earned = ((nowMs - this.atMs) * this.perSecond) / 1000;
    this.level = Math.min(this.most, this.level + earned) - amount;
    this.atMs = nowMs;
    if (this.level >= 0) return 0;
    // A debt beyond what anybody waits for is forgiven.
    this.level = Math.max(this.level, (-MAX_WAIT_MS * this.perSecond) / 1000);
    return Math.ceil((-this.level * 1000) / this.perSecond);
  }
}

/** The unit of request_percentage is a hundredth of the time of one thread. */
const perSecond = (key: QuotaKey, value: number): number =>
  key === 'request_percentage' ? value * 10 : value;

const partOf = (value: string | null | undefined): string =>
  value === undefined ? '-' : value === null ? '*' : `=${value}`;
const placeOf = ({ user, clientId, ip, tenant = '' }: QuotaEntity): string =>
  JSON.stringify([partOf(user), partOf(clientId), partOf(ip), tenant]);

interface Match {
  readonly entity: QuotaEntity;
  /** Who shares one bucket under it. */
  readonly shares: 'both' | 'user' | 'client';
}

/** From the most specific on. */
const matches = (user: string, clientId: string): readonly Match[] => [
  { entity: { user, clientId }, shares: 'both' },
  { entity: { user, clientId: null }, shares: 'both' },
  { entity: { user }, shares: 'user' },
  { entity: { user: null, clientId }, shares: 'both' },
  { entity: { user: null, clientId: null }, shares: 'both' },
  { entity: { user: null }, shares: 'user' },
  { entity: { clientId }, shares: 'client' },
  { entity: { clientId: null }, shares: 'client' },
];

export function createQuotas(clock: Clock): Quotas {
  const quotas = new Map<string, Quota>();
  let byPlace = new Map<string, QuotaValues>();
  /** By who it is; undefined where nothing limits them. */
  let found = new Map<string, Meter | undefined>();
  let meters = new Map<string, Meter>();

  const bounded = <V>(map: Map<string, V>, key: string, value: V): V => {
    if (map.size >= MAX_METERS) {
      const [oldest] = map.keys();
      if (oldest !== undefined) map.delete(oldest);
    }
    map.set(key, value);
    return value;
  };

  const meterOf = (id: string, rate: number): Meter =>
    meters.get(id) ?? bounded(meters, id, new Meter(rate, clock.monotonicMs()));

  const find = (key: ClientKey, user: string, clientId: string, tenant: string): Meter | undefined => {
    for (const { entity, shares } of matches(user, clientId)) {
      const value = byPlace.get(placeOf({ ...entity, tenant }))?.[key];
      if (value === undefined) continue;
      const who = shares === 'both' ? [user, clientId] : [shares === 'user' ? user : clientId];
      return meterOf(JSON.stringify([key, shares, tenant, ...who]), perSecond(key, value));
    }
    return undefined;
  };

  const findIp = (ip: string): Meter | undefined => {
    const key = 'connection_creation_rate';
    const value = byPlace.get(placeOf({ ip }))?.[key] ?? byPlace.get(placeOf({ ip: null }))?.[key];
    return value === undefined ? undefined : meterOf(JSON.stringify([key, ip]), perSecond(key, value));
  };

  return {
    get isEnabled() {
      return quotas.size > 0;
    },
    charge(key, user, clientId, amount, tenant = '') {
      if (quotas.size === 0) return 0;
      const id = `${key}\0${tenant}\0${user}\0${clientId}`;
      const meter = found.has(id) ? found.get(id) : bounded(found, id, find(key, user, clientId, tenant));
      return meter?.take(amount, clock.monotonicMs()) ?? 0;
    },
    connected(ip) {
      return quotas.size === 0 ? 0 : (findIp(ip)?.take(1, clock.monotonicMs()) ?? 0);
    },
    set(key, quota) {
      if (quota === undefined) quotas.delete(key);
      else quotas.set(key, quota);
      byPlace = new Map(Array.from(quotas.values(), ({ entity, values }) => [placeOf(entity), values]));
      found = new Map();
      meters = new Map();
    },
    list: () => quotas.values(),
  };
}
