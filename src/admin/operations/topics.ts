/** Topics of Kafka's clients, streams of the configuration among them. */
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
import { boolean, type Infer, integer, list, object, oneOf, string } from '../schema.ts';
import { removedView } from '../views.ts';

const topicFields = {
  name: string('Name.'),
  id: string('Identifier, which no other topic gets.'),
  partitions: integer('Number of partitions.'),
  records: integer('Offsets between start and end of all partitions.'),
  bytes: integer('Bytes of all partitions.'),
  storage: oneOf(['memory', 'journal', 'object'], 'Where it lives.'),
  cleanup: string('What retention does: cleanup.policy.'),
  isStream: boolean('Whether the configuration of the broker says what it is; it cannot be changed here.'),
  isInternal: boolean('Whether it is one of the broker itself.'),
};
export const topicSummary = object(topicFields);
export type TopicSummary = Infer<typeof topicSummary>;

export const topicDetail = object({
  ...topicFields,
  configs: list(
    object({
      name: string('Name.'),
      value: string('Value.'),
      isDefault: boolean('Whether it was not set for this topic.'),
    }),
    'Its configuration.',
  ),
  partitionDetails: list(
    object({
      partition: integer('Number.'),
      startOffset: integer('First offset that is there.'),
      endOffset: integer('Offset that the next record gets.'),
      bytes: integer('Bytes.'),
    }),
    'Its partitions, in order, the first thousand.',
  ),
});
export type TopicDetail = Infer<typeof topicDetail>;

export interface TopicChanges {
  readonly partitions?: number;
  readonly configs: ReadonlyMap<string, string>;
  /** Those that are as they are by default from now on. */
  readonly unset: readonly string[];
  /** Say only whether it could be done. */
  readonly dryRun: boolean;
}

/** What cannot be rejects with an OperationError. */
export interface TopicsView {
  list(request: PageRequest & { readonly prefix: string }): Awaitable<Page<TopicSummary>>;
  get(name: string): Awaitable<TopicDetail | undefined>;
  create(name: string, changes: Omit<TopicChanges, 'unset'>): Promise<void>;
  update(name: string, changes: TopicChanges): Promise<void>;
  remove(name: string): Promise<void>;
}

const MAX_CONFIGS = 100;
const name = string('Name of a topic.', { maxLength: 1024 });
const dryRun = boolean('Only say whether it could be done.');
const partitions = integer('Number of partitions.', { min: 1, max: 65_536 });
const configs = list(string('As in retention.ms=60000.', { maxLength: 10_000 }), 'Configuration.', {
  maxItems: MAX_CONFIGS,
});
const outcome = object({ name, isDone: boolean('False where it was only asked whether it could be.') });

function pairsOf(texts: readonly string[]): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new OperationError(400, 'invalid-input', `configs: ${JSON.stringify(text)} is not name=value`);
    }
    pairs.set(text.slice(0, at), text.slice(at + 1));
  }
  return pairs;
}

export const topicOperations = {
  topicsList: operation({
    id: 'topics.list',
    verb: {
      words: 'topic list',
      examples: ['topic list --prefix orders'],
      columns: ['name', 'partitions', 'records', 'bytes', 'storage', 'cleanup', 'isStream'],
      usualLimit: 1000,
    },
    method: 'GET',
    path: '/topics',
    summary: 'Topics of Kafka, streams among them.',
    scope: 'topics:read',
    audit: 'none',
    queryParameters: { ...paging, prefix: string('Start of the name.') },
    output: pageOf(topicSummary),
    run: async ({ topics }, { prefix = '', ...input }) =>
      shownPage('topics.list', await topics.list({ ...pageRequest('topics.list', input), prefix }), same),
  }),
  topicsShow: operation({
    id: 'topics.show',
    verb: { words: 'topic show', examples: ['topic show orders'] },
    method: 'GET',
    path: '/topics/{name}',
    summary: 'A topic with its configuration and its partitions.',
    scope: 'topics:read',
    audit: 'none',
    pathParameters: { name },
    output: topicDetail,
    run: async ({ topics }, input) => found(await topics.get(input.name), named('topic', input.name)),
  }),
  topicsCreate: operation({
    id: 'topics.create',
    verb: {
      words: 'topic create',
      arguments: ['name'],
      done: ({ isDone }) => (isDone ? 'the topic is there' : 'the topic could be made'),
      examples: [
        'topic create orders --partitions 6 --configs retention.ms=86400000 --configs cleanup.policy=compact',
      ],
    },
    method: 'POST',
    path: '/topics',
    summary: 'Makes a topic.',
    scope: 'topics:write',
    audit: 'change',
    body: object({ name }, { partitions, configs, dryRun }),
    output: outcome,
    statusOf: ({ isDone }) => (isDone ? 201 : 200),
    async run({ topics }, { body }) {
      const { dryRun: isDry = false, partitions: count } = body;
      await topics.create(body.name, {
        ...(count === undefined ? {} : { partitions: count }),
        configs: pairsOf(body.configs ?? []),
        dryRun: isDry,
      });
      return { name: body.name, isDone: !isDry };
    },
  }),
  topicsUpdate: operation({
    id: 'topics.update',
    verb: {
      words: 'topic update',
      done: ({ isDone }) => (isDone ? 'the topic is changed' : 'the topic could be changed'),
      examples: ['topic update orders --partitions 12', 'topic update orders --unset retention.ms'],
    },
    method: 'PATCH',
    path: '/topics/{name}',
    summary: 'Changes the configuration of a topic, or gives it more partitions.',
    scope: 'topics:write',
    audit: 'change',
    pathParameters: { name },
    body: object(
      {},
      {
        partitions,
        configs,
        unset: list(string('Name.', { maxLength: 255 }), 'What is as it is by default from now on.', {
          maxItems: MAX_CONFIGS,
        }),
        dryRun,
      },
    ),
    output: outcome,
    async run({ topics }, input) {
      const { partitions: count, unset = [], dryRun: isDry = false } = input.body;
      const pairs = pairsOf(input.body.configs ?? []);
      if (count === undefined && pairs.size === 0 && unset.length === 0) {
        throw new OperationError(400, 'invalid-input', 'nothing is to be changed');
      }
      found(await topics.get(input.name), named('topic', input.name));
      await topics.update(input.name, {
        ...(count === undefined ? {} : { partitions: count }),
        configs: pairs,
        unset,
        dryRun: isDry,
      });
      return { name: input.name, isDone: !isDry };
    },
  }),
  topicsDelete: operation({
    id: 'topics.delete',
    verb: {
      words: 'topic delete',
      examples: ['topic delete orders'],
      isFinal: true,
      done: () => 'the topic is deleted',
    },
    method: 'DELETE',
    path: '/topics/{name}',
    summary: 'Deletes a topic with all its records.',
    scope: 'topics:write',
    audit: 'change',
    pathParameters: { name },
    output: removedView,
    async run({ topics }, input) {
      found(await topics.get(input.name), named('topic', input.name));
      await topics.remove(input.name);
      return { removed: 1 };
    },
  }),
};
