/**
 * A directory (LDAP): a password is right where the directory lets its user bind with it. The user's entry is known by a
 * template of its name, or is looked for by an account of ours; groups become roles. A user whom the search does not find may be
 * another authenticator's; everything else that is not in order refuses.
 *
 * Guaranteed: an empty password is never taken to the directory, which would call it anonymous and let it in; names are
 * values in filters and names, whatever stands in them; who is let in has the name that the directory writes, not the one that
 * the client has written.
 */
import type { Entry } from 'ldapts';
import type { Clock } from '../../kernel/clock.ts';
import { createKnownPasswords } from '../passwords/known.ts';
import { accessFault, nameFault } from '../users/faults.ts';
import { type Answer, type Authenticator, letIn, notMine, refuse } from './authenticator.ts';
import type { LdapConnection, LdapConnections } from './ldap-connections.ts';
import { escapedForDn, escapedForFilter, filled, firstName } from './ldap-text.ts';

export interface LdapOptions {
  /** Template of who binds; empty: the entry is looked for. */
  readonly bindDn: string;
  readonly search: {
    /** Who looks for users; empty is anonymous. */
    readonly bindDn: string;
    readonly password: string;
    readonly base: string;
    readonly filter: string;
    /** What of the entry is the name of the user; empty takes what the client wrote. */
    readonly nameAttribute: string;
  };
  readonly groups: {
    /** Attribute of the user's entry with groups; empty has none. */
    readonly userAttribute: string;
    /** Where groups are looked for; empty looks for none. */
    readonly base: string;
    readonly filter: string;
    readonly nameAttribute: string;
    /** Empty: a group is the role of the same name. */
    readonly roles: readonly { readonly group: string; readonly role: string }[];
    readonly superusers: string;
  };
  readonly tenant: string;
  readonly cacheMs: number;
}

export interface LdapParts {
  readonly options: LdapOptions;
  readonly connections: LdapConnections;
  readonly isResultCode: (error: unknown, code: number) => boolean;
  readonly clock: Clock;
}

const INVALID_CREDENTIALS = 49;
const NO_SUCH_OBJECT = 32;
const SIZE_LIMIT_EXCEEDED = 4;
const MAX_PASSWORD_BYTES = 1024;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(password: Uint8Array): string | undefined {
  try {
    return decoder.decode(password);
  } catch {
    return undefined;
  }
}

/** Attribute names are the same in any case. */
function valuesOf(entry: Entry, attribute: string): string[] {
  const name = Object.keys(entry).find((each) => each.toLowerCase() === attribute.toLowerCase());
  const found = name === undefined ? [] : [entry[name] ?? []].flat();
  return found.map((value) => (typeof value === 'string' ? value : value.toString('utf8')));
}

/** Library and directory take other texts than names of entries or accounts for something else than a simple bind. */
const isBindName = (text: string): boolean => /[=@\\]/.test(text);

export function createLdapAuthenticator({
  options,
  connections,
  isResultCode,
  clock,
}: LdapParts): Authenticator {
  const { bindDn, search, groups, tenant } = options;
  const known = createKnownPasswords<Answer>({
    clock,
    ttlMs: options.cacheMs,
    isKept: ({ kind }) => kind === 'let-in',
  });

  const becomeSearcher = async (connection: LdapConnection): Promise<void> => {
    if (connection.isSearcher) return;
    await connection.client.bind(search.bindDn, search.password);
    connection.isSearcher = true;
  };

  /** False where the directory says that the password is wrong. */
  const bindAs = async (connection: LdapConnection, dn: string, password: string): Promise<boolean> => {
    if (!isBindName(dn)) throw new Error('the directory has a name that nobody can bind with');
    connection.isSearcher = false;
    try {
      await connection.client.bind(dn, password);
      return true;
    } catch (error) {
      if (isResultCode(error, INVALID_CREDENTIALS) || isResultCode(error, NO_SUCH_OBJECT)) return false;
      throw error;
    }
  };

  const attributes = [search.nameAttribute, groups.userAttribute].filter((name) => name !== '');
  const wanted = attributes.length === 0 ? ['1.1'] : attributes;

  const findUser = async ({ client }: LdapConnection, userName: string): Promise<Entry[]> => {
    const filter = filled(search.filter, { username: userName }, escapedForFilter);
    const limits = { sizeLimit: 2, attributes: wanted } as const;
    const { searchEntries } = await client.search(search.base, { scope: 'sub', filter, ...limits });
    return searchEntries;
  };

  const groupsOf = async ({ client }: LdapConnection, entry: Entry, userName: string): Promise<string[]> => {
    const own = groups.userAttribute === '' ? [] : valuesOf(entry, groups.userAttribute).map(firstName);
    if (groups.base === '') return own;
    const filter = filled(groups.filter, { dn: entry.dn, username: userName }, escapedForFilter);
    const found = await client.search(groups.base, {
      scope: 'sub',
      filter,
      // Without a limit of ours: the library would keep it to itself that there are more.
      attributes: [groups.nameAttribute],
    });
    return [...own, ...found.searchEntries.flatMap((each) => valuesOf(each, groups.nameAttribute))];
  };

  const identityOf = (entry: Entry, memberOf: readonly string[], asWritten: string): Answer => {
    const names = search.nameAttribute === '' ? [asWritten] : valuesOf(entry, search.nameAttribute);
    const [userName] = names;
    if (userName === undefined || names.length > 1) {
      return refuse('unavailable', `the entry has not one ${search.nameAttribute}`);
    }
    const roles = [
      ...new Set(
        groups.roles.length === 0
          ? memberOf
          : groups.roles.filter(({ group }) => memberOf.includes(group)).map(({ role }) => role),
      ),
    ];
    const fault = nameFault(userName) ?? accessFault({ tenant, roles });
    if (fault !== undefined) return refuse('unavailable', fault);
    const isSuperuser = groups.superusers !== '' && memberOf.includes(groups.superusers);
    return letIn({ userName, tenant, roles, isSuperuser });
  };

  /** The user binds first, and reads its own entry and groups. */
  const direct = async (connection: LdapConnection, userName: string, password: string): Promise<Answer> => {
    const dn = filled(bindDn, { username: userName }, bindDn.includes('=') ? escapedForDn : (name) => name);
    if (!(await bindAs(connection, dn, password)))
      return refuse('bad-credentials', 'the directory refuses it');
    const entries =
      search.base === ''
        ? (await connection.client.search(dn, { scope: 'base', attributes: wanted, sizeLimit: 2 }))
            .searchEntries
        : await findUser(connection, userName);
    const [entry] = entries;
    if (entry === undefined || entries.length > 1) {
      return refuse('unavailable', 'the user cannot read the entry of its own');
    }
    return identityOf(entry, await groupsOf(connection, entry, userName), userName);
  };

  const searched = async (
    connection: LdapConnection,
    userName: string,
    password: string,
  ): Promise<Answer> => {
    await becomeSearcher(connection);
    const entries = await findUser(connection, userName);
    const [entry] = entries;
    if (entry === undefined) return notMine;
    if (entries.length > 1) return refuse('bad-credentials', 'the search finds more than one entry');
    if (!(await bindAs(connection, entry.dn, password))) {
      return refuse('bad-credentials', 'the directory refuses it');
    }
    let memberOf: string[];
    if (groups.base === '') memberOf = await groupsOf(connection, entry, userName);
    else {
      await becomeSearcher(connection);
      memberOf = await groupsOf(connection, entry, userName);
    }
    return identityOf(entry, memberOf, userName);
  };

  const asked = async (userName: string, password: string, signal: AbortSignal): Promise<Answer> => {
    const work = bindDn === '' ? searched : direct;
    try {
      const answer = await connections.use((connection) => work(connection, userName, password), signal);
      return answer === 'busy' ? refuse('busy', 'too many log-ins wait for the directory') : answer;
    } catch (error) {
      if (isResultCode(error, SIZE_LIMIT_EXCEEDED)) {
        return refuse('unavailable', 'the directory finds more than can be taken');
      }
      throw error;
    }
  };

  return {
    name: 'ldap',
    async authenticate({ userName, password }, signal) {
      if (userName === undefined || userName === '' || password === undefined || password.length === 0) {
        return notMine;
      }
      const text = password.length > MAX_PASSWORD_BYTES ? undefined : textOf(password);
      if (text === undefined || text === '') return refuse('bad-credentials', 'a password that is none');
      if (nameFault(userName) !== undefined) return refuse('bad-credentials', 'a user name that is none');
      return known.ask([Buffer.from(userName), password], () => asked(userName, text, signal));
    },
    async reload() {
      known.clear();
      return undefined;
    },
    close: () => connections.close(),
  };
}
