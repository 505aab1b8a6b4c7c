/**
 * Who is let in: for each listener an ordered list of authenticators, each of which lets in, refuses, or leaves it to the
 * next. How each of them decides is in its own module; what the principal may do is not decided here.
 *
 * Guaranteed: an authenticator that throws, or takes longer than it may, refuses, and nobody after it is asked; behind the last
 * one waits a refusal, but for clients that show nothing where the listener lets them in; a listener that is not known lets
 * nobody in; the log-ins being decided are bounded.
 */
import type { Clock } from '../../kernel/clock.ts';
import { beginScram, type ScramExchange } from '../scram/exchange.ts';
import { type ScramMechanism, scramMechanisms } from '../scram/scram.ts';
import type { Attempt, Principal, Refusal, Verdict } from '../security.ts';
import type { Users } from '../users/users.ts';
import { type Answer, type Authenticator, type Identity, notMine, refuse } from './authenticator.ts';
import { createRefusalLog, type RefusalLogger } from './refusal-log.ts';

export interface ListenerAuthentication {
  readonly authenticators: readonly Authenticator[];
  readonly isAnonymousAllowed: boolean;
  /** Whether clients can log in by SCRAM. */
  readonly hasScram: boolean;
}

export type EnhancedStep =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  | { readonly kind: 'done'; readonly data: Uint8Array | undefined; readonly verdict: Verdict };

/** A log-in of several steps: asked once per message of the client, one after the other. */
export type EnhancedExchange = (message: Uint8Array) => Promise<EnhancedStep>;

export interface AuthenticationStatistics {
  readonly letIn: number;
  readonly anonymous: number;
  readonly refused: Readonly<Record<Refusal, number>>;
  readonly pending: number;
}

export interface Authentication {
  authenticate(attempt: Attempt): Promise<Verdict>;
  mechanisms(listener: string): readonly ScramMechanism[];
  /**
   * undefined where the listener does not offer the mechanism. With `current` somebody who is in logs in again, and must be who
   * it was.
   */
  begin(mechanism: string, attempt: Attempt, current?: Principal): EnhancedExchange | undefined;
  /** Reads files again; each fault in a sentence. What could not be read stays as it was. */
  reload(): Promise<readonly string[]>;
  readonly statistics: AuthenticationStatistics;
  close(): void;
}

export interface AuthenticationOptions {
  readonly listeners: ReadonlyMap<string, ListenerAuthentication>;
  readonly users: Users;
  readonly timeoutMs: number;
  readonly maxPending: number;
  readonly clock: Clock;
  readonly log: RefusalLogger;
}

const MAX_USER_NAME_LENGTH = 16 * 1024;
const nobody: ListenerAuthentication = { authenticators: [], isAnonymousAllowed: false, hasScram: false };

const isEmpty = (bytes: Uint8Array | undefined): boolean => bytes === undefined || bytes.length === 0;
const showsNothing = ({ userName, password }: Attempt): boolean =>
  (userName === undefined || userName === '') && isEmpty(password);

const principalOf = (attempt: Attempt, identity: Identity | undefined): Principal => ({
  tenant: identity?.tenant ?? '',
  userName: identity?.userName,
  clientId: attempt.clientId,
  certificateName: attempt.certificate?.commonName || undefined,
  roles: identity?.roles ?? [],
  rules: identity?.rules ?? [],
  isSuperuser: identity?.isSuperuser ?? false,
  protocol: attempt.protocol,
  listener: attempt.listener,
  remoteAddress: attempt.remoteAddress,
  expiresAtMs: identity?.expiresAtMs,
});

export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { listeners, users, timeoutMs, maxPending, clock } = options;
  const log = createRefusalLog(options.log, clock);
  const refusals: Record<Refusal, number> = {
    'bad-credentials': 0,
    'not-authorized': 0,
    banned: 0,
    throttled: 0,
    busy: 0,
    unavailable: 0,
  };
  const counts = { letIn: 0, anonymous: 0, pending: 0 };

  const refused = (attempt: Attempt, by: string, refusal: Refusal, reason: string): Verdict => {
    refusals[refusal]++;
    log.refused(attempt, by, refusal, reason);
    return { isLetIn: false, refusal };
  };

  const letIn = (attempt: Attempt, by: string, identity: Identity): Verdict => {
    const { userName, tenant, expiresAtMs } = identity;
    if (expiresAtMs !== undefined && expiresAtMs <= clock.wallMs()) {
      return refused(attempt, by, 'bad-credentials', 'what was shown has ended');
    }
    const user = users.get(userName);
    if (user?.isDisabled === true && user.tenant === tenant) {
      return refused(attempt, by, 'bad-credentials', 'the user is disabled');
    }
    counts.letIn++;
    return { isLetIn: true, principal: principalOf(attempt, identity) };
  };

  /** Never rejects, and never takes longer than it may. */
  const ask = (authenticator: Authenticator, attempt: Attempt): Promise<Answer> =>
    new Promise((resolve) => {
      const controller = new AbortController();
      const stop = clock.every(timeoutMs, () => {
        answered(refuse('unavailable', 'it does not answer in time'));
        controller.abort();
      });
      const answered = (answer: Answer): void => {
        stop();
        resolve(answer);
      };
      const failed = (error: unknown): void => {
        answered(refuse('unavailable', error instanceof Error ? error.message : 'it has failed'));
      };
      try {
        Promise.resolve(authenticator.authenticate(attempt, controller.signal)).then(answered, failed);
      } catch (error) {
        failed(error);
      }
    });

  const decide = async (attempt: Attempt): Promise<Verdict> => {
    const { authenticators, isAnonymousAllowed } = listeners.get(attempt.listener) ?? nobody;
    const { userName = '' } = attempt;
    if (userName.length > MAX_USER_NAME_LENGTH || userName.includes('\0')) {
      return refused(attempt, 'chain', 'bad-credentials', 'a user name that is none');
    }
    for (const authenticator of authenticators) {
      const answer = await ask(authenticator, attempt);
      if (answer.kind === 'let-in') return letIn(attempt, authenticator.name, answer.identity);
      if (answer.kind === 'refuse') {
        return refused(attempt, authenticator.name, answer.refusal, answer.reason);
      }
    }
    // Where nobody is asked who they are, whatever clients say of themselves makes nobody of them.
    if (isAnonymousAllowed && (authenticators.length === 0 || showsNothing(attempt))) {
      counts.anonymous++;
      return { isLetIn: true, principal: principalOf(attempt, undefined) };
    }
    return showsNothing(attempt)
      ? refused(attempt, 'chain', 'not-authorized', 'nothing was shown')
      : refused(attempt, 'chain', 'bad-credentials', 'known to no authenticator');
  };

  const finish = (attempt: Attempt, name: string, current: Principal | undefined): Verdict => {
    const refusal = (reason: string): Verdict => refused(attempt, 'scram', 'bad-credentials', reason);
    const user = users.get(name);
    if (user === undefined || user.isDisabled) return refusal('the user is gone or disabled');
    const { tenant, roles, isSuperuser } = user;
    if (attempt.userName !== undefined && attempt.userName !== '' && attempt.userName !== name) {
      return refusal('it gave the name of another');
    }
    if (current !== undefined && (current.userName !== name || current.tenant !== tenant)) {
      return refusal('it logs in again as somebody else');
    }
    const identity = { userName: name, tenant, roles, rules: [], isSuperuser, expiresAtMs: undefined };
    return letIn(attempt, 'scram', identity);
  };

  const stepOf = async (
    exchange: ScramExchange,
    message: Uint8Array,
    attempt: Attempt,
    current: Principal | undefined,
  ): Promise<EnhancedStep> => {
    const done = (verdict: Verdict, data?: Uint8Array): EnhancedStep => ({ kind: 'done', data, verdict });
    try {
      const step = await exchange(message);
      if (step.kind === 'challenge') return step;
      if (step.kind === 'failure') {
        return done(refused(attempt, 'scram', step.isBusy ? 'busy' : 'bad-credentials', step.reason));
      }
      const verdict = finish(attempt, step.userName, current);
      return done(verdict, verdict.isLetIn ? step.data : undefined);
    } catch (error) {
      return done(refused(attempt, 'scram', 'unavailable', (error as Error).message));
    }
  };

  const everyAuthenticator = (): Set<Authenticator> =>
    new Set([...listeners.values()].flatMap(({ authenticators }) => authenticators));

  return {
    async authenticate(attempt) {
      if (counts.pending >= maxPending) {
        return refused(attempt, 'chain', 'busy', 'too many log-ins are being decided');
      }
      counts.pending++;
      try {
        return await decide(attempt);
      } finally {
        counts.pending--;
      }
    },
    mechanisms: (listener) => (listeners.get(listener)?.hasScram === true ? scramMechanisms : []),
    begin(mechanism, attempt, current) {
      const isOffered = listeners.get(attempt.listener)?.hasScram === true;
      const found = isOffered ? scramMechanisms.find((each) => each === mechanism) : undefined;
      if (found === undefined) return undefined;
      const exchange = beginScram(found, users);
      return (message) => stepOf(exchange, message, attempt, current);
    },
    async reload() {
      const faults = await Promise.all([...everyAuthenticator()].map((each) => each.reload?.()));
      return faults.filter((fault) => fault !== undefined);
    },
    get statistics() {
      return { ...counts, refused: { ...refusals } };
    },
    close() {
      for (const authenticator of everyAuthenticator()) authenticator.close?.();
    },
  };
}

/** In the order of a chain it stands for SCRAM, which has steps of its own. */
export const scramAuthenticator: Authenticator = { name: 'scram', authenticate: () => notMine };
