/** The rules of the node as the front-end asks for them. */
import type { Authorization } from '../../../security/authorization/authorization.ts';
import type { Authorizer } from '../auth.ts';

export function createAuthorizer(authorization: Authorization): Authorizer {
  return {
    publisherClass: (principal) => authorization.publisherClass(principal),
    mayPublish: (principal, { topic }) => authorization.mayPublish(principal, topic),
    mayStillPublish: (principal, topic) => authorization.mayPublish(principal, topic),
    maySubscribe: (principal, filter) => authorization.maySubscribe(principal, filter),
    mayReceive: (principal, topic) => authorization.mayReceive(principal, topic),
    viewOf: (principal) => authorization.viewOf(principal),
    onChange(listener) {
      authorization.onChange(listener);
    },
  };
}
