/** API keys, and who is logged in to the administration. */
import type { ApiKey } from '../../security/access/api-keys.ts';
import { offsetPage } from '../offset-page.ts';
import { found, named, OperationError, operation, pageOf, paging } from '../operation.ts';
import { integer, list, nullable, object, string } from '../schema.ts';

const time = (description: string) => nullable(integer(description));
const orNull = (ms: number): number | null => (Number.isFinite(ms) ? ms : null);
const keyFields = {
  id: string('Identifier.', { maxLength: 64 }),
  description: string('What it is for.'),
  owner: string('The user to whom it belongs.'),
  scopes: list(string('Scope.'), 'What it may do, of what its owner may; `*` is all of that.'),
  networks: list(string('Network.'), 'Where it may be used from; none is anywhere.'),
  createdAtMs: integer('When it was made.'),
  expiresAtMs: time('When it ends; null is never.'),
  lastUsedAtMs: time('When it was used last; null is never.'),
};
const keyView = object(keyFields);
const shown = ({ expiresAtMs, lastUsedAtMs, ...key }: ApiKey) => ({
  ...key,
  expiresAtMs: orNull(expiresAtMs),
  lastUsedAtMs: orNull(lastUsedAtMs),
});

export const keyOperations = {
  keysList: operation({
    id: 'keys.list',
    verb: {
      words: 'key list',
      examples: ['key list --owner alice'],
      columns: ['id', 'owner', 'expiresAtMs', 'description', 'scopes', 'lastUsedAtMs'],
    },
    method: 'GET',
    path: '/keys',
    summary: 'API keys, without what logs in by them.',
    scope: 'keys:read',
    audit: 'none',
    queryParameters: { ...paging, owner: string('Only those of this user.', { maxLength: 1024 }) },
    output: pageOf(keyView),
    run: async ({ security }, { owner, ...input }) =>
      offsetPage('keys.list', security.access.apiKeys.list(owner), input, shown),
  }),
  keysCreate: operation({
    id: 'keys.create',
    verb: {
      words: 'key create',
      arguments: ['owner'],
      examples: ['key create alice --scopes sessions:read --description dashboard -o json | jq -r .key'],
    },
    method: 'POST',
    path: '/keys',
    summary: 'Makes an API key of a user. It is shown this once.',
    scope: 'keys:write',
    audit: 'change',
    body: object(
      { owner: keyFields.owner },
      {
        description: string('What it is for.', { maxLength: 255 }),
        scopes: list(
          string('Scope.', { maxLength: 64 }),
          'What it may do; `*`, all that its owner may, where it is missing.',
          { maxItems: 64 },
        ),
        networks: list(string('Network.', { maxLength: 64 }), 'Where it may be used from.', { maxItems: 64 }),
        expiresAtMs: integer('When it ends, milliseconds since 1970.'),
      },
    ),
    output: object({ ...keyFields, key: string('What to send as bearer. It is not kept.') }),
    async run({ security }, { body }) {
      const { owner, description = '', scopes = ['*'], networks = [], expiresAtMs } = body;
      const made = await security.access.apiKeys.create({
        owner,
        description,
        scopes,
        networks,
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      });
      if (!made.isDone) throw new OperationError(409, 'key-refused', made.reason);
      return { ...shown(made.apiKey), key: made.key.reveal() };
    },
  }),
  keysRevoke: operation({
    id: 'keys.revoke',
    verb: {
      words: 'key revoke',
      examples: ['key revoke 4f1c2a90'],
      isFinal: true,
      done: () => 'the key works no more',
    },
    method: 'DELETE',
    path: '/keys/{id}',
    summary: 'Revokes an API key.',
    scope: 'keys:write',
    audit: 'change',
    pathParameters: { id: keyFields.id },
    output: object({ removed: integer('How many.') }),
    async run({ security }, { id }) {
      found(security.access.apiKeys.get(id), named('key', id));
      const outcome = await security.access.apiKeys.revoke(id);
      if (outcome !== 'changed')
        throw new OperationError(409, 'journal-failed', 'the journal does not take the change');
      return { removed: 1 };
    },
  }),
  loginsList: operation({
    id: 'logins.list',
    verb: {
      words: 'login list',
      examples: ['login list'],
      columns: ['id', 'user', 'address', 'createdAtMs', 'lastSeenAtMs', 'userAgent'],
    },
    method: 'GET',
    path: '/logins',
    summary: 'Who is logged in to the administration.',
    scope: 'keys:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(
      object({
        id: string('Identifier.'),
        user: string('User name.'),
        address: string('Where it comes from.'),
        userAgent: string('What its browser says of itself.'),
        createdAtMs: integer('Since when.'),
        lastSeenAtMs: integer('When it asked for something last.'),
        expiresAtMs: integer('When it ends at the latest.'),
      }),
    ),
    run: async ({ security }, input) =>
      offsetPage(
        'logins.list',
        security.access.sessions.list(),
        input,
        ({ identity, remoteAddress, ...rest }) => ({
          ...rest,
          user: identity.userName,
          address: remoteAddress,
        }),
      ),
  }),
  loginsRevoke: operation({
    id: 'logins.revoke',
    verb: { words: 'login revoke', examples: ['login revoke 4f1c2a90'], done: () => 'the log-in has ended' },
    method: 'DELETE',
    path: '/logins/{id}',
    summary: 'Ends a log-in.',
    scope: 'keys:write',
    audit: 'change',
    pathParameters: { id: string('Identifier.', { maxLength: 64 }) },
    output: object({ removed: integer('How many.') }),
    async run({ security }, { id }) {
      found(security.access.sessions.revoke(id) || undefined, named('log-in', id));
      return { removed: 1 };
    },
  }),
};
