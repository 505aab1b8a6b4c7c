/**
 * The table of operations as HTTP/1.1: finds the row, checks the input, asks for permission, runs it, and answers with
 * JSON or with a problem (RFC 9457). It knows neither where requests come from nor who is behind them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NodeView } from './node-view.ts';
import { ALL_OPERATIONS, type AnyOperation, OperationError } from './operations.ts';

export const API_PREFIX = '/api/v1';

export interface AuditEntry {
  readonly operation: string;
  readonly class: 'data' | 'change';
  readonly input: Readonly<Record<string, unknown>>;
  readonly status: number;
}

export interface ApiOptions {
  readonly node: NodeView;
  /** Asked before each operation; only `true` lets it run. */
  readonly permit: (operation: AnyOperation, request: IncomingMessage) => boolean;
  readonly onAudit: (entry: AuditEntry) => void;
  /** An exception that no operation should have. */
  readonly onDefect: (error: unknown, operation: string) => void;
}

export type Api = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

interface Problem {
  readonly status: number;
  readonly kind: string;
  readonly detail: string;
}

const MAX_DISCARDED_BYTES = 256 * 1024;

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request is wrong',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Not possible here',
  409: 'Not possible now',
  413: 'Too large',
  500: 'A defect of the broker',
};

export function createApi({ node, permit, onAudit, onDefect }: ApiOptions): Api {
  return async (request, response) => {
    const { method = 'GET', url = '/' } = request;
    const [path = '', query = ''] = splitOnce(url, '?');
    const rows = ALL_OPERATIONS.flatMap((row) => {
      const raw = matchPath(row, path);
      return raw === undefined ? [] : [{ row, raw }];
    });
    const match = rows.find(({ row }) => row.method === method);
    if (hasBody(request)) {
      // Heard out up to a bound: an answer while the client still writes would be lost with the connection.
      await discardBody(request);
      return refuse(response, { status: 413, kind: 'no-body', detail: 'no operation takes a body' });
    }
    if (match === undefined) {
      if (rows.length === 0) return refuse(response, { status: 404, kind: 'no-such-path', detail: path });
      response.setHeader('allow', rows.map(({ row }) => row.method).join(', '));
      return refuse(response, { status: 405, kind: 'method', detail: `${method} is not possible here` });
    }
    const { row, raw } = match;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    let input: Readonly<Record<string, unknown>> = {};
    let status: number;
    let answer: (() => void) | undefined;
    try {
      if (permit(row, request) !== true) {
        throw new OperationError(403, 'forbidden', `this needs the scope ${row.scope}`);
      }
      input = readInput(row, raw, query);
      const output = await row.run(node, input as never, gone.signal);
      status = row.statusOf?.(output as never) ?? 200;
      answer = () => send(response, status, 'application/json', output);
    } catch (error) {
      const problem = problemOf(error);
      status = problem.status;
      if (status === 500) onDefect(error, row.id);
      answer = () => refuse(response, problem);
    }
    // Noted before the answer: who has the answer finds it in the log.
    if (row.audit !== 'none') onAudit({ operation: row.id, class: row.audit, input, status });
    answer();
  };
}

function problemOf(error: unknown): Problem {
  if (error instanceof OperationError) {
    return { status: error.status, kind: error.kind, detail: error.message };
  }
  return { status: 500, kind: 'defect', detail: 'the operation failed; the log of the broker has more' };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** The parameters of the path as they stand there, or undefined when it is not the row's. */
function matchPath(row: AnyOperation, path: string): Map<string, string> | undefined {
  const wanted = `${API_PREFIX}${row.path}`.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const raw = new Map<string, string>();
  for (const [i, segment] of given.entries()) {
    const pattern = wanted[i] ?? '';
    if (pattern.startsWith('{')) raw.set(pattern.slice(1, -1), segment);
    else if (pattern !== segment) return undefined;
  }
  return raw;
}

function readInput(row: AnyOperation, raw: Map<string, string>, query: string): Record<string, unknown> {
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

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** Resolves also when the client has gone, or was cut off. */
function discardBody(request: IncomingMessage): Promise<void> {
  let bytes = 0;
  request.on('data', (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes > MAX_DISCARDED_BYTES) request.destroy();
  });
  request.on('error', () => {});
  return new Promise((resolve) => {
    request.once('end', resolve).once('close', resolve);
  });
}

function refuse(response: ServerResponse, { status, kind, detail }: Problem): void {
  const title = TITLES[status] ?? 'Failed';
  send(response, status, 'application/problem+json', {
    type: `urn:robustmq:problem:${kind}`,
    title,
    status,
    detail,
  });
}

function send(response: ServerResponse, status: number, type: string, body: unknown): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.byteLength,
    'cache-control': 'no-store',
  });
  response.end(bytes);
}
