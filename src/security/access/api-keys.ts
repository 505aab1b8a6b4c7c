/**
 * API keys, for programs: `rmq_<id>_<secret>`, of which the settings keep the id and the hash of the secret. A key belongs to a
 * user and works as long as that user does; it may have fewer scopes, an end, and networks that it may be used from.
 */
import { createHash, randomBytes } from 'node:crypto';
import { ByteReader, ByteWriter } from '../../kernel/binary.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Settings, SettingsOutcome } from '../../kernel/settings-table.ts';
import { createNetworkMap, type NetworkMap, parseNetwork } from '../networks.ts';
import { isSame } from '../same-bytes.ts';
import { Secret } from '../secret.ts';
import { SettingKind } from '../setting-kinds.ts';
import type { Users } from '../users/users.ts';
import { newToken } from './opaque-token.ts';

export interface ApiKey {
  readonly id: string;
  /** What it is for. */
  readonly description: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  /** Where it may be used from; none is anywhere. */
  readonly networks: readonly string[];
  readonly createdAtMs: number;
  /** Infinity: never. */
  readonly expiresAtMs: number;
  /** To the hour after a restart. Infinity: never. */
  readonly lastUsedAtMs: number;
}

export type NewApiKey = Pick<ApiKey, 'description' | 'owner' | 'scopes'> &
  Partial<Pick<ApiKey, 'networks' | 'expiresAtMs'>>;

export type ApiKeyOutcome =
  | { readonly isDone: true; readonly apiKey: ApiKey; readonly key: Secret }
  | { readonly isDone: false; readonly reason: string };

export interface ApiKeys {
  /** The key is shown this once. */
  create(wanted: NewApiKey): Promise<ApiKeyOutcome>;
  /** undefined, whatever is wrong. */
  check(key: string, remoteAddress: string): ApiKey | undefined;
  get(id: string): ApiKey | undefined;
  list(owner?: string): readonly ApiKey[];
  revoke(id: string): Promise<SettingsOutcome>;
}

interface Kept {
  readonly apiKey: ApiKey;
  readonly hash: Uint8Array;
  readonly allowed: NetworkMap<true>;
  lastUsedAtMs: number;
}

const VERSION = 1;
const KEY = /^rmq_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const MAX_KEYS = 10_000;
const MAX_TEXT_LENGTH = 255;
const MAX_ENTRIES = 64;
const KEPT_TO_MS = 3_600_000;
const NOBODY = new Uint8Array(32);

const hashOf = (secret: string): Uint8Array => createHash('sha256').update(secret).digest();

function encode({ apiKey, hash }: Kept): Uint8Array {
  const { description, owner, scopes, networks, createdAtMs, expiresAtMs, lastUsedAtMs } = apiKey;
  const to = new ByteWriter(256).u8(VERSION).text(description).text(owner).bytes(hash).uint(createdAtMs);
  to.time(expiresAtMs).time(lastUsedAtMs).uint(scopes.length);
  for (const scope of scopes) to.text(scope);
  to.uint(networks.length);
  for (const network of networks) to.text(network);
  return to.finish();
}

function kept(apiKey: ApiKey, hash: Uint8Array): Kept {
  const allowed = createNetworkMap<true>();
  for (const network of apiKey.networks) allowed.set(network, true);
  return { apiKey, hash, allowed, lastUsedAtMs: apiKey.lastUsedAtMs };
}

function decode(id: string, bytes: Uint8Array): Kept {
  const from = new ByteReader(bytes);
  const version = from.u8();
  const description = from.text();
  const owner = from.text();
  const hash = from.bytes();
  const createdAtMs = from.uint();
  const expiresAtMs = from.time();
  const lastUsedAtMs = from.time();
  const scopes = Array.from({ length: from.count() }, () => from.text());
  const networks = Array.from({ length: from.count() }, () => from.text());
  if (version !== VERSION || !from.isComplete) throw new Error('a stored API key cannot be read');
  return kept({ id, description, owner, scopes, networks, createdAtMs, expiresAtMs, lastUsedAtMs }, hash);
}

function faultOf({ description, scopes, networks = [] }: NewApiKey): string | undefined {
  const texts = [description, ...scopes, ...networks];
  if (texts.some((text) => text.length > MAX_TEXT_LENGTH)) return 'a text is too long';
  if (scopes.length > MAX_ENTRIES || networks.length > MAX_ENTRIES) return 'there are too many entries';
  const wrong = networks.find((network) => parseNetwork(network) === undefined);
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is no network`;
}

/** What the settings have of a key, for who takes them from one node to another. */
export interface ApiKeyRecord extends ApiKey {
  /** SHA-256 of its secret. */
  readonly hash: Uint8Array;
}

export const apiKeyRecords = {
  maxCount: MAX_KEYS,
  faultOf: (record: ApiKeyRecord): string | undefined => {
    if (!/^[0-9a-f]{16}$/.test(record.id)) return 'the id of a key has 16 hexadecimal digits';
    return record.hash.length === NOBODY.length ? faultOf(record) : 'the hash of a key has 32 bytes';
  },
  encode: ({ hash, ...apiKey }: ApiKeyRecord): Uint8Array => encode(kept(apiKey, hash)),
  decode(id: string, bytes: Uint8Array): ApiKeyRecord {
    const { apiKey, hash } = decode(id, bytes);
    return { ...apiKey, hash };
  },
};

export function createApiKeys(settings: Settings, users: Users, clock: Clock): ApiKeys {
  const keys = new Map<string, Kept>();

  settings.watch(SettingKind.ApiKey, (id, value) => {
    if (value === undefined) keys.delete(id);
    else keys.set(id, decode(id, value));
  });

  const view = ({ apiKey, lastUsedAtMs }: Kept): ApiKey => ({ ...apiKey, lastUsedAtMs });
  const edit = (id: string, value: Kept | undefined) => ({
    kind: SettingKind.ApiKey,
    name: id,
    value: value === undefined ? undefined : encode(value),
  });

  // A user of the same name who comes later must not have them.
  users.onChange((owner, change) => {
    if (change !== 'deleted') return;
    settings
      .change(() =>
        [...keys].filter(([, { apiKey }]) => apiKey.owner === owner).map(([id]) => edit(id, undefined)),
      )
      .catch(() => {});
  });

  const noteUse = (id: string, used: Kept): void => {
    const nowMs = clock.wallMs();
    used.lastUsedAtMs = nowMs;
    const { lastUsedAtMs } = used.apiKey;
    if (Number.isFinite(lastUsedAtMs) && nowMs - lastUsedAtMs < KEPT_TO_MS) return;
    settings
      .change(() => {
        const now = keys.get(id);
        if (now === undefined) return [];
        return [edit(id, { ...now, apiKey: { ...now.apiKey, lastUsedAtMs: nowMs } })];
      })
      .catch(() => {});
  };

  return {
    async create(wanted) {
      const { description, owner, scopes, networks = [], expiresAtMs = Number.POSITIVE_INFINITY } = wanted;
      const fault = faultOf(wanted);
      if (fault !== undefined) return { isDone: false, reason: fault };
      if (expiresAtMs <= clock.wallMs()) return { isDone: false, reason: 'its end is in the past' };
      const id = randomBytes(8).toString('hex');
      const secret = newToken();
      const lastUsedAtMs = Number.POSITIVE_INFINITY;
      const createdAtMs = clock.wallMs();
      const apiKey = { id, description, owner, scopes, networks, createdAtMs, expiresAtMs, lastUsedAtMs };
      let reason = 'there is no room for more settings';
      let isRefused = false;
      const outcome = await settings.change(() => {
        isRefused = users.get(owner) === undefined || keys.size >= MAX_KEYS;
        if (users.get(owner) === undefined) reason = 'there is no such user';
        return isRefused ? [] : [edit(id, kept(apiKey, hashOf(secret)))];
      });
      if (outcome === 'failed') reason = 'the journal does not take the change';
      if (isRefused || outcome !== 'changed') return { isDone: false, reason };
      return { isDone: true, apiKey, key: new Secret(`rmq_${id}_${secret}`) };
    },
    check(key, remoteAddress) {
      const [, id = '', secret = ''] = KEY.exec(key) ?? [];
      const found = keys.get(id);
      const isRight = isSame(hashOf(secret), found?.hash ?? NOBODY);
      if (found === undefined || !isRight) return undefined;
      const { apiKey, allowed } = found;
      if (clock.wallMs() >= apiKey.expiresAtMs) return undefined;
      if (allowed.size > 0 && allowed.find(remoteAddress) === undefined) return undefined;
      const owner = users.get(apiKey.owner);
      if (owner === undefined || owner.isDisabled) return undefined;
      noteUse(id, found);
      return view(found);
    },
    get(id) {
      const found = keys.get(id);
      return found && view(found);
    },
    list: (owner) =>
      [...keys.values()]
        .filter(({ apiKey }) => owner === undefined || apiKey.owner === owner)
        .map(view)
        .toSorted((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1)),
    revoke: (id) => settings.change(() => (keys.has(id) ? [edit(id, undefined)] : [])),
  };
}
