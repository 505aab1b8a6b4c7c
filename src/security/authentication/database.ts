/** Users of the database, by name and password. Whom it does not have may be another's, after the same work. */
import { MAX_PASSWORD_BYTES } from '../passwords/policy.ts';
import type { User, Users } from '../users/users.ts';
import { type Answer, type Authenticator, letIn, notMine, refuse } from './authenticator.ts';

export const letInUser = ({ name, tenant, roles, isSuperuser }: User): Answer =>
  letIn({ userName: name, tenant, roles, isSuperuser });

export function createDatabaseAuthenticator(users: Users): Authenticator {
  return {
    name: 'database',
    async authenticate({ userName, password }) {
      if (userName === undefined || password === undefined || password.length === 0) return notMine;
      // Not hashed, and not told apart: whether there is such a user must not show here either.
      if (password.length > MAX_PASSWORD_BYTES) return notMine;
      const checked = await users.checkPassword(userName, password);
      const user = users.get(userName);
      if (checked === 'busy') return refuse('busy', 'too many passwords are being hashed');
      if (checked === 'unsupported') return refuse('unavailable', 'its hash needs a later Node');
      if (user === undefined) return notMine;
      if (checked === 'right') return letInUser(user);
      return refuse('bad-credentials', user.isDisabled ? 'the user is disabled' : 'a wrong password');
    },
  };
}
