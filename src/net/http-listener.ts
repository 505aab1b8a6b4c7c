import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { HttpListenerConfig, TlsListenerConfig } from '../config/config.ts';
import type { Clock } from '../kernel/clock.ts';
import { addressOf, bind, type ListenerAddress } from './bind.ts';
import { ignoreError } from './listener.ts';
import type { Log } from './log.ts';
import { contextFor, loadTlsMaterial } from './tls-material.ts';

/**
 * A listener for requests of HTTP/1.1. Before a request reaches its handler the head is bounded in size and time, its `Host`
 * is one that this server answers to, and it does not come out of a page of another site: an address on loopback is no
 * protection against a browser on the same machine.
 */
export interface HttpListener {
  readonly name: string;
  address(): ListenerAddress;
  counters(): { readonly open: number; readonly refused: number };
  stopAccepting(): Promise<void>;
  close(): Promise<void>;
  /** Reads the certificate files again; on an error the old ones stay. */
  reload(): Error | undefined;
}

export type HttpHandler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export interface HttpListenerContext {
  readonly handle: HttpHandler;
  readonly logger: Log;
  readonly clock: Clock;
  readonly timeouts?: HttpTimeouts;
}

export interface HttpTimeouts {
  readonly headMs: number;
  readonly requestMs: number;
  readonly keepAliveMs: number;
  /** How often Node looks for late requests; with its usual 30 s a time-out would mean little. */
  readonly checkMs: number;
}

const TIMEOUTS: HttpTimeouts = { headMs: 10_000, requestMs: 30_000, keepAliveMs: 5_000, checkMs: 1_000 };
const MAX_HEADER_BYTES = 64 * 1024;
/** Node leaves out what is more, so a request that has as many may have more that nobody has looked at. */
const MAX_HEADERS = 100;
const MAX_REQUESTS_PER_CONNECTION = 1_000;

export async function startHttpListener(
  name: string,
  config: HttpListenerConfig & Partial<Pick<TlsListenerConfig, 'tls'>>,
  { handle, logger, clock, timeouts = TIMEOUTS }: HttpListenerContext,
): Promise<HttpListener> {
  const settings: http.ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.headMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: timeouts.checkMs,
    insecureHTTPParser: false,
  };
  const { tls } = config;
  let material = tls === undefined ? undefined : loadTlsMaterial(name, tls, clock.wallMs());
  for (const warning of material?.warnings ?? []) logger.warn({ listener: name }, warning);
  const server =
    material === undefined
      ? http.createServer(settings)
      : https.createServer({
          ...settings,
          ...material.options,
          handshakeTimeout: tls?.handshakeTimeoutMs,
          requestCert: tls?.clientCertificate !== 'none',
          rejectUnauthorized: tls?.clientCertificate === 'require',
          SNICallback: (serverName, callback) =>
            callback(null, material === undefined ? undefined : contextFor(material, serverName)),
        });
  server.maxHeadersCount = MAX_HEADERS;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  const allowed = new Set(['localhost', ...config.allowedHosts.map((each) => each.toLowerCase())]);
  const open = new Set<net.Socket>();
  let refused = 0;

  server.on('connection', (socket: net.Socket) => {
    if (open.size >= config.maxConnections) {
      refused++;
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.on('error', ignoreError);
    socket.once('close', () => open.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else socket.end(`HTTP/1.1 ${statusOf(error)}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    response.on('error', ignoreError);
    for (const [header, value] of HEADERS) response.setHeader(header, value);
    if (tls !== undefined) response.setHeader('strict-transport-security', 'max-age=31536000');
    const fault = faultOf(request, allowed, tls === undefined ? 'http' : 'https');
    if (fault === undefined) handle(request, response);
    else refuse(request, response, fault);
  });

  await bind(server, name, { host: config.host, port: config.port, backlog: config.backlog });
  const address = addressOf(server) ?? { host: config.host, port: config.port };
  server.on('error', (error) => logger.error({ err: error, listener: name }, 'listener'));
  let closing: Promise<void> | undefined;
  const stopAccepting = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
    return Promise.resolve();
  };
  return {
    name,
    address: () => address,
    counters: () => ({ open: open.size, refused }),
    stopAccepting,
    async close() {
      await stopAccepting();
      server.closeAllConnections();
      for (const socket of open) socket.destroy();
      await closing;
    },
    reload() {
      if (tls === undefined) return undefined;
      try {
        const loaded = loadTlsMaterial(name, tls, clock.wallMs());
        (server as https.Server).setSecureContext(loaded.options);
        material = loaded;
        return undefined;
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    },
  };
}

const HEADERS: readonly (readonly [string, string])[] = [
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
  ['x-frame-options', 'DENY'],
  ['cross-origin-resource-policy', 'same-origin'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"],
];

interface Fault {
  readonly status: number;
  readonly detail: string;
}

function statusOf({ code }: NodeJS.ErrnoException): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  return '400 Bad Request';
}

/** A name that resolves to this machine is not enough: whoever owns it can change what it resolves to. */
function faultOf(
  { headers, rawHeaders, method = 'GET' }: http.IncomingMessage,
  allowed: ReadonlySet<string>,
  scheme: string,
): Fault | undefined {
  if (rawHeaders.length >= MAX_HEADERS * 2) return { status: 431, detail: 'more headers than are looked at' };
  const { host = '', origin } = headers;
  const name = hostName(host);
  if (name === undefined || (net.isIP(name) === 0 && !allowed.has(name))) {
    return {
      status: 421,
      detail: `this server does not answer to ${JSON.stringify(host)}; allowedHosts of the listener names those it does`,
    };
  }
  if (origin !== undefined && origin !== `${scheme}://${host.toLowerCase()}`) {
    return { status: 403, detail: 'requests of pages of other sites are refused' };
  }
  const site = headers['sec-fetch-site'];
  const isLookedAt = (method === 'GET' || method === 'HEAD') && headers['sec-fetch-mode'] === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isLookedAt) {
    return { status: 403, detail: 'requests of pages of other sites are refused' };
  }
  return undefined;
}

/** Without the port, lower case; IPv6 without brackets. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function refuse(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { status, detail }: Fault,
): void {
  request.resume();
  const body = `${JSON.stringify({ type: 'urn:robustmq:problem:refused', title: 'Refused', status, detail })}\n`;
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}
