/** What administrators did. */
import { parseHead } from '../../security/audit/chain.ts';
import type { AuditEntry } from '../../security/audit/entry.ts';
import { OperationError, operation, pageOf, pageRequest, paging, shownPage } from '../operation.ts';
import { boolean, integer, nullable, object, oneOf, string } from '../schema.ts';

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

const verification = object({
  isSound: boolean('Whether the chain is whole, and the entry that was asked about is there.'),
  files: integer('Files.'),
  entries: integer('Entries.'),
  firstSequence: nullable(
    integer('The number of the first entry; above 1 the oldest files have given way, or were taken away.'),
  ),
  lastSequence: nullable(integer('The number of the last entry.')),
  lastHash: nullable(
    string(
      'The hash of the last entry: noted elsewhere, it tells later whether all up to here is still the same.',
    ),
  ),
  unchained: integer('Entries from before there was a chain.'),
  unreadable: integer('Lines that are no entries: cut off by a crash or a full disk.'),
  givenUp: integer('Entries of a write that failed; nobody was told that they are there.'),
  expected: nullable(
    oneOf(['found', 'differs', 'missing'] as const, 'What became of the entry that was asked about.'),
  ),
  broken: nullable(
    object({
      file: string('File.'),
      line: integer('Line in it, from 1; 0 where entries are missing at the end.'),
      sequence: nullable(integer('Number of the entry.')),
      reason: string('What is wrong.'),
    }),
  ),
});

export const auditOperations = {
  auditList: operation({
    id: 'audit.list',
    verb: {
      words: 'audit list',
      columns: ['sequence', 'atMs', 'user', 'operation', 'result', 'input', 'via', 'remoteAddress', 'reason'],
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
  auditVerify: operation({
    id: 'audit.verify',
    method: 'GET',
    path: '/audit/verification',
    summary:
      'Whether the audit log is whole: each entry has the hash of the one before. Names the first that does not follow.',
    scope: 'audit:read',
    audit: 'none',
    queryParameters: { expected: text('An entry that was noted before, as `sequence:hash`.') },
    output: verification,
    run({ security }, { expected }) {
      const noted = expected === undefined ? undefined : parseHead(expected);
      if (expected !== undefined && noted === undefined) {
        throw new OperationError(
          400,
          'invalid-input',
          'what is expected is a number and a hash, with a colon between',
        );
      }
      return security.audit.verify(noted);
    },
  }),
};
