/**
 * Security of the Kafka front-end: who a connection is, what it may do, and how much. Here are SASL and its mechanisms,
 * credentials of users, access control lists, quotas, and the requests that change them. Not here: TLS, and what becomes of
 * a request that is refused, which each handler answers with the error that its API has.
 *
 * Guaranteed: with access control lists nothing is allowed that no list allows; who has not authenticated where that is
 * asked for reaches no other handler; secrets are compared in constant time and are in no log.
 */
import { NO_TENANT, tenantOf } from '../../../security/tenants/tenants.ts';
import type { Acls } from './acls.ts';
import type { CommonRules } from './common-rules.ts';
import type { Subject } from './subject.ts';
import { allowedIn, bits, deniedIn, meaningfulOperations, Operation, ResourceType } from './vocabulary.ts';

export { type Subject, tenantNameOf } from './subject.ts';

const OF_TENANTS: ReadonlySet<ResourceType> = new Set([ResourceType.Group, ResourceType.TransactionalId]);

/** As rules know it; undefined where it is another's. */
function asWritten(tenant: string, type: ResourceType, name: string): string | undefined {
  const owner = tenant === '' ? NO_TENANT : tenantOf(tenant);
  if (type === ResourceType.Topic) return owner.fromKafkaTopic(name);
  return OF_TENANTS.has(type) ? owner.fromName(name) : name;
}

export interface Authorizer {
  /** False where there are no lists: requests about them are answered with SECURITY_DISABLED. */
  readonly isEnabled: boolean;
  /** By the broker's name of it; rules are asked with the client's. Cheap when asked again: a request asks for each of its resources. */
  allows(subject: Subject, operation: Operation, type: ResourceType, name: string): boolean;
  /** A rule of all protocols says that it may not, whatever lists say. */
  denies(subject: Subject, operation: Operation, type: ResourceType, name: string): boolean;
  /** Bits of the operations that are allowed, for answers that have `authorizedOperations`. */
  allowedOperations(subject: Subject, type: ResourceType, name: string): number;
  /** Whether there is any name that it is allowed for. */
  allowsAny(subject: Subject, operation: Operation, type: ResourceType): boolean;
  /** What was allowed before may not be now. At most once a turn for each kind of rule. */
  onChange(listener: () => void): () => void;
}

/** Everybody may do everything. */
export const openAuthorizer: Authorizer = {
  isEnabled: false,
  allows: () => true,
  denies: () => false,
  allowedOperations: (_subject, type) => meaningfulOperations(type),
  allowsAny: () => true,
  onChange: () => () => {},
};

/** What either denies is refused; what either allows is allowed otherwise; of the rest decides whether anybody is asked at all. */
export function createAuthorizer(acls: Acls | undefined, rules: CommonRules): Authorizer {
  const operations = (subject: Subject, type: ResourceType, name: string): number => {
    const { identity } = subject;
    const written = identity === undefined ? undefined : asWritten(identity.tenant, type, name);
    if (identity === undefined || written === undefined) return 0;
    const said = rules.said(identity, type, written) | (acls?.said(subject, type, written) ?? 0);
    const unsaid = acls === undefined ? rules.unsaid(identity, type) : 0;
    return (allowedIn(said) | unsaid) & ~deniedIn(said);
  };
  return {
    isEnabled: acls !== undefined,
    allows: (subject, operation, type, name) => (operations(subject, type, name) & bits(operation)) !== 0,
    denies({ identity }, operation, type, name) {
      const written = identity === undefined ? undefined : asWritten(identity.tenant, type, name);
      if (identity === undefined || written === undefined) return true;
      return (deniedIn(rules.said(identity, type, written)) & bits(operation)) !== 0;
    },
    allowedOperations: (subject, type, name) => operations(subject, type, name) & meaningfulOperations(type),
    allowsAny(subject, operation, type) {
      const { identity } = subject;
      if (identity === undefined) return false;
      if (acls === undefined) {
        if ((rules.unsaid(identity, type) & bits(operation)) !== 0) return true;
      } else if (acls.allowsAny(subject, operation, type)) return true;
      return (
        type === ResourceType.Topic && operation === Operation.Write && rules.publishesAnywhere(identity)
      );
    },
    onChange(listener) {
      const stops = [rules.onChange(listener), acls?.onChange(listener)];
      return () => {
        for (const stop of stops) stop?.();
      };
    },
  };
}
