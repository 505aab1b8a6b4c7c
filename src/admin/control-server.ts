/**
 * Administration over a Unix socket of the data directory. Whoever may open the socket may do everything: its file
 * belongs to the user of the broker and to nobody else.
 */
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Caller } from './caller.ts';
import { type Api, type ApiOptions, createApi } from './http-api.ts';
import { METRICS_TYPE } from './metrics-route.ts';
import { sendText } from './problem.ts';

export interface ControlServer {
  /** Ends what is under way and removes the socket. */
  close(): Promise<void>;
}

export interface ControlServerOptions extends Omit<ApiOptions, 'identify'> {
  /** The caller holds the lock of the directory: what lies there is left over. */
  readonly path: string;
  /** Answered at `/metrics`, as on other listeners. */
  readonly metrics?: () => Promise<string>;
}

const OWNER: Caller = { user: undefined, via: 'socket', address: '', tenant: '', may: () => true };
const MAX_CONNECTIONS = 64;
/** A topic of 64 KiB, percent-encoded, and some. */
const MAX_HEADER_BYTES = 256 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const OWNER_ONLY = 0o177;

export async function startControlServer({
  path,
  metrics,
  ...options
}: ControlServerOptions): Promise<ControlServer> {
  const api: Api = createApi({ ...options, identify: () => OWNER });
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      const answered =
        metrics !== undefined && request.url === '/metrics'
          ? metrics().then((text) => sendText(response, 200, METRICS_TYPE, text))
          : api(request, response);
      answered.catch((error: unknown) => {
        options.onDefect(error, 'http');
        response.destroy();
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // The file is made within `listen`: at no moment can anybody else open it.
    const before = process.umask(OWNER_ONLY);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
    process.umask(before);
  });
  server.on('error', (error) => options.onDefect(error, 'listen'));
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
