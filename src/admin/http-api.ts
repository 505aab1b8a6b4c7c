/**
 * The table of operations as HTTP/1.1: finds the row, checks the input, asks for permission, runs it, and answers with
 * JSON or with a problem (RFC 9457). It knows neither where requests come from nor how it is found out who is behind them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from './caller.ts';
import type { NodeView } from './node-view.ts';
import { type AnyOperation, OperationError } from './operation.ts';
import { ALL_OPERATIONS } from './operations.ts';
import { type Problem, refuse, send } from './problem.ts';
import { discardBody, hasBody, readJson } from './request-body.ts';
import { SchemaFault } from './schema.ts';

export const API_PREFIX = '/api/v1';

export interface AuditEntry {
  readonly operation: string;
  readonly class: 'data' | 'change';
  readonly caller: string;
  readonly address: string;
  /** Without what its schema calls a secret. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly status: number;
  readonly durationMs: number;
}

export interface ApiOptions {
  readonly node: NodeView;
  /** Who is behind a request: rejects with an OperationError (401, 403, 429) where that is nobody. */
  readonly identify: (request: IncomingMessage) => Caller | Promise<Caller>;
  /** Called before the answer. Where it throws, the answer is an error. */
  readonly onAudit: (entry: AuditEntry) => void | Promise<void>;
  /** An exception that no operation should have. */
  readonly onDefect: (error: unknown, operation: string) => void;
  readonly monotonicMs: () => number;
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
  { node, identify, onAudit, onDefect, monotonicMs }: ApiOptions,
  { row, raw }: Match,
  query: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedMs = monotonicMs();
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let caller: Caller | undefined;
  let input: Readonly<Record<string, unknown>> = {};
  let status = 200;
  let body: unknown;
  let problem: Problem | undefined;
  try {
    caller = await identify(request);
    if (!caller.scopes.has(row.scope)) {
      throw new OperationError(403, 'forbidden', `this needs the scope ${row.scope}`);
    }
    input = readInput(row, raw, query);
    if (row.body !== undefined) {
      const given = await readJson(request, MAX_BODY_BYTES);
      input = { ...input, body: row.body.fromJson(given, 'the body') };
    } else if (hasBody(request)) {
      throw new OperationError(413, 'no-body', 'this operation takes no body');
    }
    body = await row.run(node, input as never, { caller, signal: gone.signal });
    status = row.statusOf?.(body as never) ?? 200;
  } catch (error) {
    problem = problemOf(error);
    status = problem.status;
    if (status === 500) onDefect(error, row.id);
  }
  await discardBody(request);
  // Noted before the answer: who has the answer finds it in the log. A stranger's knocking is the listener's to count.
  if (row.audit !== 'none' && caller !== undefined) {
    try {
      await onAudit({
        operation: row.id,
        class: row.audit,
        caller: caller.name,
        address: caller.address,
        input: withoutSecrets(row, input),
        status,
        durationMs: Math.round(monotonicMs() - startedMs),
      });
    } catch (error) {
      onDefect(error, row.id);
      problem = { status: 500, kind: 'audit', detail: 'the audit log cannot be written' };
    }
  }
  if (problem !== undefined) refuse(response, problem);
  else send(response, status, 'application/json', body);
}

function problemOf(error: unknown): Problem {
  if (error instanceof OperationError) {
    return { status: error.status, kind: error.kind, detail: error.message };
  }
  if (error instanceof SchemaFault) return { status: 400, kind: 'invalid-input', detail: error.message };
  return { status: 500, kind: 'defect', detail: 'the operation failed; the log of the broker has more' };
}

/** Fields of the body that its schema marks as write-only are named in the log and not shown. */
function withoutSecrets(
  { body }: AnyOperation,
  input: Readonly<{ body?: unknown }>,
): Readonly<Record<string, unknown>> {
  const { body: given } = input;
  const { properties = {} } = (body?.json ?? {}) as {
    readonly properties?: Readonly<Record<string, { readonly writeOnly?: boolean }>>;
  };
  if (typeof given !== 'object' || given === null) return input;
  const shown = Object.entries(given).map(([name, value]) => [
    name,
    properties[name]?.writeOnly === true ? '***' : value,
  ]);
  return { ...input, body: Object.fromEntries(shown) };
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
