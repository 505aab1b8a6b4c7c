/** Roles: what users may do to the node, and to addresses. */
import type { Role, RoleOutcome } from '../../security/authorization/roles.ts';
import type { Rule } from '../../security/security.ts';
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
import { boolean, integer, list, object, oneOf, string } from '../schema.ts';

const roleName = string('Role.', { maxLength: 255 });
const texts = (description: string) =>
  list(string('One of them.', { maxLength: 65_535 }), description, { maxItems: 1024 });

const rule = object(
  {
    effect: oneOf(['allow', 'deny'], 'What it does; what one rule denies no other allows.'),
    actions: list(oneOf(['publish', 'subscribe', 'manage'], 'Action.'), 'What it is about.', { maxItems: 3 }),
    filters: texts('Topic filters.'),
  },
  {
    users: texts('Users.'),
    clientIds: texts('Client identifiers.'),
    roles: texts('Roles.'),
    tenants: texts('Tenants.'),
    isAnonymous: boolean('Only clients without a user name, or only those with one.'),
    protocols: list(oneOf(['mqtt', 'kafka', 'http'], 'Protocol.'), 'Protocols.', { maxItems: 3 }),
    listeners: texts('Listeners.'),
    networks: texts('Networks.'),
  },
);

const fields = {
  description: string('What it is for.', { maxLength: 1024 }),
  scopes: list(string('Scope; `*` is all.', { maxLength: 64 }), 'What its holders may do to the node.', {
    maxItems: 64,
  }),
  rules: list(rule, 'What they may do to addresses.', { maxItems: 1000 }),
};
const roleView = object({ name: roleName, ...fields, isBuiltIn: boolean('Whether it cannot be changed.') });

const PROBLEMS: Readonly<
  Record<Exclude<RoleOutcome['type'], 'changed' | 'invalid'>, readonly [number, string]>
> = {
  exists: [409, 'there is a role of that name'],
  missing: [404, 'there is no such role'],
  'built-in': [409, 'the role is built in'],
  full: [409, 'there is no room for more settings'],
  failed: [409, 'the journal does not take the change'],
};

function done(outcome: RoleOutcome): void {
  if (outcome.type === 'changed') return;
  if (outcome.type === 'invalid') throw new OperationError(400, 'invalid-input', outcome.problem);
  const [status, sentence] = PROBLEMS[outcome.type];
  throw new OperationError(
    status,
    outcome.type === 'missing' ? 'not-found' : `role-${outcome.type}`,
    sentence,
  );
}

const shown = (role: Role) => ({ ...role, rules: role.rules as readonly Rule[] });

export const roleOperations = {
  rolesList: operation({
    id: 'roles.list',
    verb: {
      words: 'role list',
      examples: ['role list'],
      columns: ['name', 'description', 'scopes', 'isBuiltIn'],
    },
    method: 'GET',
    path: '/roles',
    summary: 'Roles.',
    scope: 'roles:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(roleView),
    async run({ security }, input) {
      const { roles, next } = security.authorization.roles.list(pageRequest('roles.list', input));
      return shownPage('roles.list', { items: roles, next }, shown);
    },
  }),
  rolesShow: operation({
    id: 'roles.show',
    verb: { words: 'role show', examples: ['role show operator'] },
    method: 'GET',
    path: '/roles/{name}',
    summary: 'A role with its rules.',
    scope: 'roles:read',
    audit: 'none',
    pathParameters: { name: roleName },
    output: roleView,
    run: async ({ security }, { name }) =>
      shown(found(security.authorization.roles.get(name), named('role', name))),
  }),
  rolesCreate: operation({
    id: 'roles.create',
    verb: {
      words: 'role create',
      arguments: ['name'],
      done: ({ name }) => `the role ${name} is there`,
      examples: [
        `role create sensors --rules '[{"effect":"allow","actions":["publish"],"filters":["sensors/#"]}]'`,
      ],
    },
    method: 'POST',
    path: '/roles',
    summary: 'Makes a role.',
    scope: 'roles:write',
    audit: 'change',
    body: object({ name: roleName }, fields),
    output: roleView,
    async run({ security }, { body }) {
      const { name, description = '', scopes = [], rules = [] } = body;
      done(await security.authorization.roles.create({ name, description, scopes, rules }));
      return shown(found(security.authorization.roles.get(name), named('role', name)));
    },
  }),
  rolesUpdate: operation({
    id: 'roles.update',
    verb: {
      words: 'role update',
      examples: ["role update porter --description 'Opens doors.'"],
      done: ({ name }) => `the role ${name} is changed`,
    },
    method: 'PATCH',
    path: '/roles/{name}',
    summary: 'Changes a role; what is not given stays. In force at once, for connected clients too.',
    scope: 'roles:write',
    audit: 'change',
    pathParameters: { name: roleName },
    body: object({}, fields),
    output: roleView,
    async run({ security }, { name, body }) {
      const { roles } = security.authorization;
      const { description, scopes, rules } = found(roles.get(name), named('role', name));
      done(await roles.update({ name, description, scopes, rules, ...body }));
      return shown(found(roles.get(name), named('role', name)));
    },
  }),
  rolesDelete: operation({
    id: 'roles.delete',
    verb: {
      words: 'role delete',
      examples: ['role delete porter'],
      isFinal: true,
      done: () => 'the role is gone',
    },
    method: 'DELETE',
    path: '/roles/{name}',
    summary: 'Deletes a role: whoever has it may do nothing by it any more.',
    scope: 'roles:write',
    audit: 'change',
    pathParameters: { name: roleName },
    output: object({ removed: integer('How many.') }),
    async run({ security }, { name }) {
      done(await security.authorization.roles.delete(name));
      return { removed: 1 };
    },
  }),
};
