import type { TlsListenerConfig, WebSocketListenerConfig } from '../config/config.ts';
import { createHttpFront } from './http-front.ts';
import {
  type Listener,
  type ListenerContext,
  openListener,
  type Phase,
  peerOf,
  type Reception,
} from './listener.ts';
import { createProxyGate } from './proxy-phase.ts';
import type { Peer } from './socket-transport.ts';
import { createTlsGate, type TlsGate } from './tls-gate.ts';
import { WebSocketTransport } from './websocket-transport.ts';

/** From the first byte of a connection (after PROXY header and TLS) to the upgrade or the end of the answer. */
const httpTimeoutMs = 10_000;
const httpTimeoutReason = 'no complete HTTP exchange in time';
const defaultMaxMessageBytes = 1024 * 1024;

export async function startWebSocketListener(
  name: string,
  config: WebSocketListenerConfig,
  context: ListenerContext,
): Promise<Listener> {
  return startHttp(name, 'ws', config, context, undefined);
}

export async function startSecureWebSocketListener(
  name: string,
  config: TlsListenerConfig & WebSocketListenerConfig,
  context: ListenerContext,
): Promise<Listener> {
  const gate = createTlsGate(name, config, 'http/1.1', context);
  return startHttp(name, 'wss', config, context, { gate, timeoutMs: config.tls.handshakeTimeoutMs });
}

function startHttp(
  name: string,
  kind: 'ws' | 'wss',
  config: WebSocketListenerConfig,
  context: ListenerContext,
  secure: { readonly gate: TlsGate; readonly timeoutMs: number } | undefined,
): Promise<Listener> {
  const proxyGate = config.proxyProtocol ? createProxyGate(name, config) : undefined;
  const receptions = new WeakMap<Phase, Reception>();
  const front = createHttpFront({
    config,
    maxMessageBytes: context.maxMessageBytes ?? defaultMaxMessageBytes,
    pages: context.pages,
    upgraded(phase, webSocket, socket, peer) {
      const reception = receptions.get(phase);
      if (reception === undefined) return;
      phase.finish();
      const transport = new WebSocketTransport(reception.transports, webSocket, socket, peer);
      const handler = reception.introduce(transport);
      if (handler !== undefined) transport.start(handler);
    },
  });

  const enter = (phase: Phase, peer: Peer, early: Uint8Array | undefined): void => {
    if (secure === undefined) {
      phase.limit(httpTimeoutMs, httpTimeoutReason);
      front.enter(phase, phase.socket, peer, early);
      return;
    }
    phase.limit(secure.timeoutMs, 'no complete TLS handshake in time');
    secure.gate.enter(phase, peer, early, (_phase, socket, verifiedPeer) => {
      phase.limit(httpTimeoutMs, httpTimeoutReason);
      front.enter(phase, socket, verifiedPeer, undefined);
    });
  };

  return openListener(
    {
      name,
      kind,
      target: { host: config.host, port: config.port, backlog: config.backlog },
      ...(secure === undefined ? {} : { reload: secure.gate.reload }),
      arrived(raw, reception) {
        if (proxyGate === undefined) {
          const phase = reception.beginPhase(raw, httpTimeoutMs, httpTimeoutReason);
          receptions.set(phase, reception);
          enter(phase, peerOf(raw), undefined);
          return;
        }
        proxyGate(raw, reception, (phase, peer, early) => {
          receptions.set(phase, reception);
          enter(phase, peer, early);
        });
      },
    },
    context,
  );
}
