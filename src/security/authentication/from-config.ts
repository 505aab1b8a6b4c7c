/** The authenticators that the configuration asks for, each made once. What is missing or broken stops the start here. */
import { readFile } from 'node:fs/promises';
import type { Config, SecurityConfig } from '../../config/config.ts';
import { authenticationOf, isLoopback } from '../../config/security-checks.ts';
import type { Clock } from '../../kernel/clock.ts';
import { createHttpClient, type HttpClient, jsonObject } from '../outbound/request.ts';
import type { Passwords } from '../passwords/passwords.ts';
import { createKeySet, type KeySet } from '../tokens/key-set.ts';
import { isSymmetric, type JwtKey, jwtKey } from '../tokens/keys.ts';
import type { UserListener, Users } from '../users/users.ts';
import {
  type Authentication,
  createAuthentication,
  type ListenerAuthentication,
  scramAuthenticator,
} from './authentication.ts';
import type { Authenticator } from './authenticator.ts';
import { createCertificateAuthenticator } from './certificate.ts';
import { createDatabaseAuthenticator } from './database.ts';
import { openFileAuthenticator } from './file.ts';
import { createHttpAuthenticator } from './http.ts';
import { openLdapAuthenticator } from './open-ldap.ts';
import { openSqlAuthenticator } from './open-sql.ts';
import type { RefusalLogger } from './refusal-log.ts';
import { createTokenAuthenticator } from './token.ts';

export interface AuthenticationParts {
  readonly config: Config;
  readonly users: Users;
  readonly passwords: Passwords;
  readonly clock: Clock;
  readonly logger: RefusalLogger;
  /** Of users that are not in the database. */
  readonly onChange: UserListener;
}

type Settings = SecurityConfig['authentication'];
type Name = Settings['authenticators'][number];

const LISTENERS = ['mqtt', 'mqtts', 'ws', 'wss', 'unix', 'kafka', 'kafkas', 'http', 'https'] as const;
const KiB = 1024;
const MAX_ANSWER_BYTES = 256 * KiB;

async function readFileFor(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`${what} cannot be read: ${(error as Error).message}`);
  }
}

const caOf = async (what: string, caFile: string): Promise<string | undefined> =>
  caFile === '' ? undefined : readFileFor(`${what}.caFile`, caFile);

async function clientOf(
  what: string,
  {
    caFile,
    ...limits
  }: Pick<Settings['http'], 'caFile' | 'timeoutMs' | 'maxInFlight' | 'maxWaiting' | 'allowLinkLocal'>,
): Promise<HttpClient> {
  const ca = await caOf(what, caFile);
  return createHttpClient({
    ...limits,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    ...(ca === undefined ? {} : { ca }),
  });
}

async function keysOf({ keys }: Settings['jwt']): Promise<JwtKey[]> {
  return Promise.all(
    keys.map(async ({ id, algorithm, file, secret }, index) => {
      const what = `security.authentication.jwt.keys entry ${index}`;
      const material = isSymmetric(algorithm) ? secret : await readFileFor(what, file);
      try {
        return jwtKey(id, algorithm, material);
      } catch (error) {
        throw new Error(`${what} cannot be used: ${(error as Error).message}`);
      }
    }),
  );
}

async function keySetOf(
  { jwks }: Settings['jwt'],
  timeoutMs: number,
  { clock, logger }: AuthenticationParts,
): Promise<(KeySet & { close(): void }) | undefined> {
  if (jwks.url === '') return undefined;
  const { caFile } = jwks;
  const limits = { timeoutMs, maxInFlight: 1, maxWaiting: 1, allowLinkLocal: false };
  const client = await clientOf('security.authentication.jwt.jwks', { caFile, ...limits });
  const url = new URL(jwks.url);
  const keySet = createKeySet({
    ...jwks,
    clock,
    async fetch() {
      const answer = await client.send({ method: 'GET', url, headers: { accept: 'application/json' } });
      if (answer === 'busy') throw new Error('it is being asked already');
      if (answer.status !== 200) throw new Error(`it answers ${answer.status}`);
      return jsonObject(answer.body);
    },
    failed: (error) =>
      logger.warn(
        { reason: (error as Error).message },
        'the keys of the issuer of tokens could not be fetched',
      ),
  });
  return { ...keySet, close: () => client.close() };
}

async function tokenAuthenticator(settings: Settings, parts: AuthenticationParts): Promise<Authenticator> {
  const { jwt, timeoutMs } = settings;
  const { issuer, audience, clockSkewMs: skewMs } = jwt;
  // It must be over before the one who asks has gone.
  const keySet = await keySetOf(jwt, Math.ceil(timeoutMs * 0.9), parts);
  const made = createTokenAuthenticator({
    from: jwt.from,
    rules: { issuer, audience, skewMs },
    names: jwt,
    keys: await keysOf(jwt),
    keySet,
    clock: parts.clock,
  });
  return { ...made, close: () => keySet?.close() };
}

async function make(name: Name, settings: Settings, parts: AuthenticationParts): Promise<Authenticator> {
  const { users, passwords, onChange } = parts;
  switch (name) {
    case 'database':
      return createDatabaseAuthenticator(users);
    case 'file':
      return openFileAuthenticator({ path: settings.file.path, passwords, onChange });
    case 'jwt':
      return tokenAuthenticator(settings, parts);
    case 'http': {
      const { url, headers, body } = settings.http;
      return createHttpAuthenticator({
        url: new URL(url),
        headers: Object.fromEntries(headers.map((header) => [header.name.toLowerCase(), header.value])),
        body,
        client: await clientOf('security.authentication.http', settings.http),
      });
    }
    case 'ldap': {
      const ca = await caOf('security.authentication.ldap', settings.ldap.caFile);
      return openLdapAuthenticator({ settings: settings.ldap, ca, clock: parts.clock });
    }
    case 'sql': {
      const ca = await caOf('security.authentication.sql', settings.sql.caFile);
      return openSqlAuthenticator({ settings: settings.sql, ca, passwords, logger: parts.logger });
    }
    case 'certificate':
      return createCertificateAuthenticator({ ...settings.certificate, users });
    case 'scram':
      return scramAuthenticator;
  }
}

/** Whether only this machine reaches it, or the configuration says that whoever does may do anything. */
export function isOpenListener(config: Config, name: string): boolean {
  const known = LISTENERS.find((each) => each === name);
  if (known === undefined || known === 'http' || known === 'https') return false;
  const { allowInsecure, authentication } = config.security;
  if (allowInsecure && authenticationOf(authentication, known).authenticators.length === 0) return true;
  if (known === 'unix') return true;
  const { host, proxyProtocol } = config.listeners[known];
  return isLoopback(host) && !proxyProtocol;
}

/** Whether clients that show nothing are let in. */
function isAnonymousAllowed(config: Config, name: (typeof LISTENERS)[number]): boolean {
  const { allowInsecure, authentication } = config.security;
  const { anonymous, authenticators } = authenticationOf(authentication, name);
  if (name === 'http' || name === 'https') return false;
  if (anonymous !== 'loopback') return anonymous === 'allow';
  if (name === 'unix') return true;
  const { host, proxyProtocol } = config.listeners[name];
  if (isLoopback(host) && !proxyProtocol) return true;
  return allowInsecure && authenticators.length === 0;
}

/** Rejects, in a sentence for the operator, when something that is asked for is not there. */
export async function openAuthentication(parts: AuthenticationParts): Promise<Authentication> {
  const { config, users, clock, logger } = parts;
  const settings = config.security.authentication;
  const made = new Map<Name, Promise<Authenticator>>();
  const one = (name: Name): Promise<Authenticator> => {
    const known = made.get(name) ?? make(name, settings, parts);
    made.set(name, known);
    return known;
  };
  const listeners = new Map<string, ListenerAuthentication>();
  for (const name of LISTENERS) {
    const { authenticators } = authenticationOf(settings, name);
    listeners.set(name, {
      authenticators: await Promise.all(authenticators.map(one)),
      isAnonymousAllowed: isAnonymousAllowed(config, name),
      hasScram: authenticators.includes('scram'),
    });
  }
  const { timeoutMs, maxPending } = settings;
  return createAuthentication({ listeners, users, timeoutMs, maxPending, clock, log: logger });
}
