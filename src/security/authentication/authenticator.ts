/** What a chain of authentication is made of, and what its links say. */
import type { Attempt, Refusal, Rule } from '../security.ts';

export interface Identity {
  readonly userName: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly rules: readonly Rule[];
  readonly isSuperuser: boolean;
  /** undefined: never. */
  readonly expiresAtMs: number | undefined;
}

export type Answer =
  | { readonly kind: 'let-in'; readonly identity: Identity }
  /** The reason is for the log. */
  | { readonly kind: 'refuse'; readonly refusal: Refusal; readonly reason: string }
  /** The next one is asked. */
  | { readonly kind: 'not-mine' };

export interface Authenticator {
  readonly name: string;
  /** Whatever it throws refuses. `signal` ends when nobody waits for the answer any more. */
  authenticate(attempt: Attempt, signal: AbortSignal): Answer | Promise<Answer>;
  /** Reads again what it has from files; a text is why it keeps what it had. */
  reload?(): Promise<string | undefined>;
  close?(): void;
}

export const notMine: Answer = { kind: 'not-mine' };
export const refuse = (refusal: Refusal, reason: string): Answer => ({ kind: 'refuse', refusal, reason });
export const letIn = (identity: Partial<Identity> & Pick<Identity, 'userName'>): Answer => ({
  kind: 'let-in',
  identity: { tenant: '', roles: [], rules: [], isSuperuser: false, expiresAtMs: undefined, ...identity },
});
