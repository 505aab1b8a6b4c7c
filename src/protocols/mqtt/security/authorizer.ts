/** The rules of the node as the front-end asks for them. */
import type { Authorization } from '../../../security/authorization/authorization.ts';
import type { Principal } from '../../../security/security.ts';
import type { User, Users } from '../../../security/users/users.ts';
import type { Authorizer } from '../auth.ts';

export function createAuthorizer(authorization: Authorization, users: Pick<Users, 'get'>): Authorizer {
  const userOf = ({ userName, tenant }: Principal): User | undefined => {
    const user = userName === undefined ? undefined : users.get(userName);
    return user?.tenant === tenant ? user : undefined;
  };
  return {
    publisherClass: (principal) => authorization.publisherClass(principal),
    mayPublish: (principal, { topic }) => authorization.mayPublish(principal, topic),
    mayStillPublish(owner, topic) {
      const user = userOf(owner.principal);
      if (user?.isDisabled === true) return false;
      const now = owner.isOfDatabase ? user && narrowed(owner.principal, user) : owner.principal;
      return now !== undefined && authorization.mayPublish(now, topic);
    },
    maySubscribe: (principal, filter) => authorization.maySubscribe(principal, filter),
    mayReceive: (principal, topic) => authorization.mayReceive(principal, topic),
    isOfDatabase: (principal) => userOf(principal) !== undefined,
    viewOf: (principal) => authorization.viewOf(principal),
    onChange(listener) {
      authorization.onChange(listener);
    },
  };
}

/** What it could do and can still do, never more. */
export function narrowed(principal: Principal, user: User | undefined): Principal {
  return {
    ...principal,
    roles: principal.roles.filter((role) => user?.roles.includes(role)),
    isSuperuser: principal.isSuperuser && user?.isSuperuser === true,
  };
}
