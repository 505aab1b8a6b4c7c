/**
 * The user database, one for all protocols: who there is, what logs in, and what each belongs to. Durable in the settings of
 * security; users of the configuration stand beside them and cannot be changed here. What users may do is not known here.
 *
 * Guaranteed: a change is in force when it is durable, and `onChange` has told of it by then; asking about a user who is not
 * there takes the work and gives the answers that a wrong password does; nothing that comes out logs anybody in.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import type { Edit, Settings, SettingsOutcome } from '../../kernel/settings-table.ts';
import type { PasswordHash } from '../passwords/password-hash.ts';
import type { PasswordCheck, Passwords } from '../passwords/passwords.ts';
import { type PasswordPolicy, passwordFault } from '../passwords/policy.ts';
import type { ScramCredentials } from '../scram/exchange.ts';
import {
  decoyCredential,
  deriveCredential,
  newSalt,
  type ScramCredential,
  type ScramMechanism,
  scramMechanisms,
} from '../scram/scram.ts';
import type { Secret } from '../secret.ts';
import { SettingKind } from '../setting-kinds.ts';
import { type ConfiguredUser, createConfiguredUsers } from './configured.ts';
import { accessFault, nameFault } from './faults.ts';
import { decodeUser, encodeUser, type UserRecord } from './record.ts';

export interface User {
  readonly name: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly isSuperuser: boolean;
  readonly isDisabled: boolean;
  /** Of the configuration: cannot be changed here. */
  readonly isConfigured: boolean;
  readonly hasPassword: boolean;
  readonly scram: readonly { readonly mechanism: ScramMechanism; readonly iterations: number }[];
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

export interface Access {
  readonly tenant?: string;
  readonly roles?: readonly string[];
  readonly isSuperuser?: boolean;
  readonly isDisabled?: boolean;
}

export interface NewUser extends Access {
  readonly name: string;
  /** Without one nobody logs in as this user by a password. */
  readonly password?: Secret;
}

export type UserRefusal = 'invalid' | 'exists' | 'unknown' | 'configured' | 'full' | 'failed' | 'busy';

export type UserOutcome =
  | { readonly isDone: true }
  | { readonly isDone: false; readonly refusal: UserRefusal; readonly reason: string };

/** Connections of the user are to be ended for `credential`, `disabled` and `deleted`, and asked anew for `access`. */
export type UserChange = 'created' | 'credential' | 'access' | 'disabled' | 'deleted';
export type UserListener = (userName: string, change: UserChange) => void;

export interface ScramEdit {
  readonly userName: string;
  readonly mechanism: ScramMechanism;
  /** undefined removes it; a user who has then nothing at all goes with it. */
  readonly credential: ScramCredential | undefined;
  /** Of a user who is made by it. */
  readonly tenant?: string;
}

export interface Users extends ScramCredentials {
  /** By name, from behind `after`. */
  list(page: { readonly after?: string; readonly limit: number; readonly tenant?: string }): {
    readonly users: readonly User[];
    /** For `after` of the next page. */
    readonly next: string | undefined;
  };
  get(name: string): User | undefined;
  readonly count: number;
  create(user: NewUser): Promise<UserOutcome>;
  update(name: string, access: Access): Promise<UserOutcome>;
  setPassword(name: string, password: Secret): Promise<UserOutcome>;
  disable(name: string, isDisabled?: boolean): Promise<UserOutcome>;
  delete(name: string): Promise<UserOutcome>;
  /** `decide` runs when all changes before are in force. Users whom it names and who are not there are made. */
  editScram(decide: () => readonly ScramEdit[]): Promise<SettingsOutcome>;
  /** The same work for a user who is not there, is disabled or has no password. */
  checkPassword(name: string, password: Uint8Array): Promise<PasswordCheck>;
  /** Until the returned function is called. */
  onChange(listener: UserListener): () => void;
  /** Once, when the settings are attached. */
  prepare(): Promise<void>;
}

export interface UsersOptions {
  readonly settings: Settings;
  readonly passwords: Passwords;
  readonly clock: Clock;
  readonly policy: PasswordPolicy;
  readonly scramIterations: number;
  readonly configured: readonly ConfiguredUser[];
}

const DONE: UserOutcome = { isDone: true };
const DECOY_SECRET = 'scram-decoys';
const SENTENCES: Readonly<Record<Exclude<UserRefusal, 'invalid'>, string>> = {
  exists: 'there is a user of that name',
  unknown: 'there is no such user',
  configured: 'the user stands in the configuration, and is changed there',
  full: 'there is no room for more settings',
  failed: 'the journal does not take the change',
  busy: 'too many passwords are being hashed: try again',
};

const refused = (refusal: Exclude<UserRefusal, 'invalid'>): UserOutcome => ({
  isDone: false,
  refusal,
  reason: SENTENCES[refusal],
});
const invalid = (reason: string): UserOutcome => ({ isDone: false, refusal: 'invalid', reason });

interface Made {
  readonly passwordHash: PasswordHash;
  readonly scram: ReadonlyMap<ScramMechanism, ScramCredential>;
}

const scramAsHash = (mechanism: ScramMechanism, credential: ScramCredential): PasswordHash => ({
  algorithm: mechanism === 'SCRAM-SHA-256' ? 'scram-sha-256' : 'scram-sha-512',
  parameters: { i: credential.iterations },
  salt: credential.salt,
  hash: credential.storedKey,
});

function changesOf(old: UserRecord | undefined, now: UserRecord | undefined): UserChange[] {
  if (now === undefined) return old === undefined ? [] : ['deleted'];
  if (old === undefined) return ['created'];
  const changes: UserChange[] = [];
  if (now.isDisabled && !old.isDisabled) changes.push('disabled');
  if (now.credentialVersion !== old.credentialVersion) changes.push('credential');
  const isSameAccess =
    now.tenant === old.tenant &&
    now.isSuperuser === old.isSuperuser &&
    now.isDisabled === old.isDisabled &&
    now.roles.length === old.roles.length &&
    now.roles.every((role, i) => role === old.roles[i]);
  if (!isSameAccess) changes.push('access');
  return changes;
}

export function createUsers(options: UsersOptions): Users {
  const { settings, passwords, clock, policy, scramIterations } = options;
  const configured = createConfiguredUsers(options.configured, passwords, scramIterations);
  const records = new Map<string, UserRecord>();
  const listeners = new Set<UserListener>();
  /** All names in order, until one comes or goes. */
  let names: string[] | undefined;
  let decoySecret: Uint8Array = new Uint8Array(randomBytes(32));

  settings.watch(SettingKind.User, (name, value) => {
    const old = records.get(name);
    const now = value === undefined ? undefined : decodeUser(value);
    if (now === undefined) records.delete(name);
    else records.set(name, now);
    if ((old === undefined) !== (now === undefined)) names = undefined;
    for (const change of changesOf(old, now)) for (const listener of [...listeners]) listener(name, change);
  });
  settings.watch(SettingKind.Secret, (name, value) => {
    if (name === DECOY_SECRET && value !== undefined) decoySecret = value;
  });

  const edit = (name: string, record: UserRecord | undefined): Edit => ({
    kind: SettingKind.User,
    name,
    value: record === undefined ? undefined : encodeUser(record),
  });

  const emptyRecord = (): UserRecord => ({
    tenant: '',
    roles: [],
    isSuperuser: false,
    isDisabled: false,
    createdAtMs: clock.wallMs(),
    changedAtMs: clock.wallMs(),
    credentialVersion: 0,
    passwordHash: undefined,
    scram: new Map(),
  });

  const view = (name: string): User | undefined => {
    const isConfigured = configured.has(name);
    const record = isConfigured ? { ...emptyRecord(), createdAtMs: 0, changedAtMs: 0 } : records.get(name);
    if (record === undefined) return undefined;
    const { tenant, roles, isSuperuser, isDisabled, createdAtMs, changedAtMs } = record;
    return {
      name,
      tenant,
      roles,
      isSuperuser,
      isDisabled,
      isConfigured,
      hasPassword: isConfigured || record.passwordHash !== undefined,
      scram: Array.from(record.scram, ([mechanism, { iterations }]) => ({ mechanism, iterations })),
      createdAtMs,
      changedAtMs,
    };
  };

  const make = async (password: Secret): Promise<Made | 'busy'> => {
    const bytes = new TextEncoder().encode(password.reveal());
    const passwordHash = await passwords.hash(bytes);
    if (passwordHash === 'busy') return 'busy';
    const scram = new Map<ScramMechanism, ScramCredential>();
    for (const mechanism of scramMechanisms) {
      const made = await passwords.slowly(() =>
        deriveCredential(mechanism, bytes, newSalt(), scramIterations),
      );
      if (made === 'busy') return 'busy';
      scram.set(mechanism, made);
    }
    return { passwordHash, scram };
  };

  /** Changes one user, or refuses; `next` sees what is there when all changes before are in force. */
  const change = async (
    name: string,
    next: (old: UserRecord | undefined) => UserRecord | 'remove' | Exclude<UserRefusal, 'invalid'>,
  ): Promise<UserOutcome> => {
    if (configured.has(name)) return refused('configured');
    let outcome: UserOutcome = DONE;
    const result = await settings.change(() => {
      const wanted = next(records.get(name));
      if (wanted === 'remove') return [edit(name, undefined)];
      if (typeof wanted !== 'string') return [edit(name, { ...wanted, changedAtMs: clock.wallMs() })];
      outcome = refused(wanted);
      return [];
    });
    return result === 'changed' ? outcome : refused(result);
  };

  const keepBetterHash = async (name: string, old: PasswordHash, password: Uint8Array): Promise<void> => {
    const passwordHash = await passwords.hash(password);
    if (passwordHash === 'busy') return;
    await change(name, (record) => {
      // Somebody has set another password meanwhile.
      if (record?.passwordHash === undefined || !isSameHash(record.passwordHash, old)) return 'unknown';
      return { ...record, passwordHash };
    });
  };

  const hashOf = async (name: string): Promise<PasswordHash | 'busy' | undefined> => {
    const made = await configured.credential('SCRAM-SHA-256', name);
    if (made === 'busy') return 'busy';
    if (made !== undefined) return scramAsHash('SCRAM-SHA-256', made);
    const record = records.get(name);
    if (record === undefined || record.isDisabled) return undefined;
    if (record.passwordHash !== undefined) return record.passwordHash;
    const newest = [...record.scram].at(-1);
    return newest === undefined ? undefined : scramAsHash(...newest);
  };

  const editsOfScram = (wanted: readonly ScramEdit[]): Edit[] => {
    const changed = new Map<string, UserRecord>();
    const makers = new Map<string, string>();
    for (const { userName, mechanism, credential, tenant = '' } of wanted) {
      if (configured.has(userName)) continue;
      const old = changed.get(userName) ?? records.get(userName) ?? { ...emptyRecord(), tenant };
      makers.set(userName, tenant);
      const scram = new Map(old.scram);
      scram.delete(mechanism);
      if (credential !== undefined) scram.set(mechanism, credential);
      changed.set(userName, {
        ...old,
        scram,
        // The password that it was made of is another now, or is to be none: this one must not open a second door.
        passwordHash: undefined,
        changedAtMs: clock.wallMs(),
        credentialVersion: old.credentialVersion + 1,
      });
    }
    return Array.from(changed, ([name, record]) => {
      const isNothing =
        record.scram.size === 0 &&
        record.roles.length === 0 &&
        record.tenant === makers.get(name) &&
        !record.isSuperuser &&
        !record.isDisabled;
      return edit(name, isNothing ? undefined : record);
    });
  };

  return {
    get: view,
    get count() {
      return records.size + [...configured.names()].filter((name) => !records.has(name)).length;
    },
    list({ after = '', limit, tenant }) {
      names ??= [...new Set([...records.keys(), ...configured.names()])].toSorted();
      const users: User[] = [];
      for (let at = firstBehind(names, after); at < names.length; at++) {
        const user = view(names[at] ?? '');
        if (user === undefined || (tenant !== undefined && user.tenant !== tenant)) continue;
        if (users.length >= limit) return { users, next: users.at(-1)?.name };
        users.push(user);
      }
      return { users, next: undefined };
    },
    async create({ name, password, ...access }) {
      const fault =
        nameFault(name) ??
        accessFault(access) ??
        (password === undefined ? undefined : passwordFault(password.reveal(), name, policy));
      if (fault !== undefined) return invalid(fault);
      if (configured.has(name) || records.has(name)) return refused('exists');
      const made = password === undefined ? undefined : await make(password);
      if (made === 'busy') return refused('busy');
      return change(name, (old) => (old === undefined ? { ...emptyRecord(), ...access, ...made } : 'exists'));
    },
    async update(name, access) {
      const fault = accessFault(access);
      if (fault !== undefined) return invalid(fault);
      return change(name, (old) => (old === undefined ? 'unknown' : { ...old, ...access }));
    },
    async setPassword(name, password) {
      const fault = passwordFault(password.reveal(), name, policy);
      if (fault !== undefined) return invalid(fault);
      if (configured.has(name)) return refused('configured');
      if (!records.has(name)) return refused('unknown');
      const made = await make(password);
      if (made === 'busy') return refused('busy');
      return change(name, (old) =>
        old === undefined ? 'unknown' : { ...old, ...made, credentialVersion: old.credentialVersion + 1 },
      );
    },
    disable: (name, isDisabled = true) =>
      change(name, (old) => (old === undefined ? 'unknown' : { ...old, isDisabled })),
    delete: (name) => change(name, (old) => (old === undefined ? 'unknown' : 'remove')),
    editScram: (decide) => settings.change(() => editsOfScram(decide())),

    async scramCredential(mechanism, name) {
      const made = await configured.credential(mechanism, name);
      if (made !== undefined) return made;
      const record = records.get(name);
      const own = record?.isDisabled === false ? record.scram.get(mechanism) : undefined;
      return own ?? decoyCredential(mechanism, name, decoySecret, scramIterations);
    },
    async checkPassword(name, password) {
      const version = records.get(name)?.credentialVersion;
      const hash = await hashOf(name);
      if (hash === 'busy') return 'busy';
      const checked = await passwords.check(hash, password);
      const isScram = hash?.algorithm.startsWith('scram') === true;
      // A wrong password against a credential that is quick to check takes as long as one of nobody.
      if (isScram && checked === 'wrong') return passwords.check(undefined, password);
      if (checked !== 'right' || hash === undefined) return checked;
      if (!isScram && passwords.isOutdated(hash)) keepBetterHash(name, hash, password).catch(() => {});
      if (configured.has(name)) return 'right';
      // Disabled or changed while it was checked.
      const now = records.get(name);
      return now?.credentialVersion === version && now?.isDisabled === false ? 'right' : 'wrong';
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async prepare() {
      // Where it cannot be kept, decoys are others after the next start, and nothing else is.
      await settings
        .change(() =>
          settings.get(SettingKind.Secret, DECOY_SECRET) !== undefined
            ? []
            : [{ kind: SettingKind.Secret, name: DECOY_SECRET, value: decoySecret }],
        )
        .catch(() => {});
    },
  };
}

const isSameHash = (a: PasswordHash, b: PasswordHash): boolean => Buffer.compare(a.hash, b.hash) === 0;

/** Of names in order. */
function firstBehind(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? '') <= after && after !== '') low = middle + 1;
    else high = middle;
  }
  return low;
}
