/** Bans. */
import type { Ban, BanOutcome } from '../../security/guard/bans.ts';
import { OperationError, operation, pageOf, pageRequest, paging, shownPage } from '../operation.ts';
import { integer, nullable, object, oneOf, string } from '../schema.ts';

const kind = oneOf(['client', 'user', 'network'], 'What is kept out.');
const value = string('A client identifier, a user name, or a network such as 10.0.0.0/8.', {
  maxLength: 1024,
});
const tenant = string('Tenant of the client or user; every tenant where it is missing.', { maxLength: 255 });

const banFields = {
  kind,
  value,
  tenant: nullable(string('Tenant; null is every one.')),
  reason: string('Why.'),
  by: string('Who banned.'),
  createdAtMs: integer('Since when.'),
  expiresAtMs: nullable(integer('Until when; null is for good.')),
};
const banView = object(banFields);
const shown = ({ tenant: of, expiresAtMs, ...ban }: Ban) => ({
  ...ban,
  tenant: of ?? null,
  expiresAtMs: expiresAtMs ?? null,
});

function done(outcome: BanOutcome): void {
  if (outcome.type === 'changed') return;
  if (outcome.type === 'invalid') throw new OperationError(400, 'invalid-input', outcome.problem);
  if (outcome.type === 'missing') throw new OperationError(404, 'not-found', 'there is no such ban');
  const sentence =
    outcome.type === 'full' ? 'there are too many bans' : 'the journal does not take the change';
  throw new OperationError(409, `ban-${outcome.type}`, sentence);
}

export const banOperations = {
  bansList: operation({
    id: 'bans.list',
    verb: {
      words: 'ban list',
      examples: ['ban list'],
      columns: ['value', 'kind', 'tenant', 'expiresAtMs', 'reason', 'by'],
    },
    method: 'GET',
    path: '/bans',
    summary: 'Who is kept out.',
    scope: 'bans:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(banView),
    async run({ security }, input) {
      const { bans, next } = security.guard.bans.list(pageRequest('bans.list', input));
      return shownPage('bans.list', { items: bans, next }, shown);
    },
  }),
  bansCreate: operation({
    id: 'bans.create',
    verb: {
      words: 'ban create',
      arguments: ['kind', 'value'],
      done: (ban) => `the ${ban.kind} ${ban.value} is kept out`,
      examples: ["ban create network 10.1.0.0/16 --reason 'port scans'", 'ban create client sensor-17'],
    },
    method: 'POST',
    path: '/bans',
    summary: 'Keeps a client, a user or a network out; who is connected is disconnected.',
    scope: 'bans:write',
    audit: 'change',
    body: object(
      { kind, value },
      {
        tenant,
        reason: string('Why.', { maxLength: 1024 }),
        expiresAtMs: integer('Until when, milliseconds since 1970; for good where it is missing.'),
      },
    ),
    output: object({ kind, value, tenant: banFields.tenant, reason: banFields.reason, by: banFields.by }),
    async run({ security }, { body }, { caller }) {
      const target = { kind: body.kind, value: body.value, tenant: body.tenant };
      const by = caller.user ?? 'control socket';
      const { reason = '', expiresAtMs } = body;
      done(await security.guard.bans.create({ ...target, reason, by, expiresAtMs }));
      return { kind: body.kind, value: body.value, tenant: body.tenant ?? null, reason, by };
    },
  }),
  bansDelete: operation({
    id: 'bans.delete',
    verb: { words: 'ban delete', examples: ['ban delete client sensor-17'], done: () => 'the ban is lifted' },
    method: 'DELETE',
    path: '/bans/{kind}/{value}',
    summary: 'Lifts a ban.',
    scope: 'bans:write',
    audit: 'change',
    pathParameters: { kind, value },
    queryParameters: { tenant },
    output: object({ removed: integer('How many.') }),
    async run({ security }, { kind: of, value: name, tenant: where }) {
      done(await security.guard.bans.delete({ kind: of, value: name, tenant: where }));
      return { removed: 1 };
    },
  }),
};
