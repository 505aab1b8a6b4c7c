import http from 'node:http';
import type net from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { WebSocketListenerConfig } from '../config/config.ts';
import { ignoreError, type Pages, type Phase } from './listener.ts';
import type { Peer } from './socket-transport.ts';

/** Called after a successful upgrade. */
export type UpgradeContinuation = (
  phase: Phase,
  webSocket: WebSocket,
  socket: net.Socket,
  peer: Peer,
) => void;

export interface HttpFrontOptions {
  readonly config: WebSocketListenerConfig;
  readonly maxMessageBytes: number;
  readonly pages: Pages | undefined;
  readonly upgraded: UpgradeContinuation;
}

export interface HttpFront {
  /** Speaks HTTP on the socket, which may be a TLS socket on top of the phase's. */
  enter(phase: Phase, socket: net.Socket, peer: Peer, early: Uint8Array | undefined): void;
}

const maxHeaderBytes = 16 * 1024;
/** In order of preference, and all there are: [MQTT-6.0.0-3], [MQTT-6.0.0-4]. */
const subprotocols = ['mqtt', 'mqttv3.1'];
const maxRequestTargetBytes = 2048;

/**
 * The HTTP part of a WebSocket listener: one upgrade path, the demo page, and nothing else. Every connection carries one
 * request. Headers that proxies add (X-Forwarded-For) are not looked at: anyone can write them; the PROXY protocol is
 * the way to hand an address on.
 */
export function createHttpFront(options: HttpFrontOptions): HttpFront {
  const { config } = options;
  const entered = new WeakMap<net.Socket, { readonly phase: Phase; readonly peer: Peer }>();
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes,
    autoPong: false,
    skipUTF8Validation: true,
    handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
  });
  // Never listens: sockets are given to it.
  const server = http.createServer({
    maxHeaderSize: maxHeaderBytes,
    insecureHTTPParser: false,
    keepAlive: false,
  });
  server.maxHeadersCount = 100;

  server.on('request', (request, response) => {
    request.resume();
    const answer = (status: number, type: string, body: string | Uint8Array, headers = {}): void => {
      response.writeHead(status, {
        'Content-Type': type,
        'Content-Length': Buffer.byteLength(body),
        'X-Content-Type-Options': 'nosniff',
        'Cache-Control': 'no-store',
        ...headers,
        Connection: 'close',
      });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(405, 'text/plain; charset=utf-8', 'Method not allowed\n');
      return;
    }
    const page = config.demoPage ? options.pages?.(pathOf(request)) : undefined;
    if (page === undefined) answer(404, 'text/plain; charset=utf-8', 'Not found\n');
    else answer(200, page.type, page.body, page.headers);
    if (page !== undefined) entered.get(request.socket)?.phase.excuse();
  });

  server.on('upgrade', (request, duplex, head) => {
    const socket = duplex as net.Socket;
    socket.on('error', ignoreError);
    const known = entered.get(socket);
    const refusal = known === undefined ? 'HTTP/1.1 400 Bad Request' : refuse(request, config);
    if (known === undefined || refusal !== undefined) {
      socket.end(`${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      options.upgraded(known.phase, webSocket, socket, known.peer);
    });
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', () => socket.destroy());
    else socket.destroy();
  });

  return {
    enter(phase, socket, peer, early) {
      entered.set(socket, { phase, peer });
      if (early !== undefined && early.length > 0) socket.unshift(early);
      server.emit('connection', socket);
      socket.resume();
    },
  };
}

function pathOf(request: http.IncomingMessage): string {
  const target = request.url ?? '';
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/** The status line of the refusal, or undefined if the upgrade may go on (its own headers are then checked by `ws`). */
function refuse(request: http.IncomingMessage, config: WebSocketListenerConfig): string | undefined {
  if ((request.url ?? '').length > maxRequestTargetBytes) return 'HTTP/1.1 414 URI Too Long';
  if (pathOf(request) !== config.path) return 'HTTP/1.1 404 Not Found';
  const { origin } = request.headers;
  if (config.allowedOrigins.length > 0 && origin !== undefined && !config.allowedOrigins.includes(origin)) {
    return 'HTTP/1.1 403 Forbidden';
  }
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return offered.some((name) => subprotocols.includes(name)) ? undefined : 'HTTP/1.1 400 Bad Request';
}
