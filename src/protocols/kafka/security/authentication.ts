/**
 * Who a connection is: the states of SASL. Until a listener that asks for it is satisfied, a connection may ask for
 * versions and log in, and nothing else; so it is again when its log-in has ended. It may log in anew at any time, as the
 * same principal, by the same mechanism.
 */
import type { Clock } from '../../../kernel/clock.ts';
import { type Api, Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { beginExchange, type Exchange, type MechanismName, type MechanismParts } from './mechanisms.ts';

/** What is asked of a connection. */
export interface AuthenticatedConnection {
  principal: string;
  readonly listener: string;
  readonly remoteAddress: string;
  readonly isClosed: boolean;
  end(reason: string): void;
  onClose(callback: () => void): () => void;
}

export interface AuthenticationRules {
  /** Whether a connection has to log in. */
  readonly isAsked: boolean;
  readonly mechanisms: readonly MechanismName[];
  /** From accept to the end of the log-in. */
  readonly timeoutMs: number;
  /** How long a log-in counts; 0 is for ever. */
  readonly sessionMs: number;
  /** A refused client hears of it this much later. */
  readonly failureDelayMs: number;
}

export interface AuthenticationParts extends MechanismParts {
  readonly clock: Clock;
  readonly rules: AuthenticationRules;
  readonly log: { info(fields: object, message: string): void };
  /** Told of each connection that is a user's, each time it has logged in. */
  readonly loggedIn: (userName: string, connection: AuthenticatedConnection) => void;
}

export interface SaslAnswer {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
  readonly authBytes: Uint8Array;
  readonly sessionLifetimeMs: number;
}

export interface Authentication {
  /** Asked before a request is run; what is not admitted costs the connection. */
  admits(api: Api): boolean;
  /** It has logged in, or need not. */
  readonly isThrough: boolean;
  /** Frames are tokens without a header (after version 0 of the handshake), and so are their answers. */
  readonly isRaw: boolean;
  handshake(version: number, mechanism: string): { errorCode: ErrorCode; mechanisms: readonly string[] };
  authenticate(token: Uint8Array): Promise<SaslAnswer>;
  /** undefined is no answer: the connection ends. */
  authenticateRaw(token: Uint8Array): Promise<Uint8Array | undefined>;
}

const NOTHING = new Uint8Array(0);
export const MAX_TOKEN_BYTES = 64 * 1024;
/** The same for whatever was wrong: who guesses learns nothing. */
const REFUSED = 'authentication failed';

const wrongState = (errorMessage: string): SaslAnswer => ({
  errorCode: ErrorCode.ILLEGAL_SASL_STATE,
  errorMessage,
  authBytes: NOTHING,
  sessionLifetimeMs: 0,
});

/** Of a listener without SASL. */
const notAsked: Authentication = {
  admits: () => true,
  isThrough: true,
  isRaw: false,
  handshake: () => ({ errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] }),
  authenticate: async () => wrongState('this listener asks for no log-in'),
  authenticateRaw: async () => undefined,
};

const isLogIn = ({ key }: Api): boolean =>
  key === Apis.saslHandshake.key || key === Apis.saslAuthenticate.key;

export function beginAuthentication(
  connection: AuthenticatedConnection,
  parts: AuthenticationParts,
): Authentication {
  const { clock, rules, log } = parts;
  if (!rules.isAsked) return notAsked;
  let state: 'new' | 'tokens' | 'through' | 'failed' = 'new';
  let isRaw = false;
  let exchange: Exchange | undefined;
  let mechanism: MechanismName | undefined;
  /** Of the log-in that counts. */
  let known: { readonly principal: string; readonly mechanism: MechanismName } | undefined;
  let endsAtMs = Number.POSITIVE_INFINITY;

  const stopTimer = clock.every(rules.timeoutMs, () => {
    stopTimer();
    if (known === undefined) connection.end('it did not log in in time');
  });
  connection.onClose(stopTimer);

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

  const fail = async (reason: string): Promise<SaslAnswer> => {
    state = 'failed';
    exchange = undefined;
    const { listener, remoteAddress } = connection;
    log.info({ listener, remote: remoteAddress, mechanism, reason }, 'a Kafka client could not log in');
    await later(rules.failureDelayMs);
    connection.end('it could not log in');
    return {
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: REFUSED,
      authBytes: NOTHING,
      sessionLifetimeMs: 0,
    };
  };

  const through = (by: MechanismName, user: string, expiresAtMs: number): number | string => {
    const principal = `User:${user}`;
    if (known !== undefined && (known.principal !== principal || known.mechanism !== by)) {
      return 'it logged in again as somebody else, or in another way';
    }
    if (parts.users.get(user)?.isDisabled === true) return 'the user is disabled';
    const nowMs = parts.wallMs();
    const byRules = rules.sessionMs === 0 ? Number.POSITIVE_INFINITY : rules.sessionMs;
    const lifetimeMs = Math.floor(Math.min(byRules, expiresAtMs - nowMs));
    if (lifetimeMs <= 0) return 'its token has ended';
    stopTimer();
    known = { principal, mechanism: by };
    connection.principal = principal;
    parts.loggedIn(user, connection);
    state = 'through';
    exchange = undefined;
    isRaw = false;
    endsAtMs = clock.monotonicMs() + lifetimeMs;
    return Number.isFinite(lifetimeMs) ? lifetimeMs : 0;
  };

  const authenticate = async (token: Uint8Array): Promise<SaslAnswer> => {
    const current = exchange;
    const by = mechanism;
    if (state !== 'tokens' || current === undefined || by === undefined) {
      const answer = wrongState('there was no handshake before this');
      if (known === undefined) connection.end('it sent a token without a handshake');
      return answer;
    }
    if (token.length > MAX_TOKEN_BYTES) return fail('a token that is too long');
    const step = await current(token);
    if (step.kind === 'failure') return fail(step.reason);
    let sessionLifetimeMs = 0;
    if (step.kind === 'success') {
      const lifetimeMs = through(by, step.user, step.expiresAtMs);
      if (typeof lifetimeMs === 'string') return fail(lifetimeMs);
      sessionLifetimeMs = lifetimeMs;
    }
    return { errorCode: ErrorCode.NONE, errorMessage: null, authBytes: step.data, sessionLifetimeMs };
  };

  return {
    admits(api) {
      if (api.key === Apis.apiVersions.key) return state !== 'failed';
      if (state === 'new') return api.key === Apis.saslHandshake.key;
      if (state === 'tokens') return api.key === Apis.saslAuthenticate.key;
      if (state === 'failed') return false;
      return isLogIn(api) || clock.monotonicMs() < endsAtMs;
    },
    get isThrough() {
      return known !== undefined;
    },
    get isRaw() {
      return isRaw;
    },
    handshake(version, wanted) {
      const found = rules.mechanisms.find((each) => each === wanted);
      if (found === undefined) {
        state = 'failed';
        connection.end('it wants a mechanism that is not offered');
        return { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: rules.mechanisms };
      }
      mechanism = found;
      exchange = beginExchange(found, parts);
      state = 'tokens';
      isRaw = version === 0;
      return { errorCode: ErrorCode.NONE, mechanisms: rules.mechanisms };
    },
    authenticate,
    async authenticateRaw(token) {
      const { errorCode, authBytes } = await authenticate(token);
      return errorCode === ErrorCode.NONE ? authBytes : undefined;
    },
  };
}
