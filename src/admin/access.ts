/**
 * Who is behind a request of HTTP: a session, whose token is a cookie that scripts cannot read, or an API key. Here are the
 * log-in and its end, and what a browser has to show beside a cookie before anything is changed; users, keys and sessions
 * themselves are kept in src/security/.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { plainAddress } from '../net/proxy-protocol.ts';
import type { Session } from '../security/access/sessions.ts';
import { includesScope, type NodeScope } from '../security/authorization/scopes.ts';
import type { OpenSecurity } from '../security/open-security.ts';
import type { Principal } from '../security/security.ts';
import type { Caller } from './caller.ts';
import { API_PREFIX } from './http-api.ts';
import type { Route } from './http-routes.ts';
import { OperationError } from './operation.ts';
import { refuse, send } from './problem.ts';
import { discardBody, readJson } from './request-body.ts';
import { type Infer, object, SchemaFault, string } from './schema.ts';

export interface HttpAccess {
  /** Rejects with an OperationError. */
  identify(request: IncomingMessage): Caller;
  /**
   * For programs that know a user name and a password (`Authorization: Basic`) besides. Without anything shown it is
   * somebody without a name where `isOpen`.
   */
  identifyClient(request: IncomingMessage, isOpen: boolean): Promise<Caller>;
  readonly routes: readonly Route[];
}

type Parts = Pick<OpenSecurity, 'access' | 'authentication' | 'authorization' | 'guard' | 'users' | 'audit'>;

const MAX_LOGIN_BYTES = 64 * 1024;
const logIn = object(
  {},
  {
    user: string('User name.', { maxLength: 1024 }),
    password: string('Password.', { maxLength: 16 * 1024, isSecret: true }),
    token: string('Of a link for one log-in.', { maxLength: 64, isSecret: true }),
  },
);

const isSecure = (request: IncomingMessage): boolean => (request.socket as TLSSocket).encrypted === true;

/** The prefix makes browsers refuse a cookie of that name from anything but this host, over TLS. */
const cookieName = (request: IncomingMessage): string => (isSecure(request) ? '__Host-robustmq' : 'robustmq');

const addressOf = (request: IncomingMessage): string => plainAddress(request.socket.remoteAddress ?? '');

function cookieOf(request: IncomingMessage): string | undefined {
  const wanted = `${cookieName(request)}=`;
  const parts = (request.headers.cookie ?? '').split(';').map((part) => part.trim());
  return parts.find((part) => part.startsWith(wanted))?.slice(wanted.length);
}

function cookie(request: IncomingMessage, value: string, seconds: number): string {
  const secure = isSecure(request) ? '; Secure' : '';
  return `${cookieName(request)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`;
}

/**
 * A browser sends cookies with whatever a page asks for; but it says which page asked. The listener has refused other sites
 * already: here it has to be said at all.
 */
function isOwnPage({ headers, method = 'GET' }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD') return true;
  return headers.origin !== undefined || headers['sec-fetch-site'] === 'same-origin';
}

const unauthenticated = (): OperationError =>
  new OperationError(401, 'unauthenticated', 'log in, or send an API key as bearer');

export function createHttpAccess(parts: Parts, wallMs: () => number): HttpAccess {
  const { access, authentication, authorization, guard, users, audit } = parts;

  const principalOf = (
    who: Pick<Principal, 'userName' | 'tenant' | 'roles' | 'isSuperuser'>,
    request: IncomingMessage,
  ): Principal => ({
    ...who,
    clientId: undefined,
    certificateName: undefined,
    rules: [],
    protocol: 'http',
    listener: isSecure(request) ? 'https' : 'http',
    remoteAddress: addressOf(request),
    expiresAtMs: undefined,
  });

  const callerOf = (
    principal: Principal,
    via: Caller['via'],
    isGranted: (scope: NodeScope) => boolean,
  ): Caller => ({
    user: principal.userName,
    via,
    address: principal.remoteAddress,
    tenant: principal.tenant,
    may: (scope) => isGranted(scope) && authorization.mayUse(principal, scope),
  });

  function byKey(key: string, request: IncomingMessage): Caller {
    const address = addressOf(request);
    if (guard.mayLogIn(undefined, address) !== undefined) throw tooOften();
    const apiKey = access.apiKeys.check(key, address);
    const owner = apiKey === undefined ? undefined : users.get(apiKey.owner);
    if (apiKey === undefined || owner === undefined) {
      guard.logIns.failed(undefined, address);
      throw unauthenticated();
    }
    const principal = principalOf({ ...owner, userName: owner.name }, request);
    return callerOf(principal, 'api-key', (scope) => includesScope(apiKey.scopes, scope));
  }

  function bySession(request: IncomingMessage): { readonly session: Session; readonly caller: Caller } {
    const token = cookieOf(request);
    const session = token === undefined ? undefined : access.sessions.find(token);
    if (session === undefined) throw unauthenticated();
    if (!isOwnPage(request)) {
      throw new OperationError(403, 'cross-site', 'with a cookie a change needs the header Origin');
    }
    const caller = callerOf(principalOf(session.identity, request), 'http', () => true);
    return { session, caller };
  }

  function identify(request: IncomingMessage): Caller {
    if (guard.bans.ofAddress(addressOf(request)) !== undefined) throw unauthenticated();
    const { authorization: header } = request.headers;
    if (header === undefined) return bySession(request).caller;
    // With a key the cookie does not count.
    const [, key] = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(header) ?? [];
    if (key === undefined) throw unauthenticated();
    return byKey(key, request);
  }

  async function identifyClient(request: IncomingMessage, isOpen: boolean): Promise<Caller> {
    const { authorization: header, cookie: cookies } = request.headers;
    const [, encoded] = /^Basic ([A-Za-z0-9+/=]{1,32768})$/i.exec(header ?? '') ?? [];
    const isNobody = header === undefined && cookies === undefined;
    if (encoded === undefined && !(isNobody && isOpen)) return identify(request);
    const address = addressOf(request);
    if (guard.bans.ofAddress(address) !== undefined) throw unauthenticated();
    if (encoded === undefined) {
      return {
        user: undefined,
        via: 'http',
        address,
        tenant: '',
        may: (scope) => scope.startsWith('schemas:'),
      };
    }
    const [user = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
    if (guard.mayLogIn(user, address) !== undefined) throw tooOften();
    const principal = await verdictOf({ user, password: rest.join(':') }, request);
    if (principal === undefined || guard.bans.ofNames(principal) !== undefined) {
      guard.logIns.failed(user, address);
      throw unauthenticated();
    }
    guard.logIns.succeeded(user);
    return callerOf(principal, 'http', () => true);
  }

  async function verdictOf({ user, password, token }: Infer<typeof logIn>, request: IncomingMessage) {
    if (token !== undefined) {
      const name = access.loginTokens.redeem(token);
      const known = name === undefined ? undefined : users.get(name);
      if (known === undefined || known.isDisabled) return undefined;
      return principalOf({ ...known, userName: known.name }, request);
    }
    if (user === undefined || user === '' || password === undefined) return undefined;
    const verdict = await authentication.authenticate({
      protocol: 'http',
      listener: isSecure(request) ? 'https' : 'http',
      transport: isSecure(request) ? 'tls' : 'tcp',
      remoteAddress: addressOf(request),
      clientId: undefined,
      userName: user,
      password: Buffer.from(password),
      certificate: undefined,
    });
    if (verdict.isLetIn) return verdict.principal;
    if (verdict.refusal === 'busy' || verdict.refusal === 'unavailable') {
      throw new OperationError(503, verdict.refusal, 'the broker cannot check that now; try again');
    }
    return undefined;
  }

  async function open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = logIn.fromJson(await readJson(request, MAX_LOGIN_BYTES), 'the body');
    const address = addressOf(request);
    if (guard.bans.ofAddress(address) !== undefined) throw unauthenticated();
    if (guard.mayLogIn(given.user, address) !== undefined) throw tooOften();
    const principal = await verdictOf(given, request);
    const noted = (result: 'ok' | 'refused') =>
      audit.note({
        user: principal?.userName,
        tenant: principal?.tenant ?? '',
        via: 'http',
        remoteAddress: address,
        operation: 'login',
        input: given.user === undefined ? {} : { user: given.user },
        result,
      });
    if (principal?.userName === undefined || guard.bans.ofNames(principal) !== undefined) {
      guard.logIns.failed(given.user, address);
      await noted('refused');
      throw new OperationError(401, 'bad-credentials', 'that is not known here');
    }
    guard.logIns.succeeded(given.user);
    const { userName, tenant, roles, rules, isSuperuser, expiresAtMs } = principal;
    const opened = access.sessions.open(
      { userName, tenant, roles, rules, isSuperuser, expiresAtMs },
      { remoteAddress: address, userAgent: request.headers['user-agent'] ?? '' },
    );
    if (opened === 'full') throw new OperationError(503, 'full', 'too many are logged in');
    // Whoever had a session before in this browser has another one now.
    const before = cookieOf(request);
    if (before !== undefined) access.sessions.close(before);
    await noted('ok');
    const { session, token } = opened;
    const seconds = Math.max(1, Math.floor((session.expiresAtMs - wallMs()) / 1000));
    response.setHeader('set-cookie', cookie(request, token.reveal(), seconds));
    send(response, 200, 'application/json', { user: userName, expiresAtMs: session.expiresAtMs });
  }

  function close(request: IncomingMessage, response: ServerResponse): void {
    bySession(request);
    access.sessions.close(cookieOf(request) ?? '');
    response.setHeader('set-cookie', cookie(request, '', 0));
    send(response, 200, 'application/json', {});
  }

  return {
    identify,
    identifyClient,
    routes: [post(`${API_PREFIX}/login`, open), post(`${API_PREFIX}/logout`, close)],
  };
}

const tooOften = (): OperationError =>
  new OperationError(429, 'too-often', 'too many log-ins have failed; try again later');

/** One path that is posted to; what is thrown for the caller is answered. */
function post(path: string, handle: Route['handle']): Route {
  return {
    owns: (given) => given === path,
    async handle(request, response) {
      if (request.method !== 'POST') {
        await discardBody(request);
        response.setHeader('allow', 'POST');
        return refuse(response, { status: 405, kind: 'method', detail: 'only POST is possible here' });
      }
      try {
        await handle(request, response);
        await discardBody(request);
      } catch (error) {
        if (!(error instanceof OperationError || error instanceof SchemaFault)) throw error;
        await discardBody(request);
        const [status, kind] =
          error instanceof OperationError ? [error.status, error.kind] : [400, 'invalid-input'];
        refuse(response, { status, kind, detail: error.message });
      }
    },
  };
}
