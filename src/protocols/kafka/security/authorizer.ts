/**
 * Security of the Kafka front-end: who a connection is, what it may do, and how much. Here are SASL and its mechanisms,
 * credentials of users, access control lists, quotas, and the requests that change them. Not here: TLS, and what becomes of
 * a request that is refused, which each handler answers with the error that its API has.
 *
 * Guaranteed: with access control lists nothing is allowed that no list allows; who has not authenticated where that is
 * asked for reaches no other handler; secrets are compared in constant time and are in no log.
 */
import { meaningfulOperations, type Operation, type ResourceType } from './vocabulary.ts';

/** Who asks: every `Caller` is one. */
export interface Subject {
  /** `User:name`. */
  readonly principal: string;
  readonly remoteAddress: string;
}

export interface Authorizer {
  /** False where there are no rules at all: requests about them are answered with SECURITY_DISABLED. */
  readonly isEnabled: boolean;
  /** Cheap when asked again: a request asks for each of its resources. */
  allows(subject: Subject, operation: Operation, type: ResourceType, name: string): boolean;
  /** Bits of the operations that are allowed, for answers that have `authorizedOperations`. */
  allowedOperations(subject: Subject, type: ResourceType, name: string): number;
  /** Whether there is any name that it is allowed for. */
  allowsAny(subject: Subject, operation: Operation, type: ResourceType): boolean;
}

/** Everybody may do everything. */
export const openAuthorizer: Authorizer = {
  isEnabled: false,
  allows: () => true,
  allowedOperations: (_subject, type) => meaningfulOperations(type),
  allowsAny: () => true,
};
