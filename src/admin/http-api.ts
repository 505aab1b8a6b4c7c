/**
 * The table of operations as HTTP/1.1: finds the row, checks the input, asks for permission, runs it, and answers with
 * JSON or with a problem (RFC 9457). It knows neither where requests come from nor how it is found out who is behind them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Audit, AuditUnavailable } from '../security/audit/audit.ts';
import { type AuditEvent, redacted } from '../security/audit/entry.ts';
import type { Caller } from './caller.ts';
import type { EventStreams } from './event-stream.ts';
import type { Feed } from './feed.ts';
import type { NodeView } from './node-view.ts';
import { type AnyOperation, OperationError } from './operation.ts';
import { ALL_OPERATIONS } from './operations.ts';
import { type Problem, refuse, send } from './problem.ts';
import { discardBody, hasBody, readJson } from './request-body.ts';
import { SchemaFault } from './schema.ts';

export const API_PREFIX = '/api/v1';

export interface ApiOptions {
  readonly node: NodeView;
  /** Who is behind a request: rejects with an OperationError (401, 403, 429) where that is nobody. */
  readonly identify: (request: IncomingMessage) => Caller | Promise<Caller>;
  readonly audit: Pick<Audit, 'note' | 'change'>;
  readonly streams: EventStreams;
  /** An exception that no operation should have. */
  readonly onDefect: (error: unknown, operation: string) => void;
}

export type Api = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const MAX_BODY_BYTES = 1024 * 1024;

export function createApi(options: ApiOptions): Api {
  return async (request, response) => {
    const { method = 'GET', url = '/' } = request;
    const [path = '', query = ''] = splitOnce(url, '?');
    const rows = ALL_OPERATIONS.flatMap((row) => {
      const raw = matchPath(row, path);
      return raw === undefined ? [] : [{ row, raw }];
    });
    const match = bestOf(rows.filter(({ row }) => row.method === (method === 'HEAD' ? 'GET' : method)));
    if (match === undefined) {
      await discardBody(request);
      if (rows.length === 0) return refuse(response, { status: 404, kind: 'no-such-path', detail: path });
      response.setHeader('allow', [...new Set(rows.map(({ row }) => row.method))].join(', '));
      return refuse(response, { status: 405, kind: 'method', detail: `${method} is not possible here` });
    }
    await answer(options, match, query, request, response);
  };
}

interface Match {
  readonly row: AnyOperation;
  /** The parameters of the path as they stand there. */
  readonly raw: ReadonlyMap<string, string>;
}

/** A path that is spelt out goes before one with a parameter in its place. */
const bestOf = (matches: readonly Match[]): Match | undefined =>
  matches.reduce<Match | undefined>(
    (best, each) => (best === undefined || each.raw.size < best.raw.size ? each : best),
    undefined,
  );

async function answer(
  { node, identify, audit, streams, onDefect }: ApiOptions,
  { row, raw }: Match,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let event: AuditEvent | undefined;
  let status = 200;
  let body: unknown;
  let problem: Problem | undefined;
  try {
    const caller = await identify(request);
    event = { ...eventOf(row, caller), result: 'refused' };
    if (!caller.may(row.scope)) {
      throw new OperationError(403, 'forbidden', `this needs the scope ${row.scope}`);
    }
    const input = await inputOf(row, raw, query, request);
    if (row.isStream === true) streams.checkRoom(caller.user);
    event = { ...event, input: withoutSecrets(row, input), result: 'failed' };
    const lastEventId = request.headers['last-event-id']?.toString();
    const run = (): Promise<unknown> =>
      row.run(node, input as never, { caller, signal: gone.signal, lastEventId });
    body = row.audit === 'change' ? await audit.change(event, run) : await run();
    event = row.audit === 'change' ? undefined : { ...event, result: 'ok' };
    status = row.statusOf?.(body as never) ?? 200;
  } catch (error) {
    problem = problemOf(error);
    status = problem.status;
    if (status === 500) onDefect(error, row.id);
    // A change that was begun has its end in the log already.
    if (event?.result === 'failed' && row.audit === 'change') event = undefined;
  }
  await discardBody(request);
  // Noted before the answer: who has the answer finds it in the log. A stranger's knocking is the listener's to count.
  if (row.audit !== 'none' && event !== undefined) {
    await audit.note({ ...event, reason: problem?.kind });
  }
  if (problem !== undefined) refuse(response, problem);
  else if (row.isStream === true) {
    const served = streams.serve(body as Feed, request, response, event?.user, async (needs) => {
      const { may } = await identify(request);
      return [row.scope, ...needs].every(may);
    });
    // Others may have taken the last place meanwhile.
    await served.catch((error: unknown) => refuse(response, problemOf(error)));
  } else send(response, status, 'application/json', body);
}

const eventOf = (row: AnyOperation, { user, tenant, via, address }: Caller): Omit<AuditEvent, 'result'> => ({
  user,
  tenant,
  via,
  remoteAddress: address,
  operation: row.id,
  input: {},
});

async function inputOf(
  row: AnyOperation,
  raw: ReadonlyMap<string, string>,
  query: string,
  request: IncomingMessage,
): Promise<Readonly<Record<string, unknown>>> {
  const input = readInput(row, raw, query);
  if (row.body !== undefined) {
    const given = await readJson(request, row.maxBodyBytes ?? MAX_BODY_BYTES);
    return { ...input, body: row.body.fromJson(given, 'the body') };
  }
  if (hasBody(request)) throw new OperationError(413, 'no-body', 'this operation takes no body');
  return input;
}

function problemOf(error: unknown): Problem {
  if (error instanceof OperationError) {
    return { status: error.status, kind: error.kind, detail: error.message };
  }
  if (error instanceof AuditUnavailable) return { status: 503, kind: 'audit', detail: error.message };
  if (error instanceof SchemaFault) return { status: 400, kind: 'invalid-input', detail: error.message };
  return { status: 500, kind: 'defect', detail: 'the operation failed; the log of the broker has more' };
}

/** What its schema marks as write-only is named in the log and not shown. */
function withoutSecrets({ body }: AnyOperation, input: Readonly<Record<string, unknown>>): unknown {
  const { properties = {} } = (body?.json ?? {}) as {
    readonly properties?: Readonly<Record<string, { readonly writeOnly?: boolean }>>;
  };
  return redacted(input, ([first, name = '']) => first === 'body' && properties[name]?.writeOnly === true);
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

const PATTERNS = new Map(ALL_OPERATIONS.map((row) => [row, `${API_PREFIX}${row.path}`.split('/')]));

/** The parameters of the path as they stand there, or undefined when it is not the row's. */
function matchPath(row: AnyOperation, path: string): Map<string, string> | undefined {
  const wanted = PATTERNS.get(row) ?? [];
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const raw = new Map<string, string>();
  for (const [i, segment] of given.entries()) {
    const pattern = wanted[i] ?? '';
    if (pattern.startsWith('{')) {
      const end = pattern.indexOf('}');
      // `{name}:verb` is an action on what is named.
      const verb = pattern.slice(end + 1);
      if (segment.length <= verb.length || !segment.endsWith(verb)) return undefined;
      raw.set(pattern.slice(1, end), segment.slice(0, segment.length - verb.length));
    } else if (pattern !== segment) return undefined;
  }
  return raw;
}

function readInput(
  row: AnyOperation,
  raw: ReadonlyMap<string, string>,
  query: string,
): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(row.pathParameters)) {
    const value = schema.fromText(decoded(raw.get(name) ?? '', name));
    if (value === undefined) throw wrongValue(name, schema.json);
    input[name] = value;
  }
  for (const part of query === '' ? [] : query.split('&')) {
    const [rawName, rawValue] = splitOnce(part, '=');
    const name = decoded(rawName, 'query');
    const schema = Object.hasOwn(row.queryParameters, name) ? row.queryParameters[name] : undefined;
    if (schema === undefined) {
      const known = Object.keys(row.queryParameters).join(', ');
      throw new OperationError(
        400,
        'invalid-input',
        `there is no parameter ${JSON.stringify(name)}${known === '' ? '' : `; there are ${known}`}`,
      );
    }
    if (Object.hasOwn(input, name)) throw new OperationError(400, 'invalid-input', `${name} is there twice`);
    const value = schema.fromText(decoded(rawValue.replaceAll('+', ' '), name));
    if (value === undefined) throw wrongValue(name, schema.json);
    input[name] = value;
  }
  return input;
}

function decoded(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new OperationError(400, 'invalid-input', `${name} is not percent-encoded UTF-8`);
  }
}

function wrongValue(name: string, json: Readonly<Record<string, unknown>>): OperationError {
  const { type, minimum, maximum, enum: choices } = json;
  const expected = Array.isArray(choices)
    ? `one of ${choices.join(', ')}`
    : type === 'integer'
      ? `a whole number from ${String(minimum)} to ${String(maximum)}`
      : `a ${String(type)}`;
  return new OperationError(400, 'invalid-input', `${name} must be ${expected}`);
}
