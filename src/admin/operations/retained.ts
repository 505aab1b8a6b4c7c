/** Retained messages. */
import { found, named, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { string } from '../schema.ts';
import { MAX_PAYLOAD_BYTES, payloadBytes, showMessage } from '../show.ts';
import { removedView, retainedDetail, retainedSummary } from '../views.ts';

const topic = string('Topic.');

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
    verb: { words: 'retained delete', done: () => 'the retained message is removed' },
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
};
