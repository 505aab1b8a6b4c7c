/** Queues of durable sessions and of shared subscriptions. */
import { found, named, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { integer, string } from '../schema.ts';
import { DEFAULT_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, payloadBytes, showMessage } from '../show.ts';
import { queueDetail, queuedMessage, queueSummary, removedView } from '../views.ts';

const MAX_PEEK = 100;
const DEFAULT_PEEK = 20;
const queueName = string('Client identifier of a session, or `$share/group/filter`.');
const tenant = string('Whose session it is; who has no tenant is looked for without.', { maxLength: 63 });

export const queueOperations = {
  queuesList: operation({
    id: 'queues.list',
    verb: {
      words: 'queue list',
      examples: ['queue list --limit 20', 'queue list -o ndjson | jq .waiting'],
      columns: ['name', 'tenant', 'kind', 'waiting', 'inFlight', 'bytes', 'memberCount', 'consumers'],
      usualLimit: 1000,
    },
    method: 'GET',
    path: '/queues',
    summary: 'Queues of durable sessions and of shared subscriptions.',
    scope: 'queues:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(queueSummary),
    run: async (node, input) =>
      shownPage('queues.list', await node.queues(pageRequest('queues.list', input)), same),
  }),
  queuesShow: operation({
    id: 'queues.show',
    verb: { words: 'queue show', examples: ['queue show sensor-17', "queue show '$share/workers/jobs/#'"] },
    method: 'GET',
    path: '/queues/{name}',
    summary: 'A queue with its bounds and members.',
    scope: 'queues:read',
    audit: 'none',
    pathParameters: { name: queueName },
    queryParameters: { tenant },
    output: queueDetail,
    run: async (node, input) => found(await node.queue(input.name, input.tenant), named('queue', input.name)),
  }),
  queuesPeek: operation({
    id: 'queues.peek',
    verb: {
      words: 'queue peek',
      alias: 'read',
      columns: [
        'position',
        'state',
        'topic',
        'qos',
        'payloadBytes',
        'payload',
        'payloadBase64',
        'expiresAtMs',
      ],
      usualLimit: 20,
      examples: ["queue peek '$share/workers/jobs/#' --limit 5"],
    },
    method: 'GET',
    path: '/queues/{name}/messages',
    summary: 'The oldest messages of a queue, which stay there.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { name: queueName },
    queryParameters: {
      limit: integer('Most messages of a page.', { min: 1, max: MAX_PEEK }),
      cursor: paging.cursor,
      payloadBytes,
      tenant,
    },
    output: pageOf(queuedMessage),
    async run(node, { name, tenant: whose, payloadBytes: most, ...input }) {
      const request = pageRequest('queues.peek', input, DEFAULT_PEEK);
      const page = found(await node.peekQueue(name, request, whose), named('queue', name));
      const share = Math.floor(MAX_PAYLOAD_BYTES / request.limit);
      const maxBytes = Math.min(most ?? DEFAULT_PAYLOAD_BYTES, share);
      return shownPage('queues.peek', page, (message) => showMessage(message, maxBytes));
    },
  }),
  queuesPurge: operation({
    id: 'queues.purge',
    verb: {
      words: 'queue purge',
      examples: ['queue purge sensor-17'],
      isFinal: true,
      done: ({ removed }) => `${removed} ${removed === 1 ? 'message' : 'messages'} removed`,
    },
    method: 'DELETE',
    path: '/queues/{name}/messages',
    summary: 'Removes what waits in a queue; what is in flight stays.',
    scope: 'queues:write',
    audit: 'change',
    pathParameters: { name: queueName },
    queryParameters: { tenant },
    output: removedView,
    async run(node, { name, tenant: whose }) {
      return { removed: found(await node.purgeQueue(name, whose), named('queue', name)) };
    },
  }),
};
