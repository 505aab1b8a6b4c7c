/**
 * Administration: everything an operator can do to a node is one row of the table below, and HTTP, the command line and
 * whatever follows derive from it. Here live the table, what it shows (views.ts) and needs of a node (node-view.ts), and
 * its HTTP form (http-api.ts, control-server.ts). How a node keeps things is not known here.
 *
 * Guaranteed: input is checked before a row runs; a page has a bound whatever is asked for; names and fields only grow.
 */
import type { NodeView, Page, PageRequest } from './node-view.ts';
import {
  boolean,
  type Infer,
  integer,
  list,
  object,
  type Schema,
  string,
  type TextSchema,
} from './schema.ts';
import { showMessage, showRecord } from './show.ts';
import {
  healthView,
  pageOfRecords,
  partitionView,
  queueDetail,
  queuedMessage,
  queueSummary,
  removedView,
  retainedDetail,
  retainedSummary,
  sessionDetail,
  sessionSummary,
  statusView,
  streamDetail,
  streamSummary,
} from './views.ts';

/** What whoever calls must be allowed to do. `messages:read` shows what clients wrote. */
export type Scope =
  | 'status:read'
  | 'sessions:read'
  | 'sessions:write'
  | 'queues:read'
  | 'queues:write'
  | 'retained:read'
  | 'retained:write'
  | 'streams:read'
  | 'messages:read';

/** How it is noted in the audit log: not at all, as a look at what clients wrote, or as a change. */
export type AuditClass = 'none' | 'data' | 'change';

type Parameters = Readonly<Record<string, TextSchema<unknown>>>;
type InputOf<P extends Parameters, Q extends Parameters> = {
  readonly [K in keyof P]: Infer<P[K]>;
} & { readonly [K in keyof Q]?: Infer<Q[K]> };

export interface Operation<In, Out> {
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below /api/v1; `{name}` is a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly scope: Scope;
  readonly audit: AuditClass;
  readonly pathParameters: Parameters;
  readonly queryParameters: Parameters;
  readonly output: Schema<Out>;
  /** HTTP status of a result; 200 where it is missing. */
  statusOf?(output: Out): number;
  /** Rejects with an OperationError for what the caller can mend. */
  run(node: NodeView, input: In, signal: AbortSignal): Promise<Out>;
}

/** A row whose types do not matter to the one who holds it. */
export type AnyOperation = Operation<never, unknown>;

/** `kind` becomes the type of the problem. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
  readonly status: number;
  readonly kind: string;
  constructor(status: number, kind: string, message: string) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

function operation<const P extends Parameters, const Q extends Parameters, Out>(
  row: Omit<Operation<InputOf<P, Q>, Out>, 'pathParameters' | 'queryParameters'> & {
    readonly pathParameters?: P;
    readonly queryParameters?: Q;
  },
): Operation<InputOf<P, Q>, Out> {
  return { pathParameters: {}, queryParameters: {}, ...row };
}

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;
const MAX_PEEK = 100;
const DEFAULT_PEEK = 20;
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;
const DEFAULT_PAYLOAD_BYTES = 64 * 1024;
/** JSON of more would keep the broker from its clients for too long. */
const MAX_READ_BYTES = 1024 * 1024;
const MAX_WAIT_MS = 30_000;

const paging = {
  limit: integer('Most items of a page.', { min: 1, max: MAX_PAGE }),
  cursor: string('From `nextCursor` of the page before.'),
};
const payloadBytes = integer('Longer payloads are cut.', { max: MAX_PAYLOAD_BYTES });
const clientId = string('Client identifier.');
const queueName = string('Client identifier of a session, or `$share/group/filter`.');
const topic = string('Topic.');
const streamName = string('Name of a stream.');

const pageOf = <T>(item: Schema<T>) =>
  object({ items: list(item, 'Items.') }, { nextCursor: string('For the next page; missing on the last.') });

function pageRequest(
  id: string,
  { limit, cursor }: { readonly limit?: number; readonly cursor?: string },
  usual = DEFAULT_PAGE,
): PageRequest {
  if (cursor === undefined) return { limit: limit ?? usual };
  // The operation is part of it, so that a cursor of one list is not taken for a place in another.
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!text.startsWith(`${id}\n`)) {
    throw new OperationError(400, 'invalid-cursor', 'the cursor is not one of this list');
  }
  return { limit: limit ?? usual, after: text.slice(id.length + 1) };
}

function shownPage<T, V>(
  id: string,
  { items, next }: Page<T>,
  show: (item: T) => V,
): { items: V[]; nextCursor?: string } {
  const shown = items.map(show);
  if (next === undefined) return { items: shown };
  return { items: shown, nextCursor: Buffer.from(`${id}\n${next}`).toString('base64url') };
}

const same = <T>(item: T): T => item;

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new OperationError(404, 'not-found', `there is no ${what}`);
  return value;
}

const named = (what: string, name: string): string => `${what} ${JSON.stringify(name)}`;

export const OPERATIONS = {
  health: operation({
    id: 'health',
    method: 'GET',
    path: '/health',
    summary: 'Whether the node serves.',
    scope: 'status:read',
    audit: 'none',
    output: healthView,
    statusOf: ({ status }) => (status === 'red' ? 503 : 200),
    run: async (node) => node.health(),
  }),
  status: operation({
    id: 'status',
    method: 'GET',
    path: '/status',
    summary: 'What the node does, in figures.',
    scope: 'status:read',
    audit: 'none',
    output: statusView,
    run: async (node) => node.status(),
  }),
  sessionsList: operation({
    id: 'sessions.list',
    method: 'GET',
    path: '/sessions',
    summary: 'Sessions.',
    scope: 'sessions:read',
    audit: 'none',
    queryParameters: {
      ...paging,
      connected: boolean('Only those that are connected, or only those that are not.'),
      prefix: string('Start of the client identifier.'),
    },
    output: pageOf(sessionSummary),
    run: async (node, { connected, prefix, ...input }) =>
      shownPage(
        'sessions.list',
        await node.sessions({
          ...pageRequest('sessions.list', input),
          ...(connected === undefined ? {} : { connected }),
          ...(prefix === undefined ? {} : { prefix }),
        }),
        same,
      ),
  }),
  sessionsShow: operation({
    id: 'sessions.show',
    method: 'GET',
    path: '/sessions/{clientId}',
    summary: 'A session with its subscriptions.',
    scope: 'sessions:read',
    audit: 'none',
    pathParameters: { clientId },
    output: sessionDetail,
    run: async (node, input) => found(await node.session(input.clientId), named('session', input.clientId)),
  }),
  sessionsEnd: operation({
    id: 'sessions.end',
    method: 'DELETE',
    path: '/sessions/{clientId}',
    summary: 'Disconnects the client and removes its session with everything that waits for it.',
    scope: 'sessions:write',
    audit: 'change',
    pathParameters: { clientId },
    output: removedView,
    async run(node, input) {
      found((await node.endSession(input.clientId)) || undefined, named('session', input.clientId));
      return { removed: 1 };
    },
  }),
  queuesList: operation({
    id: 'queues.list',
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
    method: 'GET',
    path: '/queues/{name}',
    summary: 'A queue with its bounds and members.',
    scope: 'queues:read',
    audit: 'none',
    pathParameters: { name: queueName },
    output: queueDetail,
    run: async (node, { name }) => found(await node.queue(name), named('queue', name)),
  }),
  queuesPeek: operation({
    id: 'queues.peek',
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
    },
    output: pageOf(queuedMessage),
    async run(node, { name, payloadBytes: most, ...input }) {
      const request = pageRequest('queues.peek', input, DEFAULT_PEEK);
      const page = found(await node.peekQueue(name, request), named('queue', name));
      const share = Math.floor(MAX_PAYLOAD_BYTES / request.limit);
      const maxBytes = Math.min(most ?? DEFAULT_PAYLOAD_BYTES, share);
      return shownPage('queues.peek', page, (message) => showMessage(message, maxBytes));
    },
  }),
  queuesPurge: operation({
    id: 'queues.purge',
    method: 'DELETE',
    path: '/queues/{name}/messages',
    summary: 'Removes what waits in a queue; what is in flight stays.',
    scope: 'queues:write',
    audit: 'change',
    pathParameters: { name: queueName },
    output: removedView,
    run: async (node, { name }) => ({ removed: found(await node.purgeQueue(name), named('queue', name)) }),
  }),
  retainedList: operation({
    id: 'retained.list',
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
  streamsList: operation({
    id: 'streams.list',
    method: 'GET',
    path: '/streams',
    summary: 'Streams.',
    scope: 'streams:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(streamSummary),
    run: async (node, input) =>
      shownPage('streams.list', await node.streams(pageRequest('streams.list', input)), same),
  }),
  streamsShow: operation({
    id: 'streams.show',
    method: 'GET',
    path: '/streams/{name}',
    summary: 'A stream with its partitions.',
    scope: 'streams:read',
    audit: 'none',
    pathParameters: { name: streamName },
    output: streamDetail,
    run: async (node, { name }) => found(await node.stream(name), named('stream', name)),
  }),
  streamsPartitions: operation({
    id: 'streams.partitions',
    method: 'GET',
    path: '/streams/{name}/partitions',
    summary: 'Partitions of a stream.',
    scope: 'streams:read',
    audit: 'none',
    pathParameters: { name: streamName },
    queryParameters: paging,
    output: pageOf(partitionView),
    async run(node, { name, ...input }) {
      const page = await node.streamPartitions(name, pageRequest('streams.partitions', input));
      return shownPage('streams.partitions', found(page, named('stream', name)), same);
    },
  }),
  streamsRead: operation({
    id: 'streams.read',
    method: 'GET',
    path: '/streams/{name}/partitions/{partition}/records',
    summary: 'Records of a partition from an offset on.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { name: streamName, partition: integer('Partition.', { max: 65_535 }) },
    queryParameters: {
      offset: integer('Where to begin; the first record where it is missing.'),
      limit: paging.limit,
      payloadBytes,
      waitMs: integer('How long to wait for a record when there is none yet.', { max: MAX_WAIT_MS }),
    },
    output: pageOfRecords,
    async run(node, { name, partition, offset, limit, payloadBytes: most, waitMs }, signal) {
      const page = await node.readStream({
        stream: name,
        partition,
        fromOffset: offset ?? 0,
        limit: limit ?? DEFAULT_PAGE,
        maxBytes: MAX_READ_BYTES,
        waitMs: waitMs ?? 0,
        signal,
      });
      const { records, nextOffset } = found(page, `${named('stream', name)} with a partition ${partition}`);
      const maxBytes = most ?? DEFAULT_PAYLOAD_BYTES;
      return { items: records.map((record) => showRecord(partition, record, maxBytes)), nextOffset };
    },
  }),
};

export const ALL_OPERATIONS: readonly AnyOperation[] = Object.values(OPERATIONS);
