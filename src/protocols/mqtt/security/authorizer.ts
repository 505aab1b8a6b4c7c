/** The rules of the node as the front-end asks for them. */
import type { Authorization } from '../../../security/authorization/authorization.ts';
import { isOfDatabase, standingOf } from '../../../security/authorization/owner.ts';
import type { Principal } from '../../../security/security.ts';
import { tenantOf } from '../../../security/tenants/tenants.ts';
import type { Users } from '../../../security/users/users.ts';
import type { Authorizer } from '../auth.ts';

/** Rules are about names as clients write them; undefined for what is not the tenant's. */
const written = ({ tenant }: Principal, name: Uint8Array): Uint8Array | undefined =>
  tenant === '' ? name : tenantOf(tenant).fromTopic(name);

export function createAuthorizer(authorization: Authorization, users: Pick<Users, 'get'>): Authorizer {
  return {
    publisherClass: (principal) => authorization.publisherClass(principal),
    mayPublish(principal, { topic }) {
      const name = written(principal, topic);
      return name !== undefined && authorization.mayPublish(principal, name);
    },
    mayStillPublish(owner, topic) {
      const now = standingOf(owner, users);
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
    isOfDatabase: (principal) => isOfDatabase(principal, users),
    viewOf: (principal) => authorization.viewOf(principal),
    onChange(listener) {
      authorization.onChange(listener);
    },
  };
}
