/** Sessions of clients. */
import { found, named, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { boolean, string } from '../schema.ts';
import { removedView, sessionDetail, sessionSummary } from '../views.ts';

const clientId = string('Client identifier.');
const tenant = string('Whose client it is; who has no tenant is looked for without.', { maxLength: 63 });

export const sessionOperations = {
  sessionsList: operation({
    id: 'sessions.list',
    verb: {
      words: 'session list',
      columns: [
        'clientId',
        'tenant',
        'isConnected',
        'subscriptions',
        'waiting',
        'inFlight',
        'waitingBytes',
        'expiresAtMs',
        'address',
        'connectedAtMs',
      ],
      usualLimit: 1000,
      examples: ['session list --no-connected -o ndjson | jq .clientId'],
    },
    method: 'GET',
    path: '/sessions',
    summary: 'Sessions.',
    scope: 'sessions:read',
    audit: 'none',
    queryParameters: {
      ...paging,
      connected: boolean('Only those that are connected, or only those that are not.'),
      prefix: string('Start of the client identifier.'),
      tenant: string('Only those of this tenant.', { maxLength: 63 }),
    },
    output: pageOf(sessionSummary),
    run: async (node, { connected, prefix, tenant: only, ...input }) =>
      shownPage(
        'sessions.list',
        await node.sessions({
          ...pageRequest('sessions.list', input),
          ...(connected === undefined ? {} : { connected }),
          ...(prefix === undefined ? {} : { prefix }),
          ...(only === undefined ? {} : { tenant: only }),
        }),
        same,
      ),
  }),
  sessionsShow: operation({
    id: 'sessions.show',
    verb: { words: 'session show', examples: ['session show sensor-17'] },
    method: 'GET',
    path: '/sessions/{clientId}',
    summary: 'A session with its subscriptions.',
    scope: 'sessions:read',
    audit: 'none',
    pathParameters: { clientId },
    queryParameters: { tenant },
    output: sessionDetail,
    run: async (node, input) =>
      found(await node.session(input.clientId, input.tenant), named('session', input.clientId)),
  }),
  sessionsEnd: operation({
    id: 'sessions.end',
    verb: {
      words: 'session end',
      isFinal: true,
      done: () => 'the session has ended',
      examples: ['session end sensor-17', 'session end sensor-17 --tenant acme'],
    },
    method: 'DELETE',
    path: '/sessions/{clientId}',
    summary: 'Disconnects the client and removes its session with everything that waits for it.',
    scope: 'sessions:write',
    audit: 'change',
    pathParameters: { clientId },
    queryParameters: { tenant },
    output: removedView,
    async run(node, input) {
      const isEnded = await node.endSession(input.clientId, input.tenant);
      found(isEnded || undefined, named('session', input.clientId));
      return { removed: 1 };
    },
  }),
};
