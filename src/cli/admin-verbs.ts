/** `robustmq status`, `session`, `queue`, `retained` and `stream`: what a running broker tells, and is told. */
import type { Operation } from '../admin/operation.ts';
import { OPERATIONS } from '../admin/operations.ts';
import { type AdminClient, connectAdmin } from './admin-client.ts';
import { type OutputForm, printList, printOne } from './admin-output.ts';
import { ExitCode } from './exit-codes.ts';
import { type Io, write } from './io.ts';
import { type ConfigOptions, readConfig } from './read-config.ts';

export interface AdminOptions extends ConfigOptions {
  readonly output: OutputForm;
  readonly json?: boolean;
}

export interface ListOptions extends AdminOptions {
  readonly limit: number;
}

export const formOf = ({ output, json }: AdminOptions): OutputForm => (json === true ? 'json' : output);

/** Runs a verb with a connection to the broker that the options name. */
export async function withAdmin(
  options: ConfigOptions,
  io: Io,
  run: (client: AdminClient) => Promise<number>,
): Promise<number> {
  const { config } = await readConfig(options, io.environment);
  const client = connectAdmin(config.dataDir);
  try {
    return await run(client);
  } finally {
    client.close();
  }
}

/** Pages of the API; `--limit` is about all of them. */
const MAX_PAGE = 1000;

interface Paged {
  readonly limit?: number;
  readonly cursor?: string;
}

async function listAll<In extends Paged>(
  operation: Operation<In, { readonly items: readonly object[]; readonly nextCursor?: string }>,
  input: In,
  columns: readonly string[],
  options: ListOptions,
  io: Io,
  maxPage = MAX_PAGE,
): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const items: object[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.call(operation, {
        ...input,
        limit: Math.min(maxPage, options.limit - items.length),
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const item of page.items) items.push(item);
      cursor = page.nextCursor;
    } while (cursor !== undefined && items.length < options.limit);
    await printList(items, columns, formOf(options), io);
    if (cursor !== undefined)
      await write(io.err, `there are more than ${options.limit}; --limit shows more\n`);
    return ExitCode.Ok;
  });
}

function show<In, Out extends object>(
  operation: Operation<In, Out>,
  input: In,
  options: AdminOptions,
  io: Io,
): Promise<number> {
  return withAdmin(options, io, async (client) => {
    await printOne(await client.call(operation, input), formOf(options), io);
    return ExitCode.Ok;
  });
}

function change<In>(
  operation: Operation<In, { readonly removed: number }>,
  input: In,
  sentence: (removed: number) => string,
  options: AdminOptions,
  io: Io,
): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const outcome = await client.call(operation, input);
    if (formOf(options) === 'table') await write(io.err, `${sentence(outcome.removed)}\n`);
    else await printOne(outcome, formOf(options), io);
    return ExitCode.Ok;
  });
}

/** Ends with 1 when health is red, so that scripts need not read. */
export function status(options: AdminOptions, io: Io): Promise<number> {
  return withAdmin(options, io, async (client) => {
    const answer = await client.call(OPERATIONS.status, {});
    await printOne(answer, formOf(options), io);
    return answer.health.status === 'red' ? ExitCode.Failed : ExitCode.Ok;
  });
}

interface SessionListOptions extends ListOptions {
  readonly connected?: boolean;
  readonly disconnected?: boolean;
  readonly prefix?: string;
}

export function sessionList(options: SessionListOptions, io: Io): Promise<number> {
  const { connected, disconnected, prefix } = options;
  const input: Paged & { readonly connected?: boolean; readonly prefix?: string } = {
    ...(connected === true ? { connected: true } : disconnected === true ? { connected: false } : {}),
    ...(prefix === undefined ? {} : { prefix }),
  };
  const columns = ['clientId', 'isConnected', 'address', 'connectedAtMs', 'subscriptions', 'waiting'];
  return listAll(
    OPERATIONS.sessionsList,
    input,
    [...columns, 'inFlight', 'waitingBytes', 'expiresAtMs'],
    options,
    io,
  );
}

export const sessionShow = (clientId: string, options: AdminOptions, io: Io): Promise<number> =>
  show(OPERATIONS.sessionsShow, { clientId }, options, io);

export const sessionEnd = (clientId: string, options: AdminOptions, io: Io): Promise<number> =>
  change(OPERATIONS.sessionsEnd, { clientId }, () => 'the session has ended', options, io);

export const queueList = (options: ListOptions, io: Io): Promise<number> =>
  listAll(
    OPERATIONS.queuesList,
    {},
    ['name', 'kind', 'waiting', 'inFlight', 'bytes', 'memberCount', 'consumers'],
    options,
    io,
  );

export const queueShow = (name: string, options: AdminOptions, io: Io): Promise<number> =>
  show(OPERATIONS.queuesShow, { name }, options, io);

/** The bound that the operation has on its pages. */
const MAX_PEEK = 100;

export const queuePeek = (name: string, options: ListOptions, io: Io): Promise<number> =>
  listAll(
    OPERATIONS.queuesPeek,
    { name },
    ['position', 'state', 'topic', 'qos', 'expiresAtMs', 'payloadBytes', 'payload', 'payloadBase64'],
    options,
    io,
    MAX_PEEK,
  );

export const queuePurge = (name: string, options: AdminOptions, io: Io): Promise<number> =>
  change(
    OPERATIONS.queuesPurge,
    { name },
    (removed) => `${removed} ${removed === 1 ? 'message' : 'messages'} removed`,
    options,
    io,
  );

export const retainedList = (filter: string | undefined, options: ListOptions, io: Io): Promise<number> =>
  listAll(
    OPERATIONS.retainedList,
    filter === undefined ? {} : { filter },
    ['topic', 'qos', 'payloadBytes', 'expiresAtMs'],
    options,
    io,
  );

export const retainedShow = (topic: string, options: AdminOptions, io: Io): Promise<number> =>
  show(OPERATIONS.retainedShow, { topic }, options, io);

export const retainedDelete = (topic: string, options: AdminOptions, io: Io): Promise<number> =>
  change(OPERATIONS.retainedDelete, { topic }, () => 'the retained message is removed', options, io);

export const streamList = (options: ListOptions, io: Io): Promise<number> =>
  listAll(
    OPERATIONS.streamsList,
    {},
    ['name', 'partitions', 'records', 'bytes', 'key', 'storage', 'cleanup', 'capture'],
    options,
    io,
  );

export const streamShow = (name: string, options: AdminOptions, io: Io): Promise<number> =>
  show(OPERATIONS.streamsShow, { name }, options, io);
