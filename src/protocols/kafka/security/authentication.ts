/**
 * Who a connection is: the states of SASL. Until a listener that asks for it is satisfied, a connection may ask for
 * versions and log in, and nothing else; so it is again when its log-in has ended. It may log in anew at any time, as the
 * same principal, by the same mechanism. Who shows nothing is decided about with the first request, by the authenticators of
 * the listener where there are any.
 */
import type { Clock } from '../../../kernel/clock.ts';
import type { PeerCertificate, TransportKind } from '../../../net/transport.ts';
import type { RefusalLog } from '../../../security/authentication/refusal-log.ts';
import type { Guard } from '../../../security/guard/guard.ts';
import type { Meter } from '../../../security/guard/rates.ts';
import type { Attempt, Principal, Refusal, Verdict } from '../../../security/security.ts';
import { isTenantName } from '../../../security/tenants/tenants.ts';
import { type Api, Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { attemptOf, type LogIns, principalOf, type Visitor } from './log-ins.ts';
import { beginExchange, type Exchange } from './mechanisms.ts';
import type { MechanismName } from './offered.ts';

/** What is asked of a connection. */
export interface AuthenticatedConnection {
  principal: string;
  /** undefined until it is somebody. */
  identity: Principal | undefined;
  /** undefined: nothing limits what it sends. */
  meter: Meter | undefined;
  readonly listener: string;
  readonly remoteAddress: string;
  readonly isClosed: boolean;
  end(reason: string): void;
  onClose(callback: () => void): () => void;
  /** Requests are looked at again that could not be before. */
  pump(): void;
}

/** What a connection shows without being asked. */
export interface Shown {
  readonly kind: TransportKind;
  readonly peerCertificate: PeerCertificate | undefined;
}

export interface ListenerRules {
  readonly logIns: LogIns;
  /** Nobody gets further without a log-in. */
  readonly mustLogIn: boolean;
  /** Decides about who does not log in; undefined: it is let in, by the name of its certificate if there is one. */
  readonly admit: ((attempt: Attempt) => Promise<Verdict>) | undefined;
}

export interface AuthenticationRules {
  /** From accept to the end of the log-in. */
  readonly timeoutMs: number;
  /** How long a log-in counts; 0 is for ever. */
  readonly sessionMs: number;
  /** A refused client hears of it this much later. */
  readonly failureDelayMs: number;
}

export interface AuthenticationParts {
  readonly clock: Clock;
  readonly rules: AuthenticationRules;
  readonly listener: ListenerRules;
  readonly guard: Pick<Guard, 'connected' | 'disconnected' | 'meterOf'>;
  readonly refusals: RefusalLog;
  /** Told of each connection that is a user's, each time it has logged in. */
  readonly loggedIn: (userName: string, connection: AuthenticatedConnection) => void;
}

export interface SaslAnswer {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
  readonly authBytes: Uint8Array;
  readonly sessionLifetimeMs: number;
}

/** 'later': it is being decided who the connection is; asked again after `pump`. */
export type Admission = boolean | 'later';

export interface Authentication {
  /** Asked before a request is run; what is not admitted costs the connection. */
  admits(api: Api, clientId?: string | null): Admission;
  /** No request is to be run. */
  readonly isDeciding: boolean;
  /** It has logged in, or need not. */
  readonly isThrough: boolean;
  /** Frames are tokens without a header (after version 0 of the handshake), and so are their answers. */
  readonly isRaw: boolean;
  handshake(
    version: number,
    mechanism: string,
    clientId?: string | null,
  ): { errorCode: ErrorCode; mechanisms: readonly string[] };
  authenticate(token: Uint8Array): Promise<SaslAnswer>;
  /** undefined is no answer: the connection ends. */
  authenticateRaw(token: Uint8Array): Promise<Uint8Array | undefined>;
}

const NOTHING = new Uint8Array(0);
const NOWHERE = Number.POSITIVE_INFINITY;
export const MAX_TOKEN_BYTES = 64 * 1024;
/** The same for whatever was wrong: who guesses learns nothing. */
const REFUSED = 'authentication failed';

/** As an answer that is a token alone. */
export function lengthPrefixed(token: Uint8Array): readonly Uint8Array[] {
  const length = Buffer.alloc(4);
  length.writeInt32BE(token.byteLength);
  return [length, token];
}

const wrongState = (errorMessage: string): SaslAnswer => ({
  errorCode: ErrorCode.ILLEGAL_SASL_STATE,
  errorMessage,
  authBytes: NOTHING,
  sessionLifetimeMs: 0,
});

const isLogIn = ({ key }: Api): boolean =>
  key === Apis.saslHandshake.key || key === Apis.saslAuthenticate.key;

/** As rules are written elsewhere: the most particular part first. Commas in parts are escaped. */
const distinguishedName = (subject: string): string =>
  subject
    .split(/(?<!\\), /)
    .reverse()
    .join(',');

/** Longer ones are no names of programs, and nothing is kept under them. */
const MAX_CLIENT_ID_LENGTH = 1024;
const usable = (clientId: string | null): string | undefined =>
  clientId === null || clientId.length > MAX_CLIENT_ID_LENGTH ? undefined : clientId;

/** As lists know it. */
export const principalName = ({ userName }: Principal): string => `User:${userName ?? 'ANONYMOUS'}`;

interface Fault {
  readonly reason: string;
  readonly refusal: Refusal;
  /** What the client is told. */
  readonly message: string;
}

export function beginAuthentication(
  connection: AuthenticatedConnection,
  shown: Shown,
  parts: AuthenticationParts,
): Authentication {
  const { clock, rules, refusals, guard } = parts;
  const { logIns, mustLogIn, admit } = parts.listener;
  const { listener, remoteAddress } = connection;
  const { kind, peerCertificate: certificate } = shown;
  const isOpen = !mustLogIn && admit === undefined;
  /** 'entered': without a log-in. */
  let state: 'new' | 'deciding' | 'tokens' | 'through' | 'entered' | 'failed' = 'new';
  let isRaw = false;
  let exchange: Exchange | undefined;
  let mechanism: MechanismName | undefined;
  let visitor: Visitor = { listener, remoteAddress, clientId: undefined, transport: kind, certificate };
  /** Of the log-in that counts. */
  let known: MechanismName | undefined;
  let endsAtMs = NOWHERE;
  connection.principal = 'User:ANONYMOUS';

  let stopTimer = (): void => {};
  if (!isOpen) {
    stopTimer = clock.every(rules.timeoutMs, () => {
      stopTimer();
      if (state !== 'through' && state !== 'entered') connection.end('it did not log in in time');
    });
    connection.onClose(stopTimer);
  }

  const later = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      if (delayMs <= 0) {
        resolve();
        return;
      }
      const forget = connection.onClose(() => {
        stop();
        resolve();
      });
      const stop = clock.every(delayMs, () => {
        stop();
        forget();
        resolve();
      });
    });

  const note = (by: string, refusal: Refusal, reason: string): void =>
    refusals.refused(attemptOf(visitor), by, refusal, reason);

  const fail = async (fault: Fault & { readonly isLogged?: boolean }): Promise<SaslAnswer> => {
    state = 'failed';
    exchange = undefined;
    if (fault.isLogged !== true) note(mechanism ?? 'SASL', fault.refusal, fault.reason);
    await later(rules.failureDelayMs);
    connection.end('it could not log in');
    return {
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: fault.message,
      authBytes: NOTHING,
      sessionLifetimeMs: 0,
    };
  };
  const faultOf = (reason: string, refusal: Refusal = 'bad-credentials', message = REFUSED): Fault => ({
    reason,
    refusal,
    message,
  });

  /** It is this one from now on; a fault where it may not be. */
  const become = (principal: Principal): Fault | undefined => {
    if (connection.isClosed) return faultOf('it has gone', 'unavailable');
    // Names could not be kept apart by it.
    if (principal.tenant !== '' && !isTenantName(principal.tenant)) {
      return faultOf('a tenant whose name is none', 'not-authorized');
    }
    if (connection.identity === undefined) {
      const refusal = guard.connected(principal);
      if (refusal !== undefined) return faultOf('kept out by the guard', refusal);
      connection.onClose(() => guard.disconnected(principal));
    }
    connection.identity = principal;
    connection.principal = principalName(principal);
    connection.meter = guard.meterOf(principal);
    if (principal.userName !== undefined) parts.loggedIn(principal.userName, connection);
    return undefined;
  };

  const lifetimeOf = ({ expiresAtMs = NOWHERE }: Principal, ofSession: number): number =>
    Math.floor(Math.min(ofSession === 0 ? NOWHERE : ofSession, expiresAtMs - clock.wallMs()));

  const through = (by: MechanismName, principal: Principal): number | Fault => {
    const { identity } = connection;
    const isOther =
      connection.principal !== principalName(principal) || identity?.tenant !== principal.tenant;
    if (known !== undefined && (isOther || known !== by)) {
      return faultOf('it logged in again as somebody else, or in another way');
    }
    const lifetimeMs = lifetimeOf(principal, rules.sessionMs);
    if (lifetimeMs <= 0) return faultOf('its token has ended');
    const fault = become(principal);
    if (fault !== undefined) return fault;
    stopTimer();
    known = by;
    state = 'through';
    exchange = undefined;
    isRaw = false;
    endsAtMs = clock.monotonicMs() + lifetimeMs;
    return Number.isFinite(lifetimeMs) ? lifetimeMs : 0;
  };

  const authenticate = async (token: Uint8Array): Promise<SaslAnswer> => {
    const current = exchange;
    const by = mechanism;
    if (isOpen) return wrongState('this listener asks for no log-in');
    if (state !== 'tokens' || current === undefined || by === undefined) {
      const answer = wrongState('there was no handshake before this');
      if (state === 'new') connection.end('it sent a token without a handshake');
      return answer;
    }
    if (token.length > MAX_TOKEN_BYTES) return fail(faultOf('a token that is too long'));
    const step = await current(token);
    if (step.kind === 'failure') return fail({ ...step, message: REFUSED });
    let sessionLifetimeMs = 0;
    if (step.kind === 'success') {
      const lifetimeMs = through(by, step.principal);
      if (typeof lifetimeMs !== 'number') return fail(lifetimeMs);
      sessionLifetimeMs = lifetimeMs;
    }
    return { errorCode: ErrorCode.NONE, errorMessage: null, authBytes: step.data, sessionLifetimeMs };
  };

  const enter = (principal: Principal): boolean => {
    const lifetimeMs = lifetimeOf(principal, 0);
    const fault = lifetimeMs <= 0 ? faultOf('its token has ended') : become(principal);
    if (fault !== undefined) {
      state = 'failed';
      note('connection', fault.refusal, fault.reason);
      return false;
    }
    stopTimer();
    state = 'entered';
    endsAtMs = clock.monotonicMs() + lifetimeMs;
    return true;
  };

  const decide = async (ask: (attempt: Attempt) => Promise<Verdict>): Promise<void> => {
    const verdict = await ask(attemptOf(visitor));
    if (connection.isClosed || state !== 'deciding') return;
    if (!verdict.isLetIn || !enter(verdict.principal)) {
      state = 'failed';
      connection.end('it has not logged in');
      return;
    }
    connection.pump();
  };

  /** The first request of who has not logged in. */
  const first = (clientId: string | null): Admission => {
    visitor = { ...visitor, clientId: usable(clientId) };
    if (mustLogIn) return false;
    if (admit === undefined) {
      const subject = certificate?.subject;
      const userName = subject === undefined ? undefined : distinguishedName(subject);
      return enter(principalOf(visitor, { userName }));
    }
    state = 'deciding';
    void decide(admit);
    return 'later';
  };

  return {
    admits(api, clientId = null) {
      if (api.key === Apis.apiVersions.key) return state !== 'failed';
      if (state === 'failed') return false;
      if (isOpen && isLogIn(api)) return true;
      if (state === 'deciding') return 'later';
      if (state === 'tokens') return api.key === Apis.saslAuthenticate.key;
      if (state === 'new') return api.key === Apis.saslHandshake.key || (!isLogIn(api) && first(clientId));
      return isLogIn(api) || clock.monotonicMs() < endsAtMs;
    },
    get isDeciding() {
      return state === 'deciding';
    },
    get isThrough() {
      return isOpen || state === 'entered' || known !== undefined;
    },
    get isRaw() {
      return isRaw;
    },
    handshake(version, wanted, clientId = null) {
      // Who has done something as nobody, or as its certificate says, does not become another.
      if (isOpen || state === 'entered') return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] };
      const found = logIns.mechanisms.find((each) => each === wanted);
      if (found === undefined) {
        state = 'failed';
        connection.end('it wants a mechanism that is not offered');
        return { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: logIns.mechanisms };
      }
      visitor = { ...visitor, clientId: usable(clientId) };
      mechanism = found;
      exchange = beginExchange(found, logIns, visitor);
      state = 'tokens';
      isRaw = version === 0;
      return { errorCode: ErrorCode.NONE, mechanisms: logIns.mechanisms };
    },
    authenticate,
    async authenticateRaw(token) {
      const { errorCode, authBytes } = await authenticate(token);
      return errorCode === ErrorCode.NONE ? authBytes : undefined;
    },
  };
}
