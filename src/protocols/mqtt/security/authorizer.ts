/** The rules of the node as the front-end asks for them. */
import type { Authorization } from '../../../security/authorization/authorization.ts';
import type { Principal } from '../../../security/security.ts';
import { tenantOf } from '../../../security/tenants/tenants.ts';
import type { User, Users } from '../../../security/users/users.ts';
import type { Authorizer } from '../auth.ts';

/** Rules are about names as clients write them; undefined for what is not the tenant's. */
const written = ({ tenant }: Principal, name: Uint8Array): Uint8Array | undefined =>
  tenant === '' ? name : tenantOf(tenant).fromTopic(name);

export function createAuthorizer(authorization: Authorization, users: Pick<Users, 'get'>): Authorizer {
  const userOf = ({ userName, tenant }: Principal): User | undefined => {
    const user = userName === undefined ? undefined : users.get(userName);
    return user?.tenant === tenant ? user : undefined;
  };
  return {
    publisherClass: (principal) => authorization.publisherClass(principal),
    mayPublish(principal, { topic }) {
      const name = written(principal, topic);
      return name !== undefined && authorization.mayPublish(principal, name);
    },
    mayStillPublish(owner, topic) {
      const user = userOf(owner.principal);
      if (user?.isDisabled === true) return false;
      const now = owner.isOfDatabase ? user && narrowed(owner.principal, user) : owner.principal;
      const name = written(owner.principal, topic);
      return now !== undefined && name !== undefined && authorization.mayPublish(now, name);
    },
    maySubscribe(principal, filter) {
      const name = written(principal, filter);
      return name !== undefined && authorization.maySubscribe(principal, name);
    },
    mayReceive(principal, topic) {
      const name = written(principal, topic);
      return name !== undefined && authorization.mayReceive(principal, name);
    },
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
