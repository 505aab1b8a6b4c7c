/**
 * Bans: client identifiers, users and networks that are kept out, for a time or for good. What administrators ban is durable;
 * what the broker bans by itself ends with the process at the latest. A ban that cannot be read holds.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Settings } from '../../kernel/settings-table.ts';
import { canonicalNetwork, createNetworkMap } from '../networks.ts';
import { SettingKind } from '../setting-kinds.ts';

export type BanKind = 'client' | 'user' | 'network';

export interface BanTarget {
  readonly kind: BanKind;
  /** A client identifier, a user name, or a network such as 10.0.0.0/8. */
  readonly value: string;
  /** undefined: in every tenant. Networks have none. */
  readonly tenant: string | undefined;
}

export interface Ban extends BanTarget {
  readonly reason: string;
  /** Who banned. */
  readonly by: string;
  readonly createdAtMs: number;
  /** Wall clock; undefined is never. */
  readonly expiresAtMs: number | undefined;
}

export interface Peer {
  readonly tenant: string;
  readonly clientId: string | undefined;
  readonly userName: string | undefined;
  readonly remoteAddress: string;
}

export type BanOutcome =
  | { readonly type: 'changed' | 'missing' | 'full' | 'failed' }
  | { readonly type: 'invalid'; readonly problem: string };

export interface BansOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  /** Of those that are durable; above, new ones are refused. */
  readonly maxBans: number;
}

export interface Bans {
  /** Before somebody says who it is. */
  ofAddress(remoteAddress: string): Ban | undefined;
  /** Once names are known. */
  ofNames(peer: Omit<Peer, 'remoteAddress'>): Ban | undefined;
  list(page: { readonly after?: string | undefined; readonly limit: number }): {
    readonly bans: readonly Ban[];
    readonly next: string | undefined;
  };
  /** Also takes the place of one with the same target. */
  create(ban: Omit<Ban, 'createdAtMs'>): Promise<BanOutcome>;
  delete(target: BanTarget): Promise<BanOutcome>;
  /** Not durable; of too many the oldest gives way. */
  addTemporary(ban: Omit<Ban, 'createdAtMs'>): void;
  /** Told of each ban that comes into force, so that who it concerns is disconnected. */
  onBan(listener: (ban: Ban) => void): () => void;
  /** Removes what has expired. */
  sweep(): Promise<void>;
  count(): number;
}

const VERSION = 1;
const MAX_TEXT = 1024;
const MAX_TEMPORARY = 10_000;
const MAX_SWEPT = 256;
const EVERY_TENANT = '*';

const keyOf = ({ kind, tenant, value }: BanTarget): string => `${kind}\0${tenant ?? EVERY_TENANT}\0${value}`;

/** Whom the ban is about. */
export function concerns(ban: Ban): (peer: Peer) => boolean {
  if (ban.kind === 'network') {
    const network = createNetworkMap<true>();
    network.set(ban.value, true);
    return ({ remoteAddress }) => network.find(remoteAddress) !== undefined;
  }
  return ({ tenant, clientId, userName }) =>
    (ban.tenant === undefined || ban.tenant === tenant) &&
    ban.value === (ban.kind === 'client' ? clientId : userName);
}

function problemOf({ kind, value, tenant, reason, by }: Omit<Ban, 'createdAtMs'>): string | undefined {
  if ([value, reason, by, tenant ?? ''].some((text) => text.length > MAX_TEXT)) {
    return `no text may have more than ${MAX_TEXT} characters`;
  }
  if (value === '' || value.includes('\0')) return 'a ban needs somebody to be about';
  if (kind !== 'network') return undefined;
  if (tenant !== undefined) return 'networks have no tenant';
  return canonicalNetwork(value) === undefined ? 'that is no network such as 10.0.0.0/8' : undefined;
}

/** From the name of the setting, which says who is banned though the rest is lost. */
function targetOf(name: string): BanTarget | undefined {
  const [kind, tenant, ...value] = name.split('\0');
  if ((kind !== 'client' && kind !== 'user' && kind !== 'network') || tenant === undefined) return undefined;
  return { kind, tenant: tenant === EVERY_TENANT ? undefined : tenant, value: value.join('\0') };
}

function decode(name: string, bytes: Uint8Array): Ban | undefined {
  const target = targetOf(name);
  if (target === undefined) return undefined;
  const unreadable: Ban = {
    ...target,
    reason: 'what was written of this ban cannot be read',
    by: '',
    createdAtMs: 0,
    expiresAtMs: undefined,
  };
  try {
    const { version, reason, by, createdAtMs, expiresAtMs } = JSON.parse(Buffer.from(bytes).toString());
    const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
    if (version !== VERSION || typeof reason !== 'string' || typeof by !== 'string' || !isTime(createdAtMs)) {
      return unreadable;
    }
    if (expiresAtMs !== null && !isTime(expiresAtMs)) return unreadable;
    return { ...target, reason, by, createdAtMs, expiresAtMs: expiresAtMs ?? undefined };
  } catch {
    return unreadable;
  }
}

function encode({ reason, by, createdAtMs, expiresAtMs }: Ban): Uint8Array {
  return Buffer.from(
    JSON.stringify({ version: VERSION, reason, by, createdAtMs, expiresAtMs: expiresAtMs ?? null }),
  );
}

/** Networks are written in one way, so that each has one ban. */
const canonical = <T extends BanTarget>(target: T): T => ({
  ...target,
  value: target.kind === 'network' ? (canonicalNetwork(target.value) ?? target.value) : target.value,
});

/** What the settings have of a ban, for who takes them from one node to another. */
export const banRecords = {
  faultOf: problemOf,
  nameOf: (target: BanTarget): string => keyOf(canonical(target)),
  encode,
  decode,
};

/** In force or expired, found by what they are about. */
class BanIndex {
  readonly named = new Map<string, Ban>();
  readonly networks = createNetworkMap<Ban>();

  set(ban: Ban): void {
    this.named.set(keyOf(ban), ban);
    if (ban.kind === 'network') this.networks.set(ban.value, ban);
  }

  delete(key: string): void {
    const ban = this.named.get(key);
    this.named.delete(key);
    if (ban?.kind === 'network') this.networks.delete(ban.value);
  }
}

export function createBans({ settings, clock, maxBans }: BansOptions): Bans {
  const durable = new BanIndex();
  const temporary = new BanIndex();
  const listeners = new Set<(ban: Ban) => void>();
  const isInForce = ({ expiresAtMs }: Ban): boolean =>
    expiresAtMs === undefined || expiresAtMs > clock.wallMs();
  const tell = (ban: Ban): void => {
    if (isInForce(ban)) for (const listener of listeners) listener(ban);
  };

  settings.watch(SettingKind.Ban, (name, value) => {
    durable.delete(name);
    const ban = value && decode(name, value);
    if (ban === undefined) return;
    durable.set(ban);
    tell(ban);
  });

  const named = (kind: BanKind, tenant: string, value: string | undefined): Ban | undefined => {
    if (value === undefined) return undefined;
    for (const index of [durable, temporary]) {
      for (const where of [tenant, undefined]) {
        const ban = index.named.get(keyOf({ kind, tenant: where, value }));
        if (ban !== undefined && isInForce(ban)) return ban;
      }
    }
    return undefined;
  };

  return {
    ofAddress(remoteAddress) {
      return (
        durable.networks.find(remoteAddress, isInForce) ?? temporary.networks.find(remoteAddress, isInForce)
      );
    },
    ofNames: ({ tenant, clientId, userName }) =>
      named('client', tenant, clientId) ?? named('user', tenant, userName),

    list({ after, limit }) {
      const keys = [...durable.named.keys(), ...temporary.named.keys()].toSorted();
      const start = after === undefined ? 0 : keys.findIndex((key) => key > after);
      const page = start < 0 ? [] : keys.slice(start, start + limit);
      const bans = page
        .flatMap((key) => durable.named.get(key) ?? temporary.named.get(key) ?? [])
        .filter(isInForce);
      const isEnd = start < 0 || start + limit >= keys.length;
      return { bans, next: isEnd ? undefined : page.at(-1) };
    },

    async create(wanted) {
      const problem = problemOf(wanted);
      if (problem !== undefined) return { type: 'invalid', problem };
      const ban: Ban = { ...canonical(wanted), createdAtMs: clock.wallMs() };
      const name = keyOf(ban);
      let isFull = false;
      const outcome = await settings.change(() => {
        isFull = !durable.named.has(name) && durable.named.size >= maxBans;
        return isFull ? [] : [{ kind: SettingKind.Ban, name, value: encode(ban) }];
      });
      return { type: isFull ? 'full' : outcome };
    },

    async delete(target) {
      if (target.kind === 'network' && canonicalNetwork(target.value) === undefined)
        return { type: 'missing' };
      const name = keyOf(canonical(target));
      const wasTemporary = temporary.named.has(name);
      temporary.delete(name);
      let isMissing = false;
      const outcome = await settings.change(() => {
        isMissing = !durable.named.has(name);
        return isMissing ? [] : [{ kind: SettingKind.Ban, name, value: undefined }];
      });
      return { type: isMissing ? (wasTemporary ? 'changed' : 'missing') : outcome };
    },

    addTemporary(wanted) {
      const ban: Ban = { ...canonical(wanted), createdAtMs: clock.wallMs() };
      temporary.delete(keyOf(ban));
      const [oldest] = temporary.named.keys();
      if (temporary.named.size >= MAX_TEMPORARY && oldest !== undefined) temporary.delete(oldest);
      temporary.set(ban);
      tell(ban);
    },

    onBan(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async sweep() {
      for (const [key, ban] of temporary.named) if (!isInForce(ban)) temporary.delete(key);
      const expired = [...durable.named].filter(([, ban]) => !isInForce(ban)).slice(0, MAX_SWEPT);
      if (expired.length === 0) return;
      await settings.change(() =>
        expired.flatMap(([name, ban]) =>
          // It may have been given again meanwhile.
          durable.named.get(name) === ban ? [{ kind: SettingKind.Ban, name, value: undefined }] : [],
        ),
      );
    },

    count: () => durable.named.size + temporary.named.size,
  };
}
