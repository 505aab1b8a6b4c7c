/** Groups of Kafka's consumers: of both protocols, and share groups. */
import type { Awaitable, Page, PageRequest } from '../node-view.ts';
import {
  found,
  named,
  OperationError,
  operation,
  pageOf,
  pageRequest,
  paging,
  same,
  shownPage,
} from '../operation.ts';
import { boolean, type Infer, integer, list, nullable, object, oneOf, string } from '../schema.ts';
import { removedView, tenantField } from '../views.ts';

const groupFields = {
  group: string('Identifier.'),
  tenant: tenantField,
  kind: oneOf(['classic', 'consumer', 'share'], 'What kind of group it is.'),
  state: string('State.'),
  members: integer('Number of members.'),
};
export const groupSummary = object(groupFields);
export type GroupSummary = Infer<typeof groupSummary>;

export const groupDetail = object({
  ...groupFields,
  lag: integer('Records that are there and not yet consumed, of all partitions.'),
  memberDetails: list(
    object({
      memberId: string('Identifier.'),
      clientId: string('What the client calls itself.'),
      host: string('Where it is.'),
    }),
    'Its members, the first thousand.',
  ),
  offsets: list(
    object({
      topic: string('Topic.'),
      partition: integer('Partition.'),
      offset: integer('What the group reads next.'),
      endOffset: nullable(integer('Where the partition ends; null where there is none any more.')),
      lag: nullable(integer('What is between them, or of a share group what is not acknowledged.')),
    }),
    'How far it has come, the first ten thousand partitions.',
  ),
});
export type GroupDetail = Infer<typeof groupDetail>;

/** Where offsets go. */
export type Target =
  | { readonly kind: 'earliest' | 'latest' }
  /** The first record that is not older. */
  | { readonly kind: 'time'; readonly timeMs: number }
  | { readonly kind: 'offset'; readonly offset: number }
  /** From where the group is. */
  | { readonly kind: 'by'; readonly records: number };

export interface OffsetMove {
  readonly topic: string;
  readonly partition: number;
  /** Null: it had none. */
  readonly from: number | null;
  readonly to: number;
}

/** What cannot be rejects with an OperationError. */
export interface GroupsView {
  list(request: PageRequest & { readonly prefix: string }): Awaitable<Page<GroupSummary>>;
  get(group: string, tenant?: string): Awaitable<GroupDetail | undefined>;
  remove(group: string, tenant?: string): Promise<void>;
  /** Of `topics` all partitions; of none, those of which the group has offsets. */
  reset(
    group: string,
    target: Target,
    options: {
      readonly topics: readonly string[];
      readonly dryRun: boolean;
      readonly tenant?: string | undefined;
    },
  ): Promise<readonly OffsetMove[]>;
}

const group = string('Identifier of a group.', { maxLength: 32_767 });
const tenant = string('Whose group it is; who has no tenant is looked for without.', { maxLength: 63 });

/** Of other forms a guess would be made. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}/;

function targetOf(text: string): Target {
  if (text === 'earliest' || text === 'latest') return { kind: text };
  if (/^[+-]\d{1,15}$/.test(text)) return { kind: 'by', records: Number(text) };
  if (/^\d{1,15}$/.test(text)) return { kind: 'offset', offset: Number(text) };
  if (text.startsWith('@')) {
    const rest = text.slice(1);
    const timeMs = /^\d{1,15}$/.test(rest)
      ? Number(rest)
      : ISO_TIME.test(rest)
        ? Date.parse(rest)
        : Number.NaN;
    if (Number.isSafeInteger(timeMs) && timeMs >= 0) return { kind: 'time', timeMs };
  }
  throw new OperationError(
    400,
    'invalid-input',
    'to: earliest, latest, an offset, +N or -N records, or @ and a time (2026-01-31T12:00:00Z, or milliseconds)',
  );
}

export const groupOperations = {
  groupsList: operation({
    id: 'groups.list',
    verb: {
      words: 'group list',
      examples: ['group list --prefix bill'],
      columns: ['group', 'tenant', 'kind', 'state', 'members'],
      usualLimit: 1000,
    },
    method: 'GET',
    path: '/groups',
    summary: 'Groups of consumers of Kafka.',
    scope: 'groups:read',
    audit: 'none',
    queryParameters: { ...paging, prefix: string('Start of the identifier.') },
    output: pageOf(groupSummary),
    run: async ({ groups }, { prefix = '', ...input }) =>
      shownPage('groups.list', await groups.list({ ...pageRequest('groups.list', input), prefix }), same),
  }),
  groupsShow: operation({
    id: 'groups.show',
    verb: { words: 'group show', examples: ['group show billing'] },
    method: 'GET',
    path: '/groups/{group}',
    summary: 'A group with its members, and how far it has come.',
    scope: 'groups:read',
    audit: 'none',
    pathParameters: { group },
    queryParameters: { tenant },
    output: groupDetail,
    run: async ({ groups }, input) =>
      found(await groups.get(input.group, input.tenant), named('group', input.group)),
  }),
  groupsDelete: operation({
    id: 'groups.delete',
    verb: {
      words: 'group delete',
      examples: ['group delete billing'],
      isFinal: true,
      done: () => 'the group is deleted',
    },
    method: 'DELETE',
    path: '/groups/{group}',
    summary: 'Deletes a group without members, with its offsets.',
    scope: 'groups:write',
    audit: 'change',
    pathParameters: { group },
    queryParameters: { tenant },
    output: removedView,
    async run({ groups }, input) {
      found(await groups.get(input.group, input.tenant), named('group', input.group));
      await groups.remove(input.group, input.tenant);
      return { removed: 1 };
    },
  }),
  groupsReset: operation({
    id: 'groups.reset',
    verb: {
      words: 'group reset',
      isFinal: true,
      examples: [
        'group reset billing --to earliest --dry-run',
        'group reset billing --to @2026-01-31T12:00:00Z --topics orders --yes',
        'group reset billing --to +1 --topics orders --yes      # passes over one record of each partition',
      ],
    },
    method: 'POST',
    path: '/groups/{group}:reset',
    summary: 'Moves the offsets of a group without members.',
    scope: 'groups:write',
    audit: 'change',
    pathParameters: { group },
    queryParameters: { tenant },
    body: object(
      { to: string('earliest, latest, an offset, +N, -N, or @ and a time.', { maxLength: 64 }) },
      {
        topics: list(
          string('Topic.', { maxLength: 1024 }),
          'Topics, of which all partitions are meant; without any, all of which the group has offsets.',
          { maxItems: 1000 },
        ),
        dryRun: boolean('Only show what would be.'),
      },
    ),
    output: object({
      isDone: boolean('False where it is only shown.'),
      moves: list(
        object({
          topic: string('Topic.'),
          partition: integer('Partition.'),
          from: nullable(integer('Where it was; null is nowhere.')),
          to: integer('Where it is to be.'),
        }),
        'Offsets that move.',
      ),
    }),
    async run({ groups }, { group: id, tenant: whose, body }) {
      const { to, topics = [], dryRun = false } = body;
      const target = targetOf(to);
      found(await groups.get(id, whose), named('group', id));
      const moves = await groups.reset(id, target, { topics, dryRun, tenant: whose });
      return { isDone: !dryRun, moves };
    },
  }),
};
