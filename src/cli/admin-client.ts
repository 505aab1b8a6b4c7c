/**
 * Talks to a running broker: to that of a data directory over the control socket there, or to one somewhere else over HTTP
 * with an API key.
 */
import http from 'node:http';
import https from 'node:https';
import { resolve } from 'node:path';
import { API_PREFIX } from '../admin/http-api.ts';
import type { Operation } from '../admin/operation.ts';
import { CONTROL_SOCKET } from '../storage/data-directory/data-directory.ts';
import { openSocketDirectory, type SocketDirectory } from '../storage/data-directory/socket-path.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { systemReason } from './read-config.ts';
import { type ServerSentEvent, serverSentEvents } from './server-sent-events.ts';

export interface AdminClient {
  call<In, Out>(operation: Operation<In, Out>, input: In, options?: CallOptions): Promise<Out>;
  /** What a stream says, until it ends. */
  follow<In>(
    operation: Operation<In, unknown>,
    input: In,
    signal: AbortSignal,
    /** It goes on behind that event. */
    lastEventId?: string,
  ): AsyncGenerator<ServerSentEvent>;
  /** What stands beside the operations, such as `/metrics`. */
  text(path: string): Promise<string>;
  close(): void;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** What the broker may take on purpose, before its usual time to answer. */
  readonly waitMs?: number;
}

/** A broker that is reached over HTTP. */
export interface RemoteBroker {
  /** Without a path. */
  readonly url: URL;
  readonly apiKey: string;
  /** Authorities that its certificate may come from, PEM; undefined: those of the system. */
  readonly ca: string | undefined;
}

const ANSWER_TIMEOUT_MS = 15_000;
/** Three signs of life of a stream. */
const SILENCE_TIMEOUT_MS = 45_000;

/** Where requests go, and what is said of it when they do not arrive. */
interface Line {
  readonly options: http.RequestOptions;
  readonly send: typeof http.request;
  readonly name: string;
  readonly explained: (error: unknown) => unknown;
  close(): void;
}

export const connectAdmin = (dataDir: string): AdminClient => clientOver(socketLine(resolve(dataDir)));

export const connectRemote = (broker: RemoteBroker): AdminClient => clientOver(remoteLine(broker));

function clientOver(line: Line): AdminClient {
  return {
    async call<In, Out>(operation: Operation<In, Out>, input: In, options: CallOptions = {}): Promise<Out> {
      const given = input as Readonly<Record<string, unknown>>;
      const body = operation.body === undefined ? undefined : JSON.stringify(given.body);
      const answer = await request(
        line,
        {
          ...line.options,
          method: operation.method,
          path: targetOf(operation, given),
          headers: {
            ...line.options.headers,
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
          agent: false,
          timeout: ANSWER_TIMEOUT_MS + (options.waitMs ?? 0),
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        body,
      );
      const parsed: unknown = parse(answer.body, line.name);
      if (answer.type !== 'application/problem+json') return parsed as Out;
      throw refusal(answer.status, parsed);
    },
    async *follow(operation, input, signal, lastEventId) {
      const response = await opened(line, {
        ...line.options,
        headers: {
          ...line.options.headers,
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
        path: targetOf(operation, input as Readonly<Record<string, unknown>>),
        agent: false,
        timeout: SILENCE_TIMEOUT_MS,
        signal,
      });
      try {
        if (response.headers['content-type']?.startsWith('text/event-stream') === true) {
          yield* serverSentEvents(response);
          return;
        }
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        throw refusal(response.statusCode ?? 0, parse(Buffer.concat(chunks).toString('utf8'), line.name));
      } catch (error) {
        throw error instanceof CliError ? error : line.explained(error);
      } finally {
        response.destroy();
      }
    },
    async text(path) {
      const options = { ...line.options, path, agent: false, timeout: ANSWER_TIMEOUT_MS };
      const { status, body } = await request(line, options, undefined);
      if (status === 200) return body;
      throw new CliError(exitCodeOf(status), `${line.name} answers ${path} with ${status}`);
    },
    close: () => line.close(),
  };
}

function socketLine(dataDir: string): Line {
  const explained = (error: unknown): unknown => explainedOf(error, dataDir);
  let sockets: SocketDirectory;
  try {
    sockets = openSocketDirectory(dataDir, CONTROL_SOCKET.length);
  } catch (error) {
    throw explained(error);
  }
  return {
    options: { socketPath: sockets.pathOf(CONTROL_SOCKET), headers: { host: 'localhost' } },
    send: http.request,
    name: `the broker on ${dataDir}`,
    explained,
    close: () => sockets.release(),
  };
}

function remoteLine({ url, apiKey, ca }: RemoteBroker): Line {
  const isSecure = url.protocol === 'https:';
  return {
    options: {
      // An IPv6 address stands in brackets in a URL, and nowhere else.
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
      headers: { authorization: `Bearer ${apiKey}` },
      ...(isSecure && ca !== undefined ? { ca } : {}),
    } as https.RequestOptions,
    send: isSecure ? https.request : http.request,
    name: `the broker at ${url.origin}`,
    explained(error) {
      if (error instanceof CliError || (error as Error).name === 'AbortError') return error;
      return new CliError(
        ExitCode.Unreachable,
        `the broker at ${url.origin} cannot be reached: ${systemReason(error)}`,
      );
    },
    close() {},
  };
}

function exitCodeOf(status: number): number {
  if (status === 400) return ExitCode.Usage;
  if (status === 401 || status === 403) return ExitCode.Denied;
  return ExitCode.Failed;
}

function targetOf(
  { path, queryParameters }: Operation<never, unknown>,
  input: Readonly<Record<string, unknown>>,
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input[name])));
  const query = Object.keys(queryParameters)
    .filter((name) => input[name] !== undefined)
    .map((name) => `${name}=${encodeURIComponent(String(input[name]))}`)
    .join('&');
  return `${API_PREFIX}${filled}${query === '' ? '' : `?${query}`}`;
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

function request(line: Line, options: http.RequestOptions, body: string | undefined): Promise<Answer> {
  return new Promise((resolvePromise, reject) => {
    const sent = line.send(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => reject(line.explained(error)));
      response.on('end', () => {
        resolvePromise({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'],
          body: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
    sent.on('timeout', () => {
      sent.destroy(new CliError(ExitCode.TimedOut, `${line.name} does not answer`));
    });
    sent.on('error', (error) => reject(line.explained(error)));
    sent.end(body);
  });
}

function refusal(status: number, problem: unknown): CliError {
  const { detail, title } = problem as { readonly detail?: string; readonly title?: string };
  // Every request of this client brings a key.
  if (status === 401)
    return new CliError(
      ExitCode.Denied,
      'the broker takes no such API key: it is another one, has ended, or may not be used from here',
    );
  return new CliError(exitCodeOf(status), detail ?? title ?? 'the broker refused');
}

function opened(line: Line, options: http.RequestOptions): Promise<http.IncomingMessage> {
  return new Promise((resolvePromise, reject) => {
    const sent = line.send(options, resolvePromise);
    sent.on('timeout', () => {
      sent.destroy(new CliError(ExitCode.TimedOut, `${line.name} does not answer`));
    });
    sent.on('error', (error) => reject(line.explained(error)));
    sent.end();
  });
}

function parse(body: string, name: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new CliError(ExitCode.Unreachable, `what answers for ${name} is none`);
  }
}

function explainedOf(error: unknown, dataDir: string): unknown {
  if (error instanceof CliError) return error;
  const { code = '', name = '' } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return error;
  if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(code)) {
    return new CliError(
      ExitCode.Unreachable,
      `no broker runs on the data directory ${dataDir}; --data-dir names another`,
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new CliError(
      ExitCode.Unreachable,
      `${dataDir} belongs to another user; run this as the user of the broker`,
    );
  }
  return new CliError(ExitCode.Unreachable, `lost the broker on ${dataDir}: ${systemReason(error)}`);
}
