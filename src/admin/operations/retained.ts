/** Retained messages. */
import { found, named, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { boolean, integer, object, string } from '../schema.ts';
import { MAX_PAYLOAD_BYTES, payloadBytes, showMessage } from '../show.ts';
import { removedView, retainedDetail, retainedSummary } from '../views.ts';

const topic = string('Topic.');
/** At once; their names are in memory meanwhile. */
const MAX_DELETED = 100_000;

export const retainedOperations = {
  retainedList: operation({
    id: 'retained.list',
    verb: {
      words: 'retained list',
      arguments: ['filter'],
      columns: ['topic', 'qos', 'payloadBytes', 'expiresAtMs'],
      usualLimit: 1000,
      examples: ["retained list 'sensors/#'"],
    },
    method: 'GET',
    path: '/retained',
    summary: 'Retained messages, without their payloads.',
    scope: 'retained:read',
    audit: 'none',
    queryParameters: { ...paging, filter: string('Topic filter; `#` where it is missing.') },
    output: pageOf(retainedSummary),
    run: async (node, { filter = '#', ...input }) =>
      shownPage(
        'retained.list',
        await node.retained({ ...pageRequest('retained.list', input), filter }),
        same,
      ),
  }),
  retainedShow: operation({
    id: 'retained.show',
    verb: { words: 'retained show', examples: ['retained show sensors/kitchen -o json | jq -r .payload'] },
    method: 'GET',
    path: '/retained/{topic}',
    summary: 'A retained message.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { topic },
    queryParameters: { payloadBytes },
    output: retainedDetail,
    async run(node, { topic: name, payloadBytes: most }) {
      const message = found(await node.retainedMessage(name), named('retained message on', name));
      return showMessage(message, most ?? MAX_PAYLOAD_BYTES);
    },
  }),
  retainedDelete: operation({
    id: 'retained.delete',
    verb: {
      words: 'retained delete',
      examples: ['retained delete sensors/kitchen'],
      done: () => 'the retained message is removed',
    },
    method: 'DELETE',
    path: '/retained/{topic}',
    summary: 'Removes a retained message.',
    scope: 'retained:write',
    audit: 'change',
    pathParameters: { topic },
    output: removedView,
    async run(node, { topic: name }) {
      found((await node.deleteRetained(name)) || undefined, named('retained message on', name));
      return { removed: 1 };
    },
  }),
  retainedDeleteAll: operation({
    id: 'retained.deleteAll',
    verb: {
      words: 'retained delete-all',
      arguments: ['filter'],
      isFinal: true,
      examples: ["retained delete-all 'sensors/#' --dry-run", "retained delete-all 'sensors/+/old' --yes"],
    },
    method: 'POST',
    path: '/retained:delete',
    summary: 'Removes all retained messages that a topic filter matches.',
    scope: 'retained:write',
    audit: 'change',
    body: object(
      { filter: string('Topic filter.', { maxLength: 65_535 }) },
      { dryRun: boolean('Only count.') },
    ),
    output: object({
      matched: integer('How many the filter matches, up to a hundred thousand.'),
      removed: integer('How many were removed.'),
      hasMore: boolean('Whether there are more: ask again.'),
    }),
    async run(node, { body: { filter, dryRun = false } }) {
      const topics: string[] = [];
      let after: string | undefined;
      do {
        const page = await node.retained({ filter, limit: 1000, ...(after === undefined ? {} : { after }) });
        for (const each of page.items) topics.push(each.topic);
        after = page.next;
      } while (after !== undefined && topics.length < MAX_DELETED);
      const removed = dryRun ? 0 : await node.deleteAllRetained(topics);
      return { matched: topics.length, removed, hasMore: after !== undefined };
    },
  }),
};
