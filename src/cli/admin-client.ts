/** Talks to the broker of a data directory, over the control socket there. */
import http from 'node:http';
import { resolve } from 'node:path';
import { API_PREFIX } from '../admin/http-api.ts';
import type { Operation } from '../admin/operation.ts';
import { CONTROL_SOCKET } from '../storage/data-directory/data-directory.ts';
import { openSocketDirectory, type SocketDirectory } from '../storage/data-directory/socket-path.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { systemReason } from './read-config.ts';

export interface AdminClient {
  call<In, Out>(operation: Operation<In, Out>, input: In, options?: CallOptions): Promise<Out>;
  close(): void;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** What the broker may take on purpose, before its usual time to answer. */
  readonly waitMs?: number;
}

const ANSWER_TIMEOUT_MS = 15_000;

export function connectAdmin(dataDir: string): AdminClient {
  const path = resolve(dataDir);
  let sockets: SocketDirectory;
  try {
    sockets = openSocketDirectory(path, CONTROL_SOCKET.length);
  } catch (error) {
    throw explained(error, path);
  }
  return {
    async call<In, Out>(operation: Operation<In, Out>, input: In, options: CallOptions = {}): Promise<Out> {
      const answer = await request(
        {
          socketPath: sockets.pathOf(CONTROL_SOCKET),
          method: operation.method,
          path: targetOf(operation, input as Readonly<Record<string, unknown>>),
          headers: { host: 'localhost' },
          agent: false,
          timeout: ANSWER_TIMEOUT_MS + (options.waitMs ?? 0),
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        path,
      );
      const body: unknown = parse(answer.body, path);
      if (answer.type !== 'application/problem+json') return body as Out;
      const { detail, title } = body as { readonly detail?: string; readonly title?: string };
      throw new CliError(
        answer.status === 400 ? ExitCode.Usage : ExitCode.Failed,
        detail ?? title ?? 'the broker refused',
      );
    },
    close: () => sockets.release(),
  };
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

function request(options: http.RequestOptions, dataDir: string): Promise<Answer> {
  return new Promise((resolvePromise, reject) => {
    const sent = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => reject(explained(error, dataDir)));
      response.on('end', () => {
        resolvePromise({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'],
          body: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
    sent.on('timeout', () => {
      sent.destroy(new CliError(ExitCode.TimedOut, `the broker on ${dataDir} does not answer`));
    });
    sent.on('error', (error) => reject(explained(error, dataDir)));
    sent.end();
  });
}

function parse(body: string, dataDir: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new CliError(ExitCode.Unreachable, `what listens in ${dataDir} gave no answer of a broker`);
  }
}

function explained(error: unknown, dataDir: string): unknown {
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
