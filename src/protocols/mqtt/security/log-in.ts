/**
 * Who is let in: the chain of the listener for CONNECT, SCRAM of the same users for AUTH packets. Failures are counted for the
 * guard, which keeps guessers waiting; what the client is told is the same whatever was wrong.
 */
import type { Authentication, EnhancedExchange } from '../../../security/authentication/authentication.ts';
import type { Guard } from '../../../security/guard/guard.ts';
import { readClientFirst, scramMechanisms } from '../../../security/scram/scram.ts';
import type { Attempt, Principal, Refusal, Verdict } from '../../../security/security.ts';
import { isTenantName } from '../../../security/tenants/tenants.ts';
import type {
  AuthExchange,
  Authenticator,
  AuthMethod,
  AuthResult,
  AuthStep,
  ConnectRequest,
} from '../auth.ts';
import { ReasonCode } from '../codec/reason-codes.ts';

export interface LogInLogger {
  warn(fields: object, message: string): void;
}

export interface LogIn {
  readonly authentication: Authentication;
  readonly guard: Pick<Guard, 'mayLogIn' | 'logIns'>;
  readonly logger: LogInLogger;
}

/** MQTT 3 has fewer words: 4 for a wrong password, 5 for who may not, 3 for the rest. */
const REASONS: Readonly<Record<Refusal, number>> = {
  'bad-credentials': ReasonCode.BadUserNameOrPassword,
  'not-authorized': ReasonCode.NotAuthorized,
  banned: ReasonCode.Banned,
  throttled: ReasonCode.QuotaExceeded,
  busy: ReasonCode.ServerBusy,
  unavailable: ReasonCode.ServerUnavailable,
};

export const reasonOf = (refusal: Refusal): number => REASONS[refusal];

const attemptOf = (request: ConnectRequest): Attempt => ({
  protocol: 'mqtt',
  listener: request.listener,
  transport: request.transport,
  remoteAddress: request.remoteAddress,
  clientId: request.clientId,
  userName: request.userName,
  password: request.password,
  certificate: request.certificate,
});

/** `name`: whose credentials they were said to be. */
function settle(
  { guard, logger }: LogIn,
  verdict: Verdict,
  name: string | undefined,
  address: string,
): AuthResult {
  if (!verdict.isLetIn) {
    if (verdict.refusal === 'bad-credentials') guard.logIns.failed(name, address);
    return { allow: false, reasonCode: reasonOf(verdict.refusal) };
  }
  const { principal } = verdict;
  if (principal.userName !== undefined) guard.logIns.succeeded(name);
  if (principal.tenant !== '' && !isTenantName(principal.tenant)) {
    logger.warn(
      { listener: principal.listener, tenant: principal.tenant },
      'a user is of a tenant that has no name that a tenant can have: refused',
    );
    return { allow: false, reasonCode: ReasonCode.NotAuthorized };
  }
  return { allow: true, principal };
}

export function createAuthenticator(logIn: LogIn): Authenticator {
  const { authentication, guard } = logIn;
  return {
    async authenticate(request) {
      const { userName, remoteAddress } = request;
      const refusal = guard.mayLogIn(userName, remoteAddress);
      if (refusal !== undefined) return { allow: false, reasonCode: reasonOf(refusal) };
      const verdict = await authentication.authenticate(attemptOf(request));
      return settle(logIn, verdict, userName, remoteAddress);
    },
  };
}

const NOTHING = new Uint8Array(0);
const MAX_FIRST_BYTES = 4096;

const failure = (reasonCode: number): AuthStep => ({ type: 'failure', reasonCode });

/** Whom the first message names; the exchange itself says whether it is one. */
function nameIn(message: Uint8Array): string | undefined {
  if (message.length > MAX_FIRST_BYTES) return undefined;
  return readClientFirst(Buffer.from(message).toString())?.user;
}

function exchangeOf(logIn: LogIn, request: ConnectRequest, ask: EnhancedExchange): AuthExchange {
  const { guard } = logIn;
  const { remoteAddress } = request;
  let name = request.userName;

  const take = async (data: Uint8Array): Promise<AuthStep> => {
    const step = await ask(data);
    if (step.kind === 'challenge') return { type: 'continue', data: step.data };
    const result = settle(logIn, step.verdict, name, remoteAddress);
    if (!result.allow) {
      // No password has travelled: what was wrong is the same word as for who may not.
      const isWrong = result.reasonCode === ReasonCode.BadUserNameOrPassword;
      return failure(isWrong ? ReasonCode.NotAuthorized : result.reasonCode);
    }
    return { type: 'success', data: step.data, ...(result.principal && { principal: result.principal }) };
  };

  return {
    // Without data the client waits to be asked: SCRAM begins with the client's message.
    start(data = NOTHING) {
      if (data.length === 0) return { type: 'continue', data: undefined };
      name = nameIn(data) ?? name;
      const refusal = guard.mayLogIn(name, remoteAddress);
      return refusal === undefined ? take(data) : failure(reasonOf(refusal));
    },
    continue(data = NOTHING) {
      name = nameIn(data) ?? name;
      const refusal = guard.mayLogIn(name, remoteAddress);
      return refusal === undefined ? take(data) : failure(reasonOf(refusal));
    },
  };
}

export function createAuthMethods(logIn: LogIn): readonly AuthMethod[] {
  return scramMechanisms.map((mechanism) => ({
    name: mechanism,
    begin(request: ConnectRequest, _purpose: string, current?: Principal) {
      const ask = logIn.authentication.begin(mechanism, attemptOf(request), current);
      return ask === undefined ? undefined : exchangeOf(logIn, request, ask);
    },
  }));
}
