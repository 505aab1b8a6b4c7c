/**
 * Whose credentials are good: by the authenticators of the listener, or, where it has none, by the user database and the keys
 * of `kafka.security`. Failures are counted, and who has failed too often is not looked at.
 */
import type { Authentication, EnhancedExchange } from '../../../security/authentication/authentication.ts';
import type { Guard } from '../../../security/guard/guard.ts';
import { beginScram, TOO_MANY } from '../../../security/scram/exchange.ts';
import { readClientFirst, type ScramMechanism } from '../../../security/scram/scram.ts';
import type { Attempt, Principal, Refusal } from '../../../security/security.ts';
import type { Users } from '../../../security/users/users.ts';
import { chainMechanisms, type MechanismName } from './offered.ts';
import type { TokenVerifier } from './token-verifier.ts';

/** What is known of who wants to be let in before it shows anything. */
export type Visitor = Omit<Attempt, 'protocol' | 'userName' | 'password'>;

export interface Denied {
  readonly reason: string;
  readonly refusal: Refusal;
  /** The chain has written it to the log. */
  readonly isLogged: boolean;
}

export type Checked = { readonly principal: Principal } | Denied;

export type ScramStep =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  | { readonly kind: 'success'; readonly data: Uint8Array; readonly principal: Principal }
  | ({ readonly kind: 'failure' } & Denied);

/** Of one listener. */
export interface LogIns {
  readonly mechanisms: readonly MechanismName[];
  password(visitor: Visitor, userName: string, password: Uint8Array): Promise<Checked>;
  /** Asked once per message of the client, one after the other. */
  scram(visitor: Visitor, mechanism: ScramMechanism): (message: Uint8Array) => Promise<ScramStep>;
  token(visitor: Visitor, token: string): Promise<Checked>;
}

export const denied = (reason: string, refusal: Refusal = 'bad-credentials', isLogged = false): Denied => ({
  reason,
  refusal,
  isLogged,
});

export const attemptOf = (visitor: Visitor, userName?: string, password?: Uint8Array): Attempt => ({
  ...visitor,
  protocol: 'kafka',
  userName,
  password,
});

export const principalOf = (visitor: Visitor, who: Partial<Principal>): Principal => ({
  tenant: '',
  userName: undefined,
  roles: [],
  rules: [],
  isSuperuser: false,
  expiresAtMs: undefined,
  ...who,
  clientId: visitor.clientId,
  certificateName: visitor.certificate?.commonName || undefined,
  protocol: 'kafka',
  listener: visitor.listener,
  remoteAddress: visitor.remoteAddress,
});

export interface OwnLogInsParts {
  readonly users: Users;
  readonly verifyToken: TokenVerifier | undefined;
  readonly wallMs: () => number;
  readonly mechanisms: readonly MechanismName[];
}

/** Of a listener without authenticators. */
export function createOwnLogIns({ users, verifyToken, wallMs, mechanisms }: OwnLogInsParts): LogIns {
  const userOf = (visitor: Visitor, userName: string): Checked => {
    const user = users.get(userName);
    if (user === undefined || user.isDisabled) return denied('the user is gone or disabled');
    const { tenant, roles, isSuperuser } = user;
    return { principal: principalOf(visitor, { userName, tenant, roles, isSuperuser }) };
  };
  return {
    mechanisms,
    async password(visitor, userName, password) {
      const checked = await users.checkPassword(userName, password);
      if (checked === 'busy') return denied(TOO_MANY, 'busy');
      return checked === 'right' ? userOf(visitor, userName) : denied('wrong password or user');
    },
    scram(visitor, mechanism) {
      const exchange = beginScram(mechanism, users);
      return async (message) => {
        const step = await exchange(message);
        if (step.kind === 'challenge') return step;
        if (step.kind === 'failure') {
          return { kind: 'failure', ...denied(step.reason, step.isBusy ? 'busy' : 'bad-credentials') };
        }
        const checked = userOf(visitor, step.userName);
        if ('reason' in checked) return { kind: 'failure', ...checked };
        return { kind: 'success', data: step.data, principal: checked.principal };
      };
    },
    async token(visitor, token) {
      const verified = (await verifyToken?.(token, wallMs())) ?? 'there is nothing to check tokens with';
      if (typeof verified === 'string') return denied(verified);
      const { user: userName, expiresAtMs } = verified;
      if (users.get(userName)?.isDisabled === true) return denied('the user is disabled');
      // What a user of that name may do is not the token's to give.
      return { principal: principalOf(visitor, { userName, expiresAtMs }) };
    },
  };
}

export interface ChainLogInsParts {
  readonly authentication: Pick<Authentication, 'authenticate' | 'begin'>;
  /** Of the listener, in their order. */
  readonly authenticators: readonly string[];
  /** The field in which the chain looks for tokens. */
  readonly tokenFrom: 'password' | 'username';
  /** With the keys of `kafka.security`, which are asked first. */
  readonly own: LogIns;
  readonly hasOwnKeys: boolean;
}

/** Of a listener with authenticators. */
export function createChainLogIns(parts: ChainLogInsParts): LogIns {
  const { authentication, authenticators, tokenFrom, own, hasOwnKeys } = parts;
  const offered = chainMechanisms(authenticators, hasOwnKeys);

  const ask = async (attempt: Attempt): Promise<Checked> => {
    const verdict = await authentication.authenticate(attempt);
    if (!verdict.isLetIn) return denied('refused by the authenticators', verdict.refusal, true);
    // Whoever shows credentials is somebody or is refused.
    return verdict.principal.userName === undefined
      ? denied('known to no authenticator')
      : { principal: verdict.principal };
  };

  return {
    mechanisms: offered.filter((each) => own.mechanisms.includes(each)),
    password: (visitor, userName, password) => ask(attemptOf(visitor, userName, password)),
    scram(visitor, mechanism) {
      const exchange: EnhancedExchange | undefined = authentication.begin(mechanism, attemptOf(visitor));
      return async (message) => {
        const step = await exchange?.(message);
        if (step?.kind === 'challenge') return step;
        if (step?.verdict.isLetIn !== true || step.data === undefined) {
          const refusal = step?.verdict.isLetIn === false ? step.verdict.refusal : 'bad-credentials';
          return { kind: 'failure', ...denied('refused by the authenticators', refusal, true) };
        }
        return { kind: 'success', data: step.data, principal: step.verdict.principal };
      };
    },
    async token(visitor, token) {
      const checked = hasOwnKeys ? await own.token(visitor, token) : denied('there are no keys');
      if ('principal' in checked || !authenticators.includes('jwt')) return checked;
      return tokenFrom === 'username'
        ? ask(attemptOf(visitor, token))
        : ask(attemptOf(visitor, undefined, Buffer.from(token)));
    },
  };
}

/** Longer ones are refused by the exchange. */
const MAX_FIRST_BYTES = 4096;

export type LogInGuard = Pick<Guard, 'mayLogIn' | 'logIns'>;

/** Those who have failed too often are refused whatever they show, and nobody looks at it. */
export function guardedLogIns(logIns: LogIns, guard: LogInGuard): LogIns {
  const tooOften = denied('too many log-ins have failed', 'throttled');
  const counted = async (
    userName: string | undefined,
    { remoteAddress }: Visitor,
    check: () => Promise<Checked>,
  ): Promise<Checked> => {
    if (guard.mayLogIn(userName, remoteAddress) !== undefined) return tooOften;
    const checked = await check();
    if ('reason' in checked) {
      if (checked.refusal === 'bad-credentials') guard.logIns.failed(userName, remoteAddress);
      return checked;
    }
    // Many guesses at once must not come to more than one after the other.
    if (guard.mayLogIn(userName, remoteAddress) !== undefined) return tooOften;
    guard.logIns.succeeded(userName);
    return checked;
  };
  return {
    mechanisms: logIns.mechanisms,
    password: (visitor, userName, password) =>
      counted(userName, visitor, () => logIns.password(visitor, userName, password)),
    scram(visitor, mechanism) {
      const exchange = logIns.scram(visitor, mechanism);
      const { remoteAddress } = visitor;
      let userName: string | undefined;
      let isFirst = true;
      return async (message) => {
        if (isFirst && message.length <= MAX_FIRST_BYTES) {
          userName = readClientFirst(Buffer.from(message).toString())?.user;
        }
        isFirst = false;
        if (guard.mayLogIn(userName, remoteAddress) !== undefined) return { kind: 'failure', ...tooOften };
        const step = await exchange(message);
        if (step.kind === 'failure' && step.refusal === 'bad-credentials') {
          guard.logIns.failed(userName, remoteAddress);
        }
        if (step.kind === 'success') guard.logIns.succeeded(userName);
        return step;
      };
    },
    token: (visitor, token) => counted(undefined, visitor, () => logIns.token(visitor, token)),
  };
}
