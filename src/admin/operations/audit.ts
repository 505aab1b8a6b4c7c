/** What administrators did. */
import type { AuditEntry } from '../../security/audit/entry.ts';
import { OperationError, operation, pageOf, pageRequest, paging, shownPage } from '../operation.ts';
import { integer, nullable, object, oneOf, string } from '../schema.ts';

const RESULTS = ['begun', 'ok', 'refused', 'failed'] as const;
const text = (description: string) => string(description, { maxLength: 1024 });

const entryView = object({
  sequence: integer('Its number; a later entry has a higher one.'),
  atMs: integer('When.'),
  user: nullable(string('Who; null is whoever may open the control socket, or nobody who is known.')),
  tenant: string('Tenant.'),
  via: string('By what: `http`, `api-key`, `socket`, a protocol.'),
  remoteAddress: string('From where.'),
  operation: string('What.'),
  input: string('With what, as JSON, without secrets.'),
  result: oneOf(RESULTS, 'What became of it; `begun` is followed by an entry that says so.'),
  reason: nullable(string('Why it was refused or has failed.')),
  durationMs: nullable(integer('How long it took.')),
  change: nullable(integer('The number of the entry of its beginning.')),
});

const shown = ({ input, user, reason, durationMs, change, ...entry }: AuditEntry) => ({
  ...entry,
  user: user ?? null,
  input: JSON.stringify(input ?? {}),
  reason: reason ?? null,
  durationMs: durationMs ?? null,
  change: change ?? null,
});

export const auditOperations = {
  auditList: operation({
    id: 'audit.list',
    verb: {
      words: 'audit list',
      columns: ['sequence', 'atMs', 'user', 'via', 'remoteAddress', 'operation', 'input', 'result', 'reason'],
      usualLimit: 100,
      examples: ['audit list --operation users --result refused', 'audit list -o ndjson | jq .operation'],
    },
    method: 'GET',
    path: '/audit',
    summary: 'What administrators did, the newest first.',
    scope: 'audit:read',
    audit: 'none',
    queryParameters: {
      ...paging,
      user: text('Only what this user did.'),
      tenant: text('Only what users of this tenant did.'),
      operation: text('Only this operation, or all below it: `users` is also `users.create`.'),
      result: oneOf(RESULTS, 'Only what ended so.'),
      remoteAddress: text('Only from this address.'),
      sinceMs: integer('Not before this time.'),
      untilMs: integer('Not after this time.'),
    },
    output: pageOf(entryView),
    async run({ security }, { limit, cursor, ...filter }) {
      const request = pageRequest('audit.list', {
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      const page = await security.audit.read({ ...filter, limit: request.limit, cursor: request.after });
      if (page === undefined)
        throw new OperationError(400, 'invalid-cursor', 'the cursor is not one of this list');
      const { entries, next } = page;
      return shownPage('audit.list', { items: entries, next }, shown);
    },
  }),
};
