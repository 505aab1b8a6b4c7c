/** Users, roles, API keys and bans as definitions. Of what logs in only verifiers and hashes are written. */
import {
  boolean,
  type Infer,
  integer,
  list,
  nullable,
  object,
  oneOf,
  type Schema,
  SchemaFault,
  string,
} from '../admin/schema.ts';
import type { Settings } from '../kernel/settings-table.ts';
import { type ApiKeyRecord, apiKeyRecords } from '../security/access/api-keys.ts';
import { type NewRole, roleRecords } from '../security/authorization/roles.ts';
import { readRules } from '../security/authorization/rule-format.ts';
import { type Ban, banRecords } from '../security/guard/bans.ts';
import { formatPhc, parsePhc } from '../security/passwords/password-hash.ts';
import { digestBytes, MAX_ITERATIONS, MIN_ITERATIONS, scramMechanisms } from '../security/scram/scram.ts';
import type { Rule } from '../security/security.ts';
import { SettingKind } from '../security/setting-kinds.ts';
import { accessFault, nameFault } from '../security/users/faults.ts';
import { decodeUser, encodeUser, type UserRecord } from '../security/users/record.ts';
import type { SettingsSection } from './section.ts';

const MAX_SALT_BYTES = 1024;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Bytes, in base64. */
const bytes = (description: string): Schema<Uint8Array> => ({
  json: { type: 'string', contentEncoding: 'base64', description },
  fromJson(value, at) {
    if (typeof value !== 'string' || value.length > 8192 || !BASE64.test(value)) {
      throw new SchemaFault(`${at} must be bytes in base64`);
    }
    return new Uint8Array(Buffer.from(value, 'base64'));
  },
});

const name = string('Name.', { maxLength: 1024 });
const texts = (description: string) =>
  list(string('One.', { maxLength: 1024 }), description, { maxItems: 64 });
const atMs = integer('Milliseconds since 1970.');

const user = object({
  name,
  tenant: string("Tenant; '' is none.", { maxLength: 255 }),
  roles: texts('Roles.'),
  isSuperuser: boolean('Whether it may do everything within its tenant.'),
  isDisabled: boolean('Whether it is kept out.'),
  passwordHash: nullable(string('PHC string.', { maxLength: 4096 })),
  scram: list(
    object({
      mechanism: oneOf(scramMechanisms, 'Mechanism.'),
      iterations: integer('Iterations.', { min: MIN_ITERATIONS, max: MAX_ITERATIONS }),
      salt: bytes('Salt.'),
      storedKey: bytes('Stored key.'),
      serverKey: bytes('Server key.'),
    }),
    'SCRAM verifiers, the newest last.',
    { maxItems: scramMechanisms.length },
  ),
  createdAtMs: atMs,
});
type UserItem = Infer<typeof user>;

const plainBytes = (value: Uint8Array): string => Buffer.from(value).toString('base64');

/** As it is written in a document. */
const meaningOfUser = ({ createdAtMs: _, scram, ...rest }: UserItem): unknown => ({
  ...rest,
  scram: scram.map((each) => ({
    ...each,
    salt: plainBytes(each.salt),
    storedKey: plainBytes(each.storedKey),
    serverKey: plainBytes(each.serverKey),
  })),
});

function faultOfUser(item: UserItem): string | undefined {
  const { passwordHash, scram } = item;
  if (passwordHash !== null && parsePhc(passwordHash) === undefined)
    return 'its password hash is no PHC string';
  if (new Set(scram.map(({ mechanism }) => mechanism)).size < scram.length)
    return 'a mechanism is there twice';
  for (const { mechanism, salt, storedKey, serverKey } of scram) {
    const wanted = digestBytes(mechanism);
    if (storedKey.length !== wanted || serverKey.length !== wanted)
      return `keys of ${mechanism} have ${wanted} bytes`;
    if (salt.length === 0 || salt.length > MAX_SALT_BYTES) return 'a salt is too short or too long';
  }
  return nameFault(item.name) ?? accessFault(item);
}

export function userSection(
  settings: Settings,
  isConfigured: (name: string) => boolean,
  wallMs: () => number,
): SettingsSection<UserItem> {
  const shown = (ofName: string, record: UserRecord): UserItem => ({
    name: ofName,
    tenant: record.tenant,
    roles: record.roles,
    isSuperuser: record.isSuperuser,
    isDisabled: record.isDisabled,
    passwordHash: record.passwordHash === undefined ? null : formatPhc(record.passwordHash),
    scram: Array.from(record.scram, ([mechanism, credential]) => ({ mechanism, ...credential })),
    createdAtMs: record.createdAtMs,
  });
  return {
    name: 'users',
    table: 'security',
    schema: user,
    keyOf: (item) => item.name,
    meaningOf: meaningOfUser,
    faultOf: (item) =>
      isConfigured(item.name) ? 'the user stands in the configuration of this node' : faultOfUser(item),
    *current() {
      for (const [ofName, value] of settings.list(SettingKind.User)) yield shown(ofName, decodeUser(value));
    },
    editOf({ name: ofName, passwordHash, scram, ...item }, old) {
      const stored = old && settings.get(SettingKind.User, ofName);
      const version = stored === undefined ? 0 : decodeUser(stored).credentialVersion + 1;
      const record: UserRecord = {
        ...item,
        createdAtMs: old?.createdAtMs ?? item.createdAtMs,
        changedAtMs: wallMs(),
        credentialVersion: version,
        passwordHash: passwordHash === null ? undefined : parsePhc(passwordHash),
        scram: new Map(scram.map(({ mechanism, ...credential }) => [mechanism, credential])),
      };
      return { kind: SettingKind.User, name: ofName, value: encodeUser(record) };
    },
  };
}

const rules: Schema<readonly Rule[]> = {
  json: { type: 'array', items: { type: 'object' }, description: 'Rules about addresses.' },
  fromJson(value, at) {
    const read = readRules(value);
    if (read.problem !== undefined) throw new SchemaFault(`${at}: ${read.problem}`);
    return read.rules;
  },
};

const role: Schema<NewRole> = object({
  name,
  description: string('What it is for.', { maxLength: 1024 }),
  scopes: texts('What its holders may do to the node.'),
  rules,
});

export const roleSection = (settings: Settings): SettingsSection<NewRole> => ({
  name: 'roles',
  table: 'security',
  schema: role,
  keyOf: (item) => item.name,
  meaningOf: (item) => item,
  faultOf: roleRecords.faultOf,
  *current() {
    for (const [ofName, value] of settings.list(SettingKind.Role)) {
      const found = roleRecords.decode(ofName, value);
      if (found === undefined) continue;
      const { isBuiltIn: _, ...item } = found;
      yield item;
    }
  },
  editOf: (item) => ({ kind: SettingKind.Role, name: item.name, value: roleRecords.encode(item) }),
});

const apiKey = object({
  id: string('Identifier.', { maxLength: 16 }),
  hash: bytes('SHA-256 of its secret.'),
  description: string('What it is for.', { maxLength: 255 }),
  owner: name,
  scopes: texts('Scopes.'),
  networks: texts('Where it may be used from; none is anywhere.'),
  createdAtMs: atMs,
  expiresAtMs: nullable(integer('Until when; null is for good.')),
});
type ApiKeyItem = Infer<typeof apiKey>;

export function apiKeySection(settings: Settings): SettingsSection<ApiKeyItem> {
  const never = Number.POSITIVE_INFINITY;
  const recordOf = (item: ApiKeyItem): ApiKeyRecord => ({
    ...item,
    expiresAtMs: item.expiresAtMs ?? never,
    lastUsedAtMs: never,
  });
  return {
    name: 'apiKeys',
    table: 'security',
    maxCount: apiKeyRecords.maxCount,
    schema: apiKey,
    keyOf: (item) => item.id,
    meaningOf: ({ createdAtMs: _, hash, ...item }) => ({ ...item, hash: plainBytes(hash) }),
    faultOf(item, world) {
      if (!world.hasUser(item.owner)) return `its owner ${JSON.stringify(item.owner)} is no user`;
      return apiKeyRecords.faultOf(recordOf(item));
    },
    *current() {
      for (const [id, value] of settings.list(SettingKind.ApiKey)) {
        const { lastUsedAtMs: _, expiresAtMs, ...rest } = apiKeyRecords.decode(id, value);
        yield { ...rest, expiresAtMs: Number.isFinite(expiresAtMs) ? expiresAtMs : null };
      }
    },
    editOf: (item) => ({
      kind: SettingKind.ApiKey,
      name: item.id,
      value: apiKeyRecords.encode(recordOf(item)),
    }),
  };
}

const ban = object({
  kind: oneOf(['client', 'user', 'network'], 'What is kept out.'),
  value: string('A client identifier, a user name, or a network.', { maxLength: 1024 }),
  tenant: nullable(string('Tenant; null is every one.', { maxLength: 255 })),
  reason: string('Why.', { maxLength: 1024 }),
  by: string('Who banned.', { maxLength: 1024 }),
  createdAtMs: atMs,
  expiresAtMs: nullable(integer('Until when; null is for good.')),
});
type BanItem = Infer<typeof ban>;

export function banSection(settings: Settings, maxCount: number): SettingsSection<BanItem> {
  const recordOf = ({ tenant, expiresAtMs, ...rest }: BanItem): Ban => ({
    ...rest,
    tenant: tenant ?? undefined,
    expiresAtMs: expiresAtMs ?? undefined,
  });
  return {
    name: 'bans',
    table: 'security',
    maxCount,
    schema: ban,
    keyOf: (item) => banRecords.nameOf(recordOf(item)).replaceAll('\0', ' '),
    meaningOf: ({ createdAtMs: _, ...item }) => item,
    faultOf: (item) => banRecords.faultOf(recordOf(item)),
    *current() {
      for (const [ofName, value] of settings.list(SettingKind.Ban)) {
        const found = banRecords.decode(ofName, value);
        if (found === undefined) continue;
        yield { ...found, tenant: found.tenant ?? null, expiresAtMs: found.expiresAtMs ?? null };
      }
    },
    editOf(item) {
      const record = recordOf(item);
      return { kind: SettingKind.Ban, name: banRecords.nameOf(record), value: banRecords.encode(record) };
    },
  };
}
