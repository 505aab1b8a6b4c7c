/** Users of all protocols, and the log-ins of those who administer. */
import type { Secret as SecretText } from '../../security/secret.ts';
import { Secret } from '../../security/secret.ts';
import type { User, UserOutcome } from '../../security/users/users.ts';
import {
  found,
  named,
  OperationError,
  operation,
  pageOf,
  pageRequest,
  paging,
  shownPage,
} from '../operation.ts';
import { boolean, integer, list, nullable, object, string } from '../schema.ts';

const userName = string('User name.', { maxLength: 1024 });
const role = string('Role.', { maxLength: 255 });
const password = string('Password.', { maxLength: 16 * 1024, isSecret: true });
const access = {
  roles: list(role, 'Roles.', { maxItems: 64 }),
  isSuperuser: boolean('Whether it may do everything within its tenant.'),
  isDisabled: boolean('Whether it is kept out.'),
};

const userView = object({
  name: userName,
  tenant: nullable(string('Tenant.')),
  ...access,
  isConfigured: boolean('Whether it stands in the configuration, and is changed there.'),
  hasPassword: boolean('Whether it can log in by a password.'),
  scram: list(string('Mechanism.'), 'SCRAM mechanisms that it can log in by.'),
  createdAtMs: integer('When it was made.'),
  changedAtMs: integer('When it was changed last.'),
});

const shown = ({ tenant, scram, ...user }: User) => ({
  ...user,
  tenant: tenant === '' ? null : tenant,
  scram: scram.map(({ mechanism }) => mechanism),
});

const STATUS = {
  invalid: 400,
  exists: 409,
  unknown: 404,
  configured: 409,
  full: 409,
  failed: 409,
  busy: 503,
};

function done(outcome: UserOutcome): void {
  if (outcome.isDone) return;
  const { refusal, reason } = outcome;
  throw new OperationError(STATUS[refusal], refusal === 'unknown' ? 'not-found' : `user-${refusal}`, reason);
}

const secret = (text: string): SecretText => new Secret(text);

export const userOperations = {
  usersList: operation({
    id: 'users.list',
    verb: {
      words: 'user list',
      examples: ['user list', 'user list --tenant acme'],
      columns: ['name', 'tenant', 'roles', 'isSuperuser', 'isDisabled', 'hasPassword', 'scram'],
    },
    method: 'GET',
    path: '/users',
    summary: 'Users.',
    scope: 'users:read',
    audit: 'none',
    queryParameters: { ...paging, tenant: string('Only those of this tenant.', { maxLength: 255 }) },
    output: pageOf(userView),
    async run({ security }, { tenant, ...input }) {
      const { users, next } = security.users.list({
        ...pageRequest('users.list', input),
        ...(tenant === undefined ? {} : { tenant }),
      });
      return shownPage('users.list', { items: users, next }, shown);
    },
  }),
  usersShow: operation({
    id: 'users.show',
    verb: { words: 'user show', examples: ['user show alice'] },
    method: 'GET',
    path: '/users/{name}',
    summary: 'A user.',
    scope: 'users:read',
    audit: 'none',
    pathParameters: { name: userName },
    output: userView,
    run: async ({ security }, { name }) => shown(found(security.users.get(name), named('user', name))),
  }),
  usersCreate: operation({
    id: 'users.create',
    verb: {
      words: 'user create',
      arguments: ['name'],
      done: ({ name }) => `the user ${name} is there`,
      examples: [
        'user create alice --roles operator --password-stdin < secret',
        'user create ann --tenant acme --password-stdin < secret',
      ],
    },
    method: 'POST',
    path: '/users',
    summary: 'Makes a user.',
    scope: 'users:write',
    audit: 'change',
    body: object({ name: userName }, { ...access, tenant: string('Tenant.', { maxLength: 255 }), password }),
    output: userView,
    async run({ security }, { body }) {
      const { password: text, ...rest } = body;
      done(
        await security.users.create({ ...rest, ...(text === undefined ? {} : { password: secret(text) }) }),
      );
      return shown(found(security.users.get(body.name), named('user', body.name)));
    },
  }),
  usersUpdate: operation({
    id: 'users.update',
    verb: {
      words: 'user update',
      examples: ['user update alice --roles operator', 'user update alice --is-disabled'],
      done: ({ name }) => `the user ${name} is changed`,
    },
    method: 'PATCH',
    path: '/users/{name}',
    summary: 'Changes what a user belongs to, or disables it: its connections end.',
    scope: 'users:write',
    audit: 'change',
    pathParameters: { name: userName },
    body: object({}, access),
    output: userView,
    async run({ security }, { name, body }) {
      done(await security.users.update(name, body));
      return shown(found(security.users.get(name), named('user', name)));
    },
  }),
  usersSetPassword: operation({
    id: 'users.setPassword',
    verb: {
      words: 'user set-password',
      done: () => 'the password is set; connections and log-ins by the old one have ended',
      examples: ['user set-password alice --password-file secret'],
    },
    method: 'PUT',
    path: '/users/{name}/password',
    summary: 'Sets the password of a user: its connections and log-ins end.',
    scope: 'users:write',
    audit: 'change',
    pathParameters: { name: userName },
    body: object({ password }),
    output: object({}),
    async run({ security }, { name, body }) {
      done(await security.users.setPassword(name, secret(body.password)));
      return {};
    },
  }),
  usersDelete: operation({
    id: 'users.delete',
    verb: {
      words: 'user delete',
      examples: ['user delete alice'],
      isFinal: true,
      done: () => 'the user is gone',
    },
    method: 'DELETE',
    path: '/users/{name}',
    summary: 'Deletes a user: its connections end, its API keys too.',
    scope: 'users:write',
    audit: 'change',
    pathParameters: { name: userName },
    output: object({ removed: integer('How many.') }),
    async run({ security }, { name }) {
      done(await security.users.delete(name));
      return { removed: 1 };
    },
  }),
};
