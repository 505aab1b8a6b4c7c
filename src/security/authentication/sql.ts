/**
 * A database of SQL: the operator's query is asked about the name of a user, and answers with a row that has the hash of the
 * password, or with none. Names are parameters and never part of the query. A user whom the query does not find may be another
 * authenticator's, after the same work; everything else that is not in order refuses.
 */
import { randomBytes } from 'node:crypto';
import type { PasswordHash } from '../passwords/password-hash.ts';
import type { Passwords } from '../passwords/passwords.ts';
import { MAX_PASSWORD_BYTES } from '../passwords/policy.ts';
import { claimedRoles } from '../tokens/claimed-rules.ts';
import { accessFault, nameFault } from '../users/faults.ts';
import { type Answer, type Authenticator, letIn, notMine, refuse } from './authenticator.ts';
import { type HashFormat, hashOfRow } from './sql-hash.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface SqlDatabase {
  /** Rejects when there is no answer in time. */
  ask(values: readonly (string | null)[]): Promise<readonly Row[] | 'busy'>;
  close(): void;
}

export interface SqlOptions {
  readonly query: string;
  readonly hashFormat: HashFormat;
  readonly database: SqlDatabase;
  readonly passwords: Passwords;
}

/** How many of them the query has: a database refuses more than it asked for. */
export const parametersOf = (query: string): number =>
  Math.max(0, ...[...query.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));

function identityOf(row: Row, asWritten: string): Answer {
  const garbage = (what: string): Answer => refuse('unavailable', `the query answers with ${what}`);
  const userName = row.user_name ?? asWritten;
  const tenant = row.tenant ?? '';
  const isSuperuser = row.is_superuser ?? false;
  const roles = claimedRoles(row.roles);
  if (typeof userName !== 'string') return garbage('a user_name that is no text');
  if (typeof tenant !== 'string') return garbage('a tenant that is no text');
  if (typeof isSuperuser !== 'boolean') return garbage('is_superuser that is neither true nor false');
  if (roles === undefined) return garbage('roles that are none');
  const fault = nameFault(userName) ?? accessFault({ tenant, roles });
  return fault === undefined ? letIn({ userName, tenant, roles, isSuperuser }) : garbage(fault);
}

const decoyOf = (hash: PasswordHash): PasswordHash => ({
  ...hash,
  salt: randomBytes(hash.salt.length),
  hash: randomBytes(hash.hash.length),
});

export function createSqlAuthenticator(options: SqlOptions): Authenticator {
  const { database, passwords, hashFormat } = options;
  const parameters = parametersOf(options.query);
  /** What is asked about nobody: as much work as about those who are there. */
  let decoy: PasswordHash | undefined;
  return {
    name: 'sql',
    async authenticate({ userName, password, clientId, protocol }) {
      if (userName === undefined || password === undefined || password.length === 0) return notMine;
      if (password.length > MAX_PASSWORD_BYTES) return notMine;
      // No database takes some of these as a text.
      if (nameFault(userName) !== undefined) return refuse('bad-credentials', 'a user name that is none');
      const client = clientId === undefined || clientId.includes('\0') ? null : clientId;
      const rows = await database.ask([userName, client, protocol].slice(0, parameters));
      if (rows === 'busy') return refuse('busy', 'too many log-ins wait for the database');
      const [row] = rows;
      if (rows.length > 1) return refuse('unavailable', 'the query answers with more than one row');
      const text = row?.password_hash;
      if (row !== undefined && text === undefined) {
        return refuse('unavailable', 'the query answers without password_hash');
      }
      const found = row === undefined ? undefined : hashOfRow(text, row.salt, hashFormat);
      const hash = typeof found === 'string' ? undefined : found;
      const checked = await passwords.check(hash ?? decoy, password);
      if (hash !== undefined && checked !== 'unsupported') decoy ??= decoyOf(hash);
      if (checked === 'busy') return refuse('busy', 'too many passwords are being hashed');
      if (checked === 'unsupported') return refuse('unavailable', 'its hash needs a later Node');
      if (row === undefined) return notMine;
      if (text === null) return refuse('bad-credentials', 'the user has no password');
      if (typeof found === 'string') return refuse('unavailable', found);
      return checked === 'right' ? identityOf(row, userName) : refuse('bad-credentials', 'a wrong password');
    },
    close: () => database.close(),
  };
}
