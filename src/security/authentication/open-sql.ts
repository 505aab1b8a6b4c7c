/** The database that the configuration names, with the library that speaks to it, which is loaded only then. */
import type { ConnectionOptions } from 'node:tls';
import type { SecurityConfig } from '../../config/config.ts';
import { createGate } from '../passwords/gate.ts';
import type { Passwords } from '../passwords/passwords.ts';
import type { Authenticator } from './authenticator.ts';
import type { RefusalLogger } from './refusal-log.ts';
import { createSqlAuthenticator, type Row, type SqlDatabase } from './sql.ts';

type Settings = SecurityConfig['authentication']['sql'];

export interface OpenSqlParts {
  readonly settings: Settings;
  /** PEM. */
  readonly ca: string | undefined;
  readonly passwords: Passwords;
  readonly logger: RefusalLogger;
}

/** The part of the package `pg` that is used here; it ships no types. */
export interface PgPool {
  query(query: {
    readonly name: string;
    readonly text: string;
    readonly values: readonly (string | null)[];
  }): Promise<{ readonly rows: readonly Row[] }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  end(): Promise<void>;
}

export interface PgPoolOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: () => string;
  readonly ssl: ConnectionOptions | false;
  readonly max: number;
  readonly connectionTimeoutMillis: number;
  readonly idleTimeoutMillis: number;
  readonly query_timeout: number;
  readonly statement_timeout: number;
  readonly options: string;
  readonly application_name: string;
}

export type PgPoolConstructor = new (options: PgPoolOptions) => PgPool;

/** A name in a variable: the compiler must not ask for types that do not exist. */
const PACKAGE: string = 'pg';
const IDLE_MS = 30_000;
/** SQLSTATE of data exceptions. */
const VALUE_ERRORS = /^22...$/;

async function loadPool(): Promise<PgPoolConstructor> {
  try {
    const library = await import(PACKAGE);
    return library.default.Pool as PgPoolConstructor;
  } catch (cause) {
    throw new Error('the authenticator `sql` needs the optional package pg, which is not installed', {
      cause,
    });
  }
}

export function createDatabase(
  Pool: PgPoolConstructor,
  { settings, ca, logger }: Omit<OpenSqlParts, 'passwords'>,
): SqlDatabase {
  const { host, port, database, user, password, tls, query, timeoutMs, maxConnections, maxWaiting } =
    settings;
  const gate = createGate(maxConnections, maxWaiting);
  const pool = new Pool({
    host,
    port,
    database,
    user,
    // A function: nothing is taken from the environment or a file of passwords in its place.
    password: () => password,
    ssl: tls
      ? { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) }
      : false,
    max: maxConnections,
    connectionTimeoutMillis: timeoutMs,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: timeoutMs,
    statement_timeout: timeoutMs,
    options: '-c default_transaction_read_only=on',
    application_name: 'robustmq',
  });
  // Of a connection that nobody uses: the next log-in opens another.
  pool.on('error', ({ message }) =>
    logger.warn({ reason: message }, 'a connection to the database was lost'),
  );
  const run = async (values: readonly (string | null)[]): Promise<readonly Row[]> => {
    try {
      return (await pool.query({ name: 'robustmq-log-in', text: query, values })).rows;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      // Its message has the value: a name, where people type their password too.
      if (VALUE_ERRORS.test(code)) throw new Error(`the database cannot use a value of the client (${code})`);
      throw error;
    }
  };
  return {
    ask: (values) => gate.run(() => run(values)),
    close: () => void pool.end().catch(() => {}),
  };
}

/** Rejects, in a sentence for the operator, where the library is not installed. The database need not be there yet. */
export async function openSqlAuthenticator(parts: OpenSqlParts): Promise<Authenticator> {
  const database = createDatabase(await loadPool(), parts);
  const { query, hash } = parts.settings;
  return createSqlAuthenticator({ query, hashFormat: hash, database, passwords: parts.passwords });
}
